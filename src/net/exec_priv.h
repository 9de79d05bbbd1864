/*
 * exec_priv.h - how a net is computed: a tape of operations on values, and an arena in which they lie.
 *
 *   exec.c       memory, and the calls of net.h
 *   exec_tape.c  block list -> tape
 *   exec_plan.c  tape -> places in the arena
 *   exec_run.c   the tape forwards and backwards
 *
 * Values     Stored activations are what a convolution wrote, or a block's output. Batch norm and activation of the
 *            former belong to the value and are applied by whoever reads it (tn_view in dev.h). Others are float
 *            vectors (B,C).
 * Time       operation i of n runs forward at time i, the loss at n, its backward at 2n - i. A buffer is alive from the
 *            first to the last time it is touched; buffers alive at the same time never overlap.
 * In place   evaluation: activations of vectors, and a block's output over its last convolution. Training: only the
 *            gradients of those.
 * Invariant  A value that several operations read has its gradient begun by the last of them (the first to run
 *            backward); the others add.
 */
#ifndef TN_NET_EXEC_PRIV_H
#define TN_NET_EXEC_PRIV_H

#include "net/net_priv.h"

typedef enum {
    TN_OP_CONV,     /* x as read, times side(B,C) where there is one; then moments of y  */
    TN_OP_RESIDUAL, /* side + keep x as read; side -1 = nothing                          */
    TN_OP_POOL,     /* mean over the pixels of x as read                                 */
    TN_OP_DENSE,
    TN_OP_ACT,
    TN_OP_JOIN,   /* x beside side                                                       */
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
    int64_t affine_at;         /* CONV: a, b (2,C) of y's batch norm in tn_exec.affine                             */
    double drop;               /* probability, of RESIDUAL and DROPOUT                                             */
    int64_t draw_at;           /* their factors in tn_exec.draw, -1 = none                                         */
    int layer;                 /* and their stream's layer                                                         */
    bool add;                  /* backward adds to the gradient of x                                               */
    double seconds[TN_PASSES]; /* spent in it: tn_exec_profile                                             */
} tn_op;

/* (S,S,C) an image, S = 1 for vectors. Places are in floats from the start of the arena. */
typedef struct {
    int S, C;
    bool stored;
    int made_by;      /* CONV whose batch norm is applied on reading; -1 = none           */
    tn_act act;       /* and the activation                                               */
    int reader, pool; /* CONV or RESIDUAL whose x it is; POOL that reads it; -1 = none    */
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
    float *target, *loss, *p, *draw, *affine, *gho; /* device; in one allocation, `target` first */
    double *sums;                                   /* (2,C), the last of it                       */
    float *host;                                    /* (n_draws + B + 2 B K) */
    const float *params, *state;
};

/* exec_tape.c: op, value, n_draws, logits; creates the convolutions. */
tn_status tn_tape_build(tn_exec *ex);

/* exec_plan.c: the places of all values and n_arena. */
tn_status tn_tape_plan(tn_exec *ex);

/* exec_run.c. moments: (n_state) device, biased variances; NULL = evaluation. */
void tn_tape_forward(tn_exec *ex, float *moments);
/* Needs the gradient of the logits in place. Tells lane->on_grads. */
void tn_tape_backward(tn_exec *ex, const tn_exec_lane *lane, const float *moments, float *grads);

/* exec.c: this lane's factors of drop-connect and dropout, into ex->draw. */
void tn_exec_draw(tn_exec *ex, const tn_exec_lane *lane);

void *tn_value_at(const tn_exec *ex, int v, bool training);
void *tn_grad_at(const tn_exec *ex, int v);

#endif
