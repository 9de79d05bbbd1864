/* model.c - loads a checkpoint's weights onto a device. */
#include "model/model.h"

#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

void tn_model_close(tn_model *m) {
    if (m->dev) {
        m->dev->op->free(m->dev, m->params);
        m->dev->op->free(m->dev, m->state);
    }
    tn_exec_free(&m->exec);
    tn_dev_close(&m->dev);
    tn_net_free(&m->net);
}

/* The classifier of a net without hidden layer and categories. */
static const tn_tensor *classifier_of(const tn_net *net) {
    for (int i = 0; i < tn_net_tensors(net); i++)
        if (strcmp(tn_net_tensor(net, i)->name, "classifier.weight") == 0) return tn_net_tensor(net, i);
    TN_ASSERT(false);
}

/* Pretrained weights, and an identity for a classifier. */
static tn_status fill_features(const tn_ckpt *ck, const tn_net *net, float *params, float *state) {
    const tn_tensor *t = classifier_of(net);
    tn_net_init(net, 0, params, state); /* biases are 0 */
    TN_TRY(tn_pretrained_load(ck, net, params, state));
    memset(params + t->offset, 0, (size_t)t->n * sizeof *params);
    for (int64_t i = 0; i < t->dim[0]; i++) params[t->offset + i * t->dim[1] + i] = 1;
    return TN_OK;
}

static tn_status fill(const tn_ckpt *ck, const tn_net *net, float *params, float *state) {
    return tn_ckpt_net_load(ck, net, "model.", params, state);
}

typedef tn_status (*filler)(const tn_ckpt *ck, const tn_net *net, float *params, float *state);

static tn_status load_weights(const tn_ckpt *ck, filler values, tn_model *m) {
    int64_t n = tn_net_params(m->net), n_state = tn_net_state(m->net);
    float *params = malloc((size_t)n * sizeof *params), *state = malloc((size_t)n_state * sizeof *state);
    m->params = m->dev->op->alloc(m->dev, n);
    m->state = m->dev->op->alloc(m->dev, n_state);
    tn_status st = params && state && m->params && m->state ? values(ck, m->net, params, state)
                                                            : tn_fail_memory((size_t)n * sizeof *params, "the weights");
    if (st == TN_OK) {
        m->dev->op->upload(m->dev, n, params, m->params);
        m->dev->op->upload(m->dev, n_state, state, m->state);
    }
    free(params);
    free(state);
    return st;
}

tn_status tn_model_open(const char *path, const tn_model_use *use, tn_model *m) {
    tn_ckpt *ck = NULL;
    TN_TRY(tn_ckpt_read(path, &ck));
    tn_status st = tn_ckpt_model_of(ck, &m->about);
    if (use->size_px) m->about.size_px = use->size_px;
    if (st == TN_OK && m->about.net.n_classes == 0)
        st = tn_fail(TN_EARG, "it has no classifier and cannot predict: train one, with this file as model.pretrained");
    if (st == TN_OK) st = tn_net_new(&m->about.net, &m->net);
    tn_isa isa = use->isa == TN_ISA_BEST ? tn_ckpt_isa(ck) : use->isa;
    if (isa == TN_ISA_BEST && tn_ckpt_word(ck, "isa")) isa = tn_isa_best();
    if (st == TN_OK && isa == TN_ISA_BEST)
        st = tn_fail(TN_EFORMAT,
                     "it does not record the instruction set that it was trained with: train the cell again");
    if (st == TN_OK) st = tn_dev_open(use->device, use->n_threads, isa, use->precision, &m->dev);
    if (st == TN_OK) st = load_weights(ck, fill, m);
    if (st == TN_OK) st = tn_exec_new(m->dev, m->net, use->B, m->about.size_px, false, &m->exec);
    if (st == TN_OK) tn_exec_weights(m->exec, m->params, m->state);
    tn_ckpt_free(&ck);
    return st == TN_OK ? st : tn_fail(st, "%s: %s", path, tn_msg);
}

tn_status tn_feature_count(const tn_net_spec *spec, int *out) {
    tn_net_spec plain = *spec;
    tn_net *net = NULL;
    plain.extra_units = plain.head_units = 0;
    plain.n_classes = 2;
    TN_TRY(tn_net_new(&plain, &net));
    *out = (int)classifier_of(net)->dim[1];
    tn_net_free(&net);
    return TN_OK;
}

/* A net whose classifier has as many classes as there are pooled features. */
static tn_status make_wide_net(tn_model *m) {
    tn_net_spec *spec = &m->about.net;
    int d = 0;
    TN_TRY(tn_feature_count(spec, &d));
    spec->extra_units = spec->head_units = 0;
    spec->n_classes = d;
    TN_TRY(tn_net_new(spec, &m->net));
    m->about.net = *tn_net_spec_of(m->net);
    return TN_OK;
}

tn_status tn_model_open_features(const char *path, const tn_net_spec *spec, const tn_model_use *use, tn_model *m) {
    tn_ckpt *ck = NULL;
    tn_ckpt_model file = {.size_px = 0};
    m->about = (tn_ckpt_model){.net = *spec};
    tn_status st = tn_pretrained_open(path, &m->about.net, &m->about.norm, &ck);
    if (st == TN_OK) st = tn_ckpt_model_of(ck, &file);
    m->about.size_px = use->size_px ? use->size_px : file.size_px;
    if (st == TN_OK) st = make_wide_net(m);
    if (st == TN_OK) st = tn_dev_open(use->device, use->n_threads, use->isa, use->precision, &m->dev);
    if (st == TN_OK) st = load_weights(ck, fill_features, m);
    if (st == TN_OK) st = tn_exec_new(m->dev, m->net, use->B, m->about.size_px, false, &m->exec);
    if (st == TN_OK) tn_exec_weights(m->exec, m->params, m->state);
    tn_ckpt_free(&ck);
    return st;
}

tn_images tn_images_of(const unsigned char *bytes, const tn_input_norm *norm) {
    tn_images out = {.bytes = bytes};
    for (int c = 0; c < 3; c++) {
        out.norm.scale[c] = 1.0F / (255.0F * norm->std[c]);
        out.norm.shift[c] = -norm->mean[c] / norm->std[c];
    }
    return out;
}
