/*
 * conv.c - convolutions on a GPU: dense ones by cuDNN, depthwise ones by our own kernels.
 *
 * cuDNN cannot apply batch norm, swish and a scale per image while it reads. So a view that changes something is read into scratch
 * memory first, and so is a gradient's view.
 */
#include "dev/cuda/cuda_priv.h"

#include "base/run.h"

#include <stdlib.h>

enum { SIZES = 4 }; /* numbers of images for which plans are kept: training, evaluation, and their last blocks */

struct tn_conv {
    tn_conv_shape s;
    void *weights; /* depthwise: (R*R,C) float32; else (K,R,R,C) in the device's precision */
    struct {
        int B;
        tn_graph *graph[TN_GRAPHS];
    } plan[SIZES];
};

static int64_t n_weights(const tn_conv_shape *s) {
    return (int64_t)s->K * s->R * s->R * (s->depthwise ? 1 : s->C);
}
static tn_cuda_depthwise depthwise_of(const tn_conv_shape *s, int B) {
    return (tn_cuda_depthwise){B, s->H, s->W, s->C, s->P, s->Q, s->R, s->stride, s->pad_top, s->pad_left};
}

/* Errors those of tn_graph_new; TN_EBUG more numbers of images than SIZES. */
static tn_status graph_of(tn_dev *dev, tn_conv *c, tn_graph_kind kind, int B, tn_graph **out) {
    int i = 0;
    while (i < SIZES && c->plan[i].B && c->plan[i].B != B) i++;
    if (i == SIZES) return tn_fail(TN_EBUG, "a convolution of more than %d numbers of images", SIZES);
    c->plan[i].B = B;
    if (!c->plan[i].graph[kind]) TN_TRY(tn_graph_new(dev, kind, &c->s, B, &c->plan[i].graph[kind]));
    *out = c->plan[i].graph[kind];
    return TN_OK;
}

static void run_graph(tn_dev *dev, tn_conv *c, tn_graph_kind kind, int B, const void *x, const void *w, const void *y) {
    tn_graph *graph = NULL;
    tn_status st = graph_of(dev, c, kind, B, &graph);
    if (st != TN_OK) tn_die(st, "%s", tn_msg);
    tn_graph_run(dev, graph, x, w, y);
}

static tn_status check(const tn_conv_shape *s) {
    if (s->depthwise && ((s->R != 3 && s->R != 5) || (s->stride != 1 && s->stride != 2)))
        return tn_fail(TN_EARG, "a depthwise kernel of %d x %d, stride %d: this device has 3 and 5, strides 1 and 2",
                       s->R, s->R, s->stride);
    if (s->K % 8 != 0 || (s->depthwise && s->C % 8 != 0))
        return tn_fail(TN_EARG, "a convolution with %d channels: this device needs a multiple of 8", s->K);
    return TN_OK;
}

tn_status tn_cuda_conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out) {
    TN_TRY(check(shape));
    tn_conv *c = calloc(1, sizeof *c);
    if (!c) return tn_fail_memory(sizeof *c, "a convolution");
    c->s = *shape;
    c->weights = dev->op->alloc(dev, n_weights(shape));
    tn_graph *graph;
    tn_status st =
        c->weights ? TN_OK : tn_fail_memory((size_t)n_weights(shape) * sizeof(float), "the weights of a convolution");
    /* all of them, so that a refusal is met before training; the first layer's images need no gradient */
    for (int kind = 0; st == TN_OK && !shape->depthwise && kind < TN_GRAPHS; kind++)
        if (kind != TN_GRAPH_DATA || shape->R == 1) st = graph_of(dev, c, (tn_graph_kind)kind, shape->B, &graph);
    if (st == TN_OK)
        *out = c;
    else
        tn_cuda_conv_free(dev, &c);
    return st;
}

void tn_cuda_conv_free(tn_dev *dev, tn_conv **conv) {
    if (!*conv) return;
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < TN_GRAPHS; k++) tn_graph_free(&(*conv)->plan[i].graph[k]);
    dev->op->free(dev, (*conv)->weights);
    free(*conv);
    *conv = NULL;
}

void tn_cuda_conv_weights(tn_dev *dev, tn_conv *c, const float *w) {
    cudaStream_t s = tn_cuda_of(dev)->stream;
    if (c->s.depthwise)
        tn_cuda_depthwise_weights(s, c->s.C, c->s.R, w, c->weights, false);
    else
        tn_cuda_filter_weights(s, tn_cuda_bf16(dev), c->s.K, c->s.C, c->s.R, w, c->weights);
}

/* The values of the view: in place if it changes nothing. */
static const void *values(tn_dev *dev, const tn_conv_shape *s, int B, const tn_view *x) {
    int64_t HW = (int64_t)s->H * s->W;
    if (!x->a && !x->scale) return x->x;
    void *v = tn_cuda_scratch(dev, TN_SCRATCH_READ, (size_t)(B * HW * s->C) * tn_real_bytes(dev));
    tn_cuda_read(tn_cuda_of(dev)->stream, tn_cuda_bf16(dev), B * HW, HW, s->C, tn_cuda_view_of(x), v);
    return v;
}
static const void *gradients(tn_dev *dev, const tn_conv_shape *s, int B, const tn_grad_view *d) {
    int64_t M = (int64_t)B * s->P * s->Q;
    if (!d->g) return d->dz;
    void *dy = tn_cuda_scratch(dev, TN_SCRATCH_GRAD, (size_t)(M * s->K) * tn_real_bytes(dev));
    tn_cuda_read_grad(tn_cuda_of(dev)->stream, tn_cuda_bf16(dev), M, s->K,
                      (tn_cuda_grad){d->dz, d->y, d->g, d->h, d->o}, dy);
    return dy;
}
static float *partial(tn_dev *dev, int64_t n) {
    return tn_cuda_scratch(dev, TN_SCRATCH_PARTIAL, (size_t)n * sizeof(float));
}

void tn_cuda_conv_forward(tn_dev *dev, tn_conv *c, int B, const tn_view *x, const tn_finish *finish, void *y,
                          float *mean, float *var) {
    const tn_conv_shape *s = &c->s;
    cudaStream_t stream = tn_cuda_of(dev)->stream;
    bool bf16 = tn_cuda_bf16(dev);
    int64_t PQ = (int64_t)s->P * s->Q;
    if (s->depthwise) {
        tn_cuda_depthwise d = depthwise_of(s, B);
        tn_cuda_depthwise_forward(stream, bf16, &d, tn_cuda_view_of(x), c->weights, y);
    } else {
        run_graph(dev, c, TN_GRAPH_FORWARD, B, values(dev, s, B, x), c->weights, y);
    }
    if (finish) tn_cuda_finish(stream, bf16, B * PQ, s->K, y, finish->a, finish->b, (int)finish->act, finish->side, y);
    if (finish && finish->pool)
        tn_cuda_pool(stream, bf16, B, PQ, s->K, (tn_cuda_view){y, NULL, NULL, (int)TN_ACT_NONE, NULL},
                     partial(dev, tn_cuda_partial_floats(B * PQ, s->K)), finish->pool);
    if (mean)
        tn_cuda_moments(stream, bf16, B * PQ, s->K, y, partial(dev, tn_cuda_partial_floats(B * PQ, s->K)), mean, var);
    tn_cuda_check(dev, cudaPeekAtLastError(), "a convolution");
}

static void depthwise_backward(tn_dev *dev, tn_conv *c, int B, const tn_view *x, const void *dy, void *dx, bool add,
                               double *sums, float *dw) {
    tn_cuda_depthwise d = depthwise_of(&c->s, B);
    cudaStream_t stream = tn_cuda_of(dev)->stream;
    bool bf16 = tn_cuda_bf16(dev);
    int64_t M = (int64_t)B * d.H * d.W, n = tn_cuda_partial_floats(M, d.C), n_filter = tn_cuda_depthwise_floats(&d);
    float *room = partial(dev, n > n_filter ? n : n_filter);
    tn_cuda_depthwise_filter(stream, bf16, &d, values(dev, &c->s, B, x), dy, room, dw);
    if (dx) tn_cuda_depthwise_data(stream, bf16, &d, tn_cuda_view_of(x), dy, c->weights, add, dx, room, sums);
}

static void dense_backward(tn_dev *dev, tn_conv *c, int B, const tn_view *x, const void *dy, void *dx, bool add,
                           float *dw) {
    const tn_conv_shape *s = &c->s;
    cudaStream_t stream = tn_cuda_of(dev)->stream;
    int64_t n = (int64_t)B * s->H * s->W * s->C;
    void *gradient = tn_cuda_scratch(dev, TN_SCRATCH_OUT, (size_t)n_weights(s) * tn_real_bytes(dev));
    run_graph(dev, c, TN_GRAPH_FILTER, B, values(dev, s, B, x), gradient, dy);
    tn_cuda_filter_gradient(stream, tn_cuda_bf16(dev), s->K, s->C, s->R, gradient, dw);
    if (!dx) return;
    void *to = add ? tn_cuda_scratch(dev, TN_SCRATCH_OUT, (size_t)n * tn_real_bytes(dev)) : dx;
    run_graph(dev, c, TN_GRAPH_DATA, B, to, c->weights, dy);
    if (add) tn_cuda_add_real(stream, tn_cuda_bf16(dev), n, to, dx);
}

void tn_cuda_conv_backward(tn_dev *dev, tn_conv *c, int B, const tn_view *x, const tn_grad_view *dy, void *dx, bool add,
                           double *sums, float *dw) {
    const void *d = gradients(dev, &c->s, B, dy);
    if (c->s.depthwise)
        depthwise_backward(dev, c, B, x, d, dx, add, sums, dw);
    else
        dense_backward(dev, c, B, x, d, dx, add, dw);
    tn_cuda_check(dev, cudaPeekAtLastError(), "the gradient of a convolution");
}
