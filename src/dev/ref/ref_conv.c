/* ref_conv.c - convolution by its definition. */
#include "dev/ref/ref.h"

#include <stdlib.h>
#include <string.h>

struct tn_conv {
    tn_conv_shape s;
    const float *w;
};

tn_status tn_ref_conv_new(tn_dev *dev, const tn_conv_shape *shape, bool training, tn_conv **out) {
    (void)dev;
    (void)training;
    tn_conv *c = calloc(1, sizeof *c);
    if (!c) return tn_fail_memory(sizeof *c, "a convolution");
    c->s = *shape;
    *out = c;
    return TN_OK;
}

void tn_ref_conv_free(tn_dev *dev, tn_conv **conv) {
    (void)dev;
    free(*conv);
    *conv = NULL;
}

void tn_ref_conv_weights(tn_dev *dev, tn_conv *conv, const float *w) {
    (void)dev;
    conv->w = w;
}

/* Input pixel that output (p,q) sees through tap (r,t); false: it lies in the padding. */
static bool tap(const tn_conv_shape *s, int p, int q, int r, int t, int64_t *at) {
    int h = p * s->stride - s->pad_top + r, w = q * s->stride - s->pad_left + t;
    *at = (int64_t)h * s->W + w;
    return h >= 0 && h < s->H && w >= 0 && w < s->W;
}

/* Calls visit for every product x * w -> y of the definition: places in x, w, y. */
typedef void (*product_visit)(void *context, int64_t x, int64_t w, int64_t y);
static void each_product(const tn_conv_shape *s, product_visit visit, void *context) {
    int I = s->depthwise ? 1 : s->C; /* inputs per output channel */
    for (int b = 0; b < s->B; b++)
        for (int p = 0; p < s->P; p++)
            for (int q = 0; q < s->Q; q++)
                for (int r = 0; r < s->R; r++)
                    for (int t = 0; t < s->R; t++) {
                        int64_t pixel, y = (((int64_t)b * s->P + p) * s->Q + q) * s->K;
                        if (!tap(s, p, q, r, t, &pixel)) continue;
                        int64_t x = ((int64_t)b * s->H * s->W + pixel) * s->C;
                        for (int k = 0; k < s->K; k++)
                            for (int i = 0; i < I; i++)
                                visit(context, x + (s->depthwise ? k : i), (((int64_t)k * I + i) * s->R + r) * s->R + t,
                                      y + k);
                    }
}

typedef struct {
    const float *x, *w, *dy;
    double *sum;
} operands;

static void forward(void *context, int64_t x, int64_t w, int64_t y) {
    operands *o = context;
    o->sum[y] += (double)o->x[x] * (double)o->w[w];
}
static void backward_data(void *context, int64_t x, int64_t w, int64_t y) {
    operands *o = context;
    o->sum[x] += (double)o->dy[y] * (double)o->w[w];
}
static void backward_weights(void *context, int64_t x, int64_t w, int64_t y) {
    operands *o = context;
    o->sum[w] += (double)o->dy[y] * (double)o->x[x];
}

static void compute(const tn_conv_shape *s, operands *o, product_visit visit, int64_t n, float *out) {
    o->sum = calloc((size_t)n, sizeof *o->sum);
    TN_ASSERT(o->sum != NULL);
    each_product(s, visit, o);
    for (int64_t i = 0; i < n; i++) out[i] = (float)o->sum[i];
    free(o->sum);
}

void tn_ref_conv_forward(tn_dev *dev, tn_conv *conv, const float *x, float *y) {
    (void)dev;
    const tn_conv_shape *s = &conv->s;
    operands o = {.x = x, .w = conv->w};
    compute(s, &o, forward, (int64_t)s->B * s->P * s->Q * s->K, y);
}

void tn_ref_conv_backward_data(tn_dev *dev, tn_conv *conv, const float *dy, float *dx) {
    (void)dev;
    const tn_conv_shape *s = &conv->s;
    operands o = {.w = conv->w, .dy = dy};
    compute(s, &o, backward_data, (int64_t)s->B * s->H * s->W * s->C, dx);
}

void tn_ref_conv_backward_weights(tn_dev *dev, tn_conv *conv, const float *x, const float *dy, float *dw) {
    (void)dev;
    const tn_conv_shape *s = &conv->s;
    operands o = {.x = x, .dy = dy};
    compute(s, &o, backward_weights, (int64_t)s->K * (s->depthwise ? 1 : s->C) * s->R * s->R, dw);
}
