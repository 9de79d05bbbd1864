/*
 * exec_priv.h - how a net is computed: a tape of operations on values, and an arena in which they lie.
 *
 *   exec.c       memory, and the calls of net.h
 *   exec_tape.c  block list -> tape
 *   exec_plan.c  tape -> places in the arena
 *   exec_run.c   the tape forwards and backwards
 *
 * Time       operation i of n runs forward at time i, the loss at n, its backward at 2n - i. A buffer is alive from the
 *            first to the last time it is touched; buffers alive at the same time never overlap.
 * In place   evaluation: every elementwise operation. Training: only the gradients of those.
 * Invariant  A value that several operations read has its gradient begun by the last of them (the first to run
 *            backward); the others add.
 */
#ifndef TN_NET_EXEC_PRIV_H
#define TN_NET_EXEC_PRIV_H

#include "net/net_priv.h"

typedef enum {
    TN_OP_CONV,
    TN_OP_BN,   /* batch norm + act                                       */
    TN_OP_POOL, /* mean over the pixels                                   */
    TN_OP_DENSE,
    TN_OP_ACT,
    TN_OP_SCALE,    /* x times side(B,C)                                      */
    TN_OP_RESIDUAL, /* side + keep x                                          */
    TN_OP_JOIN,     /* x beside side                                          */
    TN_OP_DROPOUT   /* x times mask; nothing in evaluation                    */
} tn_op_kind;

typedef struct {
    tn_op_kind kind;
    int x, side, y; /* values; side -1 = none                                                            */
    int tensor;     /* the first it uses: weight; gamma (beta, mean, var follow); weight (bias follows)  */
    tn_act act;
    tn_conv *conv;
    double drop;     /* probability, of RESIDUAL and DROPOUT                                              */
    int64_t draw_at; /* their factors in tn_exec.draw                                                     */
    int layer;       /* and their stream's layer                                                          */
    bool add;        /* backward adds to the gradient of x                                                */
    int64_t temp_at; /* CONV that adds: its own part of the gradient, in the arena                        */
} tn_op;

/* (B,S,S,C), S = 1 for vectors. Places are in floats from the start of the arena. */
typedef struct {
    int S, C;
    int64_t n, eval_at, train_at, grad_at;
} tn_value;

enum { TN_VALUE_IMAGE = 0, TN_VALUE_EXTRA = 1 }; /* inputs, without gradient; extra has n = 0 when M = 0 */

struct tn_exec {
    tn_dev *dev;
    const tn_net *net;
    int B, size_px;
    bool training;
    int n_ops, n_values, logits;
    tn_op *op;
    tn_value *value;
    int64_t n_draws, n_arena, n_fixed;
    float *arena, *target, *loss, *p, *draw; /* device; the last four lie in one allocation, `target` first */
    float *host;                             /* (n_draws), loss (B) */
    const float *params, *state;
};

/* exec_tape.c: op, value, n_draws, logits; creates the convolutions. */
tn_status tn_tape_build(tn_exec *ex);

/* exec_plan.c: the places of all values and n_arena. */
tn_status tn_tape_plan(tn_exec *ex);

/* exec_run.c. moments: (n_state) device, biased variances; NULL = evaluation. */
void tn_tape_forward(tn_exec *ex, float *moments);
/* Needs the gradient of the logits in place. */
void tn_tape_backward(tn_exec *ex, const float *moments, float *grads);

/* exec.c: this lane's factors of drop-connect and dropout, into ex->draw. */
void tn_exec_draw(tn_exec *ex, const tn_exec_lane *lane);

float *tn_value_at(const tn_exec *ex, int v, bool training);
float *tn_grad_at(const tn_exec *ex, int v);

#endif
