/* test_optim.c - ten optimiser steps against PyTorch (tests/golden/make_effnet.py); schedules against closed forms. */
#include "golden/golden.h"
#include "net/optim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void ten_steps(tn_device_kind kind, const tn_cfg *cfg, const char *file, const char *prefix) {
    tn_net *net = NULL;
    tn_dev *dev = NULL;
    tn_net_spec spec = golden_spec("efficientnet-b0");
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    assert_int_equal(tn_dev_open(kind, 1, tn_isa_best(), TN_FP32, &dev), TN_OK);
    int64_t n = tn_net_params(net), n_expected;
    float *w = dev->op->alloc(dev, n), *m = dev->op->alloc(dev, n), *v = dev->op->alloc(dev, n);
    float *grads = dev->op->alloc(dev, n), *host = malloc((size_t)n * sizeof *host);
    float *state = malloc((size_t)tn_net_state(net) * sizeof *state);
    golden_weights(net, host, state);
    dev->op->upload(dev, n, host, w);
    for (int step = 0; step < 10; step++) {
        for (int k = 0; k < tn_net_tensors(net); k++) {
            const tn_tensor *t = tn_net_tensor(net, k);
            if (tn_tensor_is_state(t)) continue;
            for (int64_t i = 0; i < t->n; i++)
                host[t->offset + i] = (float)(golden_hashed(i, 2000 + 1000 * step + k) / 10);
        }
        dev->op->upload(dev, n, host, grads);
        tn_optim_step(dev, net, cfg, 0.01, step + 1, grads, w, m, cfg->train.optimizer == TN_OPTIM_SGD ? NULL : v);
    }
    dev->op->download(dev, n, w, host);
    golden *g = golden_open(file);
    for (int k = 0; k < tn_net_tensors(net); k++) {
        const tn_tensor *t = tn_net_tensor(net, k);
        if (tn_tensor_is_state(t)) continue;
        const float *expected = golden_find(g, prefix, t->name, &n_expected);
        for (int64_t i = 0; i < n_expected; i++) {
            double found = (double)host[t->offset + i * golden_step(t->n)];
            if (fabs(found - (double)expected[i]) > 2e-6)
                print_error("%s%s: %.8g instead of %.8g\n", prefix, t->name, found, (double)expected[i]);
            assert_true(fabs(found - (double)expected[i]) <= 2e-6);
        }
    }
    golden_close(g);
    for (int i = 0; i < 4; i++) dev->op->free(dev, (float *[]){w, m, v, grads}[i]);
    free(host);
    free(state);
    tn_dev_close(&dev);
    tn_net_free(&net);
}

static tn_cfg *cfg_new(void) {
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    assert_non_null(cfg);
    cfg->train.learning_rate = 0.5;
    cfg->train.momentum = 0.9;
    cfg->train.layer_decay = 1;
    cfg->train.weight_decay = 0.05;
    cfg->train.images = 1000;
    return cfg;
}

static void adamw(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.optimizer = TN_OPTIM_ADAMW;
    ten_steps(TN_DEVICE_REF, cfg, "optim", "adamw.");
    ten_steps(TN_DEVICE_CPU, cfg, "optim", "adamw.");
    free(cfg);
}

/* Gradients 1, then -1, no decay: the second step is -(1 - b) / (1 + b) of the first (Kingma & Ba, algorithm 1). */
static void momentum_is_beta1(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.optimizer = TN_OPTIM_ADAMW;
    cfg->train.momentum = 0.5;
    cfg->train.weight_decay = 0;
    tn_net *net = NULL;
    tn_dev *dev = NULL;
    tn_net_spec spec = golden_spec("efficientnet-b0");
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    assert_int_equal(tn_dev_open(TN_DEVICE_REF, 1, tn_isa_best(), TN_FP32, &dev), TN_OK);
    int64_t n = tn_net_params(net);
    float *x[4]; /* weights, moments, gradients; the reference device's memory is the host's */
    for (int i = 0; i < 4; i++) dev->op->fill(dev, n, 0, x[i] = dev->op->alloc(dev, n));
    for (int step = 1; step <= 2; step++) {
        dev->op->fill(dev, n, step == 1 ? 1 : -1, x[3]);
        tn_optim_step(dev, net, cfg, 0.3, step, x[3], x[0], x[1], x[2]);
    }
    for (int64_t i = 0; i < n; i++) assert_true(fabs((double)x[0][i] + 0.3 * (1 - 1.0 / 3)) < 1e-6);
    for (int i = 0; i < 4; i++) dev->op->free(dev, x[i]);
    tn_dev_close(&dev);
    tn_net_free(&net);
    free(cfg);
}

static void sgd_clipped(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.optimizer = TN_OPTIM_SGD;
    cfg->train.clip_norm = 2;
    ten_steps(TN_DEVICE_REF, cfg, "optim", "sgd.");
    ten_steps(TN_DEVICE_CPU, cfg, "optim", "sgd.");
    free(cfg);
}

/* A rate for each stage, and the first three stages frozen: 30 images are 4 steps of 8. */
static void layers(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.layer_decay = 0.7;
    cfg->train.head_learning_rate = 4 * cfg->train.learning_rate;
    cfg->train.freeze_stages = 3;
    cfg->train.freeze_images = 30;
    cfg->train.lanes = 2;
    cfg->train.lane_images = 4;
    assert_int_equal(tn_frozen_steps(cfg), 4);
    for (int kind = 0; kind < 2; kind++) {
        cfg->train.optimizer = kind ? TN_OPTIM_ADAMW : TN_OPTIM_SGD;
        ten_steps(TN_DEVICE_REF, cfg, "layers", kind ? "adamw." : "sgd.");
        ten_steps(TN_DEVICE_CPU, cfg, "layers", kind ? "adamw." : "sgd.");
    }
    free(cfg);
}

static void assert_rate(const tn_cfg *cfg, int64_t seen, double expected) {
    double rate = tn_learning_rate(cfg, seen);
    if (fabs(rate - expected) > 1e-12) print_error("%g at %lld\n", rate, (long long)seen);
    assert_true(fabs(rate - expected) <= 1e-12);
}

/* cos(pi/3) = 1/2, cos(pi/2) = 0, cos(2 pi/3) = -1/2 */
static void schedules(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.schedule = TN_SCHEDULE_COSINE;
    assert_rate(cfg, 0, 0.5);
    assert_rate(cfg, 500, 0.25);
    assert_rate(cfg, 1000, 0);
    assert_rate(cfg, 1008, 0); /* the budget rounded up to steps */
    cfg->train.warmup_images = 100;
    assert_rate(cfg, 0, 0);
    assert_rate(cfg, 25, 0.125);
    assert_rate(cfg, 100, 0.5);
    assert_rate(cfg, 400, 0.375);
    assert_rate(cfg, 550, 0.25);
    assert_rate(cfg, 700, 0.125);
    cfg->train.warmup_images = 1000;
    assert_rate(cfg, 999, 0.4995);
    assert_rate(cfg, 1000, 0);
    cfg->train.warmup_images = 100;
    cfg->train.schedule = TN_SCHEDULE_CONSTANT;
    assert_rate(cfg, 50, 0.25);
    assert_rate(cfg, 999, 0.5);
    free(cfg);
}

/* cos(pi/3) = 1/2. Two restarts in 900 images: cycles of 300. With growth 2, cycles of 100, 200 and 400 fill 700. */
static void restarts(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.schedule = TN_SCHEDULE_COSINE;
    cfg->train.warmup_images = 100;
    cfg->train.restarts = 2;
    cfg->train.restart_growth = 1;
    const struct {
        int64_t seen;
        double rate;
    } even[] = {{50, 0.25},  {100, 0.5}, {200, 0.375}, {250, 0.25},  {300, 0.125}, {400, 0.5},
                {550, 0.25}, {700, 0.5}, {800, 0.375}, {900, 0.125}, {1000, 0},    {1016, 0}};
    for (size_t i = 0; i < sizeof even / sizeof *even; i++) assert_rate(cfg, even[i].seen, even[i].rate);
    cfg->train.images = 800;
    cfg->train.restart_growth = 2;
    const struct {
        int64_t seen;
        double rate;
    } growing[] = {{100, 0.5}, {150, 0.25}, {200, 0.5}, {300, 0.25}, {400, 0.5}, {600, 0.25}, {800, 0}};
    for (size_t i = 0; i < sizeof growing / sizeof *growing; i++) assert_rate(cfg, growing[i].seen, growing[i].rate);
    assert_true(tn_learning_rate(cfg, 199) < 0.001 && tn_learning_rate(cfg, 399) < 0.001);
    free(cfg);
}

static void steps(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.schedule = TN_SCHEDULE_STEP;
    cfg->train.warmup_images = 100;
    cfg->train.step_images = 300;
    cfg->train.step_factor = 0.2;
    assert_rate(cfg, 50, 0.25);
    assert_rate(cfg, 100, 0.5);
    assert_rate(cfg, 399, 0.5);
    assert_rate(cfg, 400, 0.1);
    assert_rate(cfg, 699, 0.1);
    assert_rate(cfg, 700, 0.02);
    assert_rate(cfg, 1000, 0.004);
    free(cfg);
}

static void averaging(void **unused) {
    (void)unused;
    tn_cfg *cfg = cfg_new();
    cfg->train.ema_decay = 0.9;
    const double expected[] = {1.0 / 2, 2.0 / 3, 3.0 / 4};
    for (int i = 0; i < 3; i++) assert_true(fabs(tn_ema_decay(cfg, i + 1) - expected[i]) < 1e-15);
    assert_true(fabs(tn_ema_decay(cfg, 9) - 0.9) < 1e-15);
    assert_true(tn_ema_decay(cfg, 10) == 0.9 && tn_ema_decay(cfg, 1000000) == 0.9);
    cfg->train.ema_decay = 0;
    assert_true(tn_ema_decay(cfg, 1) == 0 && tn_ema_decay(cfg, 100) == 0); /* no averaging */
    cfg->train.ema_decay = -1; /* remembers a tenth of the training: 1.5, 2000 steps; limits 100 and 10000 */
    cfg->train.lanes = 2;
    cfg->train.lane_images = 16;
    const struct {
        int64_t images;
        double decay;
    } known[] = {{32 * 15000, 1 - 1.0 / 1500}, {32 * 20000, 0.9995},   {32 * 1000, 0.99}, {32 * 50, 0.99},
                 {32 * 2000 - 31, 0.995},      {32 * 10000000, 0.9999}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        cfg->train.images = known[i].images;
        assert_true(fabs(tn_ema_decay(cfg, 1000000) - known[i].decay) < 1e-12);
        assert_true(tn_ema_decay(cfg, 1) == 0.5);
    }
    free(cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(adamw),       cmocka_unit_test(momentum_is_beta1),
                                       cmocka_unit_test(sgd_clipped), cmocka_unit_test(layers),
                                       cmocka_unit_test(schedules),   cmocka_unit_test(restarts),
                                       cmocka_unit_test(steps),       cmocka_unit_test(averaging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
