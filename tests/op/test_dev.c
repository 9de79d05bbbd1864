/*
 * test_dev.c - every operation of the cpu device, for every instruction set of this machine and 1 and 3 threads,
 * against ref; ref against central differences. Bounds are relative to the largest value of the expected output.
 */
#include "dev/dev.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static tn_dev *ref, *cpu;

/* --- helpers ------------------------------------------------------------------------------------------------------ */

enum { MOST_BUFFERS = 32 };
static float *buffers[MOST_BUFFERS];
static int n_buffers;

static float *buffer(int64_t n) {
    assert_true(n_buffers < MOST_BUFFERS);
    return buffers[n_buffers++] = ref->op->alloc(ref, n > 0 ? n : 1);
}
static void release(void) {
    while (n_buffers > 0) ref->op->free(ref, buffers[--n_buffers]);
}

/* Normal values times scale; every 50th is extreme (large, tiny, denormal, zero). */
static float *noise(int64_t n, int seed, double scale) {
    float *x = buffer(n);
    tn_rng r = tn_rng_at(7, TN_STREAM_TEST, (uint64_t)seed, 0);
    static const double EXTREME[] = {20, -20, 1e-20, 1e-40, 0, -3};
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(scale * (tn_rng_below(&r, 50) ? tn_rng_normal(&r) : EXTREME[tn_rng_below(&r, 6)]));
    return x;
}

static void assert_close(const char *what, int64_t n, const float *expected, const float *got, double bound) {
    double most = 1e-30, worst = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)expected[i]));
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)expected[i] - (double)got[i]);
        if (!(d <= worst)) worst = d; /* a NaN is the worst */
    }
    if (!(worst <= bound * most))
        fail_msg("%s (%s, %d threads): error %g of %g, bound %g", what, tn_isa_name(cpu->isa), cpu->n_threads, worst,
                 most, bound);
}

/* --- convolutions
 * ------------------------------------------------------------------------------------------------------ */

typedef struct {
    int B, H, W, C, K, R, stride, pad; /* pad: at the beginning; what the end needs follows from P, Q */
    int P, Q;
    bool depthwise;
} conv_case;

static const conv_case CONV[] = {{2, 5, 7, 3, 8, 1, 1, 0, 5, 7, false},   {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, false},
                                 {3, 4, 4, 24, 40, 1, 1, 0, 4, 4, false}, {2, 9, 8, 3, 16, 3, 2, 1, 5, 4, false},
                                 {2, 8, 8, 3, 16, 3, 2, 0, 4, 4, false},  {2, 6, 6, 3, 5, 3, 1, 1, 6, 6, false},
                                 {2, 7, 6, 16, 0, 3, 1, 1, 7, 6, true},   {2, 9, 9, 24, 0, 3, 2, 1, 5, 5, true},
                                 {1, 8, 8, 40, 0, 3, 2, 0, 4, 4, true},   {2, 7, 7, 48, 0, 5, 1, 2, 7, 7, true},
                                 {2, 9, 6, 17, 0, 5, 2, 2, 5, 3, true},   {1, 8, 8, 33, 0, 5, 2, 1, 4, 4, true},
                                 {3, 1, 1, 9, 0, 5, 1, 2, 1, 1, true},    {2, 2, 3, 1, 0, 3, 1, 1, 2, 3, true},
                                 {1, 3, 2, 7, 0, 5, 2, 2, 2, 1, true},    {4, 16, 16, 64, 0, 3, 1, 1, 16, 16, true}};
enum { N_CONV = sizeof CONV / sizeof *CONV };

static tn_conv_shape shape_of(const conv_case *c) {
    return (tn_conv_shape){.B = c->B,
                           .H = c->H,
                           .W = c->W,
                           .C = c->C,
                           .P = c->P,
                           .Q = c->Q,
                           .K = c->depthwise ? c->C : c->K,
                           .R = c->R,
                           .stride = c->stride,
                           .pad_top = c->pad,
                           .pad_left = c->pad,
                           .depthwise = c->depthwise};
}

static void convolutions(void **unused) {
    (void)unused;
    for (int i = 0; i < N_CONV; i++) {
        tn_conv_shape s = shape_of(&CONV[i]);
        int64_t nx = (int64_t)s.B * s.H * s.W * s.C, ny = (int64_t)s.B * s.P * s.Q * s.K;
        int64_t nw = (int64_t)s.K * (s.depthwise ? 1 : s.C) * s.R * s.R;
        float *x = noise(nx, i, 1), *w = noise(nw, 100 + i, 0.3), *dy = noise(ny, 200 + i, 1);
        float *y[2], *dx[2], *dw[2];
        tn_dev *dev[2] = {ref, cpu};
        for (int d = 0; d < 2; d++) {
            tn_conv *conv = NULL;
            assert_int_equal(dev[d]->op->conv_new(dev[d], &s, true, &conv), TN_OK);
            dev[d]->op->conv_weights(dev[d], conv, w);
            y[d] = noise(ny, 1, 1); /* outputs are overwritten, whatever they held */
            dx[d] = noise(nx, 2, 1);
            dw[d] = noise(nw, 3, 1);
            dev[d]->op->conv_forward(dev[d], conv, x, y[d]);
            dev[d]->op->conv_backward_data(dev[d], conv, dy, dx[d]);
            dev[d]->op->conv_backward_weights(dev[d], conv, x, dy, dw[d]);
            dev[d]->op->conv_free(dev[d], &conv);
        }
        char what[64];
        snprintf(what, sizeof what, "convolution %d", i);
        assert_close(what, ny, y[0], y[1], 2e-6);
        assert_close(what, nx, dx[0], dx[1], 2e-6);
        assert_close(what, nw, dw[0], dw[1], 5e-6);
        release();
    }
}

/* <y, dy> is linear in x and in w: its slopes are backward_data and backward_weights. */
static void convolution_slopes(void **unused) {
    (void)unused;
    for (int i = 0; i < N_CONV; i++) {
        tn_conv_shape s = shape_of(&CONV[i]);
        int64_t nx = (int64_t)s.B * s.H * s.W * s.C, ny = (int64_t)s.B * s.P * s.Q * s.K;
        int64_t nw = (int64_t)s.K * (s.depthwise ? 1 : s.C) * s.R * s.R;
        float *x = noise(nx, i, 1), *w = noise(nw, 300 + i, 1), *dy = noise(ny, 400 + i, 1), *y = buffer(ny),
              *dx = buffer(nx), *dw = buffer(nw);
        tn_conv *conv = NULL;
        assert_int_equal(ref->op->conv_new(ref, &s, true, &conv), TN_OK);
        ref->op->conv_weights(ref, conv, w);
        ref->op->conv_forward(ref, conv, x, y);
        ref->op->conv_backward_data(ref, conv, dy, dx);
        ref->op->conv_backward_weights(ref, conv, x, dy, dw);
        double by_y = 0, by_x = 0, by_w = 0, size = 0;
        for (int64_t j = 0; j < ny; j++) by_y += (double)y[j] * (double)dy[j];
        for (int64_t j = 0; j < ny; j++) size += fabs((double)y[j] * (double)dy[j]);
        for (int64_t j = 0; j < nx; j++) by_x += (double)x[j] * (double)dx[j];
        for (int64_t j = 0; j < nw; j++) by_w += (double)w[j] * (double)dw[j];
        assert_true(fabs(by_y - by_x) <= 1e-5 * size && fabs(by_y - by_w) <= 1e-5 * size);
        ref->op->conv_free(ref, &conv);
        release();
    }
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

static const tn_act ACTS[] = {TN_ACT_NONE, TN_ACT_SWISH, TN_ACT_RELU6, TN_ACT_RELU, TN_ACT_SIGMOID};
enum { N_ACTS = sizeof ACTS / sizeof *ACTS };
static const int64_t BN_M[] = {7, 37, 1000, 20000};
static const int BN_C[] = {5, 24, 1, 16};

static void batch_norm(void **unused) {
    (void)unused;
    for (int i = 0; i < 4; i++)
        for (int a = 0; a < N_ACTS; a++) {
            int64_t M = BN_M[i], n = M * BN_C[i];
            int C = BN_C[i];
            float *x = noise(n, i, 2), *gamma = noise(C, 10 + i, 1), *beta = noise(C, 20 + i, 1),
                  *dy = noise(n, 30 + i, 1);
            for (int64_t j = 0; j < n; j++) x[j] += 50; /* a mean far from 0 */
            float *y[2], *mean[2], *var[2], *dx[2], *dg[2], *db[2];
            tn_dev *dev[2] = {ref, cpu};
            for (int d = 0; d < 2; d++) {
                y[d] = buffer(n), dx[d] = buffer(n), mean[d] = buffer(C), var[d] = buffer(C), dg[d] = buffer(C),
                db[d] = buffer(C);
                dev[d]->op->bn_train(dev[d], M, C, x, gamma, beta, 1e-3F, ACTS[a], y[d], mean[d], var[d]);
                dev[d]->op->bn_backward(dev[d], M, C, x, gamma, beta, mean[0], var[0], 1e-3F, ACTS[a], dy, dx[d], dg[d],
                                        db[d]);
            }
            assert_close("batch norm mean", C, mean[0], mean[1], 1e-6);
            assert_close("batch norm variance", C, var[0], var[1], 1e-5);
            assert_close("batch norm", n, y[0], y[1], 2e-5);
            if (ACTS[a] != TN_ACT_RELU6 && ACTS[a] != TN_ACT_RELU) { /* a kink next to 0 may fall on either side */
                assert_close("batch norm dx", n, dx[0], dx[1], 3e-5);
                assert_close("batch norm dgamma", C, dg[0], dg[1], 3e-5);
                assert_close("batch norm dbeta", C, db[0], db[1], 3e-5);
            }
            memcpy(dx[1], dy, (size_t)n * sizeof(float)); /* in place */
            float *apart = buffer(n);
            cpu->op->bn_backward(cpu, M, C, x, gamma, beta, mean[0], var[0], 1e-3F, ACTS[a], dy, apart, dg[1], db[1]);
            cpu->op->bn_backward(cpu, M, C, x, gamma, beta, mean[0], var[0], 1e-3F, ACTS[a], dx[1], dx[1], dg[1],
                                 db[1]);
            assert_memory_equal(apart, dx[1], (size_t)n * sizeof(float));
            for (int d = 0; d < 2; d++)
                dev[d]->op->bn_eval(dev[d], M, C, x, gamma, beta, mean[0], var[0], 1e-3F, ACTS[a], y[d]);
            assert_close("batch norm evaluation", n, y[0], y[1], 2e-5);
            release();
        }
}

static double bn_value(int64_t M, int C, const float *x, const float *gamma, const float *beta, tn_act act,
                       const float *dy, float *y, float *mean, float *var) {
    double sum = 0;
    ref->op->bn_train(ref, M, C, x, gamma, beta, 1e-3F, act, y, mean, var);
    for (int64_t i = 0; i < M * C; i++) sum += (double)y[i] * (double)dy[i];
    return sum;
}

static void batch_norm_slopes(void **unused) {
    (void)unused;
    enum { M = 12, C = 3, N = M * C };
    tn_rng r = tn_rng_at(3, TN_STREAM_TEST, 0, 0);
    for (int a = 0; a < 2; a++) { /* smooth activations */
        float *x = buffer(N), *gamma = buffer(C), *beta = buffer(C), *dy = buffer(N), *y = buffer(N), *dx = buffer(N),
              *mean = buffer(C), *var = buffer(C), *dg = buffer(C), *db = buffer(C), *m2 = buffer(C), *v2 = buffer(C);
        for (int i = 0; i < N; i++) x[i] = (float)tn_rng_normal(&r), dy[i] = (float)tn_rng_normal(&r);
        for (int c = 0; c < C; c++)
            gamma[c] = (float)(1 + 0.3 * tn_rng_normal(&r)), beta[c] = (float)(0.3 * tn_rng_normal(&r));
        bn_value(M, C, x, gamma, beta, ACTS[a], dy, y, mean, var);
        ref->op->bn_backward(ref, M, C, x, gamma, beta, mean, var, 1e-3F, ACTS[a], dy, dx, dg, db);
        struct {
            float *at, *slope;
            int n;
        } part[] = {{x, dx, N}, {gamma, dg, C}, {beta, db, C}};
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < part[k].n; i++) {
                float was = part[k].at[i], h = 0.01F;
                part[k].at[i] = was + h;
                double up = bn_value(M, C, x, gamma, beta, ACTS[a], dy, y, m2, v2);
                part[k].at[i] = was - h;
                double down = bn_value(M, C, x, gamma, beta, ACTS[a], dy, y, m2, v2);
                part[k].at[i] = was;
                assert_true(fabs((up - down) / (2 * (double)h) - (double)part[k].slope[i]) < 2e-3);
            }
        release();
    }
}

/* --- the others --------------------------------------------------------------------------------------------------- */

static void elementwise(void **unused) {
    (void)unused;
    enum { B = 3, HW = 35, C = 21, N = B * HW * C };
    tn_dev *dev[2] = {ref, cpu};
    float *x = noise(N, 1, 2), *side = noise(N, 2, 1), *s = noise(B * C, 3, 1), *dy = noise(N, 4, 1),
          *keep = noise(B, 5, 1), *small = noise(B * C, 6, 1);
    float *out[2], *ds[2];
#define COMPARE(what, n, bound, CALL)                                                                                  \
    do {                                                                                                               \
        for (int d = 0; d < 2; d++) {                                                                                  \
            tn_dev *v = dev[d];                                                                                        \
            float *y = out[d] = buffer(N);                                                                             \
            memcpy(y, side, N * sizeof *y);                                                                            \
            CALL;                                                                                                      \
        }                                                                                                              \
        assert_close(what, n, out[0], out[1], bound);                                                                  \
        n_buffers -= 2;                                                                                                \
        ref->op->free(ref, out[0]);                                                                                    \
        ref->op->free(ref, out[1]);                                                                                    \
    } while (0)
    COMPARE("pool", B * C, 2e-6, v->op->pool_forward(v, B, HW, C, x, y));
    COMPARE("pool backward", N, 1e-6, v->op->pool_backward(v, B, HW, C, small, y, false));
    COMPARE("pool backward, added", N, 1e-6, v->op->pool_backward(v, B, HW, C, small, y, true));
    COMPARE("scale", N, 1e-7, v->op->scale_forward(v, B, HW, C, x, s, y));
    COMPARE("residual", N, 1e-7, v->op->residual(v, B, HW * C, x, keep, side, y));
    COMPARE("residual without keep", N, 1e-7, v->op->residual(v, B, HW * C, x, NULL, side, y));
    COMPARE("keep", N, 1e-7, v->op->keep(v, B, HW * C, x, keep, y));
    COMPARE("mul", N, 1e-7, v->op->mul(v, N, x, dy, y));
    COMPARE("add", N, 1e-7, v->op->add(v, N, x, y));
    COMPARE("lerp", N, 1e-6, v->op->lerp(v, N, 0.3F, x, y));
    COMPARE("scale by a", N, 1e-7, v->op->scale(v, N, -2.5F, y));
    COMPARE("fill", N, 0, v->op->fill(v, N, 3.25F, y));
    for (int a = 0; a < N_ACTS; a++) {
        COMPARE("activation", N, 1e-6, v->op->act_forward(v, N, ACTS[a], x, y));
        COMPARE("activation backward", N, 2e-6, v->op->act_backward(v, N, ACTS[a], x, dy, y));
    }
    for (int d = 0; d < 2; d++) {
        out[d] = buffer(N), ds[d] = buffer(B * C);
        dev[d]->op->scale_backward(dev[d], B, HW, C, x, s, dy, out[d], ds[d]);
    }
    assert_close("scale backward", N, out[0], out[1], 1e-7);
    assert_close("scale backward ds", B * C, ds[0], ds[1], 3e-6);
    double a = ref->op->sum_of_squares(ref, N, x), b = cpu->op->sum_of_squares(cpu, N, x);
    assert_true(fabs(a - b) < 1e-6 * a);
    release();
}

static void head(void **unused) {
    (void)unused;
    enum { B = 5, I = 37, O = 11, M = 4 };
    tn_dev *dev[2] = {ref, cpu};
    float *x = noise(B * I, 1, 1), *w = noise(O * I, 2, 1), *bias = noise(O, 3, 1), *dy = noise(B * O, 4, 1),
          *extra = noise(B * M, 5, 1);
    float *y[2], *dx[2], *dw[2], *db[2], *joined[2], *p[2], *loss[2], *dl[2];
    float target[B * O];
    for (int i = 0; i < B * O; i++) target[i] = i < O ? 0 : 1.0F / O; /* the first sample has no say */
    for (int d = 0; d < 2; d++) {
        tn_dev *v = dev[d];
        y[d] = buffer(B * O), dx[d] = buffer(B * I), dw[d] = buffer(O * I), db[d] = buffer(O),
        joined[d] = buffer(B * (I + M));
        p[d] = buffer(B * O), loss[d] = buffer(B), dl[d] = buffer(B * O);
        v->op->dense_forward(v, B, I, O, x, w, bias, y[d]);
        v->op->dense_backward(v, B, I, O, x, w, dy, dx[d], dw[d], db[d]);
        v->op->join_forward(v, B, I, M, x, extra, joined[d]);
        v->op->softmax(v, B, O, dy, p[d]);
        v->op->cross_entropy(v, B, O, dy, target, 0.5F, loss[d], dl[d]);
    }
    assert_close("dense", B * O, y[0], y[1], 2e-6);
    assert_close("dense dx", B * I, dx[0], dx[1], 2e-6);
    assert_close("dense dw", O * I, dw[0], dw[1], 2e-6);
    assert_close("dense db", O, db[0], db[1], 2e-6);
    assert_memory_equal(joined[0], joined[1], B * (I + M) * sizeof(float));
    assert_true(joined[0][I + M + I] == extra[M] && joined[0][I + M] == x[I]);
    assert_close("softmax", B * O, p[0], p[1], 1e-6);
    assert_close("cross entropy", B, loss[0], loss[1], 1e-6);
    assert_true(loss[0][0] == 0);
    for (int o = 0; o < O; o++) assert_true(dl[0][o] == 0);
    for (int b = 0; b < B; b++) { /* probabilities sum to 1; the loss by its definition */
        double sum = 0, by_hand = 0;
        for (int o = 0; o < O; o++) sum += (double)p[0][b * O + o];
        for (int o = 0; o < O; o++) by_hand -= (double)target[b * O + o] * log((double)p[0][b * O + o]);
        assert_true(fabs(sum - 1) < 1e-6 && fabs(by_hand - (double)loss[0][b]) < 1e-4 * (1 + by_hand));
        for (int o = 0; b > 0 && o < O; o++)
            assert_true(fabs((double)dl[0][b * O + o] - 0.5 * ((double)p[0][b * O + o] - (double)target[b * O + o])) <
                        1e-6);
    }
    release();
}

/* The same bits twice; and the pixels of a sample do not depend on the samples beside it. */
static void bits(void **unused) {
    (void)unused;
    tn_conv_shape s = {.B = 3,
                       .H = 8,
                       .W = 8,
                       .C = 24,
                       .P = 8,
                       .Q = 8,
                       .K = 24,
                       .R = 3,
                       .stride = 1,
                       .pad_top = 1,
                       .pad_left = 1,
                       .depthwise = true};
    enum { N = 3 * 8 * 8 * 24 };
    for (int kind = 0; kind < 2; kind++) {
        s.depthwise = kind == 0;
        if (kind == 1) s.R = 1, s.pad_top = s.pad_left = 0;
        float *x = noise(N, 1, 1), *w = noise(24 * 24 * 9, 2, 1), *a = buffer(N), *b = buffer(N);
        tn_conv *conv = NULL;
        assert_int_equal(cpu->op->conv_new(cpu, &s, true, &conv), TN_OK);
        cpu->op->conv_weights(cpu, conv, w);
        cpu->op->conv_forward(cpu, conv, x, a);
        cpu->op->conv_forward(cpu, conv, x, b);
        assert_memory_equal(a, b, N * sizeof *a);
        for (int i = 0; i < N / 3; i++) x[i] = -x[i] * 3;
        cpu->op->conv_forward(cpu, conv, x, b);
        assert_memory_equal(a + N / 3, b + N / 3, N / 3 * 2 * sizeof *a);
        cpu->op->conv_backward_weights(cpu, conv, x, a, b);
        float *again = buffer(24 * 24 * 9);
        cpu->op->conv_backward_weights(cpu, conv, x, a, again);
        assert_memory_equal(b, again, (size_t)(24 * (kind ? 24 : 9)) * sizeof *b);
        cpu->op->conv_free(cpu, &conv);
        release();
    }
}

static void exponential(void **unused) {
    (void)unused;
    enum { N = 200000 };
    float *x = buffer(N), *y = buffer(N);
    for (int i = 0; i < N; i++) x[i] = (float)(-20 + 40.0 * i / N);
    cpu->op->act_forward(cpu, N, TN_ACT_SIGMOID, x, y);
    for (int i = 0; i < N; i++) {
        double expected = 1 / (1 + exp(-(double)x[i]));
        assert_true(fabs((double)y[i] - expected) < 3e-7 * expected);
    }
    const float far[] = {-1000, -100, 100, 1000, 0};
    cpu->op->act_forward(cpu, 5, TN_ACT_SIGMOID, far, y);
    assert_true(y[0] >= 0 && y[0] < 1e-30F && y[1] < 1e-30F && y[2] == 1 && y[3] == 1 && y[4] == 0.5F);
    cpu->op->act_forward(cpu, 5, TN_ACT_SWISH, far, y);
    assert_true(fabs((double)y[0]) < 1e-30 && y[3] == 1000);
    release();
}

static void refused(void **unused) {
    (void)unused;
    tn_dev *dev = NULL;
    assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 0, TN_ISA_PLAIN, &dev), TN_EARG);
    if (tn_isa_best() < TN_ISA_AVX512) assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 1, TN_ISA_AVX512, &dev), TN_EARG);
    assert_null(dev);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions), cmocka_unit_test(batch_norm),
                                       cmocka_unit_test(elementwise),  cmocka_unit_test(head),
                                       cmocka_unit_test(bits),         cmocka_unit_test(exponential)};
    const struct CMUnitTest once[] = {cmocka_unit_test(convolution_slopes), cmocka_unit_test(batch_norm_slopes),
                                      cmocka_unit_test(refused)};
    if (tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, &ref) != TN_OK) return 1;
    int failed = cmocka_run_group_tests_name("ref", once, NULL, NULL);
    for (int isa = (int)tn_isa_best(); isa >= 0; isa--)
        for (int threads = 1; threads <= 3; threads += 2) {
            char name[64];
            if (tn_dev_open(TN_DEVICE_CPU, threads, (tn_isa)isa, &cpu) != TN_OK) return 1;
            snprintf(name, sizeof name, "cpu %s, %d threads", tn_isa_name((tn_isa)isa), threads);
            failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
            tn_dev_close(&cpu);
        }
    tn_dev_close(&ref);
    return failed;
}
