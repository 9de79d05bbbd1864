/*
 * dev.h - the device: one table of functions over flat buffers.                      layer: dev, uses: base
 *
 *   tn_dev *dev = NULL;
 *   TN_TRY(tn_dev_open(TN_DEVICE_CPU, n_threads, tn_isa_best(), TN_BF16, &dev));
 *   float *x = dev->op->alloc(dev, n);
 *   dev->op->conv_forward(dev, conv, B, &view, y, mean, var);
 *   tn_dev_close(&dev);
 *
 * `ref` (ref/) is plain C in the order of the formulae, with sums in double, float32 only: the judge of the others.
 * `cpu` (cpu/) is own vectorised kernels per instruction set. A further device is one folder and one
 * table.
 *
 * Stored and read  Activations lie in memory as a convolution left them, in the device's precision (`void *`). Batch
 *                  norm, activation and squeeze-and-excitation are applied when they are read (tn_view), so that the
 *                  value after batch norm is never written; on the way back the gradient through batch norm is applied
 *                  in the same manner (tn_grad_view). Vectors, weights and their gradients are float32 and accumulation
 *                  is float32 or better.
 * Layouts          activations (B,H,W,C), channels innermost. `M` = B*H*W pixels. Weights as PyTorch stores them: dense
 *                  convolution (O,I,R,R), depthwise (C,1,R,R), linear (O,I).
 * Aliasing         outputs never overlap inputs unless a comment allows it.
 * Bits             the result of every operation depends on its arguments, n_threads, isa and precision, and on nothing
 *                  else: reductions run in a fixed order, and a row of a batch in evaluation does not depend on the
 *                  other rows.
 * Errors           *_new functions return a status; a failure while computing is fatal (tn_die): peers are waiting.
 * Threads          one caller at a time; the device cuts its work for n_threads threads, which it has: fewer are refused.
 */
#ifndef TN_DEV_DEV_H
#define TN_DEV_DEV_H

#include "base/cfg.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum { TN_ACT_NONE, TN_ACT_SWISH, TN_ACT_RELU6, TN_ACT_RELU, TN_ACT_SIGMOID } tn_act;

/* The best set of this processor. A cell's is recorded in its checkpoint and its model, and enforced on resume and by predict. */
tn_isa tn_isa_best(void);

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

/* How stored activations x (B,H,W,C) are read: v(m,c) = act(a_c x(m,c) + b_c) scale(image of m, c). */
typedef struct {
    const void *x;
    const float *a, *b; /* (C); NULL = x itself, and act = TN_ACT_NONE */
    tn_act act;
    const float *scale; /* (B,C); NULL = ones */
} tn_view;

/* How a gradient at stored activations y is read, from the gradient dz at the output of their batch norm:
 * dy(m,c) = g_c dz(m,c) + h_c y(m,c) + o_c. */
typedef struct {
    const void *dz, *y;
    const float *g, *h, *o; /* (C), from bn_backward; g NULL = dz itself */
} tn_grad_view;

/* Evaluation knows batch norm before it convolves: y = act(a conv + b) + side is stored, and read plainly. */
typedef struct {
    const float *a, *b; /* (K) */
    tn_act act;
    const void *side; /* stored as y; NULL = zeros; y must not be it. Depthwise: NULL */
    float *pool;      /* (B,K) mean of y over its pixels; NULL = not wanted. Depthwise only */
} tn_finish;

typedef struct {
    /* --- memory --------------------------------------------------------------------------------------------------- */
    float *(*alloc)(tn_dev *dev, int64_t n); /* n floats, zeroed, 64-byte aligned; NULL when there is no memory */
    void (*free)(tn_dev *dev, float *x);     /* NULL fine */
    void (*upload)(tn_dev *dev, int64_t n, const float *host, float *x);
    void (*download)(tn_dev *dev, int64_t n, const float *x, float *host);
    void (*store)(tn_dev *dev, int64_t n, const float *host, void *x); /* host floats to stored activations */
    void (*load)(tn_dev *dev, int64_t n, const void *x, float *host);
    void (*fill)(tn_dev *dev, int64_t n, float value, float *x);

    /* --- convolution, no bias; B images, at most those of the shape ----------------------------------------------- */
    tn_status (*conv_new)(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out);
    void (*conv_free)(tn_dev *dev, tn_conv **conv);
    /* After the weights w changed and before they are used. w must stay valid until the next call. */
    void (*conv_weights)(tn_dev *dev, tn_conv *conv, const float *w);
    /* Training, finish = NULL: y as it is, and mean, var (K), the biased moments of y over its pixels; NULL = not
     * wanted. Evaluation: y finished; mean and var are NULL. */
    void (*conv_forward)(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var);
    /* dw overwritten. dx NULL = not wanted; of dense kernels above 1 x 1 it cannot be had (only the first layer has
     * them). Pointwise: dx = gradient at v/scale, that is without the view's scale, before its activation. Depthwise:
     * dx = gradient at a x + b (through the activation), and sums (2,C) = sums over pixels of dx and of dx x; sums NULL
     * = not wanted. The view has no scale. add: dx += (plain views only). */
    void (*conv_backward)(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw);

    /* --- batch norm over M pixels and C channels ------------------------------------------------------------------ */
    /* a, b of the view: gamma (x - mean) / sqrt(var + eps) + beta = a x + b. */
    void (*bn_affine)(tn_dev *dev, int C, const float *gamma, const float *beta, const float *mean, const float *var,
                      float eps, float *a, float *b);
    /* sums (2,C) of dz and dz x over the M pixels -> g, h, o (3,C) of tn_grad_view, and the gradients of gamma and
     * beta. dx = gamma inv (dz - mean(dz) - hat mean(dz hat)), hat = (x - mean) inv, inv = 1 / sqrt(var + eps). */
    void (*bn_backward)(tn_dev *dev, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                        const float *var, float eps, float *gho, float *dgamma, float *dbeta);
    /* Gradient through view x (its scale included) to a x + b: dz = (keep_b g scale + dpool(b,c) / HW) act'(a x + b),
     * and sums (2,C) of dz and dz x. g: at the value read, NULL = zeros; keep (B), dpool (B,C) NULL = ones, zeros. dz
     * may be g. */
    void (*read_backward)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, const float *keep,
                          const float *dpool, void *dz, double *sums);

    /* --- squeeze-and-excitation, pooling, residual ---------------------------------------------------------------- */
    /* y(B,C) = mean over the HW pixels of the view */
    void (*pool_forward)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, float *y);
    /* ds(B,C) = sum over HW of g v, v: the view without its scale */
    void (*scale_backward)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, float *ds);
    /* y = side + keep_b v, stored; side NULL = zeros, keep NULL = ones (drop-connect). y may be x. */
    void (*residual)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const float *keep, const void *side,
                     void *y);

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
    tn_precision precision;
    void *state; /* the device's own */
};

static inline size_t tn_real_bytes(const tn_dev *dev) { /* of a stored activation */
    return dev->precision == TN_BF16 ? 2 : 4;
}

/* Errors  TN_ENODE isa above tn_isa_best(). TN_EARG n_threads < 1 or more than OpenMP gives, too small stacks, bf16 on ref. */
tn_status tn_dev_open(tn_device_kind kind, int n_threads, tn_isa isa, tn_precision precision, tn_dev **out);
void tn_dev_close(tn_dev **dev);
/* "kernels 2", for the records: another number where a change of the kernels gives other bits on the same instruction set. */
const char *tn_dev_library(void);

#endif
