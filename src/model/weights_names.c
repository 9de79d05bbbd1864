/*
 * weights_names.c - translates our (timm's) tensor names and layouts to those of torchvision, lukemelas and Keras.
 *
 *   ours                  torchvision                lukemelas              Keras
 *   conv_stem, bn1        features.0.0, .0.1         _conv_stem, _bn0       stem_conv, stem_bn
 *   blocks.S.P.<layer>    features.S+1.P.block.J.K   _blocks.N._<layer>     block<S+1><letter of P>_<layer>
 *   conv_head, bn2        features.8.0, .8.1         _conv_head, _bn1       top_conv, top_bn
 *   classifier            classifier.1               _fc                    predictions
 *
 * N counts the blocks of the whole net.
 * Source  torchvision/models/efficientnet.py, keras/src/applications/efficientnet.py, timm/models/efficientnet.py,
 *         lukemelas/EfficientNet-PyTorch efficientnet_pytorch/model.py
 */
#include "model/weights_priv.h"

#include <string.h>

typedef struct {
    const char *ours, *torchvision, *lukemelas, *keras;
} layer;

static const layer TOP[] = {
    {"conv_stem", "features.0.0", "_conv_stem", "stem_conv"}, {"bn1", "features.0.1", "_bn0", "stem_bn"},
    {"conv_head", "features.8.0", "_conv_head", "top_conv"},  {"bn2", "features.8.1", "_bn1", "top_bn"},
    {"classifier", "classifier.1", "_fc", "predictions"},     {NULL, NULL, NULL, NULL}};
/* Blocks of the first group have no expansion: timm names their layers differently, torchvision numbers them differently. */
static const layer PLAIN[] = {{"conv_dw", "0.0", "_depthwise_conv", "dwconv"},
                              {"bn1", "0.1", "_bn1", "bn"},
                              {"se.conv_reduce", "1.fc1", "_se_reduce", "se_reduce"},
                              {"se.conv_expand", "1.fc2", "_se_expand", "se_expand"},
                              {"conv_pw", "2.0", "_project_conv", "project_conv"},
                              {"bn2", "2.1", "_bn2", "project_bn"},
                              {NULL, NULL, NULL, NULL}};
static const layer EXPANDING[] = {{"conv_pw", "0.0", "_expand_conv", "expand_conv"},
                                  {"bn1", "0.1", "_bn0", "expand_bn"},
                                  {"conv_dw", "1.0", "_depthwise_conv", "dwconv"},
                                  {"bn2", "1.1", "_bn1", "bn"},
                                  {"se.conv_reduce", "2.fc1", "_se_reduce", "se_reduce"},
                                  {"se.conv_expand", "2.fc2", "_se_expand", "se_expand"},
                                  {"conv_pwl", "3.0", "_project_conv", "project_conv"},
                                  {"bn3", "3.1", "_bn2", "project_bn"},
                                  {NULL, NULL, NULL, NULL}};

const char *tn_names_word(tn_names names) {
    static const char *const WORD[] = {"tenfold", "timm", "torchvision", "lukemelas", "keras"};
    return WORD[names];
}

bool tn_is_head(const tn_tensor *t) {
    return strncmp(t->name, "classifier.", 11) == 0 || strncmp(t->name, "head_dense.", 11) == 0;
}

/* Keras 2 calls the kernel of a depthwise layer depthwise_kernel, Keras 3 kernel: alternatives 0 and 1. */
static const char *keras_variable(const tn_tensor *t, int i) {
    static const char *const OF[] = {"kernel", "depthwise_kernel", "kernel",         "bias", "gamma",
                                     "beta",   "moving_mean",      "moving_variance"};
    if (i == 0) return OF[t->kind];
    return t->kind == TN_TENSOR_DEPTHWISE ? "kernel" : NULL;
}

/* The parts of a name. block -1: the tensor is not in a block. */
typedef struct {
    int stage, place;
    char layer[TN_TENSOR_NAME_BYTES];
    const char *variable; /* in the tensor's name */
} parts;

static bool split(const tn_tensor *t, parts *out) {
    int n_read = 0;
    *out = (parts){.stage = -1};
    sscanf(t->name, "blocks.%d.%d.%n", &out->stage, &out->place, &n_read);
    if (n_read == 0) out->stage = -1;
    const char *dot = strrchr(t->name, '.');
    if (!dot || dot < t->name + n_read) return false;
    snprintf(out->layer, sizeof out->layer, "%.*s", (int)(dot - t->name - n_read), t->name + n_read);
    out->variable = dot + 1;
    return true;
}

static const layer *find(const parts *p) {
    const layer *table = p->stage < 0 ? TOP : p->stage == 0 ? PLAIN : EXPANDING;
    while (table->ours && strcmp(table->ours, p->layer) != 0) table++;
    return table->ours ? table : NULL;
}

static bool torchvision_name(const char *prefix, const parts *p, const layer *l, char out[TN_FOREIGN_NAME_BYTES]) {
    if (p->stage < 0)
        snprintf(out, TN_FOREIGN_NAME_BYTES, "%s%s.%s", prefix, l->torchvision, p->variable);
    else
        snprintf(out, TN_FOREIGN_NAME_BYTES, "%sfeatures.%d.%d.block.%s.%s", prefix, p->stage + 1, p->place,
                 l->torchvision, p->variable);
    return true;
}

/* Each block has one depthwise convolution. */
void tn_names_blocks(const tn_net *net, int before_out[TN_MAX_STAGES]) {
    for (int stage = 0; stage < TN_MAX_STAGES; stage++) before_out[stage] = 0;
    for (int i = 0; i < tn_net_tensors(net); i++) {
        parts p;
        const tn_tensor *t = tn_net_tensor(net, i);
        if (t->kind != TN_TENSOR_DEPTHWISE || !split(t, &p)) continue;
        for (int stage = p.stage + 1; stage < TN_MAX_STAGES; stage++) before_out[stage]++;
    }
}

static bool lukemelas_name(const tn_source *s, const int *before, const parts *p, const layer *l,
                           char out[TN_FOREIGN_NAME_BYTES]) {
    if (p->stage < 0)
        snprintf(out, TN_FOREIGN_NAME_BYTES, "%s%s.%s", s->prefix, l->lukemelas, p->variable);
    else
        snprintf(out, TN_FOREIGN_NAME_BYTES, "%s_blocks.%d.%s.%s", s->prefix, before[p->stage] + p->place, l->lukemelas,
                 p->variable);
    return true;
}

static bool keras_name(const parts *p, const layer *l, const char *variable, char out[TN_FOREIGN_NAME_BYTES]) {
    if (!variable || p->place > 'z' - 'a') return false;
    if (p->stage < 0)
        snprintf(out, TN_FOREIGN_NAME_BYTES, "%s/%s", l->keras, variable);
    else
        snprintf(out, TN_FOREIGN_NAME_BYTES, "block%d%c_%s/%s", p->stage + 1, 'a' + p->place, l->keras, variable);
    return true;
}

bool tn_names_of(const tn_source *s, const int *before, const tn_tensor *t, int i, char out[TN_FOREIGN_NAME_BYTES]) {
    parts p;
    if (s->names == TN_NAMES_TENFOLD || s->names == TN_NAMES_TIMM) {
        snprintf(out, TN_FOREIGN_NAME_BYTES, "%s%s", s->prefix, t->name);
        return i == 0;
    }
    const layer *l = split(t, &p) ? find(&p) : NULL;
    if (!l) return false; /* head_dense exists only in our nets */
    if (s->names == TN_NAMES_KERAS) return keras_name(&p, l, keras_variable(t, i), out);
    if (i > 0) return false;
    if (s->names == TN_NAMES_LUKEMELAS) return lukemelas_name(s, before, &p, l, out);
    return torchvision_name(s->prefix, &p, l, out);
}

int tn_names_shape(tn_names names, const tn_tensor *t, int64_t out[4]) {
    memcpy(out, t->dim, sizeof t->dim);
    if (names != TN_NAMES_KERAS || t->n_dims == 1) return t->n_dims;
    if (t->n_dims == 2) { /* (O,I) is (I,O) */
        out[0] = t->dim[1];
        out[1] = t->dim[0];
        return 2;
    }
    bool depthwise = t->kind == TN_TENSOR_DEPTHWISE; /* (O,I,H,W) is (H,W,I,O), (C,1,H,W) is (H,W,C,1) */
    out[0] = t->dim[2];
    out[1] = t->dim[3];
    out[2] = t->dim[depthwise ? 0 : 1];
    out[3] = t->dim[depthwise ? 1 : 0];
    return 4;
}
