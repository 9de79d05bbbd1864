/* kernels.c - see kernels.h. TN_KERNELS is the name of the table of this instruction set. */
#include "dev/cpu/kernels.h"

#include <math.h>
#include <string.h>

#include "dev/cpu/kernels/vec.h"

INLINE vec f32_round(vec v) {
    return v;
}
INLINE vec bf16_round(vec v) { /* the value that is stored */
    return widen(round_bf16(v));
}

#include "dev/cpu/kernels/pairs.h"

#if defined(TN_TILES)
#include "dev/cpu/kernels/tiles.h"

#include "dev/cpu/kernels/product_tiles.h"
#else
#include "dev/cpu/kernels/product.h"
#endif
#include "dev/cpu/kernels/product_f32.h"

/* out (n_rows, 16 n_panels) = x (n_rows, n_in) times the panels of packed weights from `first` on. */
INLINE void f32_multiply(int64_t n_rows, int n_panels, int n_in, const float *x, const float *w, int first,
                         float *out) {
    int64_t columns = (int64_t)n_panels * PW;
    product_f32(n_rows, columns, n_in, x, n_in, 1, w + (int64_t)first * n_in * PW, (int64_t)n_in * PW, PW, false, out,
                columns);
}
INLINE void bf16_multiply(int64_t n_rows, int n_panels, int n_in, const bf16 *x, const float *w, int first,
                          float *out) {
    const uint32_t *pairs = (const uint32_t *)(const void *)w + (int64_t)first * (n_in / 2) * PW;
    product(n_rows, n_panels, n_in / 2, (const uint32_t *)(const void *)x, n_in / 2, pairs, out,
            (int64_t)n_panels * PW);
}

#define REAL    float
#define EXACT   true
#define GET     get_f32
#define PUT     put_f32
#define N(name) f32_##name
#include "dev/cpu/kernels/depthwise.h"
#include "dev/cpu/kernels/rows.h"
#undef REAL
#undef EXACT
#undef GET
#undef PUT
#undef N

#define REAL    bf16
#define EXACT   false
#define GET     get_bf16
#define PUT     put_bf16
#define N(name) bf16_##name
#include "dev/cpu/kernels/depthwise.h"
#include "dev/cpu/kernels/rows.h"
#undef REAL
#undef EXACT
#undef GET
#undef PUT
#undef N

/* --- vectors of the head ------------------------------------------------------------------------------------------ */

INLINE void act_forward_of(tn_act kind, int64_t n, const float *x, float *y) {
#define BODY(c, k) put_f32(y + at + (c), activate(kind, true, get_f32(x + at + (c), k), NULL), k)
    for (int64_t at = 0; at < n; at += 1024) EACH_VECTOR((int)(n - at < 1024 ? n - at : 1024), BODY);
#undef BODY
}
static void act_forward(int64_t n, tn_act kind, const float *x, float *y) {
#define CALL(KIND) act_forward_of(KIND, n, x, y)
    if (kind == TN_ACT_SIGMOID)
        CALL(TN_ACT_SIGMOID);
    else
        FOR_ACT(kind, CALL)
#undef CALL
}

INLINE void act_backward_of(tn_act kind, int64_t n, const float *x, const float *dy, float *dx) {
#define BODY(c, k)                                                                                                     \
    vec slope;                                                                                                         \
    activate(kind, true, get_f32(x + at + (c), k), &slope);                                                            \
    put_f32(dx + at + (c), get_f32(dy + at + (c), k) * slope, k)
    for (int64_t at = 0; at < n; at += 1024) EACH_VECTOR((int)(n - at < 1024 ? n - at : 1024), BODY);
#undef BODY
}
static void act_backward(int64_t n, tn_act kind, const float *x, const float *dy, float *dx) {
#define CALL(KIND) act_backward_of(KIND, n, x, dy, dx)
    if (kind == TN_ACT_SIGMOID)
        CALL(TN_ACT_SIGMOID);
    else
        FOR_ACT(kind, CALL)
#undef CALL
}

/* --- flat vectors ------------------------------------------------------------------------------------------------- */

/* Loops over i = 0 .. n-1 are cut into n_threads pieces for any number of existing threads, so that the same values are computed in
 * vectors and the same ones one by one. */
#define IN_THREADS _Pragma("omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1)")
#define IN_VECTORS _Pragma("omp simd")
#define FLAT_LOOP                                                                                                      \
    IN_THREADS                                                                                                         \
    for (int t = 0; t < n_threads; t++) IN_VECTORS                                                                     \
    for (int64_t i = n * t / n_threads; i < n * (t + 1) / n_threads; i++)

static void mul(int n_threads, int64_t n, const float *x, const float *mask, float *y) {
    FLAT_LOOP y[i] = x[i] * mask[i];
}
static void scale(int n_threads, int64_t n, float a, float *x) {
    FLAT_LOOP x[i] *= a;
}
static void lerp(int n_threads, int64_t n, float a, const float *x, float *y) {
    FLAT_LOOP y[i] += a * (x[i] - y[i]);
}

static double sum_of_squares(int64_t n, const float *x) {
    double total = 0;
    for (int64_t at = 0; at < n; at += 4096) { /* sums of 4096 values in float, their sum in double */
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
    FLAT_LOOP {
        float d = g[i] + decay * w[i];
        m[i] = momentum * m[i] + d;
        w[i] -= rate * (d + momentum * m[i]);
    }
}

static void adamw(int n_threads, int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                  float c2, const float *g, float *m, float *v, float *w) {
    FLAT_LOOP {
        m[i] = beta1 * m[i] + (1.0F - beta1) * g[i];
        v[i] = beta2 * v[i] + (1.0F - beta2) * g[i] * g[i];
        float move = m[i] * c1 / (sqrtf(v[i] * c2) + eps);
        w[i] = w[i] * (1.0F - rate * decay) - rate * move;
    }
}

#define REALS(NAME)                                                                                                    \
    {                                                                                                                  \
        .read_rows = NAME##_read_rows, .grad_rows = NAME##_grad_rows, .unfold_rows = NAME##_unfold_rows,               \
        .write_rows = NAME##_write_rows, .finish_rows = NAME##_finish_rows, .store = NAME##_store,                     \
        .load = NAME##_load, .sum_rows = NAME##_sum_rows, .scale_sums = NAME##_scale_sums,                             \
        .read_backward = NAME##_read_backward, .residual_rows = NAME##_residual_rows, .dw_forward = NAME##_dw_forward, \
        .dw_backward = NAME##_dw_backward                                                                              \
    }

extern const tn_kernels TN_KERNELS;
const tn_kernels TN_KERNELS = {
    .real = {REALS(f32), REALS(bf16)},
    .product = product,
    .weights_product = weights_product,
    .pack_pairs = pack_pairs,
    .product_f32 = product_f32,
    .dots_f32 = dots_f32,
    .pack_f32 = pack_f32,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .mul = mul,
    .scale = scale,
    .lerp = lerp,
    .sum_of_squares = sum_of_squares,
    .sgd = sgd,
    .adamw = adamw,
};
