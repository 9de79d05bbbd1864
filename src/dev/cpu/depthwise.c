/* depthwise.c - depthwise convolution: threads share pairs of an image and a group of channels. */
#include "dev/cpu/cpu_priv.h"

#include <omp.h>

/* The channels in groups of nearly the same size, in multiples of 16, as panels of packed weights. Of small images a group has at most 32: a cache line
 * of bf16, and their rows stay in the first-level cache. The pixels of large images must be fetched from memory: long pieces come faster;
 * most_of_large channels then. (Measured on Intel: docs/performance.md.) */
typedef struct {
    int n, channels;
} groups;

static groups groups_of(const tn_conv_shape *s, int most_of_large) {
    int most = s->H * s->W <= 48 * 48 ? 32 : most_of_large;
    groups g = {.n = (s->C + most - 1) / most};
    g.channels = (int)tn_round_up((s->C + g.n - 1) / g.n, 16);
    g.n = (s->C + g.channels - 1) / g.channels;
    return g;
}
static int group_size(const tn_conv_shape *s, const groups *g, int c) {
    return s->C - c < g->channels ? s->C - c : g->channels;
}

static void forward(tn_dev *dev, const tn_conv *c, int B, groups g, const tn_view *x, const tn_expand *expand,
                    const tn_finish *finish, void *y, float *mean, float *var) {
    const tn_conv_shape *s = &c->s;
    int64_t n_moments = 3 * (int64_t)s->C, n_work = tn_round_up(tn_dw_scratch(s, g.channels), 16);
    float *work = tn_cpu_scratch(dev, dev->n_threads * n_work + B * n_moments),
          *moments = work + dev->n_threads * n_work;
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < B * g.n; i++) {
        int b = i / g.n, at = i % g.n * g.channels;
        k->dw_forward(s, b, at, group_size(s, &g, at), x, expand, c->prepared, finish, y,
                      mean || (finish && finish->pool) ? moments + b * n_moments : NULL,
                      work + omp_get_thread_num() * n_work);
    }
    int64_t PQ = (int64_t)s->P * s->Q;
    if (mean) tn_moments_merge(dev, B, PQ, B * PQ, s->C, moments, mean, var);
    for (int64_t i = 0; finish && finish->pool && i < (int64_t)B * s->C; i++)
        finish->pool[i] = moments[i / s->C * n_moments + s->C + i % s->C] / (float)PQ;
}

void tn_depthwise_forward(tn_dev *dev, const tn_conv *c, int B, const tn_view *x, const tn_finish *finish, void *y,
                          float *mean, float *var) {
    forward(dev, c, B, groups_of(&c->s, TN_DW_CHANNELS), x, NULL, finish, y, mean, var);
}

void tn_cpu_expand_forward(tn_dev *dev, tn_conv *wide, const tn_finish *middle, tn_conv *depthwise, int B,
                           const void *x, const tn_finish *finish, void *y) {
    TN_ASSERT(wide->s.C % 2 == 0 && wide->s.R == 1);
    tn_expand e = {.x = x, .n_in = wide->s.C, .w = wide->forward, .a = middle->a, .b = middle->b, .act = middle->act};
    forward(dev, depthwise, B, groups_of(&depthwise->s, 128), NULL, &e, finish, y, NULL, NULL);
}

/* dw (C,taps): add up the images' parts (taps,C), in order. */
static void merge_images(tn_dev *dev, int B, int64_t n_dw, const float *parts, float *dw, int taps, int C) {
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int t = 0; t < taps; t++)
        for (int c = 0; c < C; c += 64) {
            double sum[64] = {0};
            int n = C - c < 64 ? C - c : 64;
            const float *part = parts + (int64_t)t * C + c;
            for (int b = 0; b < B; b++, part += n_dw)
                for (int i = 0; i < n; i++) sum[i] += (double)part[i];
            for (int i = 0; i < n; i++) dw[(int64_t)(c + i) * taps + t] = (float)sum[i];
        }
}

void tn_depthwise_backward(tn_dev *dev, const tn_conv *c, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                           bool add, double *sums, float *dw) {
    const tn_conv_shape *s = &c->s;
    groups g = groups_of(s, TN_DW_CHANNELS);
    int taps = s->R * s->R;
    int64_t n_work = tn_round_up(tn_dw_scratch(s, g.channels), 16), n_dw = (int64_t)taps * s->C,
            n_sums = 2 * (int64_t)s->C;
    float *work = tn_cpu_scratch(dev, dev->n_threads * n_work + B * (n_dw + n_sums));
    float *parts = work + dev->n_threads * n_work, *part_sums = parts + B * n_dw;
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < B * g.n; i++) {
        int b = i / g.n, at = i % g.n * g.channels;
        k->dw_backward(s, b, at, group_size(s, &g, at), x, dy, c->prepared, dx, add, parts + b * n_dw,
                       sums ? part_sums + b * n_sums : NULL, work + omp_get_thread_num() * n_work);
    }
    merge_images(dev, B, n_dw, parts, dw, taps, s->C);
    for (int64_t i = 0; sums && i < n_sums; i++) sums[i] = 0;
    for (int b = 0; sums && b < B; b++)
        for (int64_t i = 0; i < n_sums; i++) sums[i] += (double)part_sums[b * n_sums + i];
}
