/*
 * golden.h - reads what make_effnet.py wrote, and makes the same weights and inputs.
 *
 *   golden *g = golden_open("b0");  const float *x = golden_find(g, "eval.logits", &n);  golden_close(g);
 */
#ifndef TN_TESTS_GOLDEN_H
#define TN_TESTS_GOLDEN_H

#include "base/fs.h"
#include "net/net.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *bytes;
    json_t *header;
    const char *data;
} golden;

static inline golden *golden_open(const char *name) {
    char path[TN_PATH_BYTES];
    size_t n_bytes = 0;
    const char *folder = getenv("TN_GOLDEN"); /* of tests/gpu/proof, which is elsewhere */
    golden *g = calloc(1, sizeof *g);
    TN_ASSERT(tn_path(path, "%s/%s.safetensors", folder ? folder : TN_SOURCE_DIR "/tests/golden", name) == TN_OK);
    tn_status st = tn_file_read(path, &g->bytes, &n_bytes);
    TN_ASSERT(st == TN_OK && n_bytes > 8);
    uint64_t n_header;
    memcpy(&n_header, g->bytes, sizeof n_header);
    TN_ASSERT(n_header < n_bytes);
    g->header = json_loadb(g->bytes + 8, n_header, 0, NULL);
    TN_ASSERT(g->header != NULL);
    g->data = g->bytes + 8 + n_header;
    return g;
}

static inline void golden_close(golden *g) {
    json_decref(g->header);
    free(g->bytes);
    free(g);
}

/* The tensor "<prefix><name>"; a missing one is a bug of the test. */
static inline const float *golden_find(const golden *g, const char *prefix, const char *name, int64_t *n_out) {
    char key[2 * TN_TENSOR_NAME_BYTES];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    json_t *at = json_object_get(json_object_get(g->header, key), "data_offsets");
    if (!at) fprintf(stderr, "the golden file has no %s\n", key);
    TN_ASSERT(at != NULL);
    json_int_t first = json_integer_value(json_array_get(at, 0)), last = json_integer_value(json_array_get(at, 1));
    *n_out = (last - first) / (json_int_t)sizeof(float);
    return (const float *)(const void *)(g->data + first);
}

/* `hashed` of make_effnet.py, one number. */
static inline double golden_hashed(int64_t i, int index) {
    uint32_t h = (uint32_t)i + (uint32_t)index * 0x9E3779B9U;
    h ^= h >> 16;
    h *= 0x85EBCA6BU;
    h ^= h >> 13;
    h *= 0xC2B2AE35U;
    h ^= h >> 16;
    return (double)(h >> 8) / 0x1p23 - 1.0;
}

static inline void golden_fill(int64_t n, int index, double factor, float *x) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)(golden_hashed(i, index) * factor);
}

/* `value_of`: the weights of the golden nets. */
static inline void golden_weights(const tn_net *net, float *params, float *state) {
    for (int k = 0; k < tn_net_tensors(net); k++) {
        const tn_tensor *t = tn_net_tensor(net, k);
        float *x = (tn_tensor_is_state(t) ? state : params) + t->offset;
        bool around_one = t->kind == TN_TENSOR_VAR || t->kind == TN_TENSOR_SCALE;
        double factor = t->n_dims == 1 ? 0.25 : (double)(float)sqrt(3.0 / (double)(t->n / t->dim[0]));
        for (int64_t i = 0; i < t->n; i++) x[i] = (float)((around_one ? 1.0 : 0.0) + factor * golden_hashed(i, k));
    }
}

/* `step_of`: of n values, every step-th is stored, at most `most`. */
static inline int64_t golden_step_of(int64_t n, int64_t most) {
    int64_t step = (n + most - 1) / most;
    while (step > 1 && (step % 2 == 0 || step % 3 == 0 || step % 5 == 0)) step++;
    return step;
}
static inline int64_t golden_step(int64_t n) {
    return golden_step_of(n, 512);
}

static inline tn_net_spec golden_spec(const char *name) {
    tn_net_spec spec = {.width = 0.25, .depth = 0.5, .stem_stride = 2, .n_classes = 5};
    snprintf(spec.name, sizeof spec.name, "%s", name);
    return spec;
}

#endif
