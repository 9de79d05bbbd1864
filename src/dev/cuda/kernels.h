/*
 * kernels.h - our own CUDA kernels: everything that is not a dense convolution. C functions that launch them on a stream.
 *
 * Pointers are device memory. `bf16`: activations (void *) are bfloat16, else float32; all other arrays are float32, sums double. C is a
 * multiple of 8 wherever activations are read, because a thread handles 8 channels with one or two loads of 16 bytes.
 * Formulae are those of dev.h. Sums have an order that depends on the shape alone: no atomics. Errors are left to cudaGetLastError.
 */
#ifndef TN_DEV_CUDA_KERNELS_H
#define TN_DEV_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* tn_view, tn_grad_view and tn_finish of dev.h; act has the values of tn_act */
typedef struct {
    const void *x;
    const float *a, *b;
    int act;
    const float *scale;
} tn_cuda_view;
typedef struct {
    const void *dz, *y;
    const float *g, *h, *o;
} tn_cuda_grad;

/* A depthwise convolution; pad: top, left. */
typedef struct {
    int B, H, W, C, P, Q, R, stride, pad_top, pad_left;
} tn_cuda_depthwise;

/* scale, shift: of 3 channels */
typedef struct {
    float scale[3], shift[3];
} tn_cuda_norm;

/* --- activations (M rows of C channels; HW rows per image) -------------------------------------------------------- */
void tn_cuda_store(cudaStream_t s, bool bf16, int64_t n, const float *x, void *y);
void tn_cuda_load(cudaStream_t s, bool bf16, int64_t n, const void *x, float *y);
/* y_i = scale x_i + shift, of channel i % 3 */
void tn_cuda_pixels(cudaStream_t s, bool bf16, int64_t n, const unsigned char *x, tn_cuda_norm norm, void *y);
/* y = the view's values */
void tn_cuda_read(cudaStream_t s, bool bf16, int64_t M, int64_t HW, int C, tn_cuda_view x, void *y);
/* dy = g dz + h y + o */
void tn_cuda_read_grad(cudaStream_t s, bool bf16, int64_t M, int C, tn_cuda_grad d, void *dy);
/* y = act(a x + b) + side; side NULL = zeros; y may be x */
void tn_cuda_finish(cudaStream_t s, bool bf16, int64_t M, int C, const void *x, const float *a, const float *b, int act,
                    const void *side, void *y);
/* y = side + keep v */
void tn_cuda_residual(cudaStream_t s, bool bf16, int64_t M, int64_t HW, int C, tn_cuda_view x, const float *keep,
                      const void *side, void *y);
/* y += x */
void tn_cuda_add_real(cudaStream_t s, bool bf16, int64_t n, const void *x, void *y);

/* --- sums over rows; partial: tn_cuda_partial_floats(M, C) floats of scratch -------------------------------------- */
int64_t tn_cuda_partial_floats(int64_t M, int C);
void tn_cuda_moments(cudaStream_t s, bool bf16, int64_t M, int C, const void *y, float *partial, float *mean,
                     float *var);
void tn_cuda_read_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                           const float *keep, const float *dpool, void *dz, float *partial, double *sums);
void tn_cuda_pool(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, float *partial, float *y);
void tn_cuda_scale_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                            float *partial, float *ds);

/* --- batch norm of C channels ------------------------------------------------------------------------------------- */
void tn_cuda_bn_affine(cudaStream_t s, int C, const float *gamma, const float *beta, const float *mean,
                       const float *var, float eps, float *a, float *b);
void tn_cuda_bn_backward(cudaStream_t s, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                         const float *var, float eps, float *gho, float *dgamma, float *dbeta);

/* --- depthwise convolution, R 3 or 5, stride 1 or 2; w (R*R,C) ----------------------------------------------------- */
/* Transpose weights (C,R,R) to (R*R,C), or gradients back. */
void tn_cuda_depthwise_weights(cudaStream_t s, int C, int R, const float *from, float *to, bool back);
void tn_cuda_depthwise_forward(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const float *w,
                               void *y);
/* dx: gradient at a x + b; sums NULL = not computed; add: dx += */
void tn_cuda_depthwise_data(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const void *dy,
                            const float *w, bool add, void *dx, float *partial, double *sums);
/* dw (C,R,R); v (B,H,W,C): the values of x. partial: tn_cuda_depthwise_floats */
int64_t tn_cuda_depthwise_floats(const tn_cuda_depthwise *d);
void tn_cuda_depthwise_filter(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, const void *v, const void *dy,
                              float *partial, float *dw);

/* --- weights of dense convolutions: (K,C,R,R) as floats <-> (K,R,R,C) in the device's precision -------------------- */
void tn_cuda_filter_weights(cudaStream_t s, bool bf16, int K, int C, int R, const float *w, void *prepared);
void tn_cuda_filter_gradient(cudaStream_t s, bool bf16, int K, int C, int R, const void *prepared, float *dw);

/* --- head and flat vectors, float32 ------------------------------------------------------------------------------- */
/* c(m,n) = bias(n) + sum_k a(m,k) b(k,n), element (i,j) of a matrix at i*row + j*column; c has rows of N; bias NULL = zeros */
void tn_cuda_product(cudaStream_t s, int M, int N, int K, const float *a, int64_t a_row, int64_t a_column,
                     const float *b, int64_t b_row, int64_t b_column, const float *bias, float *c);
void tn_cuda_column_sums(cudaStream_t s, int M, int N, const float *x, float *y); /* y(n) = sum_m x(m,n) */
void tn_cuda_act_forward(cudaStream_t s, int64_t n, int act, const float *x, float *y);
void tn_cuda_act_backward(cudaStream_t s, int64_t n, int act, const float *x, const float *dy, float *dx);
void tn_cuda_mul(cudaStream_t s, int64_t n, const float *x, const float *mask, float *y);
/* Copy columns: y(b, at+j) = x(b, from+j), j < n; rows of x and y have nx and ny numbers */
void tn_cuda_columns(cudaStream_t s, int B, int n, const float *x, int nx, int from, float *y, int ny, int at);
void tn_cuda_softmax(cudaStream_t s, int B, int K, const float *logits, float *p);
void tn_cuda_cross_entropy(cudaStream_t s, int B, int K, const float *logits, const float *target, float scale,
                           float *loss, float *dlogits);
void tn_cuda_fill(cudaStream_t s, int64_t n, float value, float *x);
void tn_cuda_scale(cudaStream_t s, int64_t n, float a, float *x);
void tn_cuda_lerp(cudaStream_t s, int64_t n, float a, const float *x, float *y);
void tn_cuda_add(cudaStream_t s, int64_t n, const float *x, float *y);
enum { TN_CUDA_SQUARES = 512 }; /* doubles of scratch */
void tn_cuda_add_squares(cudaStream_t s, int64_t n, const float *x, double *partial, double *sum);
void tn_cuda_sgd(cudaStream_t s, int64_t n, float rate, float momentum, float decay, const float *g, float *m,
                 float *w);
/* c1, c2: 1 - beta^step */
void tn_cuda_adamw(cudaStream_t s, int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                   float c2, const float *g, float *m, float *v, float *w);

#ifdef __cplusplus
}
#endif

#endif
