/*
 * bench_depthwise.c - every depthwise convolution of a net, as training calls it: with batch norm and activation on reading, moments,
 * and the sums for batch norm's gradient.
 *
 *   bench_depthwise NET PX BATCH THREADS fp32|bf16 REPEATS
 *
 * Prints per layer the milliseconds of a batch (the best of REPEATS), and picoseconds per multiplication and thread; last the sums.
 */
#include "base/progress.h"
#include "net/net_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_VECTORS = 6 };

typedef struct {
    tn_dev *dev;
    tn_act act;
    int repeats, n_threads;
    double sum_s[2];
} bench;

static double best_s(const bench *b, const tn_conv_shape *s, tn_conv *conv, bool backward, float *const *at,
                     float *const *of_channels, double *sums) {
    tn_view x = {.x = at[0], .a = of_channels[0], .b = of_channels[1], .act = b->act};
    tn_grad_view dy = {.dz = at[2], .y = at[1], .g = of_channels[0], .h = of_channels[2], .o = of_channels[1]};
    double best = INFINITY;
    for (int i = 0; i <= b->repeats; i++) {
        double begin_s = tn_now_s();
        if (backward)
            b->dev->op->conv_backward(b->dev, conv, s->B, &x, &dy, at[3], false, sums, at[4]);
        else
            b->dev->op->conv_forward(b->dev, conv, s->B, &x, NULL, at[1], of_channels[3], of_channels[4]);
        if (i > 0) best = fmin(best, tn_now_s() - begin_s);
    }
    return best;
}

static void measure(bench *b, const tn_conv_shape *s) {
    int64_t n_x = (int64_t)s->B * s->H * s->W * s->C, n_y = (int64_t)s->B * s->P * s->Q * s->C,
            n_w = s->C * s->R * s->R;
    int64_t n[] = {n_x, n_y, n_y, n_x, n_w};
    float *at[5], *of_channels[N_VECTORS];
    for (int i = 0; i < 5; i++) TN_ASSERT((at[i] = b->dev->op->alloc(b->dev, n[i])) != NULL);
    for (int i = 0; i < N_VECTORS; i++) TN_ASSERT((of_channels[i] = b->dev->op->alloc(b->dev, s->C)) != NULL);
    double *sums = calloc(2 * (size_t)s->C, sizeof *sums), taken_s[2];
    tn_conv *conv = NULL;
    TN_ASSERT(sums && b->dev->op->conv_new(b->dev, s, &conv) == TN_OK);
    b->dev->op->fill(b->dev, n_w, 0.25F, at[4]);
    b->dev->op->conv_weights(b->dev, conv, at[4]);
    b->dev->op->fill(b->dev, s->C, 1, of_channels[0]);
    double n_products = (double)n_y * s->R * s->R;
    printf("| %d, %d | %d | %d |", s->H, s->C, s->R, s->stride);
    for (int k = 0; k < 2; k++) {
        taken_s[k] = best_s(b, s, conv, k > 0, at, of_channels, sums);
        b->sum_s[k] += taken_s[k];
        printf(" %.3f | %.1f |", taken_s[k] * 1e3, taken_s[k] * 1e12 * b->n_threads / n_products);
    }
    printf("\n");
    b->dev->op->conv_free(b->dev, &conv);
    for (int i = 0; i < 5; i++) b->dev->op->free(b->dev, at[i]);
    for (int i = 0; i < N_VECTORS; i++) b->dev->op->free(b->dev, of_channels[i]);
    free(sums);
}

int main(int argc, char **argv) {
    if (argc != 7 || (strcmp(argv[5], "fp32") != 0 && strcmp(argv[5], "bf16") != 0)) {
        fprintf(stderr, "usage: bench_depthwise NET PX BATCH THREADS fp32|bf16 REPEATS\n");
        return TN_EARG;
    }
    tn_net_spec spec = {.stem_stride = 2, .n_classes = 5, .dropout = -1};
    snprintf(spec.name, sizeof spec.name, "%s", argv[1]);
    tn_net *net = NULL;
    bench b = {.n_threads = atoi(argv[4]), .repeats = atoi(argv[6])};
    tn_precision precision = strcmp(argv[5], "bf16") == 0 ? TN_BF16 : TN_FP32;
    if (tn_net_new(&spec, &net) != TN_OK ||
        tn_dev_open(TN_DEVICE_CPU, b.n_threads, tn_isa_best(), precision, &b.dev) != TN_OK) {
        tn_fail_print();
        return TN_EARG;
    }
    printf("| pixels, channels | kernel | stride | forward, ms | ps | backward, ms | ps |\n"
           "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    b.act = net->act;
    int pad, px = tn_net_out_px(net, atoi(argv[2]), 3, 2, &pad);
    for (int i = 0; i < net->n_blocks; i++) {
        const tn_block *k = &net->block[i];
        tn_conv_shape s = {.B = atoi(argv[3]),
                           .H = px,
                           .W = px,
                           .C = k->n_mid,
                           .K = k->n_mid,
                           .R = k->kernel,
                           .stride = k->stride,
                           .depthwise = true};
        s.P = s.Q = px = tn_net_out_px(net, px, s.R, s.stride, &s.pad_top);
        s.pad_left = s.pad_top;
        measure(&b, &s);
    }
    printf("| sum | | | %.2f | | %.2f | |\n", b.sum_s[0] * 1e3, b.sum_s[1] * 1e3);
    tn_dev_close(&b.dev);
    tn_net_free(&net);
    return 0;
}
