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

enum { B = 32, MOST = 512 };

static tn_conv_shape shape[MOST];
static int n_shapes;

/* In the place of conv_new and conv_free: remember the shape. */
static tn_status remember(tn_dev *dev, const tn_conv_shape *s, tn_conv **out) {
    (void)dev;
    *out = malloc(1);
    for (int i = 0; i < n_shapes; i++)
        if (memcmp(&shape[i], s, sizeof *s) == 0) return TN_OK;
    if (!s->depthwise && n_shapes < MOST) shape[n_shapes++] = *s;
    return TN_OK;
}
static void forget(tn_dev *dev, tn_conv **conv) {
    (void)dev;
    free(*conv);
    *conv = NULL;
}

static tn_status shapes_of(tn_dev *dev, const char *name, int size_px) {
    tn_dev_table table = *dev->op;
    const tn_dev_table *real = dev->op;
    tn_net_spec spec = {.n_classes = 5, .stem_stride = 2, .dropout = -1};
    tn_net *net = NULL;
    size_t n_bytes = 0;
    snprintf(spec.name, sizeof spec.name, "%s", name);
    TN_TRY(tn_net_new(&spec, &net));
    n_shapes = 0;
    table.conv_new = remember;
    table.conv_free = forget;
    dev->op = &table;
    tn_status st = tn_exec_cost(dev, net, B, size_px ? size_px : tn_net_table_px(net), true, &n_bytes);
    dev->op = real;
    tn_net_free(&net);
    return st;
}

static tn_status plan_all(tn_dev *dev, const char *name, int size_px) {
    size_t workspace = 0;
    int n = 0;
    double begin_s = tn_now_s();
    TN_TRY(shapes_of(dev, name, size_px));
    for (int i = 0; i < n_shapes; i++)
        for (tn_graph_kind kind = TN_GRAPH_FORWARD; kind < TN_GRAPHS; kind++) {
            tn_graph *graph = NULL;
            if (kind == TN_GRAPH_DATA && shape[i].R > 1) continue; /* the images need no gradient */
            TN_TRY(tn_graph_new(dev, kind, &shape[i], B, &graph));
            if (tn_graph_workspace(graph) > workspace) workspace = tn_graph_workspace(graph);
            tn_graph_free(&graph);
            n++;
        }
    printf("| %s | %d | %s | %s | %d | %d | %zu | %.0f |\n", name, shape[0].H, tn_cuda_of(dev)->name,
           dev->precision == TN_BF16 ? "bf16" : "fp32", n_shapes, n, workspace >> 20, tn_now_s() - begin_s);
    fflush(stdout);
    return TN_OK;
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
            if (st == TN_OK) { /* what cannot be is refused: the comparison means something */
                tn_conv_shape wrong = shape[0];
                tn_graph *graph = NULL;
                wrong.stride = 0;
                if (tn_graph_new(dev, TN_GRAPH_FORWARD, &wrong, B, &graph) == TN_OK)
                    st = tn_fail(TN_EBUG, "stride 0 was planned");
            }
            tn_dev_close(&dev);
            if (st == TN_OK) continue;
            fprintf(stderr, "%s: %s\n", argv[i], tn_msg);
            return 1;
        }
    return 0;
}
