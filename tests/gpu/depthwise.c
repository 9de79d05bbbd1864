/*
 * depthwise.c - times depthwise convolutions by our own kernels beside cuDNN's, for each shape of a net: depthwise NET PX B STEPS.
 *
 * bf16. Forward, and both gradients together; microseconds, the median of STEPS. cuDNN cannot apply batch norm and swish while it reads:
 * its figures are those of the convolution alone, ours with what is applied. STEPS 0: cuDNN only plans.
 */
#include "dev/cuda/cuda_priv.h"
#include "net/net.h"

#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 100 };

typedef struct {
    tn_dev *dev;
    tn_conv_shape s;
    tn_conv *conv;
    tn_graph *graph[TN_GRAPHS];
    float *x, *y, *dx, *w, *w_of_graph, *ab, *gho, *moments, *sums, *dw;
} bench;

static tn_status make(tn_dev *dev, const tn_conv_shape *s, bench *b) {
    int64_t nx = (int64_t)s->B * s->H * s->W * s->C, ny = (int64_t)s->B * s->P * s->Q * s->K, C = s->C;
    struct {
        float **at;
        int64_t n;
    } want[] = {{&b->x, nx},          {&b->y, ny},
                {&b->dx, nx},         {&b->w, C * s->R * s->R},
                {&b->ab, 2 * C},      {&b->gho, 3 * C},
                {&b->moments, 2 * C}, {&b->w_of_graph, C * s->R * s->R},
                {&b->sums, 4 * C},    {&b->dw, C * s->R * s->R}};
    *b = (bench){.dev = dev, .s = *s};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (!(*want[i].at = dev->op->alloc(dev, want[i].n))) return tn_fail_memory((size_t)want[i].n * 4, "a layer");
    for (tn_graph_kind kind = TN_GRAPH_FORWARD; kind < TN_GRAPHS; kind++)
        TN_TRY(tn_graph_new(dev, kind, s, s->B, &b->graph[kind]));
    TN_TRY(dev->op->conv_new(dev, s, &b->conv));
    dev->op->conv_weights(dev, b->conv, b->w);
    return TN_OK;
}
static void end(bench *b) {
    float *x[] = {b->x, b->y, b->dx, b->w, b->w_of_graph, b->ab, b->gho, b->moments, b->sums, b->dw};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) b->dev->op->free(b->dev, x[i]);
    for (int kind = 0; kind < TN_GRAPHS; kind++) tn_graph_free(&b->graph[kind]);
    b->dev->op->conv_free(b->dev, &b->conv);
}

static void our_forward(bench *b) {
    tn_view view = {.x = b->x, .a = b->ab, .b = b->ab + b->s.C, .act = TN_ACT_SWISH};
    b->dev->op->conv_forward(b->dev, b->conv, b->s.B, &view, NULL, b->y, NULL, NULL);
}
static void our_backward(bench *b) {
    int C = b->s.C;
    tn_view view = {.x = b->x, .a = b->ab, .b = b->ab + C, .act = TN_ACT_SWISH};
    tn_grad_view dy = {b->y, b->y, b->gho, b->gho + C, b->gho + 2 * C};
    b->dev->op->conv_backward(b->dev, b->conv, b->s.B, &view, &dy, b->dx, false, (double *)(void *)b->sums, b->dw);
}
static void cudnn_forward(bench *b) {
    tn_graph_run(b->dev, b->graph[TN_GRAPH_FORWARD], b->x, b->w_of_graph, b->y);
}
static void cudnn_backward(bench *b) {
    tn_graph_run(b->dev, b->graph[TN_GRAPH_FILTER], b->x, b->dw, b->y);
    tn_graph_run(b->dev, b->graph[TN_GRAPH_DATA], b->dx, b->w_of_graph, b->y);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median_us(bench *b, void (*work)(bench *), int steps) {
    enum { WARM_UP = 3 };
    double seconds[MOST_STEPS];
    float one;
    for (int i = -WARM_UP; i < steps; i++) {
        double begin_s = tn_now_s();
        work(b);
        b->dev->op->download(b->dev, 1, b->dw, &one); /* waits */
        if (i >= 0) seconds[i] = tn_now_s() - begin_s;
    }
    qsort(seconds, (size_t)steps, sizeof *seconds, ascending);
    return seconds[steps / 2] * 1e6;
}

static tn_status compare(tn_dev *dev, const tn_conv_shape *s, int steps) {
    bench b;
    tn_status st = make(dev, s, &b);
    if (st == TN_OK && steps > 0)
        printf("| %d | %d x %d | %d | %d | %.0f | %.0f | %.0f | %.0f |\n", s->C, s->H, s->W, s->R, s->stride,
               median_us(&b, our_forward, steps), median_us(&b, cudnn_forward, steps),
               median_us(&b, our_backward, steps), median_us(&b, cudnn_backward, steps));
    else if (st == TN_OK)
        printf("| %d | %d x %d | %d | %d | planned |\n", s->C, s->H, s->W, s->R, s->stride);
    end(&b);
    return st;
}

static tn_status each_shape(tn_dev *dev, const char *name, int px, int B, int steps) {
    tn_net_spec spec = {.n_classes = 5, .stem_stride = 2, .dropout = -1};
    tn_net *net = NULL;
    tn_dev *plan = NULL;
    const tn_conv_shape *s = NULL;
    size_t n_bytes = 0;
    snprintf(spec.name, sizeof spec.name, "%s", name);
    TN_TRY(tn_net_new(&spec, &net));
    tn_status st = tn_dev_open_plan(TN_DEVICE_CUDA, TN_BF16, &plan);
    if (st == TN_OK) st = tn_exec_cost(plan, net, B, px, true, &n_bytes);
    int n = st == TN_OK ? tn_dev_plan_shapes(plan, &s) : 0;
    for (int i = 0; st == TN_OK && i < n; i++) {
        bool is_new = s[i].depthwise;
        for (int k = 0; k < i; k++) is_new = is_new && memcmp(&s[k], &s[i], sizeof *s) != 0;
        if (is_new) st = compare(dev, &s[i], steps);
    }
    tn_dev_close(&plan);
    tn_net_free(&net);
    return st;
}

int main(int argc, char **argv) {
    tn_dev *dev = NULL;
    int steps = argc == 5 ? atoi(argv[4]) : -1;
    if (steps < 0 || steps > MOST_STEPS) return fputs("usage: depthwise NET PX B STEPS\n", stderr), 2;
    puts("| channels | input | kernel | stride | forward, ours | cuDNN's | gradients, ours | cuDNN's |\n"
         "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    tn_status st = tn_dev_open(TN_DEVICE_CUDA, 1, TN_ISA_PLAIN, TN_BF16, &dev);
    if (st == TN_OK) st = each_shape(dev, argv[1], atoi(argv[2]), atoi(argv[3]), steps);
    if (st != TN_OK) fprintf(stderr, "error: %s\n", tn_msg);
    tn_dev_close(&dev);
    return (int)st;
}
