/*
 * dev.h - the device: one table of functions over flat buffers.
 *
 *   tn_dev *dev = NULL;
 *   TN_TRY(tn_dev_open(TN_DEVICE_CPU, n_threads, tn_isa_best(), TN_BF16, &dev));
 *   float *x = dev->op->alloc(dev, n);
 *   dev->op->conv_forward(dev, conv, B, &view, y, mean, var);
 *   tn_dev_close(&dev);
 *
 * `ref` (ref/) is the reference: plain C in the order of the formulae, with sums in double, float32 only. Tests compare other
 * devices with it. `cpu` (cpu/) has our own vectorised kernels for each instruction set. A new device is a folder, a table, and a
 * line in cfg/devices.h.
 *
 * Memory           Every pointer in the table is a device address, but `host`, `*_out` and pointers to structs. Others than the
 *                  device may add offsets to such a pointer and pass it on; they must never read or write what it points to.
 *                  tests/far runs the program on a device whose addresses fault when the host reads them.
 * Stored and read  Activations are stored as a convolution writes them, in the device's precision (`void *`). Batch norm,
 *                  activation and squeeze-and-excitation are applied when they are read (tn_view), so the value after batch
 *                  norm is never written; in the backward pass the gradient through batch norm is applied in the same way
 *                  (tn_grad_view). Vectors, weights and their gradients are float32; sums are float32 or better.
 * Layouts          activations (B,H,W,C), channels innermost. `M` = B*H*W pixels. Weights as in PyTorch: dense convolution
 *                  (O,I,R,R), depthwise (C,1,R,R), linear (O,I).
 * Aliasing         outputs must not overlap inputs unless a comment allows it.
 * Bits             the result of an operation depends only on its arguments and the precision; on a processor also on n_threads and
 *                  isa, on a GPU on its model and cuDNN. Sums have a fixed order, and in evaluation a row of a batch does not
 *                  depend on the other rows.
 * Errors           functions *_new return a status; a failure while computing is fatal (tn_die), because other ranks wait.
 * Threads          one caller at a time; work is split for exactly n_threads threads, and tn_dev_open fails if there are
 *                  fewer. All functions are local.
 */
#ifndef TN_DEV_DEV_H
#define TN_DEV_DEV_H

#include "base/status.h"
#include "cfg/cfg.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    TN_ACT_NONE,
    TN_ACT_SWISH,
    TN_ACT_RELU6,
    TN_ACT_SIGMOID /* only for act_forward and act_backward */
} tn_act;

/* The best instruction set of this processor. Checkpoints and models record the one they were computed with; resuming and predicting
 * require it. */
tn_isa tn_isa_best(void);

/* The output size P x Q is given; padding at the bottom and right follows from it. So symmetric padding and TensorFlow's SAME need no
 * distinction. */
typedef struct {
    int B, H, W, C; /* input (B,H,W,C)                                   */
    int P, Q, K;    /* output (B,P,Q,K); depthwise: K == C               */
    int R, stride;  /* square kernel                                     */
    int pad_top, pad_left;
    bool depthwise;
} tn_conv_shape;

typedef struct tn_conv tn_conv; /* one convolution of one shape, with its prepared weights */
typedef struct tn_dev tn_dev;

/* How bytes of images are read: value = scale_c byte + shift_c, of 3 channels. */
typedef struct {
    float scale[3], shift[3];
} tn_byte_norm;

/* A view: how stored activations x (B,H,W,C) are read: v(m,c) = act(a_c x(m,c) + b_c) scale(image of pixel m, c). */
typedef struct {
    const void *x;
    const float *a, *b; /* (C); NULL = x itself, and act = TN_ACT_NONE */
    tn_act act;
    const float *scale; /* (B,C); NULL = ones */
} tn_view;

/* How the gradient dy at stored activations y is read from the gradient dz at the output of their batch norm:
 * dy(m,c) = g_c dz(m,c) + h_c y(m,c) + o_c. */
typedef struct {
    const void *dz, *y;
    const float *g, *h, *o; /* (C), from bn_backward; g NULL = dz itself */
} tn_grad_view;

/* In evaluation batch norm is known before the convolution: y = act(a conv + b) + side is stored, and read without a, b and act. */
typedef struct {
    const float *a, *b; /* (K) */
    tn_act act;
    const void *side; /* same layout as y; NULL = zeros; must not be y itself. Depthwise: NULL */
    float *pool;      /* (B,K) gets the mean of y over its pixels; NULL = not computed. Depthwise only */
} tn_finish;

enum { TN_DEV_COPIES = 64 };

typedef struct {
    const char *library; /* name and version of the kernels. The version changes with the bits that they compute. */
    bool in_host_memory; /* device memory is host memory: MPI may send it */
    int eval_pixels; /* evaluation computes images of about so many pixels at once: what the caches hold; 0: a whole lane */
    /* Bytes that a net of these convolutions takes on the device beside the memory of alloc. NULL: nothing to speak of. */
    size_t (*room)(tn_precision precision, int n, const tn_conv_shape *shape, bool training);
    /* Free and all bytes of the device's memory; NULL: host memory. */
    void (*memory)(tn_dev *dev, size_t *free_out, size_t *all_out);
    /* Called by tn_dev_open when all other fields of dev are set. Errors: those of tn_dev_open. */
    tn_status (*begin)(tn_dev *dev);
    void (*end)(tn_dev *dev);

    /* --- memory --------------------------------------------------------------------------------------------------- */
    float *(*alloc)(tn_dev *dev, int64_t n); /* n floats, zeroed, 64-byte aligned; NULL if there is no memory */
    void (*free)(tn_dev *dev, float *x);     /* x may be NULL */
    void (*upload)(tn_dev *dev, int64_t n, const float *host, float *x);
    void (*download)(tn_dev *dev, int64_t n, const float *x, float *host);
    void (*store)(tn_dev *dev, int64_t n, const float *host, void *x); /* converts to the device's precision */
    void (*load)(tn_dev *dev, int64_t n, const void *x, float *host);
    void (*fill)(tn_dev *dev, int64_t n, float value, float *x);
    /* Store n_pixels pixels of 3 bytes. */
    void (*pixels)(tn_dev *dev, int64_t n_pixels, const unsigned char *host, const tn_byte_norm *norm, void *x);

    /* --- copies beside the computation; NULL in the table of a device in host memory ------------------------------ */
    /* Begin to copy bytes that a later call of `pixels` will get. Do not change them before. host NULL: forget what was begun. */
    void (*stage)(tn_dev *dev, int64_t n_pixels, const unsigned char *host);
    /* Host memory for the copies below, zeroed; NULL if there is none. */
    float *(*host_alloc)(tn_dev *dev, int64_t n);
    void (*host_free)(tn_dev *dev, float *host); /* host may be NULL */
    /* Begin to copy x, as all operations so far leave it. Until download_done says so, x must not be changed, nor host be read.
     * copy: a number below TN_DEV_COPIES that names this copy. */
    void (*download_begin)(tn_dev *dev, int copy, int64_t n, const float *x, float *host);
    bool (*download_done)(tn_dev *dev, int copy);
    /* Copy to x before all later operations. host must not be changed until a later download is done. */
    void (*upload_begin)(tn_dev *dev, int64_t n, const float *host, float *x);

    /* --- convolution without bias, of B images, at most as many as in the shape ----------------------------------- */
    tn_status (*conv_new)(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out);
    void (*conv_free)(tn_dev *dev, tn_conv **conv);
    /* Prepare weights w: call it after every change. w must stay valid until the next call. */
    void (*conv_weights)(tn_dev *dev, tn_conv *conv, const float *w);
    /* Training (finish NULL): y is the raw output; mean, var (K) get its biased moments over pixels (NULL = not computed).
     * Evaluation: y as described at tn_finish; mean and var are NULL. */
    void (*conv_forward)(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var);
    /* Evaluation of a pointwise convolution `wide` of x (stored, without a view; an even number of channels) and a depthwise one of its
     * output, which is not stored; middle says its a, b and act. NULL: the device computes them one by one. */
    void (*expand_forward)(tn_dev *dev, tn_conv *wide, const tn_finish *middle, tn_conv *depthwise, int B,
                           const void *x, const tn_finish *finish, void *y);
    /* dw is overwritten. dx NULL = not computed; it must be NULL for dense kernels larger than 1 x 1, which only the first layer
     * has. Pointwise: dx = gradient at v/scale (the gradient at v without the view's scale). Depthwise: dx = gradient at a x + b
     * (through the activation), and sums (2,C) get the sums over pixels of dx and of dx x (NULL = not computed); the view has
     * no scale. add: dx += instead of dx = (only for views without a, b, act and scale). */
    void (*conv_backward)(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw);

    /* --- batch norm over M pixels and C channels ------------------------------------------------------------------ */
    /* Compute a, b of a view: gamma (x - mean) / sqrt(var + eps) + beta = a x + b. */
    void (*bn_affine)(tn_dev *dev, int C, const float *gamma, const float *beta, const float *mean, const float *var,
                      float eps, float *a, float *b);
    /* From sums (2,C) of dz and dz x over the M pixels compute g, h, o (3,C) of tn_grad_view, and the gradients of gamma and
     * beta. dx = gamma inv (dz - mean(dz) - hat mean(dz hat)), hat = (x - mean) inv, inv = 1 / sqrt(var + eps). */
    void (*bn_backward)(tn_dev *dev, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                        const float *var, float eps, float *gho, float *dgamma, float *dbeta);
    /* Gradient through view x (including its scale) to a x + b: dz = (keep_b g scale + dpool(b,c) / HW) act'(a x + b), and
     * sums (2,C) of dz and dz x. g: gradient at v, NULL = zeros; keep (B), NULL = ones; dpool (B,C), NULL = zeros. dz may
     * be g. */
    void (*read_backward)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, const float *keep,
                          const float *dpool, void *dz, double *sums);

    /* --- squeeze-and-excitation, pooling, residual ---------------------------------------------------------------- */
    /* y(B,C) = mean of v over the HW pixels */
    void (*pool_forward)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, float *y);
    /* ds(B,C) = sum over HW of g v, where v is read without the view's scale */
    void (*scale_backward)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, float *ds);
    /* y = side + keep_b v, stored; side NULL = zeros, keep NULL = ones (drop-connect). y may be x. */
    void (*residual)(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const float *keep, const void *side,
                     void *y);

    /* --- head ----------------------------------------------------------------------------------------------------- */
    /* y(B,O) = x(B,I) w(O,I)^T + b(O) */
    void (*dense_forward)(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *b, float *y);
    /* dw, db are overwritten; dx NULL = not computed */
    void (*dense_backward)(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db);
    void (*act_forward)(tn_dev *dev, int64_t n, tn_act act, const float *x, float *y); /* y may be x */
    /* dx = dy act'(x), where x is the input of the activation; dx may be dy */
    void (*act_backward)(tn_dev *dev, int64_t n, tn_act act, const float *x, const float *dy, float *dx);
    void (*mul)(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y); /* y may be x */
    /* y(B,I+M) = x(B,I) and extra(B,M) concatenated; backward: dx = the part of dy that belongs to x */
    void (*join_forward)(tn_dev *dev, int B, int I, int M, const float *x, const float *extra, float *y);
    void (*join_backward)(tn_dev *dev, int B, int I, int M, const float *dy, float *dx);
    /* p(B,K) = softmax(logits) */
    void (*softmax)(tn_dev *dev, int B, int K, const float *logits, float *p);
    /* Per sample, p = softmax(logits): loss_b = - sum_k target_k log p_k; dlogits = scale (p sum_k target_k - target). It is linear in the
     * target, so a mixed target has the mixture of its labels' losses. Targets may be negative. A target of zeros contributes no loss and
     * no gradient. */
    void (*cross_entropy)(tn_dev *dev, int B, int K, const float *logits, const float *target, float scale,
                          float *loss_out /* (B) */, float *dlogits);

    /* --- flat vectors --------------------------------------------------------------------------------------------- */
    void (*scale)(tn_dev *dev, int64_t n, float a, float *x);                 /* x *= a         */
    void (*lerp)(tn_dev *dev, int64_t n, float a, const float *x, float *y);  /* y += a (x - y): EMA, running moments */
    void (*add)(tn_dev *dev, int64_t n, const float *x, float *y);            /* y += x         */
    void (*add_squares)(tn_dev *dev, int64_t n, const float *x, double *sum); /* sum (1) += sum of x^2 */
    /* Nesterov: m = momentum m + g + decay w; w -= rate (g + decay w + momentum m)   (Sutskever 2013, as in PyTorch) */
    void (*sgd)(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w);
    /* AdamW (Loshchilov & Hutter 2019, as in PyTorch): w -= rate decay w; m, v moments with beta1, beta2; bias correction for
     * step >= 1 */
    void (*adamw)(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w);
} tn_dev_table;

struct tn_dev {
    const tn_dev_table *op;
    char library[128]; /* op->library, and what else the bits depend on, as the kind of GPU: recorded in checkpoints */
    int n_threads;
    tn_isa isa; /* TN_ISA_BEST if the device does not compute on this processor */
    tn_precision precision;
    void *state;    /* private to the device */
    double *number; /* (1), device memory, for tn_dev_squares */
};

static inline size_t tn_real_bytes(const tn_dev *dev) { /* bytes of a stored activation */
    return dev->precision == TN_BF16 ? 2 : 4;
}

/* Open a device. The caller closes it.
 * Errors  TN_ENODE isa above tn_isa_best(); no GPU, or an old one; TN_EARG n_threads < 1 or more than OpenMP gives, thread stacks too small,
 *         bf16 on ref, cuda in a build without it; TN_ENOMEM */
tn_status tn_dev_open(tn_device_kind kind, int n_threads, tn_isa isa, tn_precision precision, tn_dev **out);
void tn_dev_close(tn_dev **dev);
const tn_dev_table *tn_dev_table_of(tn_device_kind kind);

/* Open a device that only remembers convolutions, to plan the memory of a net on a device that need not be here: of its table only
 * conv_new, conv_free and free may be called. The caller closes it. */
tn_status tn_dev_open_plan(tn_device_kind kind, tn_precision precision, tn_dev **out);
/* The shapes remembered, in the order of the net, until it is closed; and tn_dev_table.room for them. */
int tn_dev_plan_shapes(const tn_dev *plan, const tn_conv_shape **out);
size_t tn_dev_plan_room(const tn_dev *plan, bool training);

/* The sum of x^2, on the host. Waits for the device. */
double tn_dev_squares(tn_dev *dev, int64_t n, const float *x);

/* For the begin function of devices that compute on this processor. Errors TN_ENODE the processor lacks the instruction set. */
tn_status tn_isa_check(tn_isa isa);

#endif
