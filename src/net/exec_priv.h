/*
 * exec_priv.h - how a net is computed: a tape (list of operations on values), and an arena (one allocation for all values).
 *
 *   exec.c       memory, and the calls of net.h
 *   exec_tape.c  block list -> tape
 *   exec_plan.c  tape -> offsets in the arena
 *   exec_run.c   the tape forwards and backwards
 *
 * Values     images (B,S,S,C): the raw output of a convolution, or a block's output. Batch norm and activation of a
 *            convolution's output belong to the value and are applied when it is read (tn_view in dev.h). Other values are
 *            float vectors (B,C).
 * Time       operation i of n runs forward at time i, the loss at time n, the backward of i at time 2n - i. A buffer is alive
 *            from its first to its last use; buffers that are alive at the same time never overlap.
 * In place   in evaluation: activations of vectors, and a block's output, which overwrites its last convolution's. In
 *            training: only the gradients of these.
 * Invariant  If several operations read a value, the last of them (the first to run backward) writes its gradient, and the
 *            others add to it.
 */
#ifndef TN_NET_EXEC_PRIV_H
#define TN_NET_EXEC_PRIV_H

#include "net/net_priv.h"

typedef enum {
    TN_OP_CONV,     /* convolution of x as read, times side (B,C) if there is one; then moments of y */
    TN_OP_RESIDUAL, /* side + keep x as read; side -1 = nothing                          */
    TN_OP_POOL,     /* mean over the pixels of x as read                                 */
    TN_OP_DENSE,
    TN_OP_ACT,
    TN_OP_JOIN,   /* concatenation of x and side                                         */
    TN_OP_DROPOUT /* x times mask; nothing in evaluation                                 */
} tn_op_kind;

enum { TN_PASS_FORWARD, TN_PASS_BACKWARD, TN_PASS_EVALUATE, TN_PASSES };

typedef struct {
    tn_op_kind kind;
    int x, side, y; /* values; side -1 = none                                                              */
    int tensor;     /* CONV: weight; gamma, beta, mean, var follow. DENSE: weight; bias follows            */
    tn_act act;     /* ACT                                                                                 */
    tn_conv *conv;
    bool depthwise;
    int64_t affine_at;         /* CONV: offset in tn_exec.affine of a, b (2,C) of y's batch norm                   */
    double drop;               /* RESIDUAL, DROPOUT: drop probability                                              */
    int64_t draw_at;           /* RESIDUAL, DROPOUT: offset in tn_exec.draw of their factors, -1 = none            */
    int layer;                 /* RESIDUAL, DROPOUT: layer number of their random stream                           */
    bool add;                  /* backward adds to the gradient of x instead of writing it                         */
    double seconds[TN_PASSES]; /* time spent in it, for tn_exec_profile                                    */
} tn_op;

/* An image (S,S,C), or a vector with S = 1. Offsets (.._at) are in floats from the start of the arena. */
typedef struct {
    int S, C;
    bool stored;
    int made_by;      /* the CONV whose batch norm is applied on reading; -1 = none       */
    tn_act act;       /* the activation that is applied on reading                        */
    int reader, pool; /* the CONV or RESIDUAL, and the POOL, that read it as x; -1 = none */
    int64_t n, eval_at, train_at, grad_at;
} tn_value;

enum { TN_VALUE_IMAGE = 0, TN_VALUE_EXTRA = 1 }; /* inputs, without gradient; extra has n = 0 when M = 0 */

struct tn_exec {
    tn_dev *dev;
    const tn_net *net;
    int B, B_eval, size_px; /* evaluation runs B_eval images at a time, which stay in the cache */
    int batch;              /* images of the current call                                       */
    bool training;
    int n_ops, n_values, logits;
    tn_op *op;
    tn_value *value;
    int64_t n_draws, n_affine, n_arena, n_fixed;
    int most_channels;
    float *arena;
    float *affine, *gho; /* device; one allocation, which begins at `affine`: (n_affine), (3,C) */
    double *sums;        /* (2,C) */
    float *target, *p, *loss, *draw;
    float *host; /* (n_draws + B + 2 B K) */
    const float *params, *state;
};

/* exec_tape.c: set op, value, n_draws, logits; create the convolutions. */
tn_status tn_tape_build(tn_exec *ex);

/* exec_plan.c: set the offsets of all values, and n_arena. */
tn_status tn_tape_plan(tn_exec *ex);

/* exec_run.c. moments (n_state, device): gets batch moments with biased variances; NULL = evaluation. */
void tn_tape_forward(tn_exec *ex, float *moments);
/* The gradient of the logits must be set. Calls lane->on_grads. */
void tn_tape_backward(tn_exec *ex, const tn_exec_lane *lane, const float *moments, float *grads);

/* exec.c: draw this lane's factors of drop-connect and dropout into ex->draw. */
void tn_exec_draw(tn_exec *ex, const tn_exec_lane *lane);

/* exec_run.c: evaluation may compute a convolution that expands the channels and the depthwise one that reads it at once. It does not
 * store the values between them. The expanding one of the depthwise convolution op, NULL = none; and: is op such an expanding one? */
const tn_op *tn_op_expanding(const tn_exec *ex, const tn_op *op);
bool tn_op_expands(const tn_exec *ex, const tn_op *op);

void *tn_value_at(const tn_exec *ex, int v, bool training);
void *tn_grad_at(const tn_exec *ex, int v);

#endif
