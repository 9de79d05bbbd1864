/*
 * test_dev.c - every operation of the cpu device, for every instruction set of this machine, fp32 and bf16, 1 and 3
 * threads, against ref; ref against central differences. Bounds are relative to the largest value of the expected
 * output. Nothing here reads the memory of the other device: so it may be a GPU's.
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef DEVICE /* tests/gpu/test_gpu_dev.c has its own */
#define DEVICE       TN_DEVICE_CPU
#define CHANNELS     1 /* of activations: a multiple of it */
#define ROOM         1 /* times the bounds */
#define MOST_THREADS 3
#endif

static tn_dev *ref, *cpu; /* cpu: or the device that is compared instead */

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* Memory of ref, which the test reads and writes, and as much of the other device. */
enum { MOST_BUFFERS = 64 };
static struct {
    float *x, *twin;
    int64_t n;
} buffers[MOST_BUFFERS];
static int n_buffers;

static float *buffer(int64_t n) {
    assert_true(n_buffers < MOST_BUFFERS);
    if (n < 1) n = 1;
    buffers[n_buffers].n = n;
    buffers[n_buffers].x = ref->op->alloc(ref, n);
    buffers[n_buffers].twin = cpu ? cpu->op->alloc(cpu, n) : NULL;
    return buffers[n_buffers++].x;
}
static double *doubles(int64_t n) {
    return (double *)(void *)buffer(2 * n);
}
static void release_to(int n) {
    while (n_buffers > n) {
        ref->op->free(ref, buffers[--n_buffers].x);
        if (cpu) cpu->op->free(cpu, buffers[n_buffers].twin);
    }
}
static void release(void) {
    release_to(0);
}

static int buffer_of(const void *x) {
    int i = 0;
    while (i < n_buffers && buffers[i].x != x) i++;
    assert_true(i < n_buffers);
    return i;
}
/* The memory of device d that belongs to a buffer, with the buffer's values. Once per buffer: it would undo what a device wrote. */
static void *on(int d, void *x) {
    if (d == 0) return x;
    int i = buffer_of(x);
    cpu->op->upload(cpu, buffers[i].n, x, buffers[i].twin);
    return buffers[i].twin;
}
/* The buffer again, with what device d wrote. */
static void *back(int d, void *x) {
    int i = buffer_of(x);
    if (d == 1) cpu->op->download(cpu, buffers[i].n, buffers[i].twin, x);
    return x;
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
    if (!(worst <= ROOM * bound * most))
        fail_msg("%s (%s, %s, %d threads): error %g of %g, bound %g", what, tn_isa_words[cpu->isa],
                 cpu->precision == TN_BF16 ? "bf16" : "fp32", cpu->n_threads, worst, most, bound);
}

/* Activations as both devices see them: `both` is rounded to what cpu stores, `cpu` is that, stored. */
typedef struct {
    float *both;
    void *cpu;
} stored;

static stored store(int64_t n, float *x) {
    stored s = {x, on(1, buffer(n))};
    cpu->op->store(cpu, n, x, s.cpu);
    cpu->op->load(cpu, n, s.cpu, x);
    return s;
}
static void *of(int d, const stored *s) {
    return d == 0 ? (void *)s->both : s->cpu;
}
/* What device d stored, as floats. */
static float *loaded(int d, int64_t n, const void *x) {
    float *out = buffer(n);
    if (d == 0)
        ref->op->load(ref, n, x, out);
    else
        cpu->op->load(cpu, n, x, out);
    return out;
}
/* fp32: the given bound. bf16: results are rounded to 8 bits, and so are values on their way into products. */
static double bound(double fp32) {
    return cpu->precision == TN_BF16 ? 1e-2 : fp32;
}

/* Sums cancel: they are compared with the largest. */
static void assert_sums_close(int n, const double *expected, const double *got) {
    double size = 1e-30;
    for (int i = 0; i < n; i++) size = fmax(size, fabs(expected[i]));
    for (int i = 0; i < n; i++) assert_true(fabs(expected[i] - got[i]) <= ROOM * bound(1e-5) * size);
}

/* --- convolutions ------------------------------------------------------------------------------------------------- */

typedef struct {
    int B, H, W, C, K, R, stride, pad; /* pad: at the beginning; what the end needs follows from P, Q */
    int P, Q;
    bool depthwise;
} conv_case;

static const conv_case CONV[] = {{2, 5, 7, 3, 8, 1, 1, 0, 5, 7, false},     {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, false},
                                 {3, 4, 4, 24, 40, 1, 1, 0, 4, 4, false},   {2, 9, 8, 3, 16, 3, 2, 1, 5, 4, false},
                                 {2, 8, 8, 3, 16, 3, 2, 0, 4, 4, false},    {2, 6, 6, 3, 5, 3, 1, 1, 6, 6, false},
                                 {2, 7, 6, 16, 0, 3, 1, 1, 7, 6, true},     {2, 9, 9, 24, 0, 3, 2, 1, 5, 5, true},
                                 {1, 8, 8, 40, 0, 3, 2, 0, 4, 4, true},     {2, 7, 7, 48, 0, 5, 1, 2, 7, 7, true},
                                 {2, 9, 6, 17, 0, 5, 2, 2, 5, 3, true},     {1, 8, 8, 33, 0, 5, 2, 1, 4, 4, true},
                                 {3, 1, 1, 9, 0, 5, 1, 2, 1, 1, true},      {2, 2, 3, 1, 0, 3, 1, 1, 2, 3, true},
                                 {1, 3, 2, 7, 0, 5, 2, 2, 2, 1, true},      {4, 16, 16, 64, 0, 3, 1, 1, 16, 16, true},
                                 {2, 7, 6, 24, 0, 5, 2, 2, 4, 3, true},     {1, 9, 17, 8, 0, 3, 2, 1, 5, 9, true},
                                 {1, 9, 17, 8, 0, 5, 2, 2, 5, 9, true},     {1, 6, 11, 8, 0, 3, 1, 1, 6, 11, true},
                                 {1, 6, 11, 8, 0, 5, 1, 2, 6, 11, true},    {2, 8, 9, 8, 264, 1, 1, 0, 8, 9, false},
                                 {1, 17, 16, 24, 0, 3, 1, 1, 17, 16, true}, {1, 13, 21, 40, 0, 5, 1, 2, 13, 21, true},
                                 {1, 50, 49, 9, 0, 3, 2, 1, 25, 25, true},  {3, 33, 33, 3, 16, 3, 2, 1, 17, 17, false}};
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

static float *positive(int64_t n, int seed) {
    float *x = noise(n, seed, 0.2);
    for (int64_t i = 0; i < n; i++) x[i] = fabsf(x[i]) < 1 ? 1 + x[i] : 1;
    return x;
}

/* Mode 0: plain values, plain gradients, added to dx. 1: batch norm, swish and, pointwise, scale; gradient through
 * batch norm. 2: the same with ReLU6 far from its kinks. 3: without activation. */
static const tn_act ACT_OF_MODE[] = {TN_ACT_NONE, TN_ACT_SWISH, TN_ACT_RELU6, TN_ACT_NONE};
enum { MODES = sizeof ACT_OF_MODE / sizeof *ACT_OF_MODE };
static void convolution(int i, int mode) {
    tn_conv_shape s = shape_of(&CONV[i]);
    bool pointwise = s.R == 1, dense = !pointwise && !s.depthwise;
    if (s.K % CHANNELS != 0 || (!dense && s.C % CHANNELS != 0)) return;
    if (dense && mode > 0) return; /* the stem reads images */
    int64_t nx = (int64_t)s.B * s.H * s.W * s.C, ny = (int64_t)s.B * s.P * s.Q * s.K;
    int64_t nw = (int64_t)s.K * (s.depthwise ? 1 : s.C) * s.R * s.R;
    stored x = store(nx, noise(nx, i, 1)), dz = store(ny, noise(ny, 200 + i, 1)),
           seen = store(ny, noise(ny, 250 + i, 1)), before = store(nx, noise(nx, 2, 1));
    float *w = noise(nw, 100 + i, 0.3), *a = positive(s.C, 3), *b = noise(s.C, 4, 0.3),
          *scale = positive((int64_t)s.B * s.C, 5), *gho = noise(3 * (int64_t)s.K, 6, 0.5);
    if (mode == 2)
        for (int c = 0; c < s.C; c++) a[c] *= 0.01F, b[c] = 2;
    const float *y[2], *dx[2], *mean[2], *var[2], *dw[2];
    const double *sums[2];
    for (int d = 0; d < 2; d++) {
        tn_dev *v = d == 0 ? ref : cpu;
        tn_conv *conv = NULL;
        assert_int_equal(v->op->conv_new(v, &s, &conv), TN_OK);
        v->op->conv_weights(v, conv, on(d, w));
        tn_view view = {.x = of(d, &x)};
        if (mode > 0)
            view = (tn_view){of(d, &x), on(d, a), on(d, b), ACT_OF_MODE[mode], pointwise ? on(d, scale) : NULL};
        const float *coefficients = on(d, gho);
        tn_grad_view dy = {of(d, &dz), of(d, &seen), mode ? coefficients : NULL, coefficients + s.K,
                           coefficients + 2 * s.K};
        /* outputs are overwritten, whatever they held */
        float *m = noise(s.K, 1, 1), *squares = noise(s.K, 1, 1), *weights = noise(nw, 3, 1);
        void *out = on(d, noise(ny, 1, 1)), *in = on(d, buffer(nx));
        double *of_dx = doubles(2 * s.C);
        v->op->store(v, nx, before.both, in);
        v->op->conv_forward(v, conv, s.B, &view, NULL, out, on(d, m), on(d, squares));
        v->op->conv_backward(v, conv, s.B, &view, &dy, dense ? NULL : in, mode == 0,
                             s.depthwise && mode ? on(d, of_dx) : NULL, on(d, weights));
        v->op->conv_free(v, &conv);
        assert_null(conv);
        y[d] = loaded(d, ny, out), dx[d] = loaded(d, nx, in), mean[d] = back(d, m), var[d] = back(d, squares),
        dw[d] = back(d, weights), sums[d] = back(d, of_dx);
    }
    char what[64];
    snprintf(what, sizeof what, "convolution %d, mode %d", i, mode);
    assert_close(what, ny, y[0], y[1], bound(3e-6));
    assert_close(what, s.K, mean[0], mean[1], bound(1e-5));
    if (cpu->precision == TN_FP32)
        assert_close(what, s.K, var[0], var[1], 2e-5); /* else: of rounded values, batch_norm */
    assert_close(what, nx, dx[0], dx[1], bound(3e-6));
    assert_close(what, nw, dw[0], dw[1], bound(1e-5));
    if (s.depthwise && mode) assert_sums_close(2 * s.C, sums[0], sums[1]);
    release();
}

/* Evaluation: batch norm, activation and what is added, applied as y is stored; the pool of depthwise ones. */
static void finished(int i) {
    tn_conv_shape s = shape_of(&CONV[i]);
    if (s.K % CHANNELS != 0 || ((s.R == 1 || s.depthwise) && s.C % CHANNELS != 0)) return;
    int64_t nx = (int64_t)s.B * s.H * s.W * s.C, ny = (int64_t)s.B * s.P * s.Q * s.K;
    int64_t nw = (int64_t)s.K * (s.depthwise ? 1 : s.C) * s.R * s.R;
    stored x = store(nx, noise(nx, i, 1)), side = store(ny, noise(ny, 1, 1));
    float *w = noise(nw, 100 + i, 0.3), *a = positive(s.K, 3), *b = noise(s.K, 4, 0.3),
          *scale = positive((int64_t)s.B * s.C, 5);
    const float *y[2], *pool[2];
    for (int d = 0; d < 2; d++) {
        tn_dev *v = d == 0 ? ref : cpu;
        tn_conv *conv = NULL;
        assert_int_equal(v->op->conv_new(v, &s, &conv), TN_OK);
        v->op->conv_weights(v, conv, on(d, w));
        float *means = noise((int64_t)s.B * s.K, 1, 1);
        void *out = on(d, noise(ny, 1, 1));
        tn_view view = {.x = of(d, &x), .scale = s.R == 1 ? on(d, scale) : NULL};
        tn_finish finish = {on(d, a), on(d, b), ACT_OF_MODE[1 + i % (MODES - 1)], s.depthwise ? NULL : of(d, &side),
                            s.depthwise ? on(d, means) : NULL};
        v->op->conv_forward(v, conv, s.B, &view, &finish, out, NULL, NULL);
        v->op->conv_free(v, &conv);
        y[d] = loaded(d, ny, out), pool[d] = s.depthwise ? back(d, means) : NULL;
    }
    assert_close("finished", ny, y[0], y[1], bound(3e-6));
    if (s.depthwise) assert_close("pool of finished", (int64_t)s.B * s.K, pool[0], pool[1], bound(3e-6));
    release();
}

/* Evaluation of an expansion to s.C channels and the depthwise convolution s at once, beside one after the other. */
static void expanded(const tn_conv_shape *s, int n_in, tn_act act) {
    tn_conv_shape wide = {
        .B = s->B, .H = s->H, .W = s->W, .C = n_in, .P = s->H, .Q = s->W, .K = s->C, .R = 1, .stride = 1};
    int64_t n_x = (int64_t)s->B * s->H * s->W * n_in, n_middle = (int64_t)s->B * s->H * s->W * s->C,
            n_y = (int64_t)s->B * s->P * s->Q * s->C;
    stored x = store(n_x, noise(n_x, 1, 1));
    float *w_wide = noise((int64_t)s->C * n_in, 2, 0.3), *w = noise((int64_t)s->C * s->R * s->R, 3, 0.3);
    float *a = positive(s->C, 4), *b = noise(s->C, 5, 0.3), *a2 = positive(s->C, 6), *b2 = noise(s->C, 7, 0.3);
    const float *y[2], *pool[2];
    for (int d = 0; d < 2; d++) {
        tn_dev *v = d == 0 ? ref : cpu;
        tn_conv *first = NULL, *second = NULL;
        assert_int_equal(v->op->conv_new(v, &wide, &first), TN_OK);
        assert_int_equal(v->op->conv_new(v, s, &second), TN_OK);
        v->op->conv_weights(v, first, on(d, w_wide));
        v->op->conv_weights(v, second, on(d, w));
        float *means = noise((int64_t)s->B * s->C, 1, 1);
        void *out = on(d, noise(n_y, 1, 1)), *middle = on(d, noise(n_middle, 1, 1));
        tn_finish half = {.a = on(d, a), .b = on(d, b), .act = act},
                  whole = {.a = on(d, a2), .b = on(d, b2), .act = act, .pool = on(d, means)};
        if (v->op->expand_forward) {
            v->op->expand_forward(v, first, &half, second, s->B, of(d, &x), &whole, out);
        } else {
            v->op->conv_forward(v, first, s->B, &(tn_view){.x = of(d, &x)}, &half, middle, NULL, NULL);
            v->op->conv_forward(v, second, s->B, &(tn_view){.x = middle}, &whole, out, NULL, NULL);
        }
        v->op->conv_free(v, &first);
        v->op->conv_free(v, &second);
        y[d] = loaded(d, n_y, out), pool[d] = back(d, means);
    }
    assert_close("expanded", n_y, y[0], y[1], bound(3e-6));
    assert_close("pool of expanded", (int64_t)s->B * s->C, pool[0], pool[1], bound(3e-6));
    release();
}

static void expansions(void **unused) {
    (void)unused;
    static const int INPUTS[] = {2, 8, 24, 34};
    int n_done = 0;
    for (int i = 0; i < N_CONV; i++) {
        tn_conv_shape s = shape_of(&CONV[i]);
        if (!s.depthwise || s.C % CHANNELS != 0) continue;
        expanded(&s, INPUTS[n_done % 4], ACT_OF_MODE[1 + i % (MODES - 1)]);
        n_done++;
    }
    assert_true(n_done >= 4);
}

static void convolutions(void **unused) {
    (void)unused;
    for (int i = 0; i < N_CONV; i++) {
        for (int mode = 0; mode < MODES; mode++) convolution(i, mode);
        finished(i);
    }
}

/* <y, dy> is linear in x and in w: its slopes are dx and dw. */
static void convolution_slopes(void **unused) {
    (void)unused;
    for (int i = 0; i < N_CONV; i++) {
        tn_conv_shape s = shape_of(&CONV[i]);
        int64_t nx = (int64_t)s.B * s.H * s.W * s.C, ny = (int64_t)s.B * s.P * s.Q * s.K;
        int64_t nw = (int64_t)s.K * (s.depthwise ? 1 : s.C) * s.R * s.R;
        float *x = noise(nx, i, 1), *w = noise(nw, 300 + i, 1), *dy = noise(ny, 400 + i, 1), *y = buffer(ny),
              *dx = buffer(nx), *dw = buffer(nw);
        tn_conv *conv = NULL;
        tn_view view = {.x = x};
        tn_grad_view grad = {.dz = dy};
        assert_int_equal(ref->op->conv_new(ref, &s, &conv), TN_OK);
        ref->op->conv_weights(ref, conv, w);
        ref->op->conv_forward(ref, conv, s.B, &view, NULL, y, NULL, NULL);
        ref->op->conv_backward(ref, conv, s.B, &view, &grad, dx, false, NULL, dw);
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

/* Images have the first N_ACTS of these; vectors have all of them. */
static const tn_act ACTS[] = {TN_ACT_NONE, TN_ACT_SWISH, TN_ACT_RELU6, TN_ACT_SIGMOID};
enum { N_VECTOR_ACTS = sizeof ACTS / sizeof *ACTS, N_ACTS = N_VECTOR_ACTS - 1 };

/* Bytes, and a last piece that fills no vector. */
static void pixels(void **unused) {
    (void)unused;
    const tn_byte_norm norm = {{0.017F, 0.0175F, 0.0174F}, {-2.1F, -2.04F, -1.8F}};
    for (int64_t n = 1; n < 4000; n = n * 3 + 1) {
        unsigned char *host = malloc((size_t)n * 3);
        float *expected = buffer(3 * n), *got = on(1, buffer(3 * n));
        for (int64_t i = 0; i < 3 * n; i++) host[i] = (unsigned char)(i * 37 % 256);
        ref->op->pixels(ref, n, host, &norm, expected);
        assert_true(fabs((double)expected[3 * n - 1] - (0.0174 * host[3 * n - 1] - 1.8)) < 1e-5);
        cpu->op->pixels(cpu, n, host, &norm, got);
        assert_close("pixels", 3 * n, expected, loaded(1, 3 * n, got), bound(1e-6));
        free(host);
    }
    release();
}

/* Coefficients, and moments of values far from 0, by a pointwise convolution with the identity. */
static void batch_norm(void **unused) {
    (void)unused;
    enum { C = 24, HW = 700, M = 2 * HW };
    float *gamma = noise(C, 1, 1), *beta = noise(C, 2, 1), *values = noise(M * C, 3, 2), *w = buffer(C * C);
    for (int i = 0; i < M * C; i++) values[i] += 50;
    for (int c = 0; c < C; c++) w[c * C + c] = 1;
    stored x = store(M * C, values);
    tn_conv_shape s = {.B = 2, .H = HW, .W = 1, .C = C, .P = HW, .Q = 1, .K = C, .R = 1, .stride = 1};
    double *sums = doubles(2 * C);
    for (int c = 0; c < 2 * C; c++) sums[c] = (double)noise(1, 50 + c, 3)[0], release_to(n_buffers - 1);
    float *mean[2], *var[2], *ab[2], *gho[2], *dg[2], *db[2];
    for (int d = 0; d < 2; d++) {
        tn_dev *v = d == 0 ? ref : cpu;
        tn_conv *conv = NULL;
        tn_view view = {.x = of(d, &x)};
        mean[d] = buffer(C), var[d] = buffer(C), ab[d] = buffer(2 * C), gho[d] = buffer(3 * C), dg[d] = buffer(C),
        db[d] = buffer(C);
        assert_int_equal(v->op->conv_new(v, &s, &conv), TN_OK);
        v->op->conv_weights(v, conv, on(d, w));
        v->op->conv_forward(v, conv, 2, &view, NULL, on(d, buffer(M * C)), on(d, mean[d]), on(d, var[d]));
        back(d, mean[d]), back(d, var[d]);
        float *affine = on(d, ab[d]);
        const float *g = on(d, gamma), *means = on(d, mean[0]), *vars = on(d, var[0]);
        v->op->bn_affine(v, C, g, on(d, beta), means, vars, 1e-3F, affine, affine + C);
        v->op->bn_backward(v, M, C, on(d, sums), g, means, vars, 1e-3F, on(d, gho[d]), on(d, dg[d]), on(d, db[d]));
        back(d, ab[d]), back(d, gho[d]), back(d, dg[d]), back(d, db[d]);
        v->op->conv_free(v, &conv);
    }
    assert_close("batch norm mean", C, mean[0], mean[1], 1e-6);
    assert_close("batch norm variance", C, var[0], var[1], 1e-5);
    assert_close("batch norm affine", 2 * C, ab[0], ab[1], 1e-6);
    assert_close("batch norm coefficients", 3 * C, gho[0], gho[1], 1e-6);
    assert_close("batch norm dgamma", C, dg[0], dg[1], 1e-6);
    assert_close("batch norm dbeta", C, db[0], db[1], 1e-6);
    release();
}

/* sum of dy times batch norm and activation of x, by their definition */
static double bn_value(int64_t M, int C, const float *x, const float *gamma, const float *beta, tn_act act,
                       const float *dy, float *mean, float *var, float *ab) {
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;
        for (int64_t m = 0; m < M; m++) sum += (double)x[m * C + c] / (double)M;
        for (int64_t m = 0; m < M; m++) squares += pow((double)x[m * C + c] - sum, 2) / (double)M;
        mean[c] = (float)sum;
        var[c] = (float)squares;
    }
    ref->op->bn_affine(ref, C, gamma, beta, mean, var, 1e-3F, ab, ab + C);
    float *y = buffer(M * C);
    tn_view view = {x, ab, ab + C, act, NULL};
    ref->op->residual(ref, 1, M, C, &view, NULL, NULL, y);
    double sum = 0;
    for (int64_t i = 0; i < M * C; i++) sum += (double)y[i] * (double)dy[i];
    release_to(n_buffers - 1);
    return sum;
}

/* Gradients through activation, batch norm and its moments: read_backward, bn_backward, and how a convolution reads
 * them. */
static void batch_norm_slopes(void **unused) {
    (void)unused;
    enum { M = 12, C = 3, N = M * C };
    tn_rng r = tn_rng_at(3, TN_STREAM_TEST, 0, 0);
    for (int a = 0; a < 2; a++) { /* smooth activations */
        float *x = buffer(N), *gamma = buffer(C), *beta = buffer(C), *dy = buffer(N), *dz = buffer(N), *dx = buffer(N),
              *mean = buffer(C), *var = buffer(C), *dg = buffer(C), *db = buffer(C), *ab = buffer(2 * C),
              *gho = buffer(3 * C), *w = buffer(C * C), *dw = buffer(C * C);
        for (int i = 0; i < N; i++) x[i] = (float)tn_rng_normal(&r), dy[i] = (float)tn_rng_normal(&r);
        for (int c = 0; c < C; c++)
            gamma[c] = (float)(1 + 0.3 * tn_rng_normal(&r)), beta[c] = (float)(0.3 * tn_rng_normal(&r)),
            w[c * C + c] = 1;
        bn_value(M, C, x, gamma, beta, ACTS[a], dy, mean, var, ab);
        double sums[2 * C];
        tn_view view = {x, ab, ab + C, ACTS[a], NULL}, plain = {.x = x};
        ref->op->read_backward(ref, 1, M, C, &view, dy, NULL, NULL, dz, sums);
        ref->op->bn_backward(ref, M, C, sums, gamma, mean, var, 1e-3F, gho, dg, db);
        tn_conv_shape s = {.B = 1, .H = M, .W = 1, .C = C, .P = M, .Q = 1, .K = C, .R = 1, .stride = 1};
        tn_grad_view grad = {dz, x, gho, gho + C, gho + 2 * C};
        tn_conv *conv = NULL;
        assert_int_equal(ref->op->conv_new(ref, &s, &conv), TN_OK);
        ref->op->conv_weights(ref, conv, w); /* the identity: dx is the gradient as read */
        ref->op->conv_backward(ref, conv, 1, &plain, &grad, dx, false, NULL, dw);
        ref->op->conv_free(ref, &conv);
        struct {
            float *at, *slope;
            int n;
        } part[] = {{x, dx, N}, {gamma, dg, C}, {beta, db, C}};
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < part[k].n; i++) {
                float was = part[k].at[i], h = 0.01F;
                part[k].at[i] = was + h;
                double up = bn_value(M, C, x, gamma, beta, ACTS[a], dy, mean, var, ab);
                part[k].at[i] = was - h;
                double down = bn_value(M, C, x, gamma, beta, ACTS[a], dy, mean, var, ab);
                part[k].at[i] = was;
                assert_true(fabs((up - down) / (2 * (double)h) - (double)part[k].slope[i]) < 2e-3);
            }
        release();
    }
}

/* --- the others --------------------------------------------------------------------------------------------------- */

static void passes(void **unused) {
    (void)unused;
    enum { B = 3, HW = 601, C = CHANNELS == 1 ? 21 : 24, N = B * HW * C };
    stored x = store(N, noise(N, 1, 2)), side = store(N, noise(N, 2, 1)), g = store(N, noise(N, 4, 1));
    float *s = positive(B * C, 3), *keep = noise(B, 5, 1), *pooled = noise(B * C, 6, 1), *a = positive(C, 7),
          *b = noise(C, 8, 1);
    int n_inputs = n_buffers;
    for (int act = 0; act < N_ACTS; act++) {
        bool kinked = ACTS[act] == TN_ACT_RELU6; /* next to 0 either side may be right */
        float *pool[2], *ds[2];
        void *out[2], *plain[2], *dz[2], *only_pool[2];
        const double *sums[2];
        for (int d = 0; d < 2; d++) {
            tn_dev *v = d == 0 ? ref : cpu;
            const float *a_on = on(d, a), *b_on = on(d, b), *keep_on = on(d, keep), *pooled_on = on(d, pooled);
            tn_view view = {of(d, &x), a_on, b_on, ACTS[act], NULL},
                    scaled = {of(d, &x), a_on, b_on, ACTS[act], on(d, s)};
            double *of_dz = doubles(2 * C);
            pool[d] = buffer(B * C), ds[d] = buffer(B * C), out[d] = on(d, buffer(N)), plain[d] = on(d, buffer(N)),
            dz[d] = on(d, buffer(N)), only_pool[d] = on(d, buffer(N));
            v->op->pool_forward(v, B, HW, C, &view, on(d, pool[d]));
            v->op->scale_backward(v, B, HW, C, &scaled, of(d, &g), on(d, ds[d]));
            v->op->residual(v, B, HW, C, &view, keep_on, of(d, &side), out[d]);
            v->op->residual(v, B, HW, C, &view, NULL, NULL, plain[d]);
            v->op->read_backward(v, B, HW, C, &scaled, of(d, &g), keep_on, pooled_on, dz[d], on(d, of_dz));
            v->op->read_backward(v, B, HW, C, &view, NULL, NULL, pooled_on, only_pool[d], on(d, doubles(2 * C)));
            back(d, pool[d]), back(d, ds[d]), sums[d] = back(d, of_dz);
        }
        assert_close("pool", B * C, pool[0], pool[1], bound(3e-6));
        assert_close("scale backward", B * C, ds[0], ds[1], bound(1e-5));
        assert_close("residual", N, loaded(0, N, out[0]), loaded(1, N, out[1]), bound(1e-6));
        assert_close("residual alone", N, loaded(0, N, plain[0]), loaded(1, N, plain[1]), bound(1e-6));
        if (!kinked) {
            assert_close("read backward", N, loaded(0, N, dz[0]), loaded(1, N, dz[1]), bound(2e-6));
            assert_close("read backward, pool alone", N, loaded(0, N, only_pool[0]), loaded(1, N, only_pool[1]),
                         bound(2e-6));
            assert_sums_close(2 * C, sums[0], sums[1]);
        }
        release_to(n_inputs);
    }
    release();
}

static void vectors(void **unused) {
    (void)unused;
    enum { N = 2205 };
    float *x = noise(N, 1, 2), *side = noise(N, 2, 1), *dy = noise(N, 4, 1);
    float *out[2];
#define COMPARE(what, n, bound, CALL)                                                                                  \
    do {                                                                                                               \
        for (int d = 0; d < 2; d++) {                                                                                  \
            tn_dev *v = d == 0 ? ref : cpu;                                                                            \
            out[d] = buffer(N);                                                                                        \
            memcpy(out[d], side, N * sizeof *out[d]);                                                                  \
            float *y = on(d, out[d]);                                                                                  \
            CALL;                                                                                                      \
            back(d, out[d]);                                                                                           \
        }                                                                                                              \
        assert_close(what, n, out[0], out[1], bound);                                                                  \
        release_to(n_buffers - 2);                                                                                     \
    } while (0)
    COMPARE("mul", N, 1e-7, v->op->mul(v, N, on(d, x), on(d, dy), y));
    COMPARE("lerp", N, 1e-6, v->op->lerp(v, N, 0.3F, on(d, x), y));
    COMPARE("scale by a", N, 1e-7, v->op->scale(v, N, -2.5F, y));
    COMPARE("add", N, 1e-7, v->op->add(v, N, on(d, x), y));
    COMPARE("fill", N, 0, v->op->fill(v, N, 3.25F, y));
    for (int a = 0; a < N_VECTOR_ACTS; a++) {
        COMPARE("activation", N, 1e-6, v->op->act_forward(v, N, ACTS[a], on(d, x), y));
        COMPARE("activation backward", N, 2e-6, v->op->act_backward(v, N, ACTS[a], on(d, x), on(d, dy), y));
    }
    double a = tn_dev_squares(ref, N, x), b = tn_dev_squares(cpu, N, on(1, x));
    assert_true(fabs(a - b) < 1e-6 * a);
    release();
}

/* Three steps of each optimiser: weights and moments. */
static void optimisers(void **unused) {
    (void)unused;
    enum { N = 1003, STEPS = 3 };
    tn_dev *dev[2] = {ref, cpu};
    for (int adam = 0; adam < 2; adam++) {
        float *w[2], *m[2], *v[2];
        for (int d = 0; d < 2; d++) {
            w[d] = noise(N, 1, 1);
            m[d] = buffer(N);
            v[d] = buffer(N);
            float *w_on = on(d, w[d]), *m_on = on(d, m[d]), *v_on = on(d, v[d]);
            for (int step = 1; step <= STEPS; step++) {
                float *g = on(d, noise(N, 1 + step, 1));
                if (adam)
                    dev[d]->op->adamw(dev[d], N, 0.01F, 0.9F, 0.999F, 1e-8F, 0.05F, step, g, m_on, v_on, w_on);
                else
                    dev[d]->op->sgd(dev[d], N, 0.01F, 0.9F, 0.05F, g, m_on, w_on);
            }
            back(d, w[d]), back(d, m[d]), back(d, v[d]);
        }
        assert_close("weights after three steps", N, w[0], w[1], 1e-6);
        assert_close("first moments", N, m[0], m[1], 1e-6);
        assert_close("second moments", N, v[0], v[1], 1e-6);
        release();
    }
}

static void head(void **unused) {
    (void)unused;
    enum { B = 5, I = 37, O = 11, M = 4 };
    float *x = noise(B * I, 1, 1), *w = noise(O * I, 2, 1), *bias = noise(O, 3, 1), *dy = noise(B * O, 4, 1),
          *extra = noise(B * M, 5, 1);
    float *y[2], *dx[2], *dw[2], *db[2], *joined[2], *p[2], *loss[2], *dl[2];
    float *target = buffer(B * O);
    for (int i = 0; i < B * O; i++) target[i] = i < O ? 0 : 1.0F / O; /* the first sample has no say */
    for (int d = 0; d < 2; d++) {
        tn_dev *v = d == 0 ? ref : cpu;
        const float *x_on = on(d, x), *w_on = on(d, w), *dy_on = on(d, dy);
        y[d] = buffer(B * O), dx[d] = buffer(B * I), dw[d] = buffer(O * I), db[d] = buffer(O),
        joined[d] = buffer(B * (I + M));
        p[d] = buffer(B * O), loss[d] = buffer(B), dl[d] = buffer(B * O);
        v->op->dense_forward(v, B, I, O, x_on, w_on, on(d, bias), on(d, y[d]));
        v->op->dense_backward(v, B, I, O, x_on, w_on, dy_on, on(d, dx[d]), on(d, dw[d]), on(d, db[d]));
        v->op->join_forward(v, B, I, M, x_on, on(d, extra), on(d, joined[d]));
        v->op->softmax(v, B, O, dy_on, on(d, p[d]));
        v->op->cross_entropy(v, B, O, dy_on, on(d, target), 0.5F, on(d, loss[d]), on(d, dl[d]));
        float *written[] = {y[d], dx[d], dw[d], db[d], joined[d], p[d], loss[d], dl[d]};
        for (int i = 0; i < 8; i++) back(d, written[i]);
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

/* Losses of a label that the model is sure of, or sure against, and of a target below 0: finite, and by their definition in the limit. */
static void sure_losses(void **unused) {
    (void)unused;
    enum { B = 3, O = 2 };
    const float logit[B * O] = {200, -200, -200, 200, -200, 200}, wanted[B * O] = {1, 0, 1, 0, 3, -2};
    for (int d = 0; d < 2; d++) {
        tn_dev *v = d == 0 ? ref : cpu;
        float *z = buffer(B * O), *t = buffer(B * O), *loss = buffer(B), *dz = buffer(B * O);
        memcpy(z, logit, sizeof logit);
        memcpy(t, wanted, sizeof wanted);
        float *z_on = on(d, z), *t_on = on(d, t), *loss_on = on(d, loss), *dz_on = on(d, dz);
        v->op->cross_entropy(v, B, O, z_on, t_on, 1, loss_on, dz_on);
        back(d, loss), back(d, dz);
        for (int b = 0; b < B; b++) {
            const float losses[B] = {0, 400, 1200}, slopes[B] = {0, -1, -3};
            assert_true(loss[b] == losses[b]);
            assert_true(fabsf(dz[b * O] - slopes[b]) < 1e-6F && fabsf(dz[b * O + 1] + slopes[b]) < 1e-6F);
        }
    }
    release();
}

/* The same bits twice; and the pixels of a sample do not depend on the samples beside it. */
static void bits(void **unused) {
    (void)unused;
    enum { N = 3 * 8 * 8 * 24 };
    for (int kind = 0; kind < 2; kind++) {
        tn_conv_shape s = {.B = 3, .H = 8, .W = 8, .C = 24, .P = 8, .Q = 8, .K = 24, .R = 1, .stride = 1};
        if (kind == 0) s.depthwise = true, s.R = 3, s.pad_top = s.pad_left = 1;
        float *w = noise(24 * 24 * 9, 2, 1), *other = noise(N, 1, 1), *a = buffer(N), *b = buffer(N);
        stored x = store(N, noise(N, 1, 1));
        for (int i = N / 3; i < N; i++) other[i] = -other[i] * 3;
        stored x2 = store(N, other);
        tn_view view = {.x = x.cpu}, view2 = {.x = x2.cpu};
        tn_conv *conv = NULL;
        void *a_on = on(1, a), *b_on = on(1, b);
        assert_int_equal(cpu->op->conv_new(cpu, &s, &conv), TN_OK);
        cpu->op->conv_weights(cpu, conv, on(1, w));
        cpu->op->conv_forward(cpu, conv, 3, &view, NULL, a_on, NULL, NULL);
        cpu->op->conv_forward(cpu, conv, 3, &view, NULL, b_on, NULL, NULL);
        size_t n_bytes = N * tn_real_bytes(cpu);
        assert_memory_equal(back(1, a), back(1, b), n_bytes);
        cpu->op->conv_forward(cpu, conv, 3, &view2, NULL, b_on, NULL, NULL);
        assert_memory_equal(a, back(1, b), n_bytes / 3);
        assert_true(memcmp(a, b, n_bytes) != 0);
        float *dw = buffer(24 * 24 * 9), *again = buffer(24 * 24 * 9);
        tn_grad_view dy = {.dz = a_on};
        cpu->op->conv_backward(cpu, conv, 3, &view, &dy, NULL, false, NULL, on(1, dw));
        cpu->op->conv_backward(cpu, conv, 3, &view, &dy, NULL, false, NULL, on(1, again));
        assert_memory_equal(back(1, dw), back(1, again), (size_t)(24 * (kind ? 24 : 9)) * sizeof *dw);
        cpu->op->conv_free(cpu, &conv);
        release();
    }
}

/* Stored as bf16: the nearest, halves to even (by hand). */
static void rounding(void **unused) {
    (void)unused;
    if (cpu->precision != TN_BF16) return;
    float x[] = {1, 1.00390625F, 1.01171875F, -1.00390625F, 1.004F, 3e38F, 0}, y[7];
    const float right[] = {1, 1, 1.015625F, -1, 1.0078125F, 3.004055e38F, 0};
    void *room = on(1, buffer(7));
    cpu->op->store(cpu, 7, x, room);
    cpu->op->load(cpu, 7, room, y);
    for (int i = 0; i < 7; i++) assert_true(fabsf(y[i] - right[i]) <= 1e-4F * fabsf(right[i]));
    release();
}

static void exponential(void **unused) {
    (void)unused;
    enum { N = 200000 };
    float *x = buffer(N), *y = buffer(N);
    for (int i = 0; i < N; i++) x[i] = (float)(-20 + 40.0 * i / N);
    cpu->op->act_forward(cpu, N, TN_ACT_SIGMOID, on(1, x), on(1, y));
    back(1, y);
    for (int i = 0; i < N; i++) {
        double expected = 1 / (1 + exp(-(double)x[i]));
        assert_true(fabs((double)y[i] - expected) < 3e-7 * expected);
    }
    memcpy(x, (const float[]){-1000, -100, 100, 1000, 0}, 5 * sizeof *x);
    const float *far = on(1, x);
    cpu->op->act_forward(cpu, 5, TN_ACT_SIGMOID, far, on(1, y));
    back(1, y);
    assert_true(y[0] >= 0 && y[0] < 1e-30F && y[1] < 1e-30F && y[2] == 1 && y[3] == 1 && y[4] == 0.5F);
    cpu->op->act_forward(cpu, 5, TN_ACT_SWISH, far, on(1, y));
    back(1, y);
    assert_true(fabs((double)y[0]) < 1e-30 && y[3] == 1000);
    release();
}

static void refused(void **unused) {
    (void)unused;
    tn_dev *dev = NULL;
    assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 0, TN_ISA_PLAIN, TN_FP32, &dev), TN_EARG);
    if (tn_isa_best() < TN_ISA_AVX512)
        assert_int_equal(tn_dev_open(TN_DEVICE_CPU, 1, TN_ISA_AVX512, TN_FP32, &dev), TN_ENODE);
    assert_int_equal(tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_BF16, &dev), TN_EARG);
    assert_null(dev);
}

static int all_of(tn_isa isa, tn_precision precision, int n_threads) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions), cmocka_unit_test(expansions), cmocka_unit_test(batch_norm),
        cmocka_unit_test(passes),       cmocka_unit_test(vectors),    cmocka_unit_test(head),
        cmocka_unit_test(sure_losses),  cmocka_unit_test(bits),       cmocka_unit_test(rounding),
        cmocka_unit_test(exponential),  cmocka_unit_test(pixels),     cmocka_unit_test(optimisers)};
    char name[64];
    if (tn_dev_open(DEVICE, n_threads, isa, precision, &cpu) != TN_OK) {
        tn_fail_print();
        return 1;
    }
    snprintf(name, sizeof name, "cpu %s, %s, %d threads", tn_isa_words[isa], precision == TN_BF16 ? "bf16" : "fp32",
             cpu->n_threads);
    int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    tn_dev_close(&cpu);
    return failed;
}

/* A process computes with one instruction set. */
static int all_of_isa(tn_isa isa) {
    int failed = 0;
    for (int n_threads = 1; n_threads <= MOST_THREADS; n_threads += 2)
        failed += all_of(isa, TN_FP32, n_threads) + all_of(isa, TN_BF16, n_threads);
    return failed;
}

int main(void) {
    const struct CMUnitTest once[] = {cmocka_unit_test(convolution_slopes), cmocka_unit_test(batch_norm_slopes),
                                      cmocka_unit_test(refused)};
    if (tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_FP32, &ref) != TN_OK) return 1;
    int failed = cmocka_run_group_tests_name("ref", once, NULL, NULL);
    for (int isa = (int)tn_isa_best(); isa >= 0; isa--) {
        fflush(NULL);
        int status = 0, child = fork();
        if (child == 0) exit(all_of_isa((tn_isa)isa));
        failed += child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    tn_dev_close(&ref);
    return failed;
}
