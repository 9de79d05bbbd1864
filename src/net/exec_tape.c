/* exec_tape.c - makes the tape of operations from the block list. */
#include "net/exec_priv.h"

#include <stdlib.h>

enum { OPS_PER_BLOCK = 10, OPS_OUTSIDE = 10 }; /* 3 conv, SE 5, residual; stem 2, head conv, pool ... classifier */

static int value(tn_exec *ex, int S, int C, bool stored) {
    ex->value[ex->n_values] =
        (tn_value){.S = S, .C = C, .stored = stored, .made_by = -1, .reader = -1, .pool = -1, .n = (int64_t)S * S * C};
    if (stored && C > ex->most_channels) ex->most_channels = C;
    return ex->n_values++;
}

static tn_op *push(tn_exec *ex, tn_op_kind kind, int x, int y) {
    if (kind == TN_OP_CONV || kind == TN_OP_RESIDUAL) ex->value[x].reader = ex->n_ops;
    if (kind == TN_OP_POOL) ex->value[x].pool = ex->n_ops;
    ex->op[ex->n_ops] = (tn_op){.kind = kind, .x = x, .side = -1, .y = y, .tensor = -1, .draw_at = -1};
    return &ex->op[ex->n_ops++];
}

/* Push an elementwise operation on x; its output has the shape of x. */
static tn_op *push_alike(tn_exec *ex, tn_op_kind kind, int x) {
    return push(ex, kind, x, value(ex, ex->value[x].S, ex->value[x].C, ex->value[x].stored));
}

/* Push a convolution of x (times scale, -1 = none) whose output is read through batch norm and activation. */
static tn_status conv_bn(tn_exec *ex, int tensor, int stride, tn_act act, int scale, int *x) {
    const tn_tensor *w = &ex->net->tensor[tensor];
    tn_value in = ex->value[*x];
    TN_ASSERT(act != TN_ACT_SIGMOID);
    int pad, C_out = (int)w->dim[0], kernel = (int)w->dim[2];
    int P = tn_net_out_px(ex->net, in.S, kernel, stride, &pad);
    tn_op *op = push(ex, TN_OP_CONV, *x, value(ex, P, C_out, true));
    op->side = scale;
    op->tensor = tensor;
    op->depthwise = w->kind == TN_TENSOR_DEPTHWISE;
    op->affine_at = ex->n_affine;
    ex->n_affine += 2 * C_out;
    ex->value[op->y].made_by = ex->n_ops - 1;
    ex->value[op->y].act = act;
    tn_conv_shape shape = {.B = ex->B,
                           .H = in.S,
                           .W = in.S,
                           .C = in.C,
                           .P = P,
                           .Q = P,
                           .K = C_out,
                           .R = kernel,
                           .stride = stride,
                           .pad_top = pad,
                           .pad_left = pad,
                           .depthwise = op->depthwise};
    *x = op->y;
    return ex->dev->op->conv_new(ex->dev, &shape, &op->conv);
}

static int dense(tn_exec *ex, int tensor, int x) {
    tn_op *op = push(ex, TN_OP_DENSE, x, value(ex, 1, (int)ex->net->tensor[tensor].dim[0], false));
    op->tensor = tensor;
    return op->y;
}

static int activate(tn_exec *ex, tn_act act, int x) {
    tn_op *op = push_alike(ex, TN_OP_ACT, x);
    op->act = act;
    return op->y;
}

static int pool(tn_exec *ex, int x) {
    return push(ex, TN_OP_POOL, x, value(ex, 1, ex->value[x].C, false))->y;
}

/* Push an operation that stores x as it is read. */
static int materialise(tn_exec *ex, int x) {
    return ex->value[x].made_by < 0 ? x : push_alike(ex, TN_OP_RESIDUAL, x)->y;
}

/* Push squeeze-and-excitation of x. Returns the value with the factors (B,C) of the channels. */
static int squeeze_excite(tn_exec *ex, int tensor, int x) {
    int s = activate(ex, ex->net->act, dense(ex, tensor, pool(ex, x)));
    return activate(ex, TN_ACT_SIGMOID, dense(ex, tensor + 2, s));
}

static tn_status block(tn_exec *ex, int index, int *x) {
    const tn_block *b = &ex->net->block[index];
    if (b->skip) *x = materialise(ex, *x);
    int v = *x, scale = -1;
    if (b->expand >= 0) TN_TRY(conv_bn(ex, b->expand, 1, ex->net->act, -1, &v));
    TN_TRY(conv_bn(ex, b->depthwise, b->stride, ex->net->act, -1, &v));
    if (b->se >= 0) scale = squeeze_excite(ex, b->se, v);
    TN_TRY(conv_bn(ex, b->project, 1, TN_ACT_NONE, scale, &v));
    tn_op *op = push_alike(ex, TN_OP_RESIDUAL, v);
    if (b->skip) {
        op->side = *x;
        op->drop = ex->net->spec.drop_connect * index / ex->net->n_blocks;
        op->layer = index;
        op->draw_at = ex->n_draws;
        ex->n_draws += ex->B;
    }
    *x = op->y;
    return TN_OK;
}

static int head(tn_exec *ex, int x) {
    const tn_net *net = ex->net;
    x = pool(ex, x);
    if (net->spec.extra_units) {
        tn_op *op = push(ex, TN_OP_JOIN, x, value(ex, 1, ex->value[x].C + net->spec.extra_units, false));
        op->side = TN_VALUE_EXTRA;
        x = op->y;
    }
    if (net->head_dense >= 0) x = activate(ex, TN_ACT_SWISH, dense(ex, net->head_dense, x));
    if (net->spec.dropout > 0) {
        tn_op *op = push_alike(ex, TN_OP_DROPOUT, x);
        op->drop = net->spec.dropout;
        op->draw_at = ex->n_draws;
        ex->n_draws += ex->B * ex->value[x].n;
        x = op->y;
    }
    return dense(ex, net->classifier, x);
}

/* Mark the operations whose backward adds to a gradient. Backward runs from the last operation to the first; the first to reach a value
 * writes its gradient. The gradients of a POOL, and of a RESIDUAL whose x is a convolution's output, are read by that convolution
 * itself and need no buffer. */
static tn_status mark_adders(tn_exec *ex) {
    size_t n = (size_t)ex->n_values;
    bool *begun = calloc(n, sizeof *begun);
    if (!begun) return tn_fail_memory(n, "the plan of a net");
    for (int i = ex->n_ops - 1; i >= 0; i--) {
        tn_op *op = &ex->op[i];
        if (op->kind != TN_OP_POOL && op->kind != TN_OP_RESIDUAL) {
            op->add = begun[op->x];
            TN_ASSERT(!op->add || (op->kind == TN_OP_CONV && ex->value[op->x].made_by < 0));
            begun[op->x] = true;
        }
        if (op->side >= 0) {
            TN_ASSERT(!begun[op->side]);
            begun[op->side] = true;
        }
    }
    free(begun);
    return TN_OK;
}

/* Do the tensors have the order of the tape? Then gradients become final from the end of their vector to its beginning. */
static bool tensors_follow_tape(const tn_exec *ex) {
    int last = -1;
    for (int i = 0; i < ex->n_ops; i++) {
        if (ex->op[i].tensor < 0) continue;
        if (ex->op[i].tensor <= last) return false;
        last = ex->op[i].tensor;
    }
    return true;
}

tn_status tn_tape_build(tn_exec *ex) {
    const tn_net *net = ex->net;
    int most = OPS_PER_BLOCK * net->n_blocks + OPS_OUTSIDE;
    ex->op = calloc((size_t)most, sizeof *ex->op);
    ex->value = calloc((size_t)most + 2, sizeof *ex->value);
    if (!ex->op || !ex->value)
        return tn_fail_memory((size_t)most * (sizeof *ex->op + sizeof *ex->value), "the plan of a net");
    int x = value(ex, ex->size_px, (int)net->tensor[net->stem].dim[1], true);
    value(ex, 1, net->spec.extra_units, false);
    TN_TRY(conv_bn(ex, net->stem, net->spec.stem_stride, net->act, -1, &x));
    for (int i = 0; i < net->n_blocks; i++) TN_TRY(block(ex, i, &x));
    TN_TRY(conv_bn(ex, net->head, 1, net->act, -1, &x));
    ex->logits = head(ex, x);
    TN_ASSERT(ex->n_ops <= most && tensors_follow_tape(ex));
    return mark_adders(ex);
}
