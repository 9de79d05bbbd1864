/* exec_tape.c - walks the block list and writes down the operations. */
#include "net/exec_priv.h"

#include <stdlib.h>

enum { OPS_PER_BLOCK = 13, OPS_OUTSIDE = 10 }; /* 3 x (conv, bn), SE 6, residual; stem 2, head 2, pool ... classifier */

static int value(tn_exec *ex, int S, int C) {
    ex->value[ex->n_values] = (tn_value){.S = S, .C = C, .n = (int64_t)ex->B * S * S * C};
    return ex->n_values++;
}

static tn_op *push(tn_exec *ex, tn_op_kind kind, int x, int y) {
    ex->op[ex->n_ops] = (tn_op){.kind = kind, .x = x, .side = -1, .y = y, .tensor = -1};
    return &ex->op[ex->n_ops++];
}

/* A value of the same shape as x made from it by an elementwise operation. */
static tn_op *push_alike(tn_exec *ex, tn_op_kind kind, int x) {
    return push(ex, kind, x, value(ex, ex->value[x].S, ex->value[x].C));
}

/* Convolution, batch norm, activation. */
static tn_status conv_bn(tn_exec *ex, int tensor, int stride, tn_act act, int *x) {
    const tn_tensor *w = &ex->net->tensor[tensor];
    tn_value in = ex->value[*x];
    int pad, C_out = (int)w->dim[0], kernel = (int)w->dim[2];
    int P = tn_net_out_px(ex->net, in.S, kernel, stride, &pad);
    tn_op *op = push(ex, TN_OP_CONV, *x, value(ex, P, C_out));
    op->tensor = tensor;
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
                           .depthwise = w->kind == TN_TENSOR_DEPTHWISE};
    TN_TRY(ex->dev->op->conv_new(ex->dev, &shape, ex->training, &op->conv));
    tn_op *bn = push_alike(ex, TN_OP_BN, op->y);
    bn->tensor = tensor + 1;
    bn->act = act;
    *x = bn->y;
    return TN_OK;
}

static int dense(tn_exec *ex, int tensor, int x) {
    tn_op *op = push(ex, TN_OP_DENSE, x, value(ex, 1, (int)ex->net->tensor[tensor].dim[0]));
    op->tensor = tensor;
    return op->y;
}

static int activate(tn_exec *ex, tn_act act, int x) {
    tn_op *op = push_alike(ex, TN_OP_ACT, x);
    op->act = act;
    return op->y;
}

static int pool(tn_exec *ex, int x) {
    return push(ex, TN_OP_POOL, x, value(ex, 1, ex->value[x].C))->y;
}

static int squeeze_excite(tn_exec *ex, int tensor, int x) {
    int s = activate(ex, ex->net->act, dense(ex, tensor, pool(ex, x)));
    s = activate(ex, TN_ACT_SIGMOID, dense(ex, tensor + 2, s));
    tn_op *op = push_alike(ex, TN_OP_SCALE, x);
    op->side = s;
    return op->y;
}

static tn_status block(tn_exec *ex, int index, int *x) {
    const tn_block *b = &ex->net->block[index];
    int v = *x;
    if (b->expand >= 0) TN_TRY(conv_bn(ex, b->expand, 1, ex->net->act, &v));
    TN_TRY(conv_bn(ex, b->depthwise, b->stride, ex->net->act, &v));
    if (b->se >= 0) v = squeeze_excite(ex, b->se, v);
    TN_TRY(conv_bn(ex, b->project, 1, TN_ACT_NONE, &v));
    if (b->skip) {
        tn_op *op = push_alike(ex, TN_OP_RESIDUAL, v);
        op->side = *x;
        op->drop = ex->net->spec.drop_connect * index / ex->net->n_blocks;
        op->layer = index;
        op->draw_at = ex->n_draws;
        ex->n_draws += ex->B;
        v = op->y;
    }
    *x = v;
    return TN_OK;
}

static int head(tn_exec *ex, int x) {
    const tn_net *net = ex->net;
    x = pool(ex, x);
    if (net->spec.extra_units) {
        tn_op *op = push(ex, TN_OP_JOIN, x, value(ex, 1, ex->value[x].C + net->spec.extra_units));
        op->side = TN_VALUE_EXTRA;
        x = op->y;
    }
    if (net->head_dense >= 0) x = activate(ex, TN_ACT_SWISH, dense(ex, net->head_dense, x));
    if (net->spec.dropout > 0) {
        tn_op *op = push_alike(ex, TN_OP_DROPOUT, x);
        op->drop = net->spec.dropout;
        op->draw_at = ex->n_draws;
        ex->n_draws += ex->value[x].n;
        x = op->y;
    }
    return dense(ex, net->classifier, x);
}

/* Backward runs from the last operation to the first: whoever meets a gradient that was begun adds to it. */
static tn_status mark_adders(tn_exec *ex) {
    size_t n = (size_t)ex->n_values;
    bool *begun = calloc(n, sizeof *begun);
    if (!begun) return tn_fail_memory(n, "the plan of a net");
    for (int i = ex->n_ops - 1; i >= 0; i--) {
        tn_op *op = &ex->op[i];
        op->add = begun[op->x];
        TN_ASSERT(!op->add || op->kind == TN_OP_CONV || op->kind == TN_OP_POOL);
        begun[op->x] = true;
        if (op->side >= 0) {
            TN_ASSERT(!begun[op->side]);
            begun[op->side] = true;
        }
    }
    free(begun);
    return TN_OK;
}

tn_status tn_tape_build(tn_exec *ex) {
    const tn_net *net = ex->net;
    int most = OPS_PER_BLOCK * net->n_blocks + OPS_OUTSIDE;
    ex->op = calloc((size_t)most, sizeof *ex->op);
    ex->value = calloc((size_t)most + 2, sizeof *ex->value);
    if (!ex->op || !ex->value)
        return tn_fail_memory((size_t)most * (sizeof *ex->op + sizeof *ex->value), "the plan of a net");
    int x = value(ex, ex->size_px, (int)net->tensor[net->stem].dim[1]);
    value(ex, 1, net->spec.extra_units);
    TN_TRY(conv_bn(ex, net->stem, net->spec.stem_stride, net->act, &x));
    for (int i = 0; i < net->n_blocks; i++) TN_TRY(block(ex, i, &x));
    TN_TRY(conv_bn(ex, net->head, 1, net->act, &x));
    ex->logits = head(ex, x);
    TN_ASSERT(ex->n_ops <= most);
    return mark_adders(ex);
}
