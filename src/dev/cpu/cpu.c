/* cpu.c - the table of the CPU device: memory, and operations made of kernels. */
#include "dev/cpu/cpu_priv.h"

#include "base/run.h"
#include "base/thread.h"
#include "dev/ref/ref.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
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

static void store(tn_dev *dev, int64_t n, const float *host, void *x) {
    tn_cpu_real(dev)->store(n, host, x);
}
static void load(tn_dev *dev, int64_t n, const void *x, float *host) {
    tn_cpu_real(dev)->load(n, x, host);
}
/* In pieces of 16 pixels, whose factors are laid out as their bytes, so that the compiler makes vectors of them. */
static void pixels(tn_dev *dev, int64_t n_pixels, const unsigned char *host, const tn_byte_norm *norm, void *x) {
    enum { EACH = 48, PIECE = 64 * EACH };
    float scale[EACH], shift[EACH];
    for (int j = 0; j < EACH; j++) scale[j] = norm->scale[j % 3], shift[j] = norm->shift[j % 3];
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int64_t at = 0; at < n_pixels * 3; at += PIECE) {
        int64_t n = n_pixels * 3 - at < PIECE ? n_pixels * 3 - at : PIECE;
        float value[PIECE];
        unsigned char byte[PIECE] = {0};
        memcpy(byte, host + at, (size_t)n);
        for (int64_t i = 0; i < n; i += EACH)
            for (int j = 0; j < EACH; j++) value[i + j] = scale[j] * (float)byte[i + j] + shift[j];
        tn_cpu_real(dev)->store(n, value, (char *)x + (size_t)at * tn_real_bytes(dev));
    }
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

void tn_moments_merge(tn_dev *dev, int n_pieces, int64_t rows, int64_t M, int K, const float *moments, float *mean,
                      float *var) {
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int c = 0; c < K; c++) {
        double n = 0, m = 0, squares = 0;
        const float *piece = moments + c;
        for (int i = 0; i < n_pieces; i++, piece += 3 * (int64_t)K) {
            double k = i < n_pieces - 1 ? (double)rows : (double)(M - i * rows), sum = (double)piece[K];
            double here = (double)piece[0] + sum / k, d = here - m;
            squares += (double)piece[2 * (int64_t)K] - sum * sum / k + d * d * n * k / (n + k);
            m += d * k / (n + k);
            n += k;
        }
        mean[c] = (float)m;
        var[c] = (float)(squares > 0 ? squares / n : 0);
    }
}

static void bn_affine(tn_dev *dev, int C, const float *gamma, const float *beta, const float *mean, const float *var,
                      float eps, float *a, float *b) {
    (void)dev;
    for (int c = 0; c < C; c++) {
        double scale = (double)gamma[c] / sqrt((double)var[c] + (double)eps);
        a[c] = (float)scale;
        b[c] = (float)((double)beta[c] - (double)mean[c] * scale);
    }
}

/* For each channel dx is linear in dz and x. */
static void bn_backward(tn_dev *dev, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                        const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    (void)dev;
    for (int c = 0; c < C; c++) {
        double inverse = 1 / sqrt((double)var[c] + (double)eps), m = (double)mean[c], sum = sums[c];
        double sum_hat = (sums[C + c] - m * sum) * inverse;
        double scale = (double)gamma[c] * inverse, slope = -scale * inverse * sum_hat / (double)M;
        dbeta[c] = (float)sum;
        dgamma[c] = (float)sum_hat;
        gho[c] = (float)scale;
        gho[C + c] = (float)slope;
        gho[2 * C + c] = (float)(-scale * sum / (double)M - slope * m);
    }
}

/* --- passes over stored activations, cut into pieces of rows ------------------------------------------------------ */

enum { PIECE_ROWS = 256 };

typedef struct {
    int b;            /* image */
    int64_t first, n; /* rows of all images */
} piece;

static int pieces_of(int64_t HW) {
    return (int)((HW + PIECE_ROWS - 1) / PIECE_ROWS);
}
static piece piece_at(int i, int64_t HW) {
    int per_image = pieces_of(HW), b = i / per_image;
    int64_t at = (int64_t)(i % per_image) * PIECE_ROWS;
    return (piece){b, b * HW + at, HW - at < PIECE_ROWS ? HW - at : PIECE_ROWS};
}

/* out (B,C) = factor times the sum over an image's pixels of v (g NULL) or of g v. */
static void sum_images(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, double factor,
                       float *out) {
    int per_image = pieces_of(HW), n = B * per_image;
    float *sums = tn_cpu_scratch(dev, (int64_t)n * C);
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < n; i++) {
        piece p = piece_at(i, HW);
        if (g)
            k->scale_sums(x, C, p.first, p.n, g, sums + (int64_t)i * C);
        else
            k->sum_rows(x, C, p.first, p.n, sums + (int64_t)i * C);
    }
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int i = 0; i < per_image; i++) sum += (double)sums[((int64_t)b * per_image + i) * C + c];
            out[(int64_t)b * C + c] = (float)(sum * factor);
        }
}

static void pool_forward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, float *y) {
    sum_images(dev, B, HW, C, x, NULL, 1.0 / (double)HW, y);
}

static void scale_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, float *ds) {
    sum_images(dev, B, HW, C, x, g, 1, ds);
}

static void read_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, const float *keep,
                          const float *dpool, void *dz, double *sums) {
    int n = B * pieces_of(HW);
    float *part = tn_cpu_scratch(dev, (int64_t)n * 2 * C);
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < n; i++) {
        piece p = piece_at(i, HW);
        k->read_backward(x, p.b, HW, C, p.first, p.n, g, keep, dpool, dz, part + (int64_t)i * 2 * C);
    }
    for (int c = 0; c < 2 * C; c++) sums[c] = 0;
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 2 * C; c++) sums[c] += (double)part[(int64_t)i * 2 * C + c];
}

static void residual(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const float *keep, const void *side,
                     void *y) {
    int n = B * pieces_of(HW);
    const tn_real_kernels *k = tn_cpu_real(dev);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < n; i++) {
        piece p = piece_at(i, HW);
        k->residual_rows(x, C, p.first, p.n, keep ? keep[p.b] : 1.0F, side, y);
    }
}

/* --- vectors ------------------------------------------------------------------------------------------------------ */

static void act_forward(tn_dev *dev, int64_t n, tn_act act, const float *x, float *y) {
    tn_cpu_of(dev)->k->act_forward(n, act, x, y);
}
static void act_backward(tn_dev *dev, int64_t n, tn_act act, const float *x, const float *dy, float *dx) {
    tn_cpu_of(dev)->k->act_backward(n, act, x, dy, dx);
}
static void mul(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y) {
    tn_cpu_of(dev)->k->mul(dev->n_threads, n, x, mask, y);
}
static void scale(tn_dev *dev, int64_t n, float a, float *x) {
    tn_cpu_of(dev)->k->scale(dev->n_threads, n, a, x);
}
static void lerp(tn_dev *dev, int64_t n, float a, const float *x, float *y) {
    tn_cpu_of(dev)->k->lerp(dev->n_threads, n, a, x, y);
}
static void add(tn_dev *dev, int64_t n, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}
static void add_squares(tn_dev *dev, int64_t n, const float *x, double *sum) {
    *sum += tn_cpu_of(dev)->k->sum_of_squares(n, x);
}
static void sgd(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    tn_cpu_of(dev)->k->sgd(dev->n_threads, n, rate, momentum, decay, g, m, w);
}
static void adamw(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w) {
    double c1 = 1 / (1 - pow((double)beta1, (double)step)), c2 = 1 / (1 - pow((double)beta2, (double)step));
    tn_cpu_of(dev)->k->adamw(dev->n_threads, n, rate, beta1, beta2, eps, decay, (float)c1, (float)c2, g, m, v, w);
}

/* --- head: products, cut by columns or rows of the result; other operations are those of ref ---------------------- */

/* Where piece t of n columns begins, a multiple of 16; piece n_threads begins at n. */
static int piece_begin(const tn_dev *dev, int n, int t) {
    int64_t at = tn_round_up((int64_t)n * t / dev->n_threads, 16);
    return at < n ? (int)at : n;
}

/* Products with fewer multiplications, as in squeeze-and-excitation, use one thread. */
enum { PARALLEL_PRODUCTS = 1 << 20 };
static bool is_long(int B, int I, int O) {
    return (int64_t)B * I * O >= PARALLEL_PRODUCTS;
}

static void dense_forward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *bias,
                          float *y) {
    const tn_kernels *k = tn_cpu_of(dev)->k;
    for (int b = 0; b < B; b++) memcpy(y + (int64_t)b * O, bias, (size_t)O * sizeof *y);
#pragma omp parallel for schedule(static) num_threads(dev->n_threads) if (is_long(B, I, O))
    for (int t = 0; t < dev->n_threads; t++) {
        int o = piece_begin(dev, O, t), n = piece_begin(dev, O, t + 1) - o;
        if (n > 0) k->dots_f32(B, n, I, x, I, w + (int64_t)o * I, I, y + o, O);
    }
}
static void dense_backward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db) {
    const tn_kernels *k = tn_cpu_of(dev)->k;
#pragma omp parallel for schedule(static) num_threads(dev->n_threads) if (is_long(B, I, O))
    for (int t = 0; t < dev->n_threads; t++) {
        int i = piece_begin(dev, I, t), n_in = piece_begin(dev, I, t + 1) - i;
        int o = piece_begin(dev, O, t), n_out = piece_begin(dev, O, t + 1) - o;
        if (dx && n_in > 0) k->product_f32(B, n_in, O, dy, O, 1, w + i, 16, I, false, dx + i, I);
        if (n_out > 0) k->product_f32(n_out, I, B, dy + o, 1, O, x, 16, I, false, dw + (int64_t)o * I, I);
    }
    memcpy(db, dy, (size_t)O * sizeof *db);
    for (int b = 1; b < B; b++)
        for (int o = 0; o < O; o++) db[o] += dy[(int64_t)b * O + o];
}

/* --- begin and end ------------------------------------------------------------------------------------------------ */

static tn_status check_team(int n_wanted, int n_there, size_t least_stack) {
    if (n_there < n_wanted) /* the result would be the same, but several times slower without any warning */
        return tn_fail(TN_EARG,
                       "OpenMP gives %d of %d threads to a device (train.lane_threads): the environment variable "
                       "OMP_THREAD_LIMIT must be %d or more, or unset",
                       n_there, n_wanted, n_wanted);
    if (least_stack < TN_STACK_NEED_BYTES)
        return tn_fail(TN_EARG,
                       "a computing thread has %zu KiB of stack left and needs %d KiB: set the environment variable "
                       "OMP_STACKSIZE to 1M or more, and `ulimit -s` to 1024 or more",
                       least_stack >> 10, TN_STACK_NEED_BYTES >> 10);
    return TN_OK;
}

static tn_status start_team(int n_threads) {
    int n_there = 0;
    size_t least_stack = SIZE_MAX;
    omp_set_dynamic(0);
#pragma omp parallel num_threads(n_threads) reduction(+ : n_there) reduction(min : least_stack)
    {
        n_there = 1;
        least_stack = tn_stack_left();
        tn_stop_thread();
    }
    return check_team(n_threads, n_there, least_stack);
}

static tn_status begin(tn_dev *dev) {
    TN_TRY(tn_isa_check(dev->isa));
    tn_cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return tn_fail_memory(sizeof *cpu, "the CPU device");
    cpu->k = tn_kernels_for(dev->isa);
    tn_status st = start_team(dev->n_threads);
    if (st == TN_OK) dev->state = cpu;
    if (st != TN_OK) free(cpu);
    return st;
}

static void end(tn_dev *dev) {
    tn_cpu_free(dev, tn_cpu_of(dev)->scratch);
    free(dev->state);
}

const tn_dev_table tn_cpu_table = {
    .library = TN_CPU_LIBRARY,
    .in_host_memory = true,
    .eval_pixels = 8 * 240 * 240,
    .begin = begin,
    .end = end,
    .alloc = tn_cpu_alloc,
    .free = tn_cpu_free,
    .upload = copy_in,
    .download = copy_out,
    .store = store,
    .load = load,
    .fill = fill,
    .pixels = pixels,
    .conv_new = tn_cpu_conv_new,
    .conv_free = tn_cpu_conv_free,
    .conv_weights = tn_cpu_conv_weights,
    .conv_forward = tn_cpu_conv_forward,
    .expand_forward = tn_cpu_expand_forward,
    .conv_backward = tn_cpu_conv_backward,
    .bn_affine = bn_affine,
    .bn_backward = bn_backward,
    .read_backward = read_backward,
    .pool_forward = pool_forward,
    .scale_backward = scale_backward,
    .residual = residual,
    .dense_forward = dense_forward,
    .dense_backward = dense_backward,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .mul = mul,
    .join_forward = tn_ref_join_forward,
    .join_backward = tn_ref_join_backward,
    .softmax = tn_ref_softmax,
    .cross_entropy = tn_ref_cross_entropy,
    .scale = scale,
    .lerp = lerp,
    .add = add,
    .add_squares = add_squares,
    .sgd = sgd,
    .adamw = adamw,
};

#if defined(TN_X86_KERNELS)
extern const tn_kernels tn_kernels_avx2, tn_kernels_avx512, tn_kernels_avx512_bf16, tn_kernels_avx512_amx;
#endif
extern const tn_kernels tn_kernels_plain;

const tn_kernels *tn_kernels_for(tn_isa isa) {
#if defined(TN_X86_KERNELS)
    if (isa == TN_ISA_AVX512_AMX) return &tn_kernels_avx512_amx;
    if (isa == TN_ISA_AVX512_BF16) return &tn_kernels_avx512_bf16;
    if (isa == TN_ISA_AVX512) return &tn_kernels_avx512;
    if (isa == TN_ISA_AVX2) return &tn_kernels_avx2;
#endif
    (void)isa;
    return &tn_kernels_plain;
}
