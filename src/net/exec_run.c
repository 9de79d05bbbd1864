/* exec_run.c - runs the tape forward and backward. */
#include "net/exec_priv.h"

#include "base/progress.h"

void *tn_value_at(const tn_exec *ex, int v, bool training) {
    return ex->arena + (training ? ex->value[v].train_at : ex->value[v].eval_at);
}

void *tn_grad_at(const tn_exec *ex, int v) {
    return ex->arena + ex->value[v].grad_at;
}

static int64_t pixels(const tn_value *v) {
    return (int64_t)v->S * v->S;
}

static int64_t offset(const tn_exec *ex, int tensor) {
    return ex->net->tensor[tensor].offset;
}

/* The view (dev.h) through which value v is read; scale -1 = none. */
static tn_view view_of(const tn_exec *ex, int v, int scale, bool training) {
    const tn_value *value = &ex->value[v];
    tn_view view = {.x = tn_value_at(ex, v, training)};
    if (value->made_by >= 0 && training) { /* in evaluation, batch norm and activation are already applied */
        view.a = ex->affine + ex->op[value->made_by].affine_at;
        view.b = view.a + value->C;
        view.act = value->act;
    }
    if (scale >= 0) view.scale = tn_value_at(ex, scale, training);
    return view;
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

/* Compute a, b of y's batch norm from batch moments, or from running moments (moments NULL). */
static float *affine(tn_exec *ex, const tn_op *op, const float *moments) {
    float *a = ex->affine + op->affine_at;
    int C = ex->value[op->y].C;
    ex->dev->op->bn_affine(ex->dev, C, ex->params + offset(ex, op->tensor + 1), ex->params + offset(ex, op->tensor + 2),
                           moments + offset(ex, op->tensor + 3), moments + offset(ex, op->tensor + 4),
                           (float)ex->net->spec.bn_eps, a, a + C);
    return a;
}

static void conv_train(tn_exec *ex, const tn_op *op, float *moments) {
    tn_view x = view_of(ex, op->x, op->side, true);
    ex->dev->op->conv_forward(ex->dev, op->conv, ex->batch, &x, NULL, tn_value_at(ex, op->y, true),
                              moments + offset(ex, op->tensor + 3), moments + offset(ex, op->tensor + 4));
    affine(ex, op, moments);
}

const tn_op *tn_op_expanding(const tn_exec *ex, const tn_op *op) {
    int by = op->depthwise ? ex->value[op->x].made_by : -1;
    return by >= 0 && ex->op[by].x != TN_VALUE_IMAGE && ex->dev->op->expand_forward ? &ex->op[by] : NULL;
}

bool tn_op_expands(const tn_exec *ex, const tn_op *op) {
    int reader = ex->value[op->y].reader;
    return reader >= 0 && tn_op_expanding(ex, &ex->op[reader]) == op;
}

/* How evaluation finishes the output of a convolution. */
static tn_finish finish_of(tn_exec *ex, const tn_op *op) {
    const tn_value *y = &ex->value[op->y];
    tn_finish f = {.a = affine(ex, op, ex->state), .act = y->act};
    f.b = f.a + y->C;
    return f;
}

/* A convolution in evaluation. The residual that follows has the same buffer as y (exec_plan.c) and is computed here, too; so is the
 * pool after a depthwise convolution, and the convolution before it that expands the channels. */
static void conv_eval(tn_exec *ex, const tn_op *op) {
    const tn_value *y = &ex->value[op->y];
    const tn_op *reader = y->reader >= 0 ? &ex->op[y->reader] : NULL, *wide = tn_op_expanding(ex, op);
    if (tn_op_expands(ex, op)) return;
    tn_finish finish = finish_of(ex, op);
    if (reader && reader->kind == TN_OP_RESIDUAL && reader->side >= 0)
        finish.side = tn_value_at(ex, reader->side, false);
    if (op->depthwise && y->pool >= 0) finish.pool = tn_value_at(ex, ex->op[y->pool].y, false);
    void *out = tn_value_at(ex, op->y, false);
    if (wide) {
        tn_finish middle = finish_of(ex, wide);
        ex->dev->op->expand_forward(ex->dev, wide->conv, &middle, op->conv, ex->batch, tn_value_at(ex, wide->x, false),
                                    &finish, out);
        return;
    }
    tn_view x = view_of(ex, op->x, op->side, false);
    ex->dev->op->conv_forward(ex->dev, op->conv, ex->batch, &x, &finish, out, NULL, NULL);
}

static void forward(tn_exec *ex, const tn_op *op, float *moments) {
    const tn_dev_table *f = ex->dev->op;
    tn_dev *dev = ex->dev;
    const tn_value *in = &ex->value[op->x], *out = &ex->value[op->y];
    bool training = moments != NULL;
    int B = ex->batch;
    void *x = tn_value_at(ex, op->x, training), *y = tn_value_at(ex, op->y, training);
    const void *side = op->side >= 0 ? tn_value_at(ex, op->side, training) : NULL;
    const float *draw = training && op->draw_at >= 0 ? ex->draw + op->draw_at : NULL;
    tn_view view;
    switch (op->kind) {
    case TN_OP_CONV:
        if (training)
            conv_train(ex, op, moments);
        else
            conv_eval(ex, op);
        break;
    case TN_OP_RESIDUAL:
        if (!training) break; /* done by conv_eval */
        view = view_of(ex, op->x, -1, true);
        f->residual(dev, B, pixels(in), in->C, &view, draw, side, y);
        break;
    case TN_OP_POOL:
        if (!training && in->reader >= 0) break; /* done by conv_eval */
        view = view_of(ex, op->x, -1, training);
        f->pool_forward(dev, B, pixels(in), in->C, &view, y);
        break;
    case TN_OP_DENSE:
        f->dense_forward(dev, B, in->C, out->C, x, ex->params + offset(ex, op->tensor),
                         ex->params + offset(ex, op->tensor + 1), y);
        break;
    case TN_OP_ACT:
        f->act_forward(dev, B * in->n, op->act, x, y);
        break;
    case TN_OP_JOIN:
        f->join_forward(dev, B, in->C, out->C - in->C, x, side, y);
        break;
    case TN_OP_DROPOUT:
        if (training) f->mul(dev, B * in->n, x, draw, y);
        break;
    }
}

void tn_tape_forward(tn_exec *ex, float *moments) {
    for (int i = 0; i < ex->n_ops; i++) {
        double begin_s = tn_now_s();
        forward(ex, &ex->op[i], moments);
        ex->op[i].seconds[moments ? TN_PASS_FORWARD : TN_PASS_EVALUATE] += tn_now_s() - begin_s;
    }
}

/* --- backward ----------------------------------------------------------------------------------------------------- */

/* Compute the gradient at the output of y's batch norm, and its sums, from the gradient that the readers of y left. A depthwise reader
 * has done this already. */
static void gather_gradient(tn_exec *ex, int y) {
    const tn_value *v = &ex->value[y];
    const tn_op *reader = v->reader >= 0 ? &ex->op[v->reader] : NULL;
    const void *g = NULL;
    const float *keep = NULL, *dpool = v->pool >= 0 ? tn_grad_at(ex, ex->op[v->pool].y) : NULL;
    int scale = -1;
    if (reader && reader->kind == TN_OP_RESIDUAL) {
        g = tn_grad_at(ex, reader->y);
        if (reader->draw_at >= 0) keep = ex->draw + reader->draw_at;
    } else if (reader) {
        if (reader->depthwise) return;
        g = tn_grad_at(ex, y);
        scale = reader->side;
    }
    tn_view view = view_of(ex, y, scale, true);
    ex->dev->op->read_backward(ex->dev, ex->batch, pixels(v), v->C, &view, g, keep, dpool, tn_grad_at(ex, y), ex->sums);
}

static void conv_backward(tn_exec *ex, const tn_op *op, const float *moments, float *grads) {
    const tn_dev_table *f = ex->dev->op;
    const tn_value *in = &ex->value[op->x], *out = &ex->value[op->y];
    int C = out->C;
    int64_t gamma = offset(ex, op->tensor + 1), beta = offset(ex, op->tensor + 2);
    gather_gradient(ex, op->y);
    f->bn_backward(ex->dev, ex->batch * pixels(out), C, ex->sums, ex->params + gamma,
                   moments + offset(ex, op->tensor + 3), moments + offset(ex, op->tensor + 4),
                   (float)ex->net->spec.bn_eps, ex->gho, grads + gamma, grads + beta);
    tn_grad_view dy = {tn_grad_at(ex, op->y), tn_value_at(ex, op->y, true), ex->gho, ex->gho + C, ex->gho + 2 * C};
    tn_view x = view_of(ex, op->x, op->side, true);
    void *dx = op->x == TN_VALUE_IMAGE ? NULL : tn_grad_at(ex, op->x);
    f->conv_backward(ex->dev, op->conv, ex->batch, &x, &dy, dx, op->add,
                     in->made_by >= 0 && op->depthwise ? ex->sums : NULL, grads + offset(ex, op->tensor));
    if (op->side >= 0) f->scale_backward(ex->dev, ex->batch, pixels(in), in->C, &x, dx, tn_grad_at(ex, op->side));
}

static void backward(tn_exec *ex, const tn_op *op, const float *moments, float *grads) {
    const tn_dev_table *f = ex->dev->op;
    tn_dev *dev = ex->dev;
    const tn_value *in = &ex->value[op->x], *out = &ex->value[op->y];
    int B = ex->batch;
    const float *x = tn_value_at(ex, op->x, true), *dy = tn_grad_at(ex, op->y);
    float *dx = tn_grad_at(ex, op->x);
    switch (op->kind) {
    case TN_OP_CONV:
        conv_backward(ex, op, moments, grads);
        break;
    case TN_OP_RESIDUAL: /* gather_gradient reads the gradient of y directly */
    case TN_OP_POOL:
        break;
    case TN_OP_DENSE:
        f->dense_backward(dev, B, in->C, out->C, x, ex->params + offset(ex, op->tensor), dy, dx,
                          grads + offset(ex, op->tensor), grads + offset(ex, op->tensor + 1));
        break;
    case TN_OP_ACT:
        f->act_backward(dev, B * in->n, op->act, x, dy, dx);
        break;
    case TN_OP_JOIN:
        f->join_backward(dev, B, in->C, out->C - in->C, dy, dx);
        break;
    case TN_OP_DROPOUT:
        f->mul(dev, B * in->n, dy, ex->draw + op->draw_at, dx);
        break;
    }
}

void tn_tape_backward(tn_exec *ex, const tn_exec_lane *lane, const float *moments, float *grads) {
    int64_t from = ex->net->n_params;
    for (int i = ex->n_ops - 1; i >= 0; i--) {
        const tn_op *op = &ex->op[i];
        if (op->tensor >= 0 && offset(ex, op->tensor) < lane->n_frozen) break;
        double begin_s = tn_now_s();
        backward(ex, op, moments, grads);
        ex->op[i].seconds[TN_PASS_BACKWARD] += tn_now_s() - begin_s;
        if (op->tensor >= 0) from = offset(ex, op->tensor); /* tensors have the order of the tape */
        if (lane->on_grads) lane->on_grads(lane->context, from);
    }
    if (lane->n_frozen == 0) return;
    ex->dev->op->fill(ex->dev, lane->n_frozen, 0, grads);
    if (lane->on_grads) lane->on_grads(lane->context, 0);
}
