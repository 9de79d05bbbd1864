/*
 * cpu_priv.h - the CPU device: our own kernels for each instruction set; shared by cpu.c (operations), conv.c and depthwise.c
 * (convolutions).
 */
#ifndef TN_DEV_CPU_CPU_PRIV_H
#define TN_DEV_CPU_CPU_PRIV_H

#include "dev/cpu/kernels.h"
#include "dev/dev.h"

#define TN_CPU_LIBRARY "kernels 6"
extern const tn_dev_table tn_cpu_table;

typedef struct {
    const tn_kernels *k;
    float *scratch; /* grows during the first calls */
    int64_t n_scratch;
} tn_cpu;

static inline tn_cpu *tn_cpu_of(tn_dev *dev) {
    return dev->state;
}
static inline const tn_real_kernels *tn_cpu_real(tn_dev *dev) {
    return &tn_cpu_of(dev)->k->real[dev->precision];
}
static inline int64_t tn_round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/* Scratch memory of at least n floats, valid until the next call. Fatal if there is no memory. */
float *tn_cpu_scratch(tn_dev *dev, int64_t n);

/* A convolution. Depthwise: weights `prepared` (R*R,C). Others are matrix products of rows of n_in values (C, or R*R*C after unfolding)
 * with weights that are packed in panels of floats or of pairs of bf16. */
struct tn_conv {
    tn_conv_shape s;
    int64_t n_in;
    float *prepared;           /* depthwise weights, or transposed weights (K, n_in) for unfolded rows */
    float *forward, *backward; /* panels for y = x w^T, and for dx = dy w if pointwise */
};

/* Merge n_pieces moments (3,K) of `rows` rows each (the last piece has the rest of M) into mean and biased variance (K).
 * Source  Chan, Golub, LeVeque 1979 */
void tn_moments_merge(tn_dev *dev, int n_pieces, int64_t rows, int64_t M, int K, const float *moments, float *mean,
                      float *var);

void tn_depthwise_forward(tn_dev *dev, const tn_conv *c, int B, const tn_view *x, const tn_finish *finish, void *y,
                          float *mean, float *var);
void tn_depthwise_backward(tn_dev *dev, const tn_conv *c, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                           bool add, double *sums, float *dw);

tn_status tn_cpu_conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out);
void tn_cpu_conv_free(tn_dev *dev, tn_conv **conv);
void tn_cpu_conv_weights(tn_dev *dev, tn_conv *conv, const float *w);
void tn_cpu_conv_forward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var);
void tn_cpu_conv_backward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw);

void tn_cpu_expand_forward(tn_dev *dev, tn_conv *wide, const tn_finish *middle, tn_conv *depthwise, int B,
                           const void *x, const tn_finish *finish, void *y);

float *tn_cpu_alloc(tn_dev *dev, int64_t n);
void tn_cpu_free(tn_dev *dev, float *x);

#endif
