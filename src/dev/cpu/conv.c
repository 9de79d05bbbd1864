/*
 * conv.c - convolutions on (B,H,W,C): depthwise by own kernels, pointwise as one matrix product over all pixels, others
 * (the stem) as a matrix product over unfolded images.
 */
#include "dev/cpu/cpu_priv.h"

#include <stdlib.h>
#include <string.h>

struct tn_conv {
    tn_conv_shape s;
    bool pointwise;
    const float *w;  /* as given */
    float *prepared; /* depthwise (R*R,C); dense (R*R*C,K); pointwise: none */
};

static int64_t n_prepared(const tn_conv_shape *s) {
    return (int64_t)s->R * s->R * s->C * (s->depthwise ? 1 : s->K);
}

tn_status tn_cpu_conv_new(tn_dev *dev, const tn_conv_shape *shape, bool training, tn_conv **out) {
    (void)training;
    if (shape->depthwise && shape->R != 3 && shape->R != 5)
        return tn_fail(TN_EARG, "a depthwise kernel of %d x %d: this device has 3 and 5", shape->R, shape->R);
    tn_conv *c = calloc(1, sizeof *c);
    if (!c) return tn_fail_memory(sizeof *c, "a convolution");
    c->s = *shape;
    c->pointwise = shape->R == 1 && shape->stride == 1 && !shape->depthwise;
    c->prepared = c->pointwise ? NULL : tn_cpu_alloc(dev, n_prepared(shape));
    if (!c->pointwise && !c->prepared) {
        free(c);
        return tn_fail_memory((size_t)n_prepared(shape) * sizeof(float), "a convolution");
    }
    *out = c;
    return TN_OK;
}

void tn_cpu_conv_free(tn_dev *dev, tn_conv **conv) {
    if (!*conv) return;
    tn_cpu_free(dev, (*conv)->prepared);
    free(*conv);
    *conv = NULL;
}

/* (K,I,R,R) <-> (R*R*I,K) for dense weights; I = 1 and K = 1 outside for depthwise: (C,R,R) <-> (R*R,C). */
static void transpose(const tn_conv_shape *s, const float *from, float *to, bool back) {
    int taps = s->R * s->R, I = s->depthwise ? 1 : s->C, K = s->depthwise ? s->C : s->K;
    for (int k = 0; k < K; k++)
        for (int i = 0; i < I; i++)
            for (int t = 0; t < taps; t++) {
                int64_t given = ((int64_t)k * I + i) * taps + t, prepared = ((int64_t)t * I + i) * K + k;
                if (back)
                    to[given] = from[prepared];
                else
                    to[prepared] = from[given];
            }
}

void tn_cpu_conv_weights(tn_dev *dev, tn_conv *conv, const float *w) {
    (void)dev;
    conv->w = w;
    if (!conv->pointwise) transpose(&conv->s, w, conv->prepared, false);
}

static int64_t in_pixels(const tn_conv_shape *s) {
    return (int64_t)s->B * s->H * s->W;
}
static int64_t out_pixels(const tn_conv_shape *s) {
    return (int64_t)s->B * s->P * s->Q;
}

/* One image as rows (P*Q, R*R*C) of what each output pixel sees; zeros in the padding. */
static void unfold(const tn_conv_shape *s, const float *image, float *rows) {
    for (int p = 0; p < s->P; p++)
        for (int q = 0; q < s->Q; q++)
            for (int r = 0; r < s->R; r++)
                for (int t = 0; t < s->R; t++, rows += s->C) {
                    int h = p * s->stride - s->pad_top + r, v = q * s->stride - s->pad_left + t;
                    if (h >= 0 && h < s->H && v >= 0 && v < s->W)
                        memcpy(rows, image + ((int64_t)h * s->W + v) * s->C, (size_t)s->C * sizeof *rows);
                    else
                        memset(rows, 0, (size_t)s->C * sizeof *rows);
                }
}

static void fold_add(const tn_conv_shape *s, const float *rows, float *image) {
    for (int p = 0; p < s->P; p++)
        for (int q = 0; q < s->Q; q++)
            for (int r = 0; r < s->R; r++)
                for (int t = 0; t < s->R; t++, rows += s->C) {
                    int h = p * s->stride - s->pad_top + r, v = q * s->stride - s->pad_left + t;
                    if (h < 0 || h >= s->H || v < 0 || v >= s->W) continue;
                    float *to = image + ((int64_t)h * s->W + v) * s->C;
                    for (int c = 0; c < s->C; c++) to[c] += rows[c];
                }
}

void tn_cpu_conv_forward(tn_dev *dev, tn_conv *conv, const float *x, float *y) {
    const tn_conv_shape *s = &conv->s;
    if (s->depthwise) {
        tn_cpu_of(dev)->k->dw_forward(dev->n_threads, s, x, conv->prepared, y);
        return;
    }
    if (conv->pointwise) {
        tn_gemm(false, true, in_pixels(s), s->K, s->C, x, s->C, conv->w, s->C, 0, y, s->K);
        return;
    }
    int64_t pixels = (int64_t)s->P * s->Q, n = (int64_t)s->R * s->R * s->C;
    float *rows = tn_cpu_scratch(dev, pixels * n);
    for (int b = 0; b < s->B; b++) {
        unfold(s, x + (int64_t)b * s->H * s->W * s->C, rows);
        tn_gemm(false, false, pixels, s->K, n, rows, n, conv->prepared, s->K, 0, y + b * pixels * s->K, s->K);
    }
}

void tn_cpu_conv_backward_data(tn_dev *dev, tn_conv *conv, const float *dy, float *dx) {
    const tn_conv_shape *s = &conv->s;
    if (s->depthwise) {
        tn_cpu_of(dev)->k->dw_backward_data(dev->n_threads, s, dy, conv->prepared, dx);
        return;
    }
    if (conv->pointwise) {
        tn_gemm(false, false, out_pixels(s), s->C, s->K, dy, s->K, conv->w, s->C, 0, dx, s->C);
        return;
    }
    int64_t pixels = (int64_t)s->P * s->Q, n = (int64_t)s->R * s->R * s->C, image = (int64_t)s->H * s->W * s->C;
    float *rows = tn_cpu_scratch(dev, pixels * n);
    memset(dx, 0, (size_t)(s->B * image) * sizeof *dx);
    for (int b = 0; b < s->B; b++) {
        tn_gemm(false, true, pixels, n, s->K, dy + b * pixels * s->K, s->K, conv->prepared, s->K, 0, rows, n);
        fold_add(s, rows, dx + b * image);
    }
}

void tn_cpu_conv_backward_weights(tn_dev *dev, tn_conv *conv, const float *x, const float *dy, float *dw) {
    const tn_conv_shape *s = &conv->s;
    int64_t n_weights = n_prepared(s);
    if (conv->pointwise) {
        tn_gemm(true, false, s->K, s->C, in_pixels(s), dy, s->K, x, s->C, 0, dw, s->C);
        return;
    }
    if (s->depthwise) {
        float *sums = tn_cpu_scratch(dev, n_weights * (s->B + 1));
        tn_cpu_of(dev)->k->dw_backward_weights(dev->n_threads, s, x, dy, sums, sums + n_weights);
        transpose(s, sums, dw, true);
        return;
    }
    int64_t pixels = (int64_t)s->P * s->Q, n = (int64_t)s->R * s->R * s->C;
    float *rows = tn_cpu_scratch(dev, pixels * n + n_weights), *sums = rows + pixels * n;
    for (int b = 0; b < s->B; b++) {
        unfold(s, x + (int64_t)b * s->H * s->W * s->C, rows);
        tn_gemm(true, false, n, s->K, pixels, rows, n, dy + b * pixels * s->K, s->K, b ? 1.0F : 0.0F, sums, s->K);
    }
    transpose(s, sums, dw, true);
}
