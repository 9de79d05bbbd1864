/* ckpt_net.c - the weights and the description of a net in a checkpoint. */
#include "model/ckpt.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void name_of(const char *prefix, const tn_tensor *t, char out[TN_TENSOR_NAME_BYTES + 8]) {
    snprintf(out, TN_TENSOR_NAME_BYTES + 8, "%s%s", prefix, t->name);
}

void tn_ckpt_net_entries(const tn_net *net, const char *prefix, const float *params, const float *state,
                         tn_ckpt_entry *entry_out) {
    for (int i = 0; i < tn_net_tensors(net); i++) {
        const tn_tensor *t = tn_net_tensor(net, i);
        tn_ckpt_entry *e = &entry_out[i];
        memset(e, 0, sizeof *e);
        name_of(prefix, t, e->name);
        e->n_dims = t->n_dims;
        memcpy(e->dim, t->dim, sizeof e->dim);
        e->data = (tn_tensor_is_state(t) ? state : params) + t->offset;
    }
}

tn_status tn_ckpt_net_load(const tn_ckpt *ck, const tn_net *net, const char *prefix, float *params, float *state) {
    char list[1024] = "";
    int n_bad = 0;
    for (int i = 0; i < tn_net_tensors(net); i++) {
        const tn_tensor *t = tn_net_tensor(net, i);
        char name[TN_TENSOR_NAME_BYTES + 8];
        name_of(prefix, t, name);
        if (tn_ckpt_copy(ck, name, t->n_dims, t->dim, (tn_tensor_is_state(t) ? state : params) + t->offset) == TN_OK)
            continue;
        size_t length = strlen(list);
        if (n_bad++ < 5) snprintf(list + length, sizeof list - length, "\n  %s", tn_msg);
    }
    if (n_bad == 0) return TN_OK;
    return tn_fail(TN_EFORMAT, "the checkpoint does not fit the net: %d tensors do not match, the first of them:%s",
                   n_bad, list);
}

tn_isa tn_ckpt_isa(const tn_ckpt *ck) {
    const char *word = tn_ckpt_word(ck, "isa");
    int isa = 0;
    while (word && isa < (int)TN_ISA_BEST && strcmp(word, tn_isa_words[isa]) != 0) isa++;
    return word ? (tn_isa)isa : TN_ISA_BEST;
}

void tn_ckpt_set_isa(json_t *meta, tn_isa isa) {
    json_object_set_new(meta, "isa", json_string(tn_isa_words[isa]));
}

/* --- the net's description as words ------------------------------------------------------------------------------- */

static void set_number(json_t *meta, const char *key, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.17g", value);
    json_object_set_new(meta, key, json_string(text));
}

static void set_triple(json_t *meta, const char *key, const float v[3]) {
    char text[96];
    snprintf(text, sizeof text, "%.9g %.9g %.9g", (double)v[0], (double)v[1], (double)v[2]);
    json_object_set_new(meta, key, json_string(text));
}

void tn_ckpt_set_model(json_t *meta, const tn_ckpt_model *model) {
    const tn_net_spec *spec = &model->net;
    json_object_set_new(meta, "net", json_string(spec->name));
    set_number(meta, "width", spec->width);
    set_number(meta, "depth", spec->depth);
    set_number(meta, "stem_stride", spec->stem_stride);
    set_number(meta, "classes", spec->n_classes);
    set_number(meta, "extra_units", spec->extra_units);
    set_number(meta, "head_units", spec->head_units);
    set_number(meta, "dropout", spec->dropout);
    set_number(meta, "drop_connect", spec->drop_connect);
    set_number(meta, "pad_same", spec->pad_same);
    set_number(meta, "bn_eps", spec->bn_eps);
    set_number(meta, "bn_momentum", spec->bn_momentum);
    set_number(meta, "size_px", model->size_px);
    set_triple(meta, "input_mean", model->norm.mean);
    set_triple(meta, "input_std", model->norm.std);
}

static tn_status get_number(const tn_ckpt *ck, const char *key, double *out) {
    const char *text = tn_ckpt_word(ck, key);
    char *end = NULL;
    if (text) *out = strtod(text, &end);
    if (!text || end == text || *end) return tn_fail(TN_EFORMAT, "the checkpoint does not say `%s` of its net", key);
    return TN_OK;
}

static tn_status get_int(const tn_ckpt *ck, const char *key, int *out) {
    double value;
    TN_TRY(get_number(ck, key, &value));
    if (!(value >= -1 && value <= 1e9)) return tn_fail(TN_EFORMAT, "the checkpoint says `%s` = %g", key, value);
    *out = (int)value;
    return TN_OK;
}

static tn_status get_triple(const tn_ckpt *ck, const char *key, float out[3]) {
    const char *text = tn_ckpt_word(ck, key);
    if (!text || sscanf(text, "%f %f %f", &out[0], &out[1], &out[2]) != 3)
        return tn_fail(TN_EFORMAT, "the checkpoint does not say `%s`", key);
    return TN_OK;
}

enum { MOST_PX = 4096 }; /* as train.sizes_px */

tn_status tn_ckpt_model_of(const tn_ckpt *ck, tn_ckpt_model *out) {
    tn_ckpt_model model = {.size_px = 0};
    tn_net_spec *s = &model.net;
    const char *name = tn_ckpt_word(ck, "net");
    if (!name || strlen(name) >= sizeof s->name)
        return tn_fail(TN_EFORMAT, "the checkpoint does not say `net`: it was not written by tenfold");
    snprintf(s->name, sizeof s->name, "%s", name);
    int same = 0;
    TN_TRY(get_number(ck, "width", &s->width));
    TN_TRY(get_number(ck, "depth", &s->depth));
    TN_TRY(get_int(ck, "stem_stride", &s->stem_stride));
    TN_TRY(get_int(ck, "classes", &s->n_classes));
    TN_TRY(get_int(ck, "extra_units", &s->extra_units));
    TN_TRY(get_int(ck, "head_units", &s->head_units));
    TN_TRY(get_number(ck, "dropout", &s->dropout));
    TN_TRY(get_number(ck, "drop_connect", &s->drop_connect));
    TN_TRY(get_int(ck, "pad_same", &same));
    TN_TRY(get_number(ck, "bn_eps", &s->bn_eps));
    TN_TRY(get_number(ck, "bn_momentum", &s->bn_momentum));
    TN_TRY(get_int(ck, "size_px", &model.size_px));
    if (model.size_px > MOST_PX) return tn_fail(TN_EFORMAT, "the checkpoint says `size_px` = %d", model.size_px);
    TN_TRY(get_triple(ck, "input_mean", model.norm.mean));
    TN_TRY(get_triple(ck, "input_std", model.norm.std));
    s->pad_same = same != 0;
    *out = model;
    return TN_OK;
}
