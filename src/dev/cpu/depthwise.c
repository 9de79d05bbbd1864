/* depthwise.c - depthwise convolution: threads share pairs of an image and a group of channels. */
#include "dev/cpu/cpu_priv.h"

#include <omp.h>

/* The number of channels in a group: groups are of nearly the same size, in multiples of the vector width. */
static int channels_of_group(const tn_conv_shape *s) {
    int most = tn_dw_channels(s), n = (s->C + most - 1) / most;
    return (int)tn_round_up((s->C + n - 1) / n, 16);
}
static int n_groups(const tn_conv_shape *s) {
    return (s->C + channels_of_group(s) - 1) / channels_of_group(s);
}
static int group_size(const tn_conv_shape *s, int c) {
    return s->C - c < channels_of_group(s) ? s->C - c : channels_of_group(s);
}

void tn_depthwise_forward(tn_dev *dev, const tn_conv *c, int B, const tn_view *x, const tn_finish *finish, void *y,
                          float *mean, float *var) {
    const tn_conv_shape *s = &c->s;
    int n = n_groups(s);
    int64_t n_moments = 3 * (int64_t)s->C, n_work = tn_round_up(tn_dw_scratch(s), 16);
    float *work = tn_cpu_scratch(dev, dev->n_threads * n_work + B * n_moments),
          *moments = work + dev->n_threads * n_work;
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < B * n; i++) {
        int b = i / n, at = i % n * channels_of_group(s);
        k->dw_forward(s, b, at, group_size(s, at), x, c->prepared, finish, y,
                      mean || (finish && finish->pool) ? moments + b * n_moments : NULL,
                      work + omp_get_thread_num() * n_work);
    }
    int64_t PQ = (int64_t)s->P * s->Q;
    if (mean) tn_moments_merge(dev, B, PQ, B * PQ, s->C, moments, mean, var);
    for (int64_t i = 0; finish && finish->pool && i < (int64_t)B * s->C; i++)
        finish->pool[i] = moments[i / s->C * n_moments + s->C + i % s->C] / (float)PQ;
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
    int n = n_groups(s), taps = s->R * s->R;
    int64_t n_work = tn_round_up(tn_dw_scratch(s), 16), n_dw = (int64_t)taps * s->C, n_sums = 2 * (int64_t)s->C;
    float *work = tn_cpu_scratch(dev, dev->n_threads * n_work + B * (n_dw + n_sums));
    float *parts = work + dev->n_threads * n_work, *part_sums = parts + B * n_dw;
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < B * n; i++) {
        int b = i / n, at = i % n * channels_of_group(s);
        k->dw_backward(s, b, at, group_size(s, at), x, dy, c->prepared, dx, add, parts + b * n_dw,
                       sums ? part_sums + b * n_sums : NULL, work + omp_get_thread_num() * n_work);
    }
    merge_images(dev, B, n_dw, parts, dw, taps, s->C);
    for (int64_t i = 0; sums && i < n_sums; i++) sums[i] = 0;
    for (int b = 0; sums && b < B; b++)
        for (int64_t i = 0; i < n_sums; i++) sums[i] += (double)part_sums[b * n_sums + i];
}
