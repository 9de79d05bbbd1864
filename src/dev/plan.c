/* plan.c - a device that remembers the convolutions that a net has. */
#include "dev/dev.h"

#include <stdlib.h>

typedef struct {
    tn_dev_table table;
    size_t (*room)(tn_precision precision, int n, const tn_conv_shape *shape, bool training);
    int n, n_room;
    tn_conv_shape *shape;
} plan;

struct tn_conv {
    char nothing;
};

static tn_status remember(plan *p, const tn_conv_shape *s) {
    if (p->n == p->n_room) {
        int n_room = 2 * p->n_room + 16;
        tn_conv_shape *more = realloc(p->shape, (size_t)n_room * sizeof *more);
        if (!more) return tn_fail_memory((size_t)n_room * sizeof *more, "the plan of a net");
        p->shape = more;
        p->n_room = n_room;
    }
    p->shape[p->n++] = *s;
    return TN_OK;
}

static tn_status conv_new(tn_dev *dev, const tn_conv_shape *s, tn_conv **out) {
    tn_conv *c = calloc(1, sizeof *c);
    if (!c) return tn_fail_memory(sizeof *c, "the plan of a net");
    tn_status st = remember(dev->state, s);
    if (st == TN_OK)
        *out = c;
    else
        free(c);
    return st;
}
static void conv_free(tn_dev *dev, tn_conv **conv) {
    (void)dev;
    free(*conv);
    *conv = NULL;
}
static void free_nothing(tn_dev *dev, float *x) {
    (void)dev;
    (void)x;
}
static void end(tn_dev *dev) {
    plan *p = dev->state;
    free(p->shape);
    free(p);
}

tn_status tn_dev_open_plan(tn_device_kind kind, tn_precision precision, tn_dev **out) {
    plan *p = calloc(1, sizeof *p);
    tn_dev *dev = calloc(1, sizeof *dev);
    if (!p || !dev) {
        free(p);
        free(dev);
        return tn_fail_memory(sizeof *p, "the plan of a net");
    }
    const tn_dev_table *real = tn_dev_table_of(kind);
    p->table = (tn_dev_table){.library = real->library,
                              .in_host_memory = real->in_host_memory,
                              .eval_pixels = real->eval_pixels,
                              .expand_forward = real->expand_forward, /* only asked for; plans depend on it */
                              .conv_new = conv_new,
                              .conv_free = conv_free,
                              .free = free_nothing,
                              .end = end};
    p->room = real->room;
    *dev = (tn_dev){.op = &p->table, .n_threads = 1, .precision = precision, .state = p};
    *out = dev;
    return TN_OK;
}

int tn_dev_plan_shapes(const tn_dev *dev, const tn_conv_shape **out) {
    const plan *p = dev->state;
    *out = p->shape;
    return p->n;
}
size_t tn_dev_plan_room(const tn_dev *dev, bool training) {
    const plan *p = dev->state;
    return p->room ? p->room(dev->precision, p->n, p->shape, training) : 0;
}
