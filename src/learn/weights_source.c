/* weights_source.c - opens a weights file, finds out whose names it has, and hands out tensors in our layout. */
#include "learn/weights_priv.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(((const tn_foreign *)a)->name, ((const tn_foreign *)b)->name);
}

const tn_foreign *tn_source_find(const tn_source *s, const char *name) {
    tn_foreign key = {.n_dims = 0};
    snprintf(key.name, sizeof key.name, "%s", name);
    return bsearch(&key, s->tensor, (size_t)s->n, sizeof key, by_name);
}

/* --- safetensors -------------------------------------------------------------------------------------------------- */

/* The averaged weights of a checkpoint are what was evaluated; a best model has them as "model.". */
static tn_status whose_names(tn_source *s) {
    static const struct {
        const char *tensor, *prefix;
        tn_names names;
    } MARK[] = {{"ema.conv_stem.weight", "ema.", TN_NAMES_TENFOLD},
                {"model.conv_stem.weight", "model.", TN_NAMES_TENFOLD},
                {"conv_stem.weight", "", TN_NAMES_TIMM},
                {"features.0.0.weight", "", TN_NAMES_TORCHVISION}};
    for (size_t i = 0; i < sizeof MARK / sizeof *MARK; i++) {
        if (!tn_source_find(s, MARK[i].tensor)) continue;
        s->names = MARK[i].names;
        s->prefix = MARK[i].prefix;
        return TN_OK;
    }
    return tn_fail(TN_EFORMAT,
                   "%s: has none of the names that are known for the first convolution: conv_stem.weight (timm), "
                   "features.0.0.weight (torchvision), model.conv_stem.weight (tenfold); it begins with %s. "
                   "docs/weights.md says how to convert",
                   s->path, s->n ? s->tensor[0].name : "nothing");
}

static tn_status open_safetensors(tn_source *s) {
    TN_TRY(tn_ckpt_read_foreign(s->path, &s->ck));
    s->n = tn_ckpt_count(s->ck);
    s->tensor = calloc((size_t)s->n + 1, sizeof *s->tensor);
    if (!s->tensor) return tn_fail_memory((size_t)s->n * sizeof *s->tensor, s->path);
    for (int i = 0; i < s->n; i++) {
        const tn_ckpt_entry *e = tn_ckpt_at(s->ck, i);
        tn_foreign *f = &s->tensor[i];
        snprintf(f->name, sizeof f->name, "%s", e->name);
        f->n_dims = e->n_dims;
        memcpy(f->dim, e->dim, sizeof f->dim);
        f->data = e->data;
    }
    TN_TRY(whose_names(s));
    if (s->names != TN_NAMES_TENFOLD) return TN_OK;
    int kept = 0; /* moments of the optimiser and posteriors are no weights */
    for (int i = 0; i < s->n; i++)
        if (strncmp(s->tensor[i].name, s->prefix, strlen(s->prefix)) == 0) s->tensor[kept++] = s->tensor[i];
    s->n = kept;
    return TN_OK;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

static tn_status open_keras(tn_source *s) {
    s->names = TN_NAMES_KERAS;
    s->prefix = "";
    TN_TRY(tn_h5_open(s->path, &s->h5));
    TN_TRY(tn_source_keras(s));
    qsort(s->tensor, (size_t)s->n, sizeof *s->tensor, by_name);
    for (int i = 1; i < s->n; i++)
        if (strcmp(s->tensor[i].name, s->tensor[i - 1].name) == 0)
            return tn_fail(TN_EFORMAT, "%s: has two tensors %s", s->path, s->tensor[i].name);
    return TN_OK;
}

tn_status tn_source_open(const char *path, tn_source *out) {
    *out = (tn_source){.n = 0};
    TN_TRY(tn_path(out->path, "%s", path));
    tn_status st = tn_h5_is(path) ? open_keras(out) : open_safetensors(out);
    if (st != TN_OK) tn_source_close(out);
    return st;
}

void tn_source_close(tn_source *s) {
    for (int i = 0; i < s->n_h5_paths; i++) free(s->h5_paths[i]);
    free(s->h5_paths);
    free(s->tensor);
    tn_ckpt_free(&s->ck);
    tn_h5_close(&s->h5);
    *s = (tn_source){.n = 0};
}

/* (H,W,I,O) -> (O,I,H,W); (H,W,C,1) -> (C,1,H,W); (I,O) -> (O,I). */
static void from_keras(const tn_tensor *t, const float *in, float *out) {
    int64_t taps = t->n_dims == 4 ? t->dim[2] * t->dim[3] : 1, O = t->dim[0], I = t->dim[1];
    bool depthwise = t->kind == TN_TENSOR_DEPTHWISE;
    for (int64_t k = 0; k < taps; k++)
        for (int64_t o = 0; o < O; o++)
            for (int64_t i = 0; i < I; i++)
                out[(o * I + i) * taps + k] = in[depthwise ? (k * O + o) * I + i : (k * I + i) * O + o];
}

tn_status tn_source_values(const tn_source *s, const tn_foreign *f, const tn_tensor *t, float *scratch, float *out) {
    const float *in = f->data;
    if (s->h5) {
        TN_TRY(tn_h5_read_floats(s->h5, f->h5_path, t->n, scratch));
        in = scratch;
    }
    if (s->names == TN_NAMES_KERAS && t->n_dims > 1)
        from_keras(t, in, out);
    else
        memcpy(out, in, (size_t)t->n * sizeof *out);
    return TN_OK;
}
