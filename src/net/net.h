/*
 * net.h - EfficientNet with a metadata head: description, weights, forward and backward.   layer: net, uses: dev
 *
 *   tn_net *net = NULL;                                     what it is: blocks and tensors, no memory for weights
 *   TN_TRY(tn_net_new(&spec, &net));
 *   tn_net_init(net, seed, params, state);                  host vectors, caller owns
 *   tn_exec *ex = NULL;                                     how it is computed: one device, one batch size
 *   TN_TRY(tn_exec_new(dev, net, B, size_px, true, &ex));
 *   tn_exec_weights(ex, params, state);                     after every change of the weights
 *   tn_exec_train(ex, &lane, grads, moments, loss);
 *   tn_exec_free(&ex); tn_net_free(&net);
 *
 * All trainable tensors lie one after another in one flat vector `params` (n_params floats), the batch-norm running
 * moments in `state` (n_state floats); tensor names and layouts are timm's (conv_stem.weight,
 * blocks.0.0.conv_dw.weight, bn1.running_mean, ...), so that checkpoints are readable by it. The head is ours: pooled
 * features (+ category one-hots `extra`) -> [head_dense -> swish] -> dropout -> classifier; with head_units = 0 the
 * dense layer is left out.
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
    double width, depth;      /* 0 = the table's                                                        */
    int stem_stride;          /* 1 or 2                                                                 */
    int n_classes;            /* K                                                                      */
    int extra_units;          /* M, 0 = no metadata                                                     */
    int head_units;           /* 0 = none                                                               */
    double dropout;           /* -1 = the table's                                                       */
    double drop_connect;
    bool pad_same;              /* TF-SAME, computed from the actual size; false = symmetric (torchvision) */
    double bn_eps, bn_momentum; /* 0 = the table's; momentum in PyTorch's sense (share of the new value) */
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
} tn_tensor;

typedef struct tn_net tn_net;

/* Errors TN_EARG: unknown name (with the nearest), width or depth that give nothing, spec out of range; TN_ENOMEM. */
tn_status tn_net_new(const tn_net_spec *spec, tn_net **out);
void tn_net_free(tn_net **net);
const char *tn_net_name(int i);                       /* of the i-th net of the table; NULL behind the last */
const tn_net_spec *tn_net_spec_of(const tn_net *net); /* with the table's values filled in */
int64_t tn_net_params(const tn_net *net);             /* n_params */
int64_t tn_net_state(const tn_net *net);              /* n_state  */
int tn_net_tensors(const tn_net *net);
const tn_tensor *tn_net_tensor(const tn_net *net, int i); /* in file order; params and state interleaved as in timm */
bool tn_tensor_is_state(const tn_tensor *t);
int tn_net_table_px(const tn_net *net); /* the input size that the net was made for */
int tn_net_least_px(const tn_net *net); /* smallest input size: the product of all strides, one pixel is left */

/* Layer table (name, output, parameters) and the lines "parameters N", "state N"; size_px 0 = the table's size. */
void tn_net_describe(const tn_net *net, int size_px, FILE *out);

/* Convolution normal sqrt(2/fan_out) (depthwise: fan_out per group), dense uniform 1/sqrt(fan_in), biases 0, gamma 1,
 * beta 0, means 0, variances 1. Philox(seed, TN_STREAM_INIT, tensor index): equal for every size, fold and rank. */
void tn_net_init(const tn_net *net, uint64_t seed, float *params, float *state);

/* --- execution ---------------------------------------------------------------------------------------------------- */

typedef struct tn_exec tn_exec;

/* All memory is planned and allocated here, once. size_px square input. training: keeps what backward needs; such an
 * exec also evaluates (tn_exec_eval).
 * Errors  TN_ENOMEM; TN_EARG size below tn_net_least_px, B < 1, or training with a single value per channel
 *         somewhere. */
tn_status tn_exec_new(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, tn_exec **out);
void tn_exec_free(tn_exec **ex);
size_t tn_exec_bytes(const tn_exec *ex); /* device memory it holds */
/* What tn_exec_bytes would say, without taking the memory. Errors as tn_exec_new. */
tn_status tn_exec_cost(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, size_t *bytes_out);

/* params (n_params) and state (n_state) in device memory; they must stay valid. Call after every change of them. */
void tn_exec_weights(tn_exec *ex, const float *params, const float *state);

typedef struct {
    const float *image;        /* (B,S,S,3) host memory, normalised   */
    const float *extra;        /* (B,M) host, NULL when M = 0         */
    const float *target;       /* (B,K) host; all zeros: a sample without label, which has no cross entropy */
    const float *teacher;      /* (B,K) host: the teacher's probabilities; NULL = no consistency loss */
    double consistency_weight; /* of the distance to them (consistency.h) */
    tn_consistency_kind consistency;
    uint64_t seed;
    int64_t position; /* of the first sample in the training stream: dropout and drop-connect are drawn from
                         (seed, stream, position + i, layer) */
    /* Called after every operation of the backward pass, NULL = nobody: the gradients from place `from` of grads_out to
     * the end are final. `from` never rises and ends at 0. */
    void (*on_grads)(void *context, int64_t from);
    void *context;
} tn_exec_lane;

/* One lane: forward in training mode, loss, backward.
 * grads_out (n_params, device) overwritten: gradient of the mean loss over the B samples of the lane, those without
 * label counted: a label weighs the same whatever stands beside it (as in the published code of mean teacher).
 * moments_out (n_state, device): batch mean and *unbiased* variance at the places of the running ones.
 * loss_out (host): mean loss of the lane.
 * Cost: no allocation. */
void tn_exec_train(tn_exec *ex, const tn_exec_lane *lane, float *grads_out, float *moments_out, double *loss_out);

/* Where the time went since the executor was made, as markdown: per kind of operation and for the dearest operations
 * milliseconds forward, backward and in evaluation, their share, and the least that one pass over the operation has to
 * move. */
void tn_exec_profile(const tn_exec *ex, FILE *out);

/* Class probabilities p_out (B,K, host) in evaluation mode (running moments, no dropout). */
void tn_exec_eval(tn_exec *ex, const float *image, const float *extra, float *p_out);
/* The same, logits. */
void tn_exec_logits(tn_exec *ex, const float *image, const float *extra, float *logits_out);

#endif
