/*
 * kernel_times.c - times each kind of our kernels apart, for each depthwise convolution of a net and what surrounds it: kernel_times NET PX B
 * STEPS. bf16; microseconds, the least of STEPS means of LAUNCHES calls; behind the stroke what the bytes alone would take at GB_PER_S.
 *
 * Small layers stay in L2 here, and may be faster than their bytes.
 */
#include "dev/cuda/cuda_priv.h"
#include "net/net.h"

#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GB_PER_S 4259.0 /* measured by copies on an H200 */
enum { LAUNCHES = 20 };

typedef struct {
    tn_dev *dev;
    tn_cuda_depthwise d;
    int64_t nx, ny;    /* numbers of its input and output */
    float *x, *y, *dx; /* dx: room for either */
    float *w, *coefficients, *of_images, *partial, *dw, *sums;
} layer;

/* --- the kinds; each returns its bytes ---------------------------------------------------------------------------- */

static tn_cuda_view view_of(const layer *l, const void *x, bool is_scaled) {
    return (tn_cuda_view){x, l->coefficients, l->coefficients + l->d.C, (int)TN_ACT_SWISH,
                          is_scaled ? l->of_images : NULL};
}
static cudaStream_t stream_of(const layer *l) {
    return tn_cuda_of(l->dev)->stream;
}
static int64_t forward(layer *l) {
    tn_cuda_depthwise_forward(stream_of(l), true, &l->d, view_of(l, l->x, false), l->w, l->y);
    return l->nx + l->ny;
}
static int64_t data(layer *l) {
    tn_cuda_depthwise_data(stream_of(l), true, &l->d, view_of(l, l->x, false), l->y, l->w, false, l->dx, l->partial,
                           (double *)(void *)l->sums);
    return 2 * l->nx + l->ny;
}
static int64_t filter(layer *l) {
    tn_cuda_depthwise_filter(stream_of(l), true, &l->d, l->x, l->y, l->partial, l->dw);
    return l->nx + l->ny;
}
static int64_t moments(layer *l) {
    int64_t M = l->ny / l->d.C;
    tn_cuda_moments(stream_of(l), true, M, l->d.C, l->y, l->partial, l->dw, l->dw + l->d.C);
    return l->ny;
}
static int64_t read_backward(layer *l) {
    tn_cuda_read_backward(stream_of(l), true, l->d.B, (int64_t)l->d.P * l->d.Q, l->d.C, view_of(l, l->y, true), l->x,
                          NULL, l->of_images, l->dx, l->partial, (double *)(void *)l->sums);
    return 3 * l->ny;
}
static int64_t pool(layer *l) {
    tn_cuda_pool(stream_of(l), true, l->d.B, (int64_t)l->d.P * l->d.Q, l->d.C, view_of(l, l->y, false), l->partial,
                 l->of_images);
    return l->ny;
}
static int64_t scale_backward(layer *l) {
    tn_cuda_scale_backward(stream_of(l), true, l->d.B, (int64_t)l->d.P * l->d.Q, l->d.C, view_of(l, l->y, false), l->x,
                           l->partial, l->of_images);
    return 2 * l->ny;
}
static int64_t read(layer *l) {
    tn_cuda_read(stream_of(l), true, l->nx / l->d.C, (int64_t)l->d.H * l->d.W, l->d.C, view_of(l, l->x, false), l->dx);
    return 2 * l->nx;
}
static int64_t read_grad(layer *l) {
    const float *g = l->coefficients;
    int C = l->d.C;
    tn_cuda_read_grad(stream_of(l), true, l->ny / C, C, (tn_cuda_grad){l->x, l->y, g, g + C, g + 2 * C}, l->dx);
    return 3 * l->ny;
}
/* Squeeze and excitation: C / 24 numbers between two products, where a block expands 6 times. */
static int inner(const layer *l) {
    return l->d.C < 96 ? l->d.C / 4 : l->d.C / 24;
}
static int64_t squeeze(layer *l) {
    int C = l->d.C, n = inner(l);
    tn_cuda_product(stream_of(l), l->d.B, n, C, l->of_images, C, 1, l->w, 1, C, l->coefficients, l->dw);
    return 0;
}
static int64_t excite(layer *l) {
    int C = l->d.C, n = inner(l);
    tn_cuda_product(stream_of(l), l->d.B, C, n, l->dw, n, 1, l->w, 1, n, l->coefficients, l->of_images);
    return 0;
}
static int64_t squeeze_gradient(layer *l) {
    int C = l->d.C, n = inner(l);
    tn_cuda_product(stream_of(l), n, C, l->d.B, l->dw, 1, n, l->of_images, C, 1, NULL, l->partial);
    return 0;
}
static int64_t column_sums(layer *l) {
    tn_cuda_column_sums(stream_of(l), l->d.B, l->d.C, l->of_images, l->dw);
    return 0;
}
static const struct {
    const char *name;
    int64_t (*work)(layer *);
} KIND[] = {{"forward", forward},
            {"data", data},
            {"filter", filter},
            {"moments", moments},
            {"read backward", read_backward},
            {"pool", pool},
            {"scale backward", scale_backward},
            {"read", read},
            {"read gradient", read_grad},
            {"squeeze", squeeze},
            {"excite", excite},
            {"its gradient", squeeze_gradient},
            {"column sums", column_sums}};
enum { N_KINDS = sizeof KIND / sizeof *KIND };

/* --- times -------------------------------------------------------------------------------------------------------- */

static void time_kind(layer *l, int64_t (*work)(layer *), int steps) {
    double least_us = 1e9;
    int64_t n = work(l);
    float one;
    for (int i = 0; i < steps; i++) {
        l->dev->op->download(l->dev, 1, l->dw, &one); /* waits */
        double begin_s = tn_now_s();
        for (int k = 0; k < LAUNCHES; k++) work(l);
        l->dev->op->download(l->dev, 1, l->dw, &one);
        double us = (tn_now_s() - begin_s) * 1e6 / LAUNCHES;
        if (us < least_us) least_us = us;
    }
    if (n > 0)
        printf(" %.1f / %.1f |", least_us, (double)n * 2 / (GB_PER_S * 1e3));
    else
        printf(" %.1f |", least_us);
}
static void time_layer(layer *l, int steps) {
    const tn_cuda_depthwise *d = &l->d;
    printf("| %d | %d x %d | %d | %d |", d->C, d->H, d->W, d->R, d->stride);
    for (int k = 0; k < N_KINDS; k++) time_kind(l, KIND[k].work, steps);
    puts("");
}

static tn_status make(tn_dev *dev, const tn_conv_shape *s, layer *l) {
    int64_t nx = (int64_t)s->B * s->H * s->W * s->C, ny = (int64_t)s->B * s->P * s->Q * s->C, C = s->C, B = s->B;
    int64_t n_partial = 4096 * 25 * C; /* more pieces than there are */
    struct {
        float **at;
        int64_t n;
    } want[] = {{&l->x, nx},
                {&l->y, ny},
                {&l->dx, nx},
                {&l->w, 25 * C + C * C / 4},
                {&l->coefficients, 3 * C},
                {&l->of_images, B * C},
                {&l->partial, n_partial},
                {&l->dw, 25 * C + B * C},
                {&l->sums, 4 * C}};
    *l = (layer){.dev = dev, .nx = nx, .ny = ny};
    l->d = (tn_cuda_depthwise){s->B, s->H, s->W, s->C, s->P, s->Q, s->R, s->stride, s->pad_top, s->pad_left};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (!(*want[i].at = dev->op->alloc(dev, want[i].n))) return tn_fail_memory((size_t)want[i].n * 4, "a layer");
    return TN_OK;
}
static void end(layer *l) {
    float *x[] = {l->x, l->y, l->dx, l->w, l->coefficients, l->of_images, l->partial, l->dw, l->sums};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) l->dev->op->free(l->dev, x[i]);
}

static tn_status each_shape(tn_dev *dev, const tn_conv_shape *s, int n, int steps) {
    printf("| channels | input | kernel | stride |");
    for (int k = 0; k < N_KINDS; k++) printf(" %s |", KIND[k].name);
    printf("\n| ---: | ---: | ---: | ---: |");
    for (int k = 0; k < N_KINDS; k++) printf(" ---: |");
    puts("");
    for (int i = 0; i < n; i++) {
        bool is_new = s[i].depthwise;
        for (int k = 0; k < i; k++) is_new = is_new && memcmp(&s[k], &s[i], sizeof *s) != 0;
        if (!is_new) continue;
        layer l;
        tn_status st = make(dev, &s[i], &l);
        if (st == TN_OK) time_layer(&l, steps);
        end(&l);
        if (st != TN_OK) return st;
    }
    return TN_OK;
}

static tn_status all(tn_dev *dev, const char *name, int px, int B, int steps) {
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
    if (st == TN_OK) st = each_shape(dev, s, n, steps);
    tn_dev_close(&plan);
    tn_net_free(&net);
    return st;
}

int main(int argc, char **argv) {
    tn_dev *dev = NULL;
    int steps = argc == 5 ? atoi(argv[4]) : -1;
    if (steps < 1) return fputs("usage: kernel_times NET PX B STEPS\n", stderr), 2;
    tn_status st = tn_dev_open(TN_DEVICE_CUDA, 1, TN_ISA_PLAIN, TN_BF16, &dev);
    if (st == TN_OK) st = all(dev, argv[1], atoi(argv[2]), atoi(argv[3]), steps);
    if (st != TN_OK) fprintf(stderr, "error: %s\n", tn_msg);
    tn_dev_close(&dev);
    return (int)st;
}
