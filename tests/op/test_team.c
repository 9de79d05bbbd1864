/*
 * test_team.c - the threads of the cpu device: the bits depend on how many are asked for, not on how many there are;
 * and its instruction set.
 */
#include "dev/dev.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { B = 4, PX = 24, C = 24, N = B * PX * PX * C, IN = 200, OUT = 300, FLAT = 1001, MOST = 4 * N + 200000 };

static const tn_conv_shape SHAPE[] = {
    {.B = B, .H = PX, .W = PX, .C = C, .P = PX, .Q = PX, .K = C, .R = 1, .stride = 1},
    {.B = B, .H = PX, .W = PX, .C = 3, .P = PX, .Q = PX, .K = C, .R = 3, .stride = 1, .pad_top = 1, .pad_left = 1},
    {.B = B,
     .H = PX,
     .W = PX,
     .C = C,
     .P = PX,
     .Q = PX,
     .K = C,
     .R = 3,
     .stride = 1,
     .pad_top = 1,
     .pad_left = 1,
     .depthwise = true}};

/* Positive, because some are second moments. */
static float *values(tn_dev *dev, int64_t n, int seed) {
    float *x = dev->op->alloc(dev, n);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)((i * 7919 + seed * 104729) % 2003 + 1) / 2003;
    return x;
}

/* Every operation that is dealt out to threads, of x; the results, one behind the other, in out (MOST). */
static void all_operations(tn_dev *dev, const tn_conv_shape *s, const float *x, const float *w, float *out) {
    const tn_dev_table *op = dev->op;
    int64_t n_w = (int64_t)s->K * (s->depthwise ? 1 : s->C) * s->R * s->R;
    float *y = out, *dx = y + N, *dw = dx + N, *stored = dw + n_w, *mean = stored + N, *var = mean + C;
    float *dense = var + C, *dense_dx = dense + B * OUT, *dense_dw = dense_dx + B * IN, *db = dense_dw + IN * OUT;
    float *flat = db + OUT, *moment = flat + FLAT, *second = moment + FLAT, *ds = second + FLAT;
    double sums[2 * C];
    bool stem = s->R > 1 && !s->depthwise;
    tn_conv *conv = NULL;
    op->store(dev, N, x, stored);
    tn_view view = {.x = stored};
    tn_grad_view dy = {.dz = y};
    if (op->conv_new(dev, s, &conv) != TN_OK) return;
    op->conv_weights(dev, conv, w);
    op->conv_forward(dev, conv, B, &view, NULL, y, mean, var);
    op->conv_backward(dev, conv, B, &view, &dy, stem ? NULL : dx, false, s->depthwise ? sums : NULL, dw);
    op->conv_free(dev, &conv);
    op->dense_forward(dev, B, IN, OUT, x, w, w, dense);
    op->dense_backward(dev, B, IN, OUT, x, w, dense, dense_dx, dense_dw, db);
    memcpy(flat, x, 3 * FLAT * sizeof *flat);
    op->adamw(dev, FLAT, 0.1F, 0.9F, 0.99F, 1e-6F, 0.01F, 3, w, moment, second, flat);
    op->sgd(dev, FLAT, 0.1F, 0.9F, 0.01F, w, moment, flat);
    op->lerp(dev, FLAT, 0.3F, w, moment);
    op->scale_backward(dev, B, PX * PX, C, &(tn_view){.x = y}, y, ds);
}

/* Inside a parallel region there is one thread, however many the device wants: the bits are those of a whole team. */
static void short_team(void **unused) {
    (void)unused;
    omp_set_max_active_levels(1);
    for (int k = 0; k < 6; k++) {
        tn_dev *dev = NULL;
        assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 3, tn_isa_best(), k % 2 ? TN_BF16 : TN_FP32, &dev), TN_OK);
        float *x = values(dev, N, 1), *other = values(dev, N, 2), *w = values(dev, IN * OUT, 3);
        float *whole = dev->op->alloc(dev, MOST), *alone = dev->op->alloc(dev, MOST);
        assert_true(whole && alone);
        all_operations(dev, &SHAPE[k / 2], x, w, whole);
        all_operations(dev, &SHAPE[k / 2], other, w, alone); /* the device keeps nothing of x */
        assert_true(memcmp(whole, alone, MOST * sizeof *whole) != 0);
        memset(alone, 0, MOST * sizeof *alone);
#pragma omp parallel num_threads(2)
#pragma omp single
        all_operations(dev, &SHAPE[k / 2], x, w, alone);
        assert_memory_equal(whole, alone, MOST * sizeof *whole);
        for (int i = 0; i < 5; i++) dev->op->free(dev, (float *[]){x, other, w, whole, alone}[i]);
        tn_dev_close(&dev);
    }
}

/* Devices of different instruction sets live side by side in a process. */
static void two_sets(void **unused) {
    (void)unused;
    tn_dev *first = NULL, *second = NULL;
    assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 1, tn_isa_best(), TN_FP32, &first), TN_OK);
    assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 1, TN_ISA_PLAIN, TN_FP32, &second), TN_OK);
    tn_dev_close(&first);
    tn_dev_close(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_sets), cmocka_unit_test(short_team)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
