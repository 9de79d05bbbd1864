/*
 * plan.c - makes the plans of whole nets by the real cuDNN, without a GPU: plan NET[:PX] ...
 *
 * For each net every dense convolution of a lane of 32 images, in fp32 and bf16, forward, data and weight gradient, for the GPU that
 * TN_EMU_SM names (800, 900, 1000). Prints a line per net and precision; exit code 1 if a plan cannot be made.
 */
#include "dev/cuda/cuda_priv.h"
#include "net/net.h"

#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 32 };

/* A device that knows the convolutions of a net. */
static tn_status open_net(tn_precision precision, const char *name, int size_px, tn_dev **plan) {
    tn_net_spec spec = {.n_classes = 5, .stem_stride = 2, .dropout = -1};
    tn_net *net = NULL;
    size_t n_bytes = 0;
    snprintf(spec.name, sizeof spec.name, "%s", name);
    TN_TRY(tn_net_new(&spec, &net));
    tn_status st = tn_dev_open_plan(TN_DEVICE_CUDA, precision, plan);
    if (st == TN_OK) st = tn_exec_cost(*plan, net, B, size_px ? size_px : tn_net_table_px(net), true, &n_bytes);
    tn_net_free(&net);
    return st;
}

typedef struct {
    int n_shapes, n;
    size_t workspace;
} total;

static tn_status plan_shape(tn_dev *dev, const tn_conv_shape *s, total *sum) {
    for (tn_graph_kind kind = TN_GRAPH_FORWARD; kind < TN_GRAPHS; kind++) {
        tn_graph *graph = NULL;
        if (kind == TN_GRAPH_DATA && s->R > 1) continue; /* the images need no gradient */
        TN_TRY(tn_graph_new(dev, kind, s, B, &graph));
        if (tn_graph_workspace(graph) > sum->workspace) sum->workspace = tn_graph_workspace(graph);
        tn_graph_free(&graph);
        sum->n++;
    }
    sum->n_shapes++;
    return TN_OK;
}

/* What cannot be is refused: so the plans mean something. */
static tn_status plan_impossible(tn_dev *dev, tn_conv_shape s) {
    tn_graph *graph = NULL;
    s.stride = 0;
    if (tn_graph_new(dev, TN_GRAPH_FORWARD, &s, B, &graph) != TN_OK) return TN_OK;
    tn_graph_free(&graph);
    return tn_fail(TN_EBUG, "stride 0 was planned");
}

static bool is_new(const tn_conv_shape *shape, int i) {
    for (int k = 0; k < i; k++)
        if (memcmp(&shape[k], &shape[i], sizeof *shape) == 0) return false;
    return true;
}

static tn_status plan_all(tn_dev *dev, const char *name, int size_px) {
    const tn_conv_shape *shape = NULL;
    tn_dev *plan = NULL;
    total sum = {0};
    double begin_s = tn_now_s();
    tn_status st = open_net(dev->precision, name, size_px, &plan);
    int n = st == TN_OK ? tn_dev_plan_shapes(plan, &shape) : 0;
    for (int i = 0; st == TN_OK && i < n; i++)
        if (!shape[i].depthwise && is_new(shape, i)) st = plan_shape(dev, &shape[i], &sum);
    if (st == TN_OK) st = plan_impossible(dev, shape[0]);
    if (st == TN_OK)
        printf("| %s | %d | %s | %s | %d | %d | %zu | %.0f |\n", name, shape[0].H, tn_cuda_of(dev)->name,
               dev->precision == TN_BF16 ? "bf16" : "fp32", sum.n_shapes, sum.n, sum.workspace >> 20,
               tn_now_s() - begin_s);
    fflush(stdout);
    tn_dev_close(&plan);
    return st;
}

int main(int argc, char **argv) {
    puts("| net | px | GPU | precision | convolutions | plans | most workspace, MiB | seconds |\n| --- | --- | --- | "
         "--- | ---: | ---: | ---: | ---: |");
    for (int i = 1; i < argc; i++)
        for (int k = 0; k < 2; k++) {
            tn_dev *dev = NULL;
            char name[64];
            snprintf(name, sizeof name, "%s", argv[i]);
            char *px = strchr(name, ':');
            if (px) *px++ = 0;
            tn_status st = tn_dev_open(TN_DEVICE_CUDA, 1, TN_ISA_PLAIN, k ? TN_BF16 : TN_FP32, &dev);
            if (st == TN_OK) st = plan_all(dev, name, px ? atoi(px) : 0);
            tn_dev_close(&dev);
            if (st == TN_OK) continue;
            fprintf(stderr, "%s: %s\n", argv[i], tn_msg);
            return 1;
        }
    return 0;
}
