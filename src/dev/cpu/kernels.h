/*
 * kernels.h - the vectorised inner loops, compiled once per instruction set.           layer: dev, uses: -
 *
 * Work is cut into pieces by the shape alone, never by the number of threads, and sums over pieces run in the order of
 * the pieces: so a result depends on arguments and instruction set only.
 */
#ifndef TN_DEV_CPU_KERNELS_H
#define TN_DEV_CPU_KERNELS_H

#include "dev/dev.h"

/* Pieces that M pixels are cut into for reductions, and the floats of scratch for `sums` sums per channel. */
enum { TN_MOST_PIECES = 64 };
static inline int tn_pieces(int64_t M) {
    return M >= 256 * TN_MOST_PIECES ? TN_MOST_PIECES : (int)((M + 255) / 256);
}
static inline int64_t tn_scratch_floats(int64_t M, int C, int sums) {
    return (int64_t)tn_pieces(M) * C * sums;
}

typedef struct {
    /* depthwise: weights as (R*R,C), see tn_conv_shape */
    void (*dw_forward)(int n_threads, const tn_conv_shape *s, const float *x, const float *w, float *y);
    void (*dw_backward_data)(int n_threads, const tn_conv_shape *s, const float *dy, const float *w, float *dx);
    /* dw (R*R,C) overwritten; scratch (B,R*R,C) */
    void (*dw_backward_weights)(int n_threads, const tn_conv_shape *s, const float *x, const float *dy, float *dw,
                                float *scratch);

    /* mean and biased variance per channel; scratch: 2 sums */
    void (*moments)(int n_threads, int64_t M, int C, const float *x, float *mean, float *var, float *scratch);
    /* y = act(x a + b) per channel */
    void (*affine_act)(int n_threads, int64_t M, int C, const float *x, const float *a, const float *b, tn_act act,
                       float *y);
    /* dz = dy act'(x a + b); sums of dz and dz x per channel; dz may be dy; scratch: 2 sums */
    void (*act_sums)(int n_threads, int64_t M, int C, const float *x, const float *a, const float *b, tn_act act,
                     const float *dy, float *dz, double *sum_dz, double *sum_dz_x, float *scratch);
    /* dx = a dz + b x + c per channel; dx may be dz */
    void (*combine)(int n_threads, int64_t M, int C, const float *x, const float *a, const float *b, const float *c,
                    const float *dz, float *dx);

    void (*pool_forward)(int n_threads, int B, int64_t HW, int C, const float *x, float *y);
    void (*pool_backward)(int n_threads, int B, int64_t HW, int C, const float *dy, float *dx, bool add);
    void (*scale_forward)(int n_threads, int B, int64_t HW, int C, const float *x, const float *s, float *y);
    void (*scale_backward)(int n_threads, int B, int64_t HW, int C, const float *x, const float *s, const float *dy,
                           float *dx, float *ds);
    void (*residual)(int n_threads, int B, int64_t n, const float *x, const float *keep, const float *side, float *y);
    void (*act_forward)(int n_threads, int64_t n, tn_act act, const float *x, float *y);
    void (*act_backward)(int n_threads, int64_t n, tn_act act, const float *x, const float *dy, float *dx);

    void (*add)(int n_threads, int64_t n, const float *x, float *y);
    void (*mul)(int n_threads, int64_t n, const float *x, const float *mask, float *y);
    void (*scale)(int n_threads, int64_t n, float a, float *x);
    void (*lerp)(int n_threads, int64_t n, float a, const float *x, float *y);
    double (*sum_of_squares)(int64_t n, const float *x);
    void (*sgd)(int n_threads, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w);
    /* c1, c2: 1 / (1 - beta^step) */
    void (*adamw)(int n_threads, int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                  float c2, const float *g, float *m, float *v, float *w);
} tn_kernels;

const tn_kernels *tn_kernels_for(tn_isa isa);

#endif
