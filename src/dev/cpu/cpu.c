/* cpu.c - the table of the CPU device: memory, and kernels with their coefficients. */
#include "dev/cpu/cpu_priv.h"

#include "base/run.h"
#include "dev/ref/ref.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- memory ------------------------------------------------------------------------------------------------------- */

enum { HUGE_PAGE = 2 << 20 };

float *tn_cpu_alloc(tn_dev *dev, int64_t n) {
    (void)dev;
    size_t align = (size_t)n * sizeof(float) >= HUGE_PAGE ? HUGE_PAGE : 64;
    size_t n_bytes = ((size_t)n * sizeof(float) + align - 1) / align * align;
    float *x = aligned_alloc(align, n_bytes ? n_bytes : align);
    if (!x) return NULL;
    if (align == HUGE_PAGE) madvise(x, n_bytes, MADV_HUGEPAGE);
    memset(x, 0, n_bytes);
    return x;
}

void tn_cpu_free(tn_dev *dev, float *x) {
    (void)dev;
    free(x);
}

float *tn_cpu_scratch(tn_dev *dev, int64_t n) {
    tn_cpu *cpu = tn_cpu_of(dev);
    if (n > cpu->n_scratch) {
        free(cpu->scratch);
        cpu->scratch = tn_cpu_alloc(dev, n);
        if (!cpu->scratch) tn_die(TN_ENOMEM, "no memory for %lld floats of scratch", (long long)n);
        cpu->n_scratch = n;
    }
    return cpu->scratch;
}

static void copy_in(tn_dev *dev, int64_t n, const float *host, float *x) {
    (void)dev;
    memcpy(x, host, (size_t)n * sizeof *x);
}
static void copy_out(tn_dev *dev, int64_t n, const float *x, float *host) {
    (void)dev;
    memcpy(host, x, (size_t)n * sizeof *x);
}
static void fill(tn_dev *dev, int64_t n, float value, float *x) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) x[i] = value;
}

/* --- batch norm: per-channel coefficients in front of the kernels
 * -------------------------------------------------------- */

/* act(gamma (x - mean) / sqrt(var + eps) + beta) = act(x a + b) */
static void affine_of(int C, const float *gamma, const float *beta, const float *mean, const float *var, float eps,
                      float *a, float *b) {
    for (int c = 0; c < C; c++) {
        double scale = (double)gamma[c] / sqrt((double)var[c] + (double)eps);
        a[c] = (float)scale;
        b[c] = (float)((double)beta[c] - (double)mean[c] * scale);
    }
}

static void bn_eval(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta,
                    const float *mean, const float *var, float eps, tn_act act, float *y) {
    float *a = tn_cpu_scratch(dev, 2 * (int64_t)C), *b = a + C;
    affine_of(C, gamma, beta, mean, var, eps, a, b);
    tn_cpu_of(dev)->k->affine_act(dev->n_threads, M, C, x, a, b, act, y);
}

static void bn_train(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta, float eps,
                     tn_act act, float *y, float *mean_out, float *var_out) {
    tn_cpu_of(dev)->k->moments(dev->n_threads, M, C, x, mean_out, var_out,
                               tn_cpu_scratch(dev, tn_scratch_floats(M, C, 2)));
    bn_eval(dev, M, C, x, gamma, beta, mean_out, var_out, eps, act, y);
}

/* dx = gamma inv (dz - mean(dz) - hat mean(dz hat)), hat = (x - mean) inv: linear in dz and x per channel. */
static void bn_backward(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta,
                        const float *mean, const float *var, float eps, tn_act act, const float *dy, float *dx,
                        float *dgamma, float *dbeta) {
    float *scratch = tn_cpu_scratch(dev, 7 * (int64_t)C + tn_scratch_floats(M, C, 2));
    double *sum = (double *)(void *)scratch, *sum_x = sum + C;
    float *a = scratch + 4 * (int64_t)C, *b = a + C, *c0 = b + C, *pieces = c0 + C;
    affine_of(C, gamma, beta, mean, var, eps, a, b);
    tn_cpu_of(dev)->k->act_sums(dev->n_threads, M, C, x, a, b, act, dy, dx, sum, sum_x, pieces);
    for (int c = 0; c < C; c++) {
        double inverse = 1 / sqrt((double)var[c] + (double)eps), m = (double)mean[c];
        double sum_hat = (sum_x[c] - m * sum[c]) * inverse;
        dbeta[c] = (float)sum[c];
        dgamma[c] = (float)sum_hat;
        double scale = (double)gamma[c] * inverse, slope = -scale * inverse * sum_hat / (double)M;
        a[c] = (float)scale;
        b[c] = (float)slope;
        c0[c] = (float)(-scale * sum[c] / (double)M - slope * m);
    }
    tn_cpu_of(dev)->k->combine(dev->n_threads, M, C, x, a, b, c0, dx, dx);
}

/* --- kernels as they are
 * ----------------------------------------------------------------------------------------------- */

static void pool_forward(tn_dev *dev, int B, int64_t HW, int C, const float *x, float *y) {
    tn_cpu_of(dev)->k->pool_forward(dev->n_threads, B, HW, C, x, y);
}
static void pool_backward(tn_dev *dev, int B, int64_t HW, int C, const float *dy, float *dx, bool add_to) {
    tn_cpu_of(dev)->k->pool_backward(dev->n_threads, B, HW, C, dy, dx, add_to);
}
static void scale_forward(tn_dev *dev, int B, int64_t HW, int C, const float *x, const float *s, float *y) {
    tn_cpu_of(dev)->k->scale_forward(dev->n_threads, B, HW, C, x, s, y);
}
static void scale_backward(tn_dev *dev, int B, int64_t HW, int C, const float *x, const float *s, const float *dy,
                           float *dx, float *ds) {
    tn_cpu_of(dev)->k->scale_backward(dev->n_threads, B, HW, C, x, s, dy, dx, ds);
}
static void residual(tn_dev *dev, int B, int64_t n, const float *x, const float *keep, const float *side, float *y) {
    tn_cpu_of(dev)->k->residual(dev->n_threads, B, n, x, keep, side, y);
}
static void keep_some(tn_dev *dev, int B, int64_t n, const float *x, const float *keep, float *y) {
    tn_cpu_of(dev)->k->residual(dev->n_threads, B, n, x, keep, NULL, y);
}
static void act_forward(tn_dev *dev, int64_t n, tn_act act, const float *x, float *y) {
    tn_cpu_of(dev)->k->act_forward(dev->n_threads, n, act, x, y);
}
static void act_backward(tn_dev *dev, int64_t n, tn_act act, const float *x, const float *dy, float *dx) {
    tn_cpu_of(dev)->k->act_backward(dev->n_threads, n, act, x, dy, dx);
}
static void mul(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y) {
    tn_cpu_of(dev)->k->mul(dev->n_threads, n, x, mask, y);
}
static void add(tn_dev *dev, int64_t n, const float *x, float *y) {
    tn_cpu_of(dev)->k->add(dev->n_threads, n, x, y);
}
static void scale(tn_dev *dev, int64_t n, float a, float *x) {
    tn_cpu_of(dev)->k->scale(dev->n_threads, n, a, x);
}
static void lerp(tn_dev *dev, int64_t n, float a, const float *x, float *y) {
    tn_cpu_of(dev)->k->lerp(dev->n_threads, n, a, x, y);
}
static double sum_of_squares(tn_dev *dev, int64_t n, const float *x) {
    return tn_cpu_of(dev)->k->sum_of_squares(n, x);
}
static void sgd(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    tn_cpu_of(dev)->k->sgd(dev->n_threads, n, rate, momentum, decay, g, m, w);
}
static void adamw(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w) {
    double c1 = 1 / (1 - pow((double)beta1, (double)step)), c2 = 1 / (1 - pow((double)beta2, (double)step));
    tn_cpu_of(dev)->k->adamw(dev->n_threads, n, rate, beta1, beta2, eps, decay, (float)c1, (float)c2, g, m, v, w);
}

/* --- head: small, so products by oneDNN and the rest as in ref
 * ------------------------------------------------------------------------------------------------------------ */

static void dense_forward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *bias,
                          float *y) {
    (void)dev;
    for (int b = 0; b < B; b++) memcpy(y + (int64_t)b * O, bias, (size_t)O * sizeof *y);
    tn_gemm(false, true, B, O, I, x, I, w, I, 1, y, O);
}
static void dense_backward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db) {
    (void)dev;
    if (dx) tn_gemm(false, false, B, I, O, dy, O, w, I, 0, dx, I);
    tn_gemm(true, false, O, I, B, dy, O, x, I, 0, dw, I);
    memcpy(db, dy, (size_t)O * sizeof *db);
    for (int b = 1; b < B; b++)
        for (int o = 0; o < O; o++) db[o] += dy[(int64_t)b * O + o];
}

const tn_dev_table tn_cpu_table = {
    .alloc = tn_cpu_alloc,
    .free = tn_cpu_free,
    .upload = copy_in,
    .download = copy_out,
    .fill = fill,
    .conv_new = tn_cpu_conv_new,
    .conv_free = tn_cpu_conv_free,
    .conv_weights = tn_cpu_conv_weights,
    .conv_forward = tn_cpu_conv_forward,
    .conv_backward_data = tn_cpu_conv_backward_data,
    .conv_backward_weights = tn_cpu_conv_backward_weights,
    .bn_train = bn_train,
    .bn_eval = bn_eval,
    .bn_backward = bn_backward,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .scale_forward = scale_forward,
    .scale_backward = scale_backward,
    .residual = residual,
    .keep = keep_some,
    .dense_forward = dense_forward,
    .dense_backward = dense_backward,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .mul = mul,
    .join_forward = tn_ref_join_forward,
    .join_backward = tn_ref_join_backward,
    .softmax = tn_ref_softmax,
    .cross_entropy = tn_ref_cross_entropy,
    .add = add,
    .scale = scale,
    .lerp = lerp,
    .sum_of_squares = sum_of_squares,
    .sgd = sgd,
    .adamw = adamw,
};

/* --- begin and end ------------------------------------------------------------------------------------------------ */

tn_status tn_cpu_begin(tn_dev *dev) {
    tn_cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return tn_fail_memory(sizeof *cpu, "the CPU device");
    cpu->k = tn_kernels_for(dev->isa);
    dev->state = cpu;
    dev->op = &tn_cpu_table;
    omp_set_dynamic(0);
    omp_set_num_threads(dev->n_threads);
    return tn_gemm_begin(dev->isa);
}

void tn_cpu_end(tn_dev *dev) {
    tn_cpu_free(dev, tn_cpu_of(dev)->scratch);
    free(dev->state);
}

#if defined(TN_X86_KERNELS)
extern const tn_kernels tn_kernels_avx2, tn_kernels_avx512;
#endif
extern const tn_kernels tn_kernels_plain;

const tn_kernels *tn_kernels_for(tn_isa isa) {
#if defined(TN_X86_KERNELS)
    if (isa == TN_ISA_AVX512) return &tn_kernels_avx512;
    if (isa == TN_ISA_AVX2) return &tn_kernels_avx2;
#endif
    (void)isa;
    return &tn_kernels_plain;
}
