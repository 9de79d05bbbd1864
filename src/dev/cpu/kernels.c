/* kernels.c - see kernels.h. TN_KERNELS names the table of this instruction set. */
#include "dev/cpu/kernels.h"

#include <math.h>
#include <string.h>

/* --- exponential -------------------------------------------------------------------------------------------------- */

/* e^x for |x| <= 87, clamped outside: 2^n e^r with |r| <= ln 2 / 2, e^r by a polynomial of degree 6 (Cephes expf).
 * Relative error below 2e-7, tested in tests/op. Branch-free, so that loops around it are vectorised. */
static inline float exp_fast(float x) {
    x = x > 87.0F ? 87.0F : x;
    x = x < -87.0F ? -87.0F : x;
    const float magic = 12582912.0F; /* 1.5 x 2^23: adding it rounds to a whole number */
    float shifted = x * 1.44269504F + magic, n = shifted - magic;
    float r = x - n * 0.693359375F + n * 2.12194440e-4F;
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * r * r + r + 1.0F;
    int32_t bits;
    union {
        float f;
        int32_t i;
    } scale;
    bits = ((int32_t)n + 127) << 23;
    scale.i = bits;
    return p * scale.f;
}

static inline float sigmoid(float x) {
    return 1.0F / (1.0F + exp_fast(-x));
}

/* ACT is a constant in every caller, so the choice is made by the compiler. */
static inline __attribute__((always_inline)) float act(tn_act kind, float x) {
    switch (kind) {
    case TN_ACT_SWISH:
        return x * sigmoid(x);
    case TN_ACT_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case TN_ACT_RELU:
        return x < 0 ? 0 : x;
    case TN_ACT_SIGMOID:
        return sigmoid(x);
    default:
        return x;
    }
}

static inline __attribute__((always_inline)) float slope(tn_act kind, float x) {
    float s;
    switch (kind) {
    case TN_ACT_SWISH:
        s = sigmoid(x);
        return s * (1.0F + x * (1.0F - s));
    case TN_ACT_RELU6:
        return x > 0 && x < 6 ? 1.0F : 0.0F;
    case TN_ACT_RELU:
        return x > 0 ? 1.0F : 0.0F;
    case TN_ACT_SIGMOID:
        s = sigmoid(x);
        return s * (1.0F - s);
    default:
        return 1.0F;
    }
}

#define FOR_ACT(kind, CALL)                                                                                            \
    switch (kind) {                                                                                                    \
    case TN_ACT_SWISH:                                                                                                 \
        CALL(TN_ACT_SWISH);                                                                                            \
        break;                                                                                                         \
    case TN_ACT_RELU6:                                                                                                 \
        CALL(TN_ACT_RELU6);                                                                                            \
        break;                                                                                                         \
    case TN_ACT_RELU:                                                                                                  \
        CALL(TN_ACT_RELU);                                                                                             \
        break;                                                                                                         \
    case TN_ACT_SIGMOID:                                                                                               \
        CALL(TN_ACT_SIGMOID);                                                                                          \
        break;                                                                                                         \
    default:                                                                                                           \
        CALL(TN_ACT_NONE);                                                                                             \
        break;                                                                                                         \
    }

#define PARALLEL_FOR _Pragma("omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1)")

/* --- depthwise ---------------------------------------------------------------------------------------------------- */

typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v16_unaligned __attribute__((vector_size(64), aligned(4), may_alias));
typedef float v8_unaligned __attribute__((vector_size(32), aligned(4), may_alias));
typedef float v1_unaligned;

#define V       v16
#define N(name) v16_##name
#include "dev/cpu/depthwise.h"
#undef V
#undef N
#define V       v8
#define N(name) v8_##name
#include "dev/cpu/depthwise.h"
#undef V
#undef N
#define V       float
#define N(name) v1_##name
#include "dev/cpu/depthwise.h"
#undef V
#undef N

/* Calls ROW for channels 16 at a time, then 8, then one by one, with R as a constant. */
#define EACH_CHANNEL(ROW, R)                                                                                           \
    do {                                                                                                               \
        int c = 0;                                                                                                     \
        for (; c + 16 <= s->C; c += 16) v16_##ROW(s, R, b, row, c, in, other, out);                                    \
        for (; c + 8 <= s->C; c += 8) v8_##ROW(s, R, b, row, c, in, other, out);                                       \
        for (; c < s->C; c++) v1_##ROW(s, R, b, row, c, in, other, out);                                               \
    } while (0)

#define DEPTHWISE_ROW(ROW)                                                                                             \
    static void ROW(const tn_conv_shape *s, int b, int row, const float *in, const float *other, float *out) {         \
        if (s->R == 3)                                                                                                 \
            EACH_CHANNEL(ROW, 3);                                                                                      \
        else                                                                                                           \
            EACH_CHANNEL(ROW, 5);                                                                                      \
    }
DEPTHWISE_ROW(forward_row)
DEPTHWISE_ROW(data_row)
DEPTHWISE_ROW(weights_row)

static void dw_forward(int n_threads, const tn_conv_shape *s, const float *x, const float *w, float *y) {
    PARALLEL_FOR
    for (int i = 0; i < s->B * s->P; i++) forward_row(s, i / s->P, i % s->P, x, w, y);
}

static void dw_backward_data(int n_threads, const tn_conv_shape *s, const float *dy, const float *w, float *dx) {
    PARALLEL_FOR
    for (int i = 0; i < s->B * s->H; i++) data_row(s, i / s->H, i % s->H, dy, w, dx);
}

/* Sums per image first: shorter sums are more exact, and images are the pieces that threads take. */
static void dw_backward_weights(int n_threads, const tn_conv_shape *s, const float *x, const float *dy, float *dw,
                                float *scratch) {
    int64_t n = (int64_t)s->R * s->R * s->C;
    PARALLEL_FOR
    for (int b = 0; b < s->B; b++) {
        float *sums = scratch + b * n;
        memset(sums, 0, (size_t)n * sizeof *sums);
        for (int p = 0; p < s->P; p++) weights_row(s, b, p, x, dy, sums);
    }
    memcpy(dw, scratch, (size_t)n * sizeof *dw);
    for (int b = 1; b < s->B; b++)
        for (int64_t i = 0; i < n; i++) dw[i] += scratch[b * n + i];
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

static void piece_of(int64_t M, int n_pieces, int piece, int64_t *first, int64_t *end) {
    *first = M * piece / n_pieces;
    *end = M * (piece + 1) / n_pieces;
}

/* Around the first pixel's value, so that the squares do not cancel. */
static void moments(int n_threads, int64_t M, int C, const float *x, float *mean, float *var, float *scratch) {
    int n_pieces = tn_pieces(M);
    PARALLEL_FOR
    for (int piece = 0; piece < n_pieces; piece++) {
        float *sum = scratch + (int64_t)piece * 2 * C, *squares = sum + C;
        int64_t first, end;
        piece_of(M, n_pieces, piece, &first, &end);
        memset(sum, 0, 2 * (size_t)C * sizeof *sum);
        for (int64_t m = first; m < end; m++) {
            const float *row = x + m * C;
#pragma omp simd
            for (int c = 0; c < C; c++) {
                float d = row[c] - x[c];
                sum[c] += d;
                squares[c] += d * d;
            }
        }
    }
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;
        for (int piece = 0; piece < n_pieces; piece++) {
            sum += (double)scratch[(int64_t)piece * 2 * C + c];
            squares += (double)scratch[(int64_t)piece * 2 * C + C + c];
        }
        double d = sum / (double)M, v = squares / (double)M - d * d;
        mean[c] = (float)((double)x[c] + d);
        var[c] = (float)(v > 0 ? v : 0);
    }
}

static void affine_act(int n_threads, int64_t M, int C, const float *x, const float *a, const float *b, tn_act kind,
                       float *y) {
#define CALL(KIND)                                                                                                     \
    PARALLEL_FOR                                                                                                       \
    for (int64_t m = 0; m < M; m++) {                                                                                  \
        const float *row = x + m * C;                                                                                  \
        float *out = y + m * C;                                                                                        \
        _Pragma("omp simd") for (int c = 0; c < C; c++) out[c] = act(KIND, row[c] * a[c] + b[c]);                      \
    }
    FOR_ACT(kind, CALL)
#undef CALL
}

static inline __attribute__((always_inline)) void act_sums_piece(tn_act kind, int64_t first, int64_t end, int C,
                                                                 const float *x, const float *a, const float *b,
                                                                 const float *dy, float *dz, float *sum, float *sum_x) {
    for (int64_t m = first; m < end; m++) {
        const float *row = x + m * C, *d = dy + m * C;
        float *out = dz + m * C;
#pragma omp simd
        for (int c = 0; c < C; c++) {
            float g = d[c] * slope(kind, row[c] * a[c] + b[c]);
            out[c] = g;
            sum[c] += g;
            sum_x[c] += g * row[c];
        }
    }
}

static void act_sums(int n_threads, int64_t M, int C, const float *x, const float *a, const float *b, tn_act kind,
                     const float *dy, float *dz, double *sum_dz, double *sum_dz_x, float *scratch) {
    int n_pieces = tn_pieces(M);
    PARALLEL_FOR
    for (int piece = 0; piece < n_pieces; piece++) {
        float *sum = scratch + (int64_t)piece * 2 * C;
        int64_t first, end;
        piece_of(M, n_pieces, piece, &first, &end);
        memset(sum, 0, 2 * (size_t)C * sizeof *sum);
#define CALL(KIND) act_sums_piece(KIND, first, end, C, x, a, b, dy, dz, sum, sum + C)
        FOR_ACT(kind, CALL)
#undef CALL
    }
    for (int c = 0; c < C; c++) {
        sum_dz[c] = sum_dz_x[c] = 0;
        for (int piece = 0; piece < n_pieces; piece++) {
            sum_dz[c] += (double)scratch[(int64_t)piece * 2 * C + c];
            sum_dz_x[c] += (double)scratch[(int64_t)piece * 2 * C + C + c];
        }
    }
}

static void combine(int n_threads, int64_t M, int C, const float *x, const float *a, const float *b, const float *c,
                    const float *dz, float *dx) {
    PARALLEL_FOR
    for (int64_t m = 0; m < M; m++) {
        const float *row = x + m * C, *d = dz + m * C;
        float *out = dx + m * C;
#pragma omp simd
        for (int k = 0; k < C; k++) out[k] = a[k] * d[k] + b[k] * row[k] + c[k];
    }
}

/* --- squeeze-and-excitation, pooling, residual
 * ------------------------------------------------------------------------ */

static void pool_forward(int n_threads, int B, int64_t HW, int C, const float *x, float *y) {
    PARALLEL_FOR
    for (int b = 0; b < B; b++) {
        float *sum = y + (int64_t)b * C;
        memset(sum, 0, (size_t)C * sizeof *sum);
        for (int64_t i = 0; i < HW; i++) {
            const float *row = x + (b * HW + i) * C;
#pragma omp simd
            for (int c = 0; c < C; c++) sum[c] += row[c];
        }
        for (int c = 0; c < C; c++) sum[c] /= (float)HW;
    }
}

static void pool_backward(int n_threads, int B, int64_t HW, int C, const float *dy, float *dx, bool add_to) {
    float share = 1.0F / (float)HW, kept = add_to ? 1.0F : 0.0F;
    PARALLEL_FOR
    for (int64_t i = 0; i < B * HW; i++) {
        const float *g = dy + i / HW * C;
        float *out = dx + i * C;
        if (kept > 0) {
#pragma omp simd
            for (int c = 0; c < C; c++) out[c] += g[c] * share;
        } else {
#pragma omp simd
            for (int c = 0; c < C; c++) out[c] = g[c] * share;
        }
    }
}

static void scale_forward(int n_threads, int B, int64_t HW, int C, const float *x, const float *s, float *y) {
    PARALLEL_FOR
    for (int64_t i = 0; i < B * HW; i++) {
        const float *row = x + i * C, *f = s + i / HW * C;
        float *out = y + i * C;
#pragma omp simd
        for (int c = 0; c < C; c++) out[c] = row[c] * f[c];
    }
}

static void scale_backward(int n_threads, int B, int64_t HW, int C, const float *x, const float *s, const float *dy,
                           float *dx, float *ds) {
    PARALLEL_FOR
    for (int b = 0; b < B; b++) {
        float *sum = ds + (int64_t)b * C;
        const float *f = s + (int64_t)b * C;
        memset(sum, 0, (size_t)C * sizeof *sum);
        for (int64_t i = b * HW; i < (b + 1) * HW; i++) {
            const float *row = x + i * C, *g = dy + i * C;
            float *out = dx + i * C;
#pragma omp simd
            for (int c = 0; c < C; c++) {
                float d = g[c];
                sum[c] += d * row[c];
                out[c] = d * f[c];
            }
        }
    }
}

static void residual(int n_threads, int B, int64_t n, const float *x, const float *keep, const float *side, float *y) {
    PARALLEL_FOR
    for (int b = 0; b < B; b++) {
        float k = keep ? keep[b] : 1.0F;
        const float *in = x + b * n, *s = side ? side + b * n : NULL;
        float *out = y + b * n;
        if (s) {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) out[i] = s[i] + k * in[i];
        } else {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) out[i] = k * in[i];
        }
    }
}

static void act_forward(int n_threads, int64_t n, tn_act kind, const float *x, float *y) {
#define CALL(KIND)                                                                                                     \
    _Pragma("omp parallel for simd schedule(static) num_threads(n_threads) if (n_threads > 1)") for (int64_t i = 0;    \
                                                                                                     i < n; i++)       \
        y[i] = act(KIND, x[i]);
    FOR_ACT(kind, CALL)
#undef CALL
}

static void act_backward(int n_threads, int64_t n, tn_act kind, const float *x, const float *dy, float *dx) {
#define CALL(KIND)                                                                                                     \
    _Pragma("omp parallel for simd schedule(static) num_threads(n_threads) if (n_threads > 1)") for (int64_t i = 0;    \
                                                                                                     i < n; i++)       \
        dx[i] = dy[i] * slope(KIND, x[i]);
    FOR_ACT(kind, CALL)
#undef CALL
}

/* --- flat vectors ------------------------------------------------------------------------------------------------- */

#define FLAT_LOOP _Pragma("omp parallel for simd schedule(static) num_threads(n_threads) if (n_threads > 1)")

static void add(int n_threads, int64_t n, const float *x, float *y) {
    FLAT_LOOP
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}
static void mul(int n_threads, int64_t n, const float *x, const float *mask, float *y) {
    FLAT_LOOP
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * mask[i];
}
static void scale(int n_threads, int64_t n, float a, float *x) {
    FLAT_LOOP
    for (int64_t i = 0; i < n; i++) x[i] *= a;
}
static void lerp(int n_threads, int64_t n, float a, const float *x, float *y) {
    FLAT_LOOP
    for (int64_t i = 0; i < n; i++) y[i] += a * (x[i] - y[i]);
}

static double sum_of_squares(int64_t n, const float *x) {
    double total = 0;
    for (int64_t at = 0; at < n; at += 4096) { /* short float sums, then double */
        int64_t end = at + 4096 < n ? at + 4096 : n;
        float sum[16] = {0};
        int64_t i = at;
        for (; i + 16 <= end; i += 16)
            for (int l = 0; l < 16; l++) sum[l] += x[i + l] * x[i + l];
        for (; i < end; i++) sum[0] += x[i] * x[i];
        for (int l = 0; l < 16; l++) total += (double)sum[l];
    }
    return total;
}

static void sgd(int n_threads, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    FLAT_LOOP
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] + decay * w[i];
        m[i] = momentum * m[i] + d;
        w[i] -= rate * (d + momentum * m[i]);
    }
}

static void adamw(int n_threads, int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                  float c2, const float *g, float *m, float *v, float *w) {
    FLAT_LOOP
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1.0F - beta1) * g[i];
        v[i] = beta2 * v[i] + (1.0F - beta2) * g[i] * g[i];
        float move = m[i] * c1 / (sqrtf(v[i] * c2) + eps);
        w[i] = w[i] * (1.0F - rate * decay) - rate * move;
    }
}

extern const tn_kernels TN_KERNELS;
const tn_kernels TN_KERNELS = {
    .dw_forward = dw_forward,
    .dw_backward_data = dw_backward_data,
    .dw_backward_weights = dw_backward_weights,
    .moments = moments,
    .affine_act = affine_act,
    .act_sums = act_sums,
    .combine = combine,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .scale_forward = scale_forward,
    .scale_backward = scale_backward,
    .residual = residual,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .add = add,
    .mul = mul,
    .scale = scale,
    .lerp = lerp,
    .sum_of_squares = sum_of_squares,
    .sgd = sgd,
    .adamw = adamw,
};
