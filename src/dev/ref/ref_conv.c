/* ref_conv.c - convolution by its definition. */
#include "dev/ref/ref.h"

#include <math.h>
#include <stdlib.h>

struct tn_conv {
    tn_conv_shape s;
    const float *w;
};

tn_status tn_ref_conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out) {
    (void)dev;
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

/* The input pixel that output pixel (p,q) uses in tap (r,t). False: it is in the padding. */
static bool tap(const tn_conv_shape *s, int p, int q, int r, int t, int64_t *at) {
    int h = p * s->stride - s->pad_top + r, w = q * s->stride - s->pad_left + t;
    *at = (int64_t)h * s->W + w;
    return h >= 0 && h < s->H && w >= 0 && w < s->W;
}

/* Called for every product x * w -> y of the definition, with indices in x, w, y. */
typedef void (*product_visit)(void *context, int64_t x, int64_t w, int64_t y);
static void each_product(const tn_conv_shape *s, int B, product_visit visit, void *context) {
    int I = s->depthwise ? 1 : s->C; /* input channels per output channel */
    for (int b = 0; b < B; b++)
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
    const float *w;
    double *x, *dy, *sum; /* x, dy: read through their views */
} operands;

static void forward(void *context, int64_t x, int64_t w, int64_t y) {
    operands *o = context;
    o->sum[y] += o->x[x] * (double)o->w[w];
}
static void backward_data(void *context, int64_t x, int64_t w, int64_t y) {
    operands *o = context;
    o->sum[x] += o->dy[y] * (double)o->w[w];
}
static void backward_weights(void *context, int64_t x, int64_t w, int64_t y) {
    operands *o = context;
    o->sum[w] += o->dy[y] * o->x[x];
}

static double *doubles(int64_t n) {
    double *x = calloc((size_t)n, sizeof *x);
    TN_ASSERT(x != NULL);
    return x;
}

static double *read_all(const tn_conv_shape *s, int B, const tn_view *x) {
    int64_t HW = (int64_t)s->H * s->W;
    double *out = doubles(B * HW * s->C);
    for (int64_t m = 0; m < B * HW; m++)
        for (int c = 0; c < s->C; c++) out[m * s->C + c] = tn_ref_read(x, HW, s->C, m, c);
    return out;
}

static void moments(int64_t M, int K, const float *y, float *mean, float *var) {
    for (int c = 0; c < K; c++) {
        double sum = 0, squares = 0;
        for (int64_t m = 0; m < M; m++) sum += (double)y[m * K + c];
        for (int64_t m = 0; m < M; m++) squares += pow((double)y[m * K + c] - sum / (double)M, 2);
        mean[c] = (float)(sum / (double)M);
        var[c] = (float)(squares / (double)M);
    }
}

static void finish_all(const tn_conv_shape *s, int B, const tn_finish *f, const double *sum, float *y) {
    int K = s->K;
    int64_t PQ = (int64_t)s->P * s->Q;
    for (int64_t i = 0; f->pool && i < (int64_t)B * K; i++) f->pool[i] = 0;
    for (int64_t at = 0; at < B * PQ * K; at++) {
        int c = (int)(at % K);
        double v = tn_ref_act(f->act, (double)f->a[c] * sum[at] + (double)f->b[c]);
        y[at] = (float)(v + (f->side ? (double)((const float *)f->side)[at] : 0));
        if (f->pool) f->pool[at / K / PQ * K + c] += (float)(v / (double)PQ);
    }
}

void tn_ref_conv_forward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var) {
    (void)dev;
    const tn_conv_shape *s = &conv->s;
    int64_t M = (int64_t)B * s->P * s->Q;
    operands o = {.w = conv->w, .x = read_all(s, B, x), .sum = doubles(M * s->K)};
    each_product(s, B, forward, &o);
    for (int64_t i = 0; i < M * s->K; i++) ((float *)y)[i] = (float)o.sum[i];
    if (finish) finish_all(s, B, finish, o.sum, y);
    if (mean) moments(M, s->K, y, mean, var);
    free(o.x);
    free(o.sum);
}

/* Write dx; for depthwise convolutions through the activation, with its sums. */
static void write_dx(const tn_conv_shape *s, int64_t M, const tn_view *x, const double *sum, float *dx, bool add,
                     double *sums) {
    int C = s->C;
    for (int c = 0; sums && c < 2 * C; c++) sums[c] = 0;
    for (int64_t m = 0; m < M; m++)
        for (int c = 0; c < C; c++) {
            int64_t at = m * C + c;
            double d = sum[at] * (s->depthwise ? tn_ref_slope(x, C, m, c) : 1) + (add ? (double)dx[at] : 0);
            dx[at] = (float)d;
            if (!sums) continue;
            sums[c] += d;
            sums[C + c] += d * (double)((const float *)x->x)[at];
        }
}

void tn_ref_conv_backward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw) {
    (void)dev;
    const tn_conv_shape *s = &conv->s;
    int64_t M = (int64_t)B * s->H * s->W, MY = (int64_t)B * s->P * s->Q;
    int64_t n_weights = (int64_t)s->K * (s->depthwise ? 1 : s->C) * s->R * s->R;
    operands o = {.w = conv->w, .x = read_all(s, B, x), .dy = doubles(MY * s->K)};
    for (int64_t m = 0; m < MY; m++)
        for (int c = 0; c < s->K; c++) o.dy[m * s->K + c] = tn_ref_grad(dy, s->K, m, c);
    o.sum = doubles(n_weights);
    each_product(s, B, backward_weights, &o);
    for (int64_t i = 0; i < n_weights; i++) dw[i] = (float)o.sum[i];
    free(o.sum);
    if (dx) {
        o.sum = doubles(M * s->C);
        each_product(s, B, backward_data, &o);
        write_dx(s, M, x, o.sum, dx, add, sums);
        free(o.sum);
    }
    free(o.x);
    free(o.dy);
}
