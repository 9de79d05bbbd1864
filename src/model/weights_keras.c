/*
 * weights_keras.c - reads the tensors of a Keras .h5 file, and how its graph normalises the input.
 *
 * File   the root (or model_weights, if a whole model was saved) has the attribute layer_names; each layer is a group with
 *        the attribute weight_names; each weight is a dataset below that group, called <layer>/<variable>, in Keras 2 with ":0"
 *        appended. A net inside another model has all its weights in one group.
 * Input  x / 255, then (x - mean) / sqrt(variance) by a Normalization layer. The ImageNet weights of keras.applications
 *        hold standard deviations where variances belong; for them the graph has a second Rescaling layer, by
 *        1 / sqrt(std), which is not in the file of weights. So if the "variances" are ImageNet's deviations, or a second
 *        Rescaling layer is listed, the input is divided by sqrt(std) once more. If the graph has neither layer, ImageNet's
 *        mean and deviation are assumed.
 * Source keras/src/applications/efficientnet.py, keras/src/legacy/saving/legacy_h5_format.py, tensorflow#49930
 */
#include "model/weights_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double IMAGENET_MEAN[3] = {0.485, 0.456, 0.406};
static const double IMAGENET_STD[3] = {0.229, 0.224, 0.225};
enum { MOST_TENSORS = 20000 };

/* The last two parts of a weight's name without ":0": "block1a_bn/gamma". */
static void short_name(const char *weight, char out[TN_FOREIGN_NAME_BYTES]) {
    const char *at = strrchr(weight, '/');
    while (at && at > weight && at[-1] != '/') at--;
    snprintf(out, TN_FOREIGN_NAME_BYTES, "%s", at ? at : weight);
    char *colon = strrchr(out, ':');
    if (colon && strcmp(colon, ":0") == 0) *colon = 0;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static tn_status read_triple(tn_source *s, const char *path, double out[3]) {
    float x[3] = {0};
    TN_TRY(tn_h5_read_floats(s->h5, path, 3, x));
    for (int c = 0; c < 3; c++) out[c] = (double)x[c];
    return TN_OK;
}

/* The layers found so far that normalise the input. */
typedef struct {
    double mean[3], variance[3];
    bool normalises;
    int n_rescalings;
} graph;

/* Read mean and variance of the Normalization layer, which are not weights of the net. */
static tn_status take_normalization(tn_source *s, const char *name, const char *path, graph *g) {
    if (ends_with(name, "/mean")) {
        g->normalises = true;
        return read_triple(s, path, g->mean);
    }
    return ends_with(name, "/variance") ? read_triple(s, path, g->variance) : TN_OK;
}

static tn_status add_tensor(tn_source *s, const char *group, const char *weight, graph *g) {
    tn_foreign f = {.n_dims = 0};
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/%s", group, weight));
    short_name(weight, f.name);
    if (strncmp(f.name, "normalization", 13) == 0) return take_normalization(s, f.name, path, g);
    TN_TRY(tn_h5_float_shape(s->h5, path, &f.n_dims, f.dim));
    if (s->n >= MOST_TENSORS) return tn_fail(TN_EFORMAT, "%s: more than %d tensors", s->path, MOST_TENSORS);
    tn_foreign *more = realloc(s->tensor, (size_t)(s->n + 1) * sizeof *more);
    if (more) s->tensor = more;
    char **paths = realloc(s->h5_paths, (size_t)(s->n + 1) * sizeof *paths);
    if (paths) s->h5_paths = paths;
    char *copy = strdup(path);
    if (!more || !paths || !copy) {
        free(copy);
        return tn_fail_memory(sizeof f, s->path);
    }
    s->h5_paths[s->n_h5_paths++] = copy;
    f.h5_path = copy;
    s->tensor[s->n++] = f;
    return TN_OK;
}

static tn_status add_layer(tn_source *s, const char *root, const char *layer, graph *g) {
    char group[TN_PATH_BYTES], **weight = NULL;
    int64_t n = 0;
    g->n_rescalings += strncmp(layer, "rescaling", 9) == 0;
    TN_TRY(tn_path(group, "%s%s", root, layer));
    TN_TRY(tn_h5_attribute_strings(s->h5, group, "weight_names", &n, &weight));
    tn_status st = TN_OK;
    for (int64_t i = 0; st == TN_OK && i < n; i++) st = add_tensor(s, group, weight[i], g);
    free(weight);
    return st;
}

/* Express (x/255 - mean) / sqrt(variance) / sqrt(std) as mean and std of our input. */
static tn_status input_of(tn_source *s, const graph *g) {
    bool extra = g->n_rescalings > 1, none = !g->normalises && g->n_rescalings == 0;
    bool deviations = true;
    for (int c = 0; c < 3; c++) deviations &= fabs(g->variance[c] - IMAGENET_STD[c]) < 1e-3;
    for (int c = 0; c < 3; c++) {
        double mean = none ? IMAGENET_MEAN[c] : 0, std = none ? IMAGENET_STD[c] : 1;
        if (g->normalises) {
            mean = g->mean[c];
            std = sqrt(g->variance[c]) * (extra || deviations ? sqrt(IMAGENET_STD[c]) : 1);
        }
        if (!(std > 0 && std < 1e6) || !(fabs(mean) < 1e6))
            return tn_fail(TN_EFORMAT, "%s: its Normalization layer has mean %g and variance %g", s->path, mean,
                           g->variance[c]);
        s->norm.mean[c] = (float)mean;
        s->norm.std[c] = (float)std;
    }
    return TN_OK;
}

tn_status tn_source_keras(tn_source *s) {
    const char *root = tn_h5_is_group(s->h5, "model_weights") ? "/model_weights/" : "/";
    char **layer = NULL;
    int64_t n = 0;
    graph g = {.normalises = false};
    TN_TRY(tn_h5_attribute_strings(s->h5, root, "layer_names", &n, &layer));
    tn_status st = TN_OK;
    for (int64_t i = 0; st == TN_OK && i < n; i++) st = add_layer(s, root, layer[i], &g);
    free(layer);
    if (st == TN_OK && s->n == 0)
        st = tn_fail(TN_EFORMAT,
                     "%s: lists no layers with weights, as files .weights.h5 of Keras 3 do: save the model by "
                     "model.save(\"NAME.h5\")",
                     s->path);
    return st == TN_OK ? input_of(s, &g) : st;
}
