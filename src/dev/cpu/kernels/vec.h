/*
 * vec.h - vectors of floats, and the stored types float and bf16. Included by kernels.c once for each instruction set.
 *
 * A vector is VW channels of one pixel, as many as a register holds: the compiler keeps longer ones in memory, not in two registers. `n` is how
 * many of them exist: VW (as a constant) except at the end of a row. Operands of products are packed in panels of PW channels for all.
 */
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#if defined(__AVX512F__)
enum { VW = 16 };
#elif defined(__AVX__)
enum { VW = 8 };
#else
enum { VW = 4 };
#endif
enum { PW = 16 };

typedef float vec __attribute__((vector_size(4 * VW)));
typedef int32_t veci __attribute__((vector_size(4 * VW)));
typedef uint32_t vecu __attribute__((vector_size(4 * VW)));
typedef uint16_t vech __attribute__((vector_size(2 * VW)));
typedef float vec_unaligned __attribute__((vector_size(4 * VW), aligned(4), may_alias));
typedef uint16_t vech_unaligned __attribute__((vector_size(2 * VW), aligned(2), may_alias));
typedef uint16_t bf16;

INLINE vec all(float x) {
    return x - (vec){0};
}

/* A long sum: float sums of few values are added to a double sum. */
typedef struct {
    double at[VW];
} wide;

INLINE void pour(vec *from, wide *to) {
    for (int i = 0; i < VW; i++) to->at[i] += (double)(*from)[i];
    *from = all(0);
}
INLINE vec narrow(const wide *w) {
    vec v;
    for (int i = 0; i < VW; i++) v[i] = (float)w->at[i];
    return v;
}

/* --- load and store: with n < VW, n elements are read or written, and the others are zeros ------------------------ */

INLINE vec get_f32(const float *p, int n) {
    if (n == VW) return *(const vec_unaligned *)(const void *)p;
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1U << n) - 1), p);
#else
    float x[VW] = {0};
    for (int i = 0; i < n; i++) x[i] = p[i];
    return *(const vec_unaligned *)(const void *)x;
#endif
}

INLINE void put_f32(float *p, vec v, int n) {
    if (n == VW) {
        *(vec_unaligned *)(void *)p = v;
    } else {
#if defined(__AVX512F__)
        _mm512_mask_storeu_ps(p, (__mmask16)((1U << n) - 1), (__m512)v);
#else
        for (int i = 0; i < n; i++) p[i] = v[i];
#endif
    }
}

INLINE vec widen(vech h) {
#if defined(__AVX512F__)
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)h), 16);
#else
    return (vec)(__builtin_convertvector(h, vecu) << 16);
#endif
}

INLINE vec get_bf16(const bf16 *p, int n) {
    if (n == VW) return widen(*(const vech_unaligned *)(const void *)p);
#if defined(__AVX512F__)
    return widen((vech)_mm256_maskz_loadu_epi16((__mmask16)((1U << n) - 1), p));
#else
    bf16 x[VW] = {0};
    for (int i = 0; i < n; i++) x[i] = p[i];
    return widen(*(const vech_unaligned *)(const void *)x);
#endif
}

/* Round to the nearest bf16, ties to even. */
INLINE vech round_bf16(vec v) {
#if defined(__AVX512BF16__)
    return (vech)_mm512_cvtneps_pbh((__m512)v);
#else
    vecu u = (vecu)v;
    return __builtin_convertvector((u + 0x7fff + ((u >> 16) & 1)) >> 16, vech);
#endif
}

INLINE void put_bf16(bf16 *p, vec v, int n) {
    vech h = round_bf16(v);
    if (n == VW) {
        *(vech_unaligned *)(void *)p = h;
    } else {
#if defined(__AVX512F__)
        _mm256_mask_storeu_epi16(p, (__mmask16)((1U << n) - 1), (__m256i)h);
#else
        for (int i = 0; i < n; i++) p[i] = h[i];
#endif
    }
}

/* Calls BODY(c, n) for channels [0, C): n is the constant VW, at the end the rest. */
#define EACH_VECTOR(C, BODY)                                                                                           \
    do {                                                                                                               \
        int c_ = 0;                                                                                                    \
        for (; c_ + VW <= (C); c_ += VW) {                                                                             \
            BODY(c_, VW);                                                                                              \
        }                                                                                                              \
        if (c_ < (C)) {                                                                                                \
            BODY(c_, (C)-c_);                                                                                          \
        }                                                                                                              \
    } while (0)

/* Calls TILE(i, rows) for rows [0, n): eight rows at a time, so that values of a channel are loaded once for eight rows; then single
 * rows. */
#define EACH_TILE(n, TILE)                                                                                             \
    do {                                                                                                               \
        int64_t i_ = 0;                                                                                                \
        for (; i_ + 8 <= (n); i_ += 8) TILE(i_, 8);                                                                    \
        for (; i_ < (n); i_++) TILE(i_, 1);                                                                            \
    } while (0)

/* Calls PIECE(h, rows, at, n_pixels, i, n) for the pixels [0, W) of n_rows rows of tasks t[0 .. n_tasks): about eight pixels of one
 * task, then of the next, so that values of a channel stay in registers and cache lines in the cache. n as in BODY. */
#define EACH_PIECE(n_rows, W, n_tasks, PIECE)                                                                          \
    do {                                                                                                               \
        int deep_ = (W) < 8 ? 8 / (W) : 1;                                                                             \
        for (int h_ = 0; h_ < (n_rows); h_ += deep_)                                                                   \
            for (int at_ = 0; at_ < (W); at_ += 8) {                                                                   \
                int m_ = (W)-at_ < 8 ? (W)-at_ : 8, r_ = (n_rows)-h_ < deep_ ? (n_rows)-h_ : deep_;                    \
                for (int i_ = 0; i_ < n_tasks; i_++) {                                                                 \
                    if (t[i_].n == VW)                                                                                 \
                        PIECE(h_, r_, at_, m_, i_, VW);                                                                \
                    else                                                                                               \
                        PIECE(h_, r_, at_, m_, i_, t[i_].n);                                                           \
                }                                                                                                      \
            }                                                                                                          \
    } while (0)

/* --- activations -------------------------------------------------------------------------------------------------- */

INLINE vec least(vec x, float limit) {
#if defined(__AVX512F__)
    return (vec)_mm512_min_ps((__m512)x, _mm512_set1_ps(limit));
#elif defined(__AVX__)
    return (vec)_mm256_min_ps((__m256)x, _mm256_set1_ps(limit));
#else
    vec m = all(limit);
    return (vec)(((veci)x & (x < m)) | ((veci)m & ~(x < m)));
#endif
}
INLINE vec most(vec x, float limit) {
#if defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)x, _mm512_set1_ps(limit));
#elif defined(__AVX__)
    return (vec)_mm256_max_ps((__m256)x, _mm256_set1_ps(limit));
#else
    vec m = all(limit);
    return (vec)(((veci)x & (x > m)) | ((veci)m & ~(x > m)));
#endif
}

/* exp(-x) = 2^n 2^f. exact: relative error below 3e-7 (polynomial of Cephes' expf), |x| clamped to 87. Otherwise below 1e-4, a twentieth
 * of the rounding error of bf16 (2^f by a cubic minimax polynomial). Tested in tests/op. */
INLINE vec exp_minus(vec x, bool exact) {
    vec p;
#if defined(__AVX512DQ__)
    if (!exact) { /* one instruction splits and one scales, for any x */
        vec t = x * -1.44269504F, f = (vec)_mm512_reduce_ps((__m512)t, 1 + 8); /* t - floor(t) */
        p = f * 0.07802453F + 0.22606715F;
        p = p * f + 0.69583354F;
        p = p * f + 0.99992522F;
        return (vec)_mm512_scalef_ps((__m512)p, (__m512)t);
    }
#endif
    const float magic = 12582912.0F; /* 1.5 x 2^23: adding it rounds to a whole number, which is then in the low bits */
    vec y = most(least(-x, 87.0F), -87.0F), shifted = y * 1.44269504F + magic, n = shifted - magic;
    if (exact) {
        vec r = y - n * 0.693359375F + n * 2.12194440e-4F;
        p = r * 1.9875691500e-4F + 1.3981999507e-3F;
        p = p * r + 8.3334519073e-3F;
        p = p * r + 4.1665795894e-2F;
        p = p * r + 1.6666665459e-1F;
        p = p * r + 5.0000001201e-1F;
        p = p * (r * r) + r + 1.0F;
    } else {
        vec f = y * 1.44269504F - n;
        p = f * 0.05517166F + 0.24261112F;
        p = p * f + 0.69326099F;
        p = p * f + 0.99992807F;
    }
    return (vec)((veci)p + ((veci)shifted << 23));
}

INLINE vec choose(veci where, vec x, vec other) {
    return (vec)(((veci)x & where) | ((veci)other & ~where));
}

/* kind is a constant in every caller, so the compiler makes the choice. slope may be NULL. */
INLINE vec activate(tn_act kind, bool exact, vec x, vec *slope) {
    vec s, zero = all(0), one = all(1);
    switch (kind) {
    case TN_ACT_SWISH:
        if (!slope) return x / (1.0F + exp_minus(x, exact));
        s = 1.0F / (1.0F + exp_minus(x, exact));
        *slope = s * (1.0F + x * (1.0F - s));
        return x * s;
    case TN_ACT_SIGMOID:
        s = 1.0F / (1.0F + exp_minus(x, exact));
        if (slope) *slope = s * (1.0F - s);
        return s;
    case TN_ACT_RELU6:
        if (slope) *slope = choose((x > zero) & (x < all(6)), one, zero);
        return least(most(x, 0), 6);
    default:
        if (slope) *slope = one;
        return x;
    }
}

/* Calls CALL(KIND) with the constant that equals `kind`, which is not the sigmoid: only vectors have that. */
#define FOR_ACT(kind, CALL)                                                                                            \
    switch (kind) {                                                                                                    \
    case TN_ACT_SWISH:                                                                                                 \
        CALL(TN_ACT_SWISH);                                                                                            \
        break;                                                                                                         \
    case TN_ACT_RELU6:                                                                                                 \
        CALL(TN_ACT_RELU6);                                                                                            \
        break;                                                                                                         \
    default:                                                                                                           \
        CALL(TN_ACT_NONE);                                                                                             \
        break;                                                                                                         \
    }
