/*
 * dev.h - the device: one table of functions over flat float buffers.               layer: dev, uses: base
 *
 *   tn_dev *dev = NULL;
 *   TN_TRY(tn_dev_open(TN_DEVICE_CPU, n_threads, tn_isa_best(), &dev));
 *   float *x = dev->op->alloc(dev, n);
 *   dev->op->conv_forward(dev, conv, x, y);
 *   tn_dev_close(&dev);
 *
 * `ref` (ref/) is plain C in the order of the formulae, with sums in double: the judge of the others. `cpu` (cpu/) is
 * oneDNN for convolutions plus own vectorised kernels. A further device is one folder and one table.
 *
 * Layouts    activations (B,H,W,C), channels innermost. `M` = B*H*W pixels. Weights as PyTorch stores them: dense
 *            convolution (O,I,R,R), depthwise (C,1,R,R), linear (O,I). Everything float32.
 * Aliasing   outputs never overlap inputs unless a comment allows it.
 * Bits       the result of every operation depends on its arguments, n_threads and isa, and on nothing else: reductions
 *            run in a fixed order, and a row of a batch in evaluation mode does not depend on the other rows.
 * Errors     *_new functions return a status; a failure while computing is fatal (tn_die): peers are waiting.
 * Threads    one caller at a time; the device uses n_threads threads inside.
 */
#ifndef TN_DEV_DEV_H
#define TN_DEV_DEV_H

#include "base/cfg.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum { TN_ACT_NONE, TN_ACT_SWISH, TN_ACT_RELU6, TN_ACT_RELU, TN_ACT_SIGMOID } tn_act;

/* Instruction sets the kernels are compiled for, in rising order; recorded in checkpoints and enforced on resume. */
typedef enum { TN_ISA_PLAIN, TN_ISA_AVX2, TN_ISA_AVX512 } tn_isa;
tn_isa tn_isa_best(void);
const char *tn_isa_name(tn_isa isa); /* "plain", "avx2", "avx512" */

/* Output H = P and W = Q are given, so that symmetric and TF-SAME padding are the same thing: padding at the end is
 * what the sizes imply. */
typedef struct {
    int B, H, W, C; /* input                                             */
    int P, Q, K;    /* output; depthwise: K == C                         */
    int R, stride;  /* square kernel                                     */
    int pad_top, pad_left;
    bool depthwise;
} tn_conv_shape;

typedef struct tn_conv tn_conv; /* one convolution of one shape, with its prepared weights */
typedef struct tn_dev tn_dev;

typedef struct {
    /* --- memory --------------------------------------------------------------------------------------------------- */
    float *(*alloc)(tn_dev *dev, int64_t n); /* zeroed, 64-byte aligned; NULL when there is no memory */
    void (*free)(tn_dev *dev, float *x);     /* NULL fine */
    void (*upload)(tn_dev *dev, int64_t n, const float *host, float *x);
    void (*download)(tn_dev *dev, int64_t n, const float *x, float *host);
    void (*fill)(tn_dev *dev, int64_t n, float value, float *x);

    /* --- convolution, no bias ------------------------------------------------------------------------------------- */
    tn_status (*conv_new)(tn_dev *dev, const tn_conv_shape *shape, bool training, tn_conv **out);
    void (*conv_free)(tn_dev *dev, tn_conv **conv);
    /* After the weights w changed and before they are used; w must stay valid until the next call. */
    void (*conv_weights)(tn_dev *dev, tn_conv *conv, const float *w);
    void (*conv_forward)(tn_dev *dev, tn_conv *conv, const float *x, float *y);
    void (*conv_backward_data)(tn_dev *dev, tn_conv *conv, const float *dy, float *dx);
    void (*conv_backward_weights)(tn_dev *dev, tn_conv *conv, const float *x, const float *dy,
                                  float *dw); /* overwrites */

    /* --- batch norm + activation over M pixels and C channels ----------------------------------------------------- */
    /* mean_c, var_c = biased moments of x over M; y = act(gamma (x - mean) / sqrt(var + eps) + beta). */
    void (*bn_train)(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta, float eps,
                     tn_act act, float *y, float *mean_out, float *var_out);
    /* With given moments; y may be x. */
    void (*bn_eval)(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta,
                    const float *mean, const float *var, float eps, tn_act act, float *y);
    /* Gradients of bn_train through the moments; the pre-activation is computed anew from x. dx may be dy. */
    void (*bn_backward)(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta,
                        const float *mean, const float *var, float eps, tn_act act, const float *dy, float *dx,
                        float *dgamma, float *dbeta);

    /* --- squeeze-and-excitation, pooling, residual ---------------------------------------------------------------- */
    /* y(B,C) = mean over the HW pixels of x(B,HW,C) */
    void (*pool_forward)(tn_dev *dev, int B, int64_t HW, int C, const float *x, float *y);
    /* dx += or = dy / HW */
    void (*pool_backward)(tn_dev *dev, int B, int64_t HW, int C, const float *dy, float *dx, bool add);
    /* y = x s, s(B,C). y may be x. */
    void (*scale_forward)(tn_dev *dev, int B, int64_t HW, int C, const float *x, const float *s, float *y);
    /* dx = dy s; ds(B,C) = sum over HW of dy x. dx may be dy. */
    void (*scale_backward)(tn_dev *dev, int B, int64_t HW, int C, const float *x, const float *s, const float *dy,
                           float *dx, float *ds);
    /* y = residual + keep_b x over n elements per sample; keep(B) NULL = ones (drop-connect). y may be either input. */
    void (*residual)(tn_dev *dev, int B, int64_t n, const float *x, const float *keep, const float *residual, float *y);
    /* y = keep_b x. y may be x. */
    void (*keep)(tn_dev *dev, int B, int64_t n, const float *x, const float *keep, float *y);

    /* --- head ----------------------------------------------------------------------------------------------------- */
    /* y(B,O) = x(B,I) w(O,I)^T + b(O) */
    void (*dense_forward)(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *b, float *y);
    /* dw, db overwritten; dx NULL = not wanted */
    void (*dense_backward)(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db);
    void (*act_forward)(tn_dev *dev, int64_t n, tn_act act, const float *x, float *y); /* y may be x */
    /* dx = dy act'(x), x the input of the activation; dx may be dy */
    void (*act_backward)(tn_dev *dev, int64_t n, tn_act act, const float *x, const float *dy, float *dx);
    void (*mul)(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y); /* y may be x */
    /* y(B,I+M) = x(B,I) beside extra(B,M), and the part of dy that belongs to x */
    void (*join_forward)(tn_dev *dev, int B, int I, int M, const float *x, const float *extra, float *y);
    void (*join_backward)(tn_dev *dev, int B, int I, int M, const float *dy, float *dx);
    /* p(B,K) = softmax(logits) */
    void (*softmax)(tn_dev *dev, int B, int K, const float *logits, float *p);
    /* loss_b = - sum_k target log softmax(logits); dlogits = scale (softmax sum_k target - target), both per sample;
     * a target of all zeros is a sample without a say. */
    void (*cross_entropy)(tn_dev *dev, int B, int K, const float *logits, const float *target, float scale,
                          float *loss_out /* (B) */, float *dlogits);

    /* --- flat vectors --------------------------------------------------------------------------------------------- */
    void (*add)(tn_dev *dev, int64_t n, const float *x, float *y);           /* y += x         */
    void (*scale)(tn_dev *dev, int64_t n, float a, float *x);                /* x *= a         */
    void (*lerp)(tn_dev *dev, int64_t n, float a, const float *x, float *y); /* y += a (x - y): EMA, running moments */
    double (*sum_of_squares)(tn_dev *dev, int64_t n, const float *x);
    /* Nesterov: m = momentum m + g + decay w; w -= rate (g + decay w + momentum m)   (Sutskever 2013, as PyTorch) */
    void (*sgd)(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w);
    /* Loshchilov & Hutter 2019, as PyTorch: w -= rate decay w; m, v moments with beta1 beta2; bias-corrected for step
     * >= 1 */
    void (*adamw)(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w);
} tn_dev_table;

struct tn_dev {
    const tn_dev_table *op;
    int n_threads;
    tn_isa isa;
    void *state; /* the device's own */
};

/* Errors  TN_EARG isa above tn_isa_best(), n_threads < 1. */
tn_status tn_dev_open(tn_device_kind kind, int n_threads, tn_isa isa, tn_dev **out);
void tn_dev_close(tn_dev **dev);
const char *tn_dev_library(void); /* "oneDNN 2.6.3", for the records */

#endif
