/* exec_plan.c - lifetimes of buffers, and their offsets in the arena. */
#include "net/exec_priv.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16 }; /* floats: 64 bytes */

typedef struct {
    int64_t n, at;
    int first, last; /* times, both inclusive */
} span;

/* --- offsets ------------------------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b) {
    const span *x = *(span *const *)a, *y = *(span *const *)b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return x < y ? -1 : 1; /* no ties, so that qsort gives the same plan everywhere */
}

/* Place a span into the lowest gap between placed spans (sorted by offset) that are alive at the same time. Returns its index in that
 * order. */
static int place(span *s, int n_placed, span *const *placed) {
    int64_t end = 0;
    s->at = -1;
    for (int i = 0; i < n_placed && s->at < 0; i++) {
        const span *p = placed[i];
        if (p->last < s->first || s->last < p->first) continue;
        if (p->at - end >= s->n) s->at = end;
        if (p->at + p->n > end) end = p->at + p->n;
    }
    if (s->at < 0) s->at = end;
    int i = 0;
    while (i < n_placed && placed[i]->at <= s->at) i++;
    return i;
}

/* Place all spans, largest first, each at the lowest offset that is free during its lifetime. Returns the total; -1 = no memory. */
static int64_t place_all(int n, span *all) {
    span **order = calloc(2 * (size_t)n, sizeof *order), **placed = order + n;
    if (!order) return -1;
    int n_used = 0;
    for (int i = 0; i < n; i++) {
        all[i].n = (all[i].n + ALIGN - 1) / ALIGN * ALIGN;
        if (all[i].n > 0 && all[i].last >= 0) order[n_used++] = &all[i];
    }
    qsort(order, (size_t)n_used, sizeof *order, by_size);
    int64_t total = 0;
    for (int i = 0; i < n_used; i++) {
        int at = place(order[i], i, placed);
        memmove(placed + at + 1, placed + at, (size_t)(i - at) * sizeof *placed);
        placed[at] = order[i];
        if (order[i]->at + order[i]->n > total) total = order[i]->at + order[i]->n;
    }
    free(order);
    return total;
}

static void touch(span *s, int time) {
    if (time < s->first) s->first = time;
    if (time > s->last) s->last = time;
}

/* --- lifetimes ---------------------------------------------------------------------------------------------------- */

static bool elementwise(const tn_op *op) {
    return op->kind == TN_OP_ACT || op->kind == TN_OP_DROPOUT;
}

/* Spans 0 .. n_values-1; owner[v]: the value whose span v shares. */
static void lives_of_eval(const tn_exec *ex, span *data, int *owner) {
    for (int v = 0; v < ex->n_values; v++) owner[v] = v;
    touch(&data[TN_VALUE_IMAGE], 0);
    touch(&data[TN_VALUE_EXTRA], 0);
    for (int i = 0; i < ex->n_ops; i++) {
        const tn_op *op = &ex->op[i];
        if (elementwise(op) || op->kind == TN_OP_RESIDUAL) owner[op->y] = owner[op->x];
        const tn_op *wide = tn_op_expanding(ex, op);
        if (tn_op_expands(ex, op)) continue; /* computed with its reader */
        touch(&data[owner[wide ? wide->x : op->x]], i);
        if (op->side >= 0) touch(&data[owner[op->side]], i);
        touch(&data[owner[op->y]], i);
        if (op->kind != TN_OP_CONV) continue;
        const tn_value *y = &ex->value[op->y]; /* conv_eval also does the residual and the pool that follow */
        if (y->reader >= 0 && ex->op[y->reader].side >= 0) touch(&data[owner[ex->op[y->reader].side]], i);
        if (y->pool >= 0) touch(&data[owner[ex->op[y->pool].y]], i);
    }
    touch(&data[owner[ex->logits]], ex->n_ops);
}

static void lives_of_data(const tn_exec *ex, span *data) {
    int n = ex->n_ops;
    touch(&data[TN_VALUE_IMAGE], 0);
    touch(&data[TN_VALUE_EXTRA], 0);
    for (int i = 0; i < n; i++) {
        const tn_op *op = &ex->op[i];
        bool rereads_x = op->kind == TN_OP_CONV || op->kind == TN_OP_DENSE || op->kind == TN_OP_ACT;
        touch(&data[op->x], i);
        touch(&data[op->y], i);
        if (op->side >= 0) touch(&data[op->side], i);
        if (rereads_x) touch(&data[op->x], 2 * n - i);
        if (op->kind != TN_OP_CONV) continue;
        touch(&data[op->y], 2 * n - i);
        int reader = ex->value[op->y].reader; /* its side (scale) is needed to read y again */
        if (op->side >= 0) touch(&data[op->side], 2 * n - i);
        if (reader >= 0 && ex->op[reader].kind == TN_OP_CONV && ex->op[reader].side >= 0)
            touch(&data[ex->op[reader].side], 2 * n - i);
    }
    touch(&data[ex->logits], n);
}

/* The gradient of a residual's side input shares the buffer of its output's gradient; the branch adds to it at the end. */
static void lives_of_grads(const tn_exec *ex, span *grad, int *owner) {
    int n = ex->n_ops;
    for (int v = 0; v < ex->n_values; v++) owner[v] = v;
    touch(&grad[ex->logits], n);
    for (int i = n - 1; i >= 0; i--) {
        const tn_op *op = &ex->op[i];
        const tn_value *y = &ex->value[op->y];
        int time = 2 * n - i;
        if (elementwise(op)) owner[op->x] = owner[op->y];
        if (op->kind == TN_OP_RESIDUAL) owner[op->side >= 0 ? op->side : op->x] = owner[op->y];
        touch(&grad[owner[op->y]], time);
        if (op->kind == TN_OP_CONV) {
            if (y->reader >= 0 && ex->op[y->reader].kind == TN_OP_RESIDUAL)
                touch(&grad[owner[ex->op[y->reader].y]], time);
            if (y->pool >= 0) touch(&grad[owner[ex->op[y->pool].y]], time);
            if (op->side >= 0) touch(&grad[owner[op->side]], time);
        }
        if (op->x != TN_VALUE_IMAGE && op->kind != TN_OP_POOL && op->kind != TN_OP_RESIDUAL)
            touch(&grad[owner[op->x]], time);
    }
}

/* --- the plan ----------------------------------------------------------------------------------------------------- */

/* The number of floats of a value. */
static int64_t room_of(const tn_exec *ex, int v, int B) {
    int64_t n = B * ex->value[v].n;
    return ex->value[v].stored ? (n * (int64_t)tn_real_bytes(ex->dev) + 3) / 4 : n;
}

static tn_status plan(tn_exec *ex, bool training, span *all, int *owner) {
    int n_values = ex->n_values, n = training ? 2 * n_values : n_values;
    span *data = all, *grad = all + n_values;
    TN_ASSERT(n_values > 0);
    for (int i = 0; i < n; i++)
        all[i] = (span){.n = room_of(ex, i % n_values, training ? ex->B : ex->B_eval), .first = INT_MAX, .last = -1};
    if (training) {
        lives_of_data(ex, data);
        lives_of_grads(ex, grad, owner);
    } else {
        lives_of_eval(ex, data, owner);
    }
    int64_t total = place_all(n, all);
    if (total < 0) return tn_fail_memory(2 * (size_t)n * sizeof(span *), "the plan of a net");
    if (total > ex->n_arena) ex->n_arena = total;
    for (int v = 0; v < n_values; v++) {
        if (training) {
            ex->value[v].train_at = data[v].at;
            ex->value[v].grad_at = grad[owner[v]].at;
        } else {
            ex->value[v].eval_at = data[owner[v]].at;
        }
    }
    return TN_OK;
}

tn_status tn_tape_plan(tn_exec *ex) {
    size_t n = 2 * (size_t)ex->n_values;
    span *all = malloc(n * sizeof *all);
    int *owner = malloc((size_t)ex->n_values * sizeof *owner);
    tn_status st = TN_OK;
    if (!all || !owner) st = tn_fail_memory(n * sizeof *all, "the plan of a net");
    if (st == TN_OK) st = plan(ex, false, all, owner);
    if (st == TN_OK && ex->training) st = plan(ex, true, all, owner);
    free(all);
    free(owner);
    return st;
}
