/*
 * bench_train.c - one net, timed: bench_train [--cuda] NET PX BATCH THREADS fp32|bf16 train|infer STEPS [ISA]
 *
 * On the device cpu, or cuda. ISA: an instruction set in the words of the key train.isa; default the best one here.
 * A training step is what a trainer does with a lane: forward, loss, backward, SGD with momentum, running moments,
 * weights refreshed. Prints one line `img_s peak_mib planned_mib isa`: the median over STEPS after two that are not
 * counted; the peak of the whole process (getrusage); what tn_exec_bytes says; the instruction set (of a GPU: none).
 */
#include "base/progress.h"
#include "net/optim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { K = 5, WARM_UP = 2, MOST_STEPS = 1000 };

typedef struct {
    tn_net *net;
    tn_dev *dev;
    tn_exec *ex;
    int64_t n, n_state, n_done, n_pixels;
    float *params, *state, *grads, *moments, *momentum; /* device */
    unsigned char *image;                               /* host */
    float *target, *p;
    tn_cfg *cfg;
} bench;

static float *device(const bench *b, int64_t n) {
    float *x = b->dev->op->alloc(b->dev, n);
    TN_ASSERT(x != NULL);
    return x;
}

static float *host(int64_t n) {
    float *x = calloc((size_t)n, sizeof *x);
    TN_ASSERT(x != NULL);
    return x;
}

static tn_images images(const bench *b) {
    return (tn_images){.bytes = b->image, .norm = {{0.0157F, 0.0157F, 0.0157F}, {-2, -2, -2}}};
}

static void make_inputs(bench *b, int batch, int64_t n_image) {
    b->image = malloc((size_t)n_image);
    b->n_pixels = n_image / 3;
    if (!b->image) exit(1);
    b->target = host((int64_t)batch * K);
    b->p = host((int64_t)batch * K);
    for (int64_t i = 0; i < n_image; i++) b->image[i] = (unsigned char)(i * 7919 % 251);
    for (int i = 0; i < batch * K; i++) b->target[i] = i % K == i / K % K ? 0.92F : 0.02F; /* smoothing 0.1 */
}

static tn_status begin(bench *b, tn_device_kind device_kind, const char *name, int px, int batch, int n_threads,
                       tn_isa isa, tn_precision precision, bool training) {
    tn_net_spec spec = {.stem_stride = 2, .n_classes = K, .dropout = -1, .drop_connect = 0.2};
    snprintf(spec.name, sizeof spec.name, "%s", name);
    TN_TRY(tn_net_new(&spec, &b->net));
    TN_TRY(tn_dev_open(device_kind, n_threads, isa, precision, &b->dev));
    TN_TRY(tn_exec_new(b->dev, b->net, batch, px, training, &b->ex));
    b->n = tn_net_params(b->net);
    b->n_state = tn_net_state(b->net);
    b->params = device(b, b->n);
    b->state = device(b, b->n_state);
    if (training) {
        b->grads = device(b, b->n);
        b->momentum = device(b, b->n);
        b->moments = device(b, b->n_state);
    }
    b->cfg = calloc(1, sizeof *b->cfg);
    TN_ASSERT(b->cfg != NULL);
    b->cfg->train.optimizer = TN_OPTIM_SGD;
    b->cfg->train.momentum = 0.9;
    b->cfg->train.layer_decay = 1;
    b->cfg->train.weight_decay = 1e-4;
    float *params = host(b->n), *state = host(b->n_state);
    tn_net_init(b->net, 1, params, state);
    b->dev->op->upload(b->dev, b->n, params, b->params);
    b->dev->op->upload(b->dev, b->n_state, state, b->state);
    free(params);
    free(state);
    tn_exec_weights(b->ex, b->params, b->state);
    make_inputs(b, batch, (int64_t)batch * px * px * 3);
    return TN_OK;
}

static void end(bench *b) {
    float *of_device[] = {b->params, b->state, b->grads, b->moments, b->momentum};
    free(b->image);
    free(b->target);
    free(b->p);
    for (int i = 0; i < 5; i++) b->dev->op->free(b->dev, of_device[i]);
    free(b->cfg);
    tn_exec_free(&b->ex);
    tn_dev_close(&b->dev);
    tn_net_free(&b->net);
}

static void train_step(bench *b, int batch) {
    const tn_dev_table *op = b->dev->op;
    float loss;
    tn_exec_lane lane = {.image = images(b), .target = b->target, .seed = 1, .position = b->n_done * batch};
    tn_exec_train(b->ex, &lane, b->grads, b->moments, NULL);
    if (op->stage) op->stage(b->dev, b->n_pixels, b->image); /* as train_feed.c does */
    tn_optim_step(b->dev, b->net, b->cfg, 0.01, ++b->n_done, b->grads, b->params, b->momentum, NULL);
    op->lerp(b->dev, b->n_state, 0.1F, b->moments, b->state);
    tn_exec_weights(b->ex, b->params, b->state);
    op->download(b->dev, 1, tn_exec_losses(b->ex), &loss); /* waits */
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_s(bench *b, int batch, bool training, int n_steps) {
    static double seconds[MOST_STEPS];
    tn_images all = images(b);
    for (int step = -WARM_UP; step < n_steps; step++) {
        double begin_s = tn_now_s();
        if (training)
            train_step(b, batch);
        else
            tn_exec_eval(b->ex, &all, NULL, b->p);
        if (step >= 0) seconds[step] = tn_now_s() - begin_s;
    }
    qsort(seconds, (size_t)n_steps, sizeof *seconds, ascending);
    return seconds[n_steps / 2];
}

static int usage(void) {
    fprintf(stderr, "usage: bench_train [--cuda] NET PX BATCH THREADS fp32|bf16 train|infer STEPS [ISA]\n");
    return TN_EARG;
}

int main(int argc, char **argv) {
    bool on_gpu = argc > 1 && strcmp(argv[1], "--cuda") == 0;
    argc -= on_gpu;
    argv += on_gpu;
    if (argc != 8 && argc != 9) return usage();
    int px = atoi(argv[2]), batch = atoi(argv[3]), n_threads = atoi(argv[4]), n_steps = atoi(argv[7]);
    bool training = strcmp(argv[6], "train") == 0;
    if (n_steps < 1 || n_steps > MOST_STEPS || (!training && strcmp(argv[6], "infer") != 0)) return usage();
    bool bf16 = strcmp(argv[5], "bf16") == 0;
    if (!bf16 && strcmp(argv[5], "fp32") != 0) return usage();
    tn_isa isa = tn_isa_best();
    if (argc == 9)
        for (isa = 0; strcmp(argv[8], tn_isa_words[isa]) != 0; isa++)
            if (isa + 1 == TN_ISA_BEST) return usage();
    bench b = {.net = NULL};
    tn_status st = begin(&b, on_gpu ? TN_DEVICE_CUDA : TN_DEVICE_CPU, argv[1], px, batch, n_threads, isa,
                         bf16 ? TN_BF16 : TN_FP32, training);
    if (st != TN_OK) {
        tn_fail_print();
        return (int)st;
    }
    double seconds = median_s(&b, batch, training, n_steps);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("%.3f %.0f %.0f %s\n", batch / seconds, (double)used.ru_maxrss / 1024, (double)tn_exec_bytes(b.ex) / 0x1p20,
           b.dev->isa == TN_ISA_BEST ? "none" : tn_isa_words[b.dev->isa]);
    end(&b);
    return 0;
}
