/* bench_net.c - training and evaluation speed of whole nets on the cpu device: bench_net [least seconds per line] */
#include "base/progress.h"
#include "net/net.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    const char *net;
    double width;
    int stem_stride, size_px, B;
} scene;

static tn_status measure(const scene *s, int n_threads, tn_precision precision, double least_s) {
    tn_net *net = NULL;
    tn_dev *dev = NULL;
    tn_exec *ex = NULL;
    tn_net_spec spec = {
        .width = s->width, .stem_stride = s->stem_stride, .n_classes = 5, .dropout = -1, .drop_connect = 0.2};
    snprintf(spec.name, sizeof spec.name, "%s", s->net);
    TN_TRY(tn_net_new(&spec, &net));
    TN_TRY(tn_dev_open(TN_DEVICE_CPU, n_threads, tn_isa_best(), precision, &dev));
    TN_TRY(tn_exec_new(dev, net, s->B, s->size_px, true, &ex));
    int64_t n = tn_net_params(net), n_state = tn_net_state(net), n_image = (int64_t)s->B * s->size_px * s->size_px * 3;
    float *params = dev->op->alloc(dev, n), *state = dev->op->alloc(dev, n_state);
    float *grads = dev->op->alloc(dev, n), *moments = dev->op->alloc(dev, n_state);
    float *image = malloc((size_t)n_image * sizeof *image), *p = malloc((size_t)s->B * 5 * sizeof *p);
    float *target = calloc((size_t)s->B * 5, sizeof *target);
    TN_ASSERT(params && state && grads && moments && image && p && target);
    tn_net_init(net, 1, params, state); /* a host device */
    for (int64_t i = 0; i < n_image; i++) image[i] = (float)(i * 7919 % 2003) / 1000 - 1;
    for (int i = 0; i < s->B; i++) target[i * 5 + i % 5] = 1;
    tn_exec_lane lane = {.image = {.x = image}, .target = target};
    double loss, train_s = 0, eval_s = 0;
    int64_t n_train = 0, n_eval = 0;
    tn_exec_weights(ex, params, state);
    tn_exec_train(ex, &lane, grads, moments, &loss); /* touches all memory */
    for (double begin_s = tn_now_s(); train_s < least_s; train_s = tn_now_s() - begin_s, n_train += s->B)
        tn_exec_train(ex, &lane, grads, moments, &loss);
    for (double begin_s = tn_now_s(); eval_s < least_s; eval_s = tn_now_s() - begin_s, n_eval += s->B)
        tn_exec_eval(ex, &(tn_images){.x = image}, NULL, p);
    printf("%-16s %s width %-4g %3d px, batch %2d, %d threads: train %7.1f img/s, evaluate %7.1f img/s, %5.0f MiB\n",
           s->net, precision == TN_BF16 ? "bf16" : "fp32", s->width, s->size_px, s->B, n_threads,
           (double)n_train / train_s, (double)n_eval / eval_s, (double)tn_exec_bytes(ex) / 0x1p20);
    fflush(stdout);
    for (int i = 0; i < 4; i++) dev->op->free(dev, (float *[]){params, state, grads, moments}[i]);
    free(image);
    free(target);
    free(p);
    tn_exec_free(&ex);
    tn_dev_close(&dev);
    tn_net_free(&net);
    return TN_OK;
}

int main(int argc, char **argv) {
    const scene scenes[] = {{"efficientnet-b0", 0.5, 1, 48, 32}, {"efficientnet-b1", 0, 2, 240, 16}};
    double least_s = argc > 1 ? atof(argv[1]) : 3;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        for (int k = 0; k < 4; k++)
            if (measure(&scenes[i], 1 + k % 2, k < 2 ? TN_FP32 : TN_BF16, least_s) != TN_OK) {
                fprintf(stderr, "%s\n", tn_msg);
                return 1;
            }
    return 0;
}
