/* test_overfit.c - a small net learns one batch of noise by heart: everything from loss to update points downhill. */
#include "golden/golden.h"
#include "net/optim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { B = 16, K = 5, SIZE_PX = 32, STEPS = 40 };

static void one_batch(void **unused) {
    (void)unused;
    tn_net *net = NULL;
    tn_dev *dev = NULL;
    tn_exec *ex = NULL;
    tn_net_spec spec = golden_spec("efficientnet-b0");
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 1, tn_isa_best(), TN_FP32, &dev), TN_OK);
    assert_int_equal(tn_exec_new(dev, net, B, SIZE_PX, true, &ex), TN_OK);
    int64_t n = tn_net_params(net), n_state = tn_net_state(net);
    float *w = dev->op->alloc(dev, n), *m = dev->op->alloc(dev, n), *v = dev->op->alloc(dev, n);
    float *grads = dev->op->alloc(dev, n);
    float *state = dev->op->alloc(dev, n_state), *moments = dev->op->alloc(dev, n_state);
    float *host = malloc((size_t)n * sizeof *host), *host_state = malloc((size_t)n_state * sizeof *host);
    tn_net_init(net, 1, host, host_state);
    dev->op->upload(dev, n, host, w);
    dev->op->upload(dev, n_state, host_state, state);
    float *image = malloc((size_t)B * SIZE_PX * SIZE_PX * 3 * sizeof *image), target[B * K] = {0}, p[B * K];
    golden_fill((int64_t)B * SIZE_PX * SIZE_PX * 3, 1, 2, image);
    for (int i = 0; i < B; i++) target[i * K + i % K] = 1;

    tn_cfg *cfg = calloc(1, sizeof *cfg);
    cfg->train.optimizer = TN_OPTIM_ADAMW;
    cfg->train.layer_decay = 1;
    double loss = 0, first = 0;
    for (int step = 1; step <= STEPS; step++) {
        tn_exec_weights(ex, w, state);
        tn_exec_train(ex, &(tn_exec_lane){.image = {.x = image}, .target = target}, grads, moments, &loss);
        if (step == 1) first = loss;
        tn_optim_step(dev, net, cfg, 0.01, step, grads, w, m, v);
        dev->op->lerp(dev, n_state, 0.2F, moments, state);
    }
    print_message("loss %.3f -> %.5f\n", first, loss);
    assert_true(first > 1 && loss < 0.05);
    tn_exec_weights(ex, w, state);
    tn_exec_eval(ex, &(tn_images){.x = image}, NULL, p); /* the running moments have followed */
    for (int i = 0; i < B; i++) assert_true(p[i * K + i % K] > 0.5F);

    for (int i = 0; i < 6; i++) dev->op->free(dev, (float *[]){w, m, v, grads, state, moments}[i]);
    free(host);
    free(host_state);
    free(image);
    free(cfg);
    tn_exec_free(&ex);
    tn_dev_close(&dev);
    tn_net_free(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
