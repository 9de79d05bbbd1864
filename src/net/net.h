/*
 * net.h - EfficientNet with a metadata head: description, weights, forward and backward.
 *
 *   tn_net *net = NULL;                                     the description: blocks and tensors, no memory for weights
 *   TN_TRY(tn_net_new(&spec, &net));
 *   tn_net_init(net, seed, params, state);                  host vectors, caller owns
 *   tn_exec *ex = NULL;                                     the executor: one device, one batch size
 *   TN_TRY(tn_exec_new(dev, net, B, size_px, true, &ex));
 *   tn_exec_weights(ex, params, state);                     after every change of the weights
 *   tn_exec_train(ex, &lane, grads, moments, loss);
 *   tn_exec_free(&ex); tn_net_free(&net);
 *
 * All trainable tensors are in one flat vector `params` (n_params floats), the batch-norm running moments in `state`
 * (n_state floats). Tensor names and layouts are timm's (conv_stem.weight, blocks.0.0.conv_dw.weight, bn1.running_mean, ...),
 * so that timm can read checkpoints. The head is our own: pooled features (and one-hot categories `extra`) -> [head_dense ->
 * swish] -> dropout -> classifier; with head_units = 0 there is no dense layer.
 * A *lane* is a micro-batch of B images; it is one batch-norm group. All functions are local.
 *
 * Source  Tan & Le 2019 (EfficientNet), table in effnet.c; SE Hu et al. 2018; drop-connect (stochastic depth) Huang
 *         2016
 */
#ifndef TN_NET_NET_H
#define TN_NET_NET_H

#include "dev/dev.h"

#include <stdio.h>

typedef struct {
    char name[TN_NAME_BYTES]; /* efficientnet-b0 .. b7, efficientnet-lite0 .. lite4                     */
    double width, depth;      /* 0 = the table's value                                                  */
    int stem_stride;          /* 1 or 2                                                                 */
    int n_classes;            /* K                                                                      */
    int extra_units;          /* M, 0 = no metadata                                                     */
    int head_units;           /* 0 = none                                                               */
    double dropout;           /* -1 = the table's value                                                 */
    double drop_connect;
    bool pad_same;              /* TensorFlow's SAME, computed from the actual size; false = symmetric (torchvision) */
    double bn_eps, bn_momentum; /* 0 = the table's value; momentum as in PyTorch: weight of the new value */
} tn_net_spec;

enum { TN_TENSOR_NAME_BYTES = 80 };
typedef enum {
    TN_TENSOR_CONV,
    TN_TENSOR_DEPTHWISE,
    TN_TENSOR_DENSE,
    TN_TENSOR_BIAS,
    TN_TENSOR_SCALE /* gamma */,
    TN_TENSOR_SHIFT /* beta */,
    TN_TENSOR_MEAN,
    TN_TENSOR_VAR
} tn_tensor_kind;

typedef struct {
    char name[TN_TENSOR_NAME_BYTES];
    tn_tensor_kind kind;
    int n_dims;
    int64_t dim[4], n;
    int64_t offset; /* in params, or in state for TN_TENSOR_MEAN and _VAR */
    int stage;      /* tn_net_stages */
} tn_tensor;

typedef struct tn_net tn_net;

/* Describe a net. The caller frees *out. Errors TN_EARG unknown name (suggests the nearest) or spec out of range; TN_ENOMEM. */
tn_status tn_net_new(const tn_net_spec *spec, tn_net **out);
void tn_net_free(tn_net **net);
const char *tn_net_name(int i);                       /* of the i-th net of the table; NULL after the last */
const tn_net_spec *tn_net_spec_of(const tn_net *net); /* with the table's values filled in */
int64_t tn_net_params(const tn_net *net);             /* n_params */
int64_t tn_net_state(const tn_net *net);              /* n_state  */
int tn_net_tensors(const tn_net *net);
const tn_tensor *tn_net_tensor(const tn_net *net, int i); /* in file order; params and state interleaved as in timm */
bool tn_tensor_is_state(const tn_tensor *t);
/* The number of stages n: stage 0 is the stem, then come the groups of blocks, and n - 1 is the last convolution (Tan & Le 2019,
 * table 1). The tensors of the head have the stage n. */
int tn_net_stages(const tn_net *net);
/* The number of parameters in the first n_stages stages: they are the first in params. */
int64_t tn_net_params_in(const tn_net *net, int n_stages);
int tn_net_table_px(const tn_net *net); /* the input size that the net was designed for */
int tn_net_least_px(const tn_net *net); /* smallest input size: the product of all strides, so that one pixel is left */

/* Print a table of layers (name, output, parameters) and the lines "parameters N", "state N". size_px 0 = the table's size. */
void tn_net_describe(const tn_net *net, int size_px, FILE *out);

/* Set initial values: convolutions normal with deviation sqrt(2/fan_out) (depthwise: fan_out per group), dense layers uniform in
 * +-1/sqrt(fan_in), biases 0, gamma 1, beta 0, means 0, variances 1. Random numbers are Philox(seed, TN_STREAM_INIT, tensor index),
 * equal for every size, fold and rank. params (n_params), state (n_state): host memory. */
void tn_net_init(const tn_net *net, uint64_t seed, float *params, float *state);

/* --- execution ---------------------------------------------------------------------------------------------------- */

typedef struct tn_exec tn_exec;

/* Make an executor, and allocate all its memory.
 * B         images per lane
 * size_px   width and height of the input
 * training  with memory for the backward pass; such an executor can also evaluate
 * Errors    TN_ENOMEM; TN_EARG size_px below tn_net_least_px, B < 1, or training where a layer has one value per channel */
tn_status tn_exec_new(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, tn_exec **out);
void tn_exec_free(tn_exec **ex);
size_t tn_exec_bytes(const tn_exec *ex); /* its device memory */
/* Predict tn_exec_bytes without allocating. Errors those of tn_exec_new. */
tn_status tn_exec_cost(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, size_t *bytes_out);

/* Set the weights: params (n_params) and state (n_state) in device memory, which must stay valid. Call it after every change of
 * their values, too. */
void tn_exec_weights(tn_exec *ex, const float *params, const float *state);

/* Images of a batch in host memory: bytes (B,S,S,3) read through norm, or, with bytes NULL, x (B,S,S,3), normalised. */
typedef struct {
    const unsigned char *bytes;
    tn_byte_norm norm;
    const float *x;
} tn_images;

typedef struct {
    tn_images image;
    const float *extra;        /* (B,M) host, NULL when M = 0         */
    const float *target;       /* (B,K) host: class probabilities; a row of zeros: no label, no cross entropy */
    const float *class_weight; /* (K) host: the targets are multiplied by it; NULL = ones */
    const float *logit_shift;  /* (K) host: is added to the logits in the cross entropy alone; NULL = zeros */
    const float *teacher;      /* (B,K) host: the teacher's probabilities; NULL = no consistency loss */
    double consistency_weight; /* weight of the consistency loss (consistency.h) */
    tn_consistency_kind consistency;
    int64_t n_frozen; /* the first n_frozen parameters get no gradient: zeros. The backward pass ends before them */
    uint64_t seed;
    int64_t
        position; /* of the first sample in the stream of training images: dropout and drop-connect of sample i are drawn
                         from (seed, stream, position + i, layer) */
    /* NULL, or called after every operation of the backward pass: grads_out[from ..] are final. `from` never rises and ends
     * at 0. */
    void (*on_grads)(void *context, int64_t from);
    void *context;
} tn_exec_lane;

/* Train on one lane: forward in training mode, loss, backward. Does not allocate.
 * grads_out    (n_params, device) overwritten with the gradient of the mean loss over all B samples of the lane. Samples without
 *              label count in B, so the weight of a label does not depend on the other samples (as in the code of mean teacher)
 * moments_out  (n_state, device) batch means and *unbiased* variances, in the layout of the running moments
 * loss_out     (host) mean loss of the lane; the call waits for the device. NULL = neither */
void tn_exec_train(tn_exec *ex, const tn_exec_lane *lane, float *grads_out, float *moments_out, double *loss_out);

/* The losses (B) of the samples of the latest tn_exec_train: device memory, until the next call. */
const float *tn_exec_losses(const tn_exec *ex);

/* Print the time spent since the executor was made, as markdown: for each kind of operation and for the most expensive operations,
 * milliseconds of forward, backward and evaluation, their share, and the least memory traffic of one pass. */
void tn_exec_profile(const tn_exec *ex, FILE *out);

/* Class probabilities p_out (B,K, host) in evaluation mode (running moments, no dropout). */
void tn_exec_eval(tn_exec *ex, const tn_images *image, const float *extra, float *p_out);
/* Logits (B,K, host) instead of probabilities. */
void tn_exec_logits(tn_exec *ex, const tn_images *image, const float *extra, float *logits_out);

#endif
