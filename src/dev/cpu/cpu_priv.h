/* cpu_priv.h - shared by cpu.c (operations), conv.c (convolutions), gemm.c (the calls of oneDNN). */
#ifndef TN_DEV_CPU_CPU_PRIV_H
#define TN_DEV_CPU_CPU_PRIV_H

#include "dev/cpu/cpu.h"
#include "dev/cpu/kernels.h"

typedef struct {
    const tn_kernels *k;
    float *scratch; /* for reductions and unfolded images; grows while the device warms up */
    int64_t n_scratch;
} tn_cpu;

static inline tn_cpu *tn_cpu_of(tn_dev *dev) {
    return dev->state;
}

/* At least n floats; fatal without memory. Valid until the next call. */
float *tn_cpu_scratch(tn_dev *dev, int64_t n);

/* C(m,n) = op(A)(m,k) op(B)(k,n) + beta C, row-major; lda, ldb, ldc: floats from row to row as stored. */
void tn_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
tn_status tn_gemm_begin(tn_isa isa);

tn_status tn_cpu_conv_new(tn_dev *dev, const tn_conv_shape *shape, bool training, tn_conv **out);
void tn_cpu_conv_free(tn_dev *dev, tn_conv **conv);
void tn_cpu_conv_weights(tn_dev *dev, tn_conv *conv, const float *w);
void tn_cpu_conv_forward(tn_dev *dev, tn_conv *conv, const float *x, float *y);
void tn_cpu_conv_backward_data(tn_dev *dev, tn_conv *conv, const float *dy, float *dx);
void tn_cpu_conv_backward_weights(tn_dev *dev, tn_conv *conv, const float *x, const float *dy, float *dw);

float *tn_cpu_alloc(tn_dev *dev, int64_t n);
void tn_cpu_free(tn_dev *dev, float *x);

#endif
