/* exec_run.c - the tape forwards and backwards. */
#include "net/exec_priv.h"

float *tn_value_at(const tn_exec *ex, int v, bool training) {
    return ex->arena + (training ? ex->value[v].train_at : ex->value[v].eval_at);
}

float *tn_grad_at(const tn_exec *ex, int v) {
    return ex->arena + ex->value[v].grad_at;
}

static int64_t pixels(const tn_value *v) {
    return (int64_t)v->S * v->S;
}

static int64_t offset(const tn_exec *ex, int tensor) {
    return ex->net->tensor[tensor].offset;
}

static void bn_forward(tn_exec *ex, const tn_op *op, const float *x, float *y, float *moments) {
    const tn_dev_table *f = ex->dev->op;
    const tn_value *v = &ex->value[op->x];
    int64_t M = ex->B * pixels(v), mean = offset(ex, op->tensor + 2), var = offset(ex, op->tensor + 3);
    const float *gamma = ex->params + offset(ex, op->tensor), *beta = ex->params + offset(ex, op->tensor + 1);
    float eps = (float)ex->net->spec.bn_eps;
    if (moments)
        f->bn_train(ex->dev, M, v->C, x, gamma, beta, eps, op->act, y, moments + mean, moments + var);
    else
        f->bn_eval(ex->dev, M, v->C, x, gamma, beta, ex->state + mean, ex->state + var, eps, op->act, y);
}

static void forward(tn_exec *ex, const tn_op *op, float *moments) {
    const tn_dev_table *f = ex->dev->op;
    tn_dev *dev = ex->dev;
    const tn_value *in = &ex->value[op->x], *out = &ex->value[op->y];
    bool training = moments != NULL;
    const float *x = tn_value_at(ex, op->x, training);
    const float *side = op->side >= 0 ? tn_value_at(ex, op->side, training) : NULL;
    float *y = tn_value_at(ex, op->y, training);
    switch (op->kind) {
    case TN_OP_CONV:
        f->conv_forward(dev, op->conv, x, y);
        break;
    case TN_OP_BN:
        bn_forward(ex, op, x, y, moments);
        break;
    case TN_OP_POOL:
        f->pool_forward(dev, ex->B, pixels(in), in->C, x, y);
        break;
    case TN_OP_DENSE:
        f->dense_forward(dev, ex->B, in->C, out->C, x, ex->params + offset(ex, op->tensor),
                         ex->params + offset(ex, op->tensor + 1), y);
        break;
    case TN_OP_ACT:
        f->act_forward(dev, in->n, op->act, x, y);
        break;
    case TN_OP_SCALE:
        f->scale_forward(dev, ex->B, pixels(in), in->C, x, side, y);
        break;
    case TN_OP_RESIDUAL:
        f->residual(dev, ex->B, in->n / ex->B, x, training ? ex->draw + op->draw_at : NULL, side, y);
        break;
    case TN_OP_JOIN:
        f->join_forward(dev, ex->B, in->C, out->C - in->C, x, side, y);
        break;
    case TN_OP_DROPOUT:
        if (training) f->mul(dev, in->n, x, ex->draw + op->draw_at, y);
        break;
    }
}

void tn_tape_forward(tn_exec *ex, float *moments) {
    for (int i = 0; i < ex->n_ops; i++) forward(ex, &ex->op[i], moments);
}

static void conv_backward(tn_exec *ex, const tn_op *op, const float *x, const float *dy, float *grads) {
    const tn_dev_table *f = ex->dev->op;
    f->conv_backward_weights(ex->dev, op->conv, x, dy, grads + offset(ex, op->tensor));
    if (op->x == TN_VALUE_IMAGE) return;
    float *dx = tn_grad_at(ex, op->x), *part = op->add ? ex->arena + op->temp_at : dx;
    f->conv_backward_data(ex->dev, op->conv, dy, part);
    if (op->add) f->add(ex->dev, ex->value[op->x].n, part, dx);
}

static void bn_backward(tn_exec *ex, const tn_op *op, const float *x, const float *dy, const float *moments,
                        float *grads) {
    const tn_value *v = &ex->value[op->x];
    int64_t gamma = offset(ex, op->tensor), beta = offset(ex, op->tensor + 1);
    ex->dev->op->bn_backward(ex->dev, ex->B * pixels(v), v->C, x, ex->params + gamma, ex->params + beta,
                             moments + offset(ex, op->tensor + 2), moments + offset(ex, op->tensor + 3),
                             (float)ex->net->spec.bn_eps, op->act, dy, tn_grad_at(ex, op->x), grads + gamma,
                             grads + beta);
}

static void backward(tn_exec *ex, const tn_op *op, const float *moments, float *grads) {
    const tn_dev_table *f = ex->dev->op;
    tn_dev *dev = ex->dev;
    const tn_value *in = &ex->value[op->x], *out = &ex->value[op->y];
    const float *x = tn_value_at(ex, op->x, true), *dy = tn_grad_at(ex, op->y);
    float *dx = tn_grad_at(ex, op->x);
    switch (op->kind) {
    case TN_OP_CONV:
        conv_backward(ex, op, x, dy, grads);
        break;
    case TN_OP_BN:
        bn_backward(ex, op, x, dy, moments, grads);
        break;
    case TN_OP_POOL:
        f->pool_backward(dev, ex->B, pixels(in), in->C, dy, dx, op->add);
        break;
    case TN_OP_DENSE:
        f->dense_backward(dev, ex->B, in->C, out->C, x, ex->params + offset(ex, op->tensor), dy, dx,
                          grads + offset(ex, op->tensor), grads + offset(ex, op->tensor + 1));
        break;
    case TN_OP_ACT:
        f->act_backward(dev, in->n, op->act, x, dy, dx);
        break;
    case TN_OP_SCALE:
        f->scale_backward(dev, ex->B, pixels(in), in->C, x, tn_value_at(ex, op->side, true), dy, dx,
                          tn_grad_at(ex, op->side));
        break;
    case TN_OP_RESIDUAL:
        f->keep(dev, ex->B, in->n / ex->B, dy, ex->draw + op->draw_at, dx);
        break;
    case TN_OP_JOIN:
        f->join_backward(dev, ex->B, in->C, out->C - in->C, dy, dx);
        break;
    case TN_OP_DROPOUT:
        f->mul(dev, in->n, dy, ex->draw + op->draw_at, dx);
        break;
    }
}

void tn_tape_backward(tn_exec *ex, const float *moments, float *grads) {
    for (int i = ex->n_ops - 1; i >= 0; i--) backward(ex, &ex->op[i], moments, grads);
}
