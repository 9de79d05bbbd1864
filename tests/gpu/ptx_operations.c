/*
 * ptx_operations.c - what an instruction computes. One line each: mnemonic (with _ for .), type of the result,
 * result. A, B, C are the operands as a type.
 * Approximate instructions (ex2, rcp, div) are computed by the C library.
 */
#include "emu.h"
#include "ptx.h"

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A(T) (slot[i->from[0]].T)
#define B(T) (slot[i->from[1]].T)
#define C(T) (slot[i->from[2]].T)
#define D(T) (slot[i->from[3]].T)

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* A shift by the width or more leaves nothing, or the sign. */
static uint64_t left(uint64_t x, uint32_t by, uint32_t width) {
    return by < width ? x << by : 0;
}
static uint64_t right(uint64_t x, uint32_t by, uint32_t width) {
    return by < width ? x >> by : 0;
}
/* b with the lowest n bits of a in place of its own, from `at` on. */
static uint32_t inserted(uint32_t a, uint32_t b, uint32_t at, uint32_t n) {
    uint32_t mask = (uint32_t)left(left(1, n < 32 ? n : 32, 64) - 1, at, 64);
    return (b & ~mask) | ((uint32_t)left(a, at, 64) & mask);
}
static int64_t right_signed(int64_t x, uint32_t by, uint32_t width) {
    return x >> (by < width ? by : width - 1);
}
static void check_divisor(bool is_zero) {
    if (is_zero) emu_stop("PTX: an integer is divided by 0");
}
#define DIVIDE(T)                                                                                                      \
    static T##_of_c divided_##T(T##_of_c a, T##_of_c b) {                                                              \
        check_divisor(b == 0);                                                                                         \
        return a / b;                                                                                                  \
    }                                                                                                                  \
    static T##_of_c remainder_##T(T##_of_c a, T##_of_c b) {                                                            \
        check_divisor(b == 0);                                                                                         \
        return a % b;                                                                                                  \
    }
typedef int16_t s16_of_c;
typedef uint16_t u16_of_c;
typedef int32_t s32_of_c;
typedef uint32_t u32_of_c;
typedef int64_t s64_of_c;
typedef uint64_t u64_of_c;
DIVIDE(s32)
DIVIDE(u32)
DIVIDE(s64)
DIVIDE(u64)

static uint32_t rounded_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) return 0x7fff;
    return (bits >> 16) + ((bits & 0xffff) + (bits >> 16 & 1) > 0x8000);
}

/* Rounded towards minus infinity. */
static float fma_down(float a, float b, float c) {
    volatile float x = a, y = b, z = c; /* else the compiler may move the product out of the mode */
    fesetround(FE_DOWNWARD);
    volatile float result = fmaf(x, y, z);
    fesetround(FE_TONEAREST);
    return result;
}
static float without_subnormal(float x) {
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}
/* The reciprocal's upper 32 bits. */
static double rough_reciprocal(double x) {
    double y = 1 / x;
    uint64_t bits;
    memcpy(&bits, &y, sizeof bits);
    bits &= 0xffffffff00000000U;
    memcpy(&y, &bits, sizeof y);
    return y;
}
static float saturated(float x) {
    return x > 1 ? 1 : x > 0 ? x : 0; /* not a number becomes 0 */
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

/* Signed sums and products are computed as unsigned ones, which have the same bits and no overflow. */
#define INTEGERS(X, T)                                                                                                 \
    X(add_##T, T, A(u64) + B(u64))                                                                                     \
    X(sub_##T, T, A(u64) - B(u64))                                                                                     \
    X(mul_lo_##T, T, A(u64) * B(u64))                                                                                  \
    X(mad_lo_##T, T, A(u64) * B(u64) + C(u64))                                                                         \
    X(div_##T, T, divided_##T(A(T), B(T)))                                                                             \
    X(rem_##T, T, remainder_##T(A(T), B(T)))                                                                           \
    X(min_##T, T, A(T) < B(T) ? A(T) : B(T))                                                                           \
    X(max_##T, T, A(T) > B(T) ? A(T) : B(T))
#define NEGATED(X, T)                                                                                                  \
    X(neg_##T, T, -A(u64))                                                                                             \
    X(abs_##T, T, A(T) < 0 ? -A(u64) : A(u64))
#define BITS(X, type, T)                                                                                               \
    X(and_##type, T, A(T) & B(T))                                                                                      \
    X(or_##type, T, A(T) | B(T))                                                                                       \
    X(xor_##type, T, A(T) ^ B(T))
#define NOT(X, type, T) X(not_##type, T, ~A(T))

#define FLOATS(X, T, suffix)                                                                                           \
    X(add_##T, T, A(T) + B(T))                                                                                         \
    X(sub_##T, T, A(T) - B(T))                                                                                         \
    X(mul_##T, T, A(T) * B(T))                                                                                         \
    X(add_rn_##T, T, A(T) + B(T))                                                                                      \
    X(sub_rn_##T, T, A(T) - B(T))                                                                                      \
    X(mul_rn_##T, T, A(T) * B(T))                                                                                      \
    X(fma_rn_##T, T, fma##suffix(A(T), B(T), C(T)))                                                                    \
    X(div_rn_##T, T, A(T) / B(T))                                                                                      \
    X(rcp_rn_##T, T, 1 / A(T))                                                                                         \
    X(sqrt_rn_##T, T, sqrt##suffix(A(T)))                                                                              \
    X(min_##T, T, fmin##suffix(A(T), B(T)))                                                                            \
    X(max_##T, T, fmax##suffix(A(T), B(T)))                                                                            \
    X(neg_##T, T, -A(T))                                                                                               \
    X(abs_##T, T, fabs##suffix(A(T)))

#define COMPARE(X, type, T)                                                                                            \
    X(setp_eq_##type, u64, A(T) == B(T))                                                                               \
    X(setp_lt_##type, u64, A(T) < B(T))                                                                                \
    X(setp_le_##type, u64, A(T) <= B(T))                                                                               \
    X(setp_gt_##type, u64, A(T) > B(T))                                                                                \
    X(setp_ge_##type, u64, A(T) >= B(T))
#define DIFFER(X, type, T) X(setp_ne_##type, u64, A(T) != B(T))
/* With a u: true as well if an operand is not a number. */
#define COMPARE_FLOATS(X, T)                                                                                           \
    X(setp_ne_##T, u64, A(T) < B(T) || A(T) > B(T))                                                                    \
    X(setp_equ_##T, u64, !(A(T) < B(T) || A(T) > B(T)))                                                                \
    X(setp_neu_##T, u64, A(T) != B(T))                                                                                 \
    X(setp_ltu_##T, u64, !(A(T) >= B(T)))                                                                              \
    X(setp_leu_##T, u64, !(A(T) > B(T)))                                                                               \
    X(setp_gtu_##T, u64, !(A(T) <= B(T)))                                                                              \
    X(setp_geu_##T, u64, !(A(T) < B(T)))                                                                               \
    X(setp_nan_##T, u64, isnan(A(T)) || isnan(B(T)))                                                                   \
    X(setp_num_##T, u64, !isnan(A(T)) && !isnan(B(T)))

#define COPY(X, name)        X(name, u64, A(u64))
#define SELECT(X, type)      X(selp_##type, u64, C(u64) ? A(u64) : B(u64))
#define CONVERT(X, to, from) X(cvt_##to##_##from, to, A(from))
#define CONVERT_TO(X, to)                                                                                              \
    CONVERT(X, to, u16)                                                                                                \
    CONVERT(X, to, s16)                                                                                                \
    CONVERT(X, to, u32)                                                                                                \
    CONVERT(X, to, s32)                                                                                                \
    CONVERT(X, to, u64)                                                                                                \
    CONVERT(X, to, s64)
#define TO_FLOAT(X, to)                                                                                                \
    X(cvt_rn_##to##_u32, to, (to##_of_c)A(u32))                                                                        \
    X(cvt_rn_##to##_s32, to, (to##_of_c)A(s32))                                                                        \
    X(cvt_rn_##to##_u64, to, (to##_of_c)A(u64))                                                                        \
    X(cvt_rn_##to##_s64, to, (to##_of_c)A(s64))
typedef float f32_of_c;
typedef double f64_of_c;

#define OPERATIONS(X)                                                                                                  \
    INTEGERS(X, s32)                                                                                                   \
    INTEGERS(X, u32)                                                                                                   \
    INTEGERS(X, s64)                                                                                                   \
    INTEGERS(X, u64)                                                                                                   \
    NEGATED(X, s32)                                                                                                    \
    NEGATED(X, s64)                                                                                                    \
    X(mul_wide_s32, s64, (int64_t)A(s32) * B(s32))                                                                     \
    X(mul_wide_u32, u64, (uint64_t)A(u32) * B(u32))                                                                    \
    X(add_s16, u16, (uint16_t)(A(u16) + B(u16)))                                                                       \
    X(sub_s16, u16, (uint16_t)(A(u16) - B(u16)))                                                                       \
    X(mul_hi_u16, u16, (uint16_t)((uint32_t)A(u16) * B(u16) >> 16))                                                    \
    X(mul_hi_s32, s32, (int32_t)((int64_t)A(s32) * B(s32) >> 32))                                                      \
    X(mul_lo_s16, s16, (int16_t)(A(s16) * B(s16)))                                                                     \
    X(mul_lo_u16, u16, (uint16_t)(A(u16) * B(u16)))                                                                    \
    X(mul_hi_u32, u32, (uint32_t)((uint64_t)A(u32) * B(u32) >> 32))                                                    \
    BITS(X, b16, u16)                                                                                                  \
    BITS(X, b32, u32)                                                                                                  \
    BITS(X, b64, u64)                                                                                                  \
    BITS(X, pred, u64)                                                                                                 \
    NOT(X, b16, u16)                                                                                                   \
    NOT(X, b32, u32)                                                                                                   \
    NOT(X, b64, u64)                                                                                                   \
    X(not_pred, u64, !A(u64))                                                                                          \
    X(shl_b32, u32, left(A(u32), B(u32), 32))                                                                          \
    X(shl_b64, u64, left(A(u64), B(u32), 64))                                                                          \
    X(shr_u16, u16, (uint16_t)right(A(u16), B(u32), 16))                                                               \
    X(bfi_b32, u32, inserted(A(u32), B(u32), C(u32), D(u32)))                                                          \
    X(shr_u32, u32, right(A(u32), B(u32), 32))                                                                         \
    X(shr_u64, u64, right(A(u64), B(u32), 64))                                                                         \
    X(shr_s32, s32, right_signed(A(s32), B(u32), 32))                                                                  \
    X(shr_s64, s64, right_signed(A(s64), B(u32), 64))                                                                  \
    FLOATS(X, f32, f)                                                                                                  \
    FLOATS(X, f64, )                                                                                                   \
    X(fma_rm_f32, f32, fma_down(A(f32), B(f32), C(f32)))                                                               \
    X(ex2_approx_ftz_f32, f32, without_subnormal(exp2f(without_subnormal(A(f32)))))                                    \
    X(rcp_approx_ftz_f32, f32, without_subnormal(1 / without_subnormal(A(f32))))                                       \
    X(rcp_approx_ftz_f64, f64, rough_reciprocal(A(f64)))                                                               \
    COMPARE(X, s16, s16)                                                                                               \
    COMPARE(X, u16, u16)                                                                                               \
    COMPARE(X, b16, u16)                                                                                               \
    COMPARE(X, s32, s32)                                                                                               \
    COMPARE(X, u32, u32)                                                                                               \
    COMPARE(X, b32, u32)                                                                                               \
    COMPARE(X, s64, s64)                                                                                               \
    COMPARE(X, u64, u64)                                                                                               \
    COMPARE(X, b64, u64)                                                                                               \
    COMPARE(X, f32, f32)                                                                                               \
    COMPARE(X, f64, f64)                                                                                               \
    DIFFER(X, s16, s16)                                                                                                \
    DIFFER(X, u16, u16)                                                                                                \
    DIFFER(X, b16, u16)                                                                                                \
    DIFFER(X, s32, s32)                                                                                                \
    DIFFER(X, u32, u32)                                                                                                \
    DIFFER(X, b32, u32)                                                                                                \
    DIFFER(X, s64, s64)                                                                                                \
    DIFFER(X, u64, u64)                                                                                                \
    DIFFER(X, b64, u64)                                                                                                \
    COMPARE_FLOATS(X, f32)                                                                                             \
    COMPARE_FLOATS(X, f64)                                                                                             \
    SELECT(X, b16)                                                                                                     \
    SELECT(X, b32)                                                                                                     \
    SELECT(X, b64)                                                                                                     \
    SELECT(X, s32)                                                                                                     \
    SELECT(X, u32)                                                                                                     \
    SELECT(X, s64)                                                                                                     \
    SELECT(X, u64)                                                                                                     \
    SELECT(X, f32)                                                                                                     \
    SELECT(X, f64)                                                                                                     \
    COPY(X, mov_pred)                                                                                                  \
    COPY(X, mov_b16)                                                                                                   \
    COPY(X, mov_u16)                                                                                                   \
    COPY(X, mov_b32)                                                                                                   \
    COPY(X, mov_u32)                                                                                                   \
    COPY(X, mov_s32)                                                                                                   \
    COPY(X, mov_b64)                                                                                                   \
    COPY(X, mov_u64)                                                                                                   \
    COPY(X, mov_s64)                                                                                                   \
    COPY(X, mov_f32)                                                                                                   \
    COPY(X, mov_f64)                                                                                                   \
    COPY(X, cvta_to_global_u64)                                                                                        \
    CONVERT_TO(X, u16)                                                                                                 \
    CONVERT_TO(X, s16)                                                                                                 \
    CONVERT_TO(X, u32)                                                                                                 \
    CONVERT_TO(X, s32)                                                                                                 \
    CONVERT_TO(X, u64)                                                                                                 \
    CONVERT_TO(X, s64)                                                                                                 \
    TO_FLOAT(X, f32)                                                                                                   \
    TO_FLOAT(X, f64)                                                                                                   \
    X(cvt_f64_f32, f64, A(f32))                                                                                        \
    X(cvt_rn_f32_f64, f32, (float)A(f64))                                                                              \
    X(cvt_sat_f32_f32, f32, saturated(A(f32)))                                                                         \
    X(cvt_rn_bf16x2_f32, u32, rounded_to_bf16(A(f32)) << 16 | rounded_to_bf16(B(f32)))                                 \
    X(div_approx_f32, f32, A(f32) / B(f32))                                                                            \
    X(ex2_approx_f32, f32, exp2f(A(f32)))

#define SET_u16(x) slot[i->to[0]].u64 = (uint16_t)(x)
#define SET_s16(x) slot[i->to[0]].s64 = (int16_t)(x)
#define SET_u32(x) slot[i->to[0]].u64 = (uint32_t)(x)
#define SET_s32(x) slot[i->to[0]].u64 = (uint32_t)(x)
#define SET_u64(x) slot[i->to[0]].u64 = (uint64_t)(x)
#define SET_s64(x) slot[i->to[0]].u64 = (uint64_t)(x)
#define SET_f32(x) slot[i->to[0]].f32 = (x)
#define SET_f64(x) slot[i->to[0]].f64 = (x)

#define DEFINE(name, type, value)                                                                                      \
    static void name(ptx_slot *slot, const ptx_instruction *i) {                                                       \
        SET_##type(value);                                                                                             \
    }
OPERATIONS(DEFINE)

/* --- packing (mov.b32, mov.b64), and the table --------------------------------------------------------------------------------------- */

static void pack_32(ptx_slot *slot, const ptx_instruction *i) {
    slot[i->to[0]].u64 = A(u16) | (uint32_t)B(u16) << 16;
}
static void unpack_32(ptx_slot *slot, const ptx_instruction *i) {
    uint32_t x = A(u32);
    slot[i->to[0]].u64 = (uint16_t)x;
    slot[i->to[1]].u64 = x >> 16;
}
static void pack_64(ptx_slot *slot, const ptx_instruction *i) {
    slot[i->to[0]].u64 = A(u32) | (uint64_t)B(u32) << 32;
}
static void unpack_64(ptx_slot *slot, const ptx_instruction *i) {
    uint64_t x = A(u64);
    slot[i->to[0]].u64 = (uint32_t)x;
    slot[i->to[1]].u64 = x >> 32;
}

typedef struct {
    const char *name;
    void (*compute)(ptx_slot *, const ptx_instruction *);
} operation;

static int by_name(const void *a, const void *b) {
    return strcmp(((const operation *)a)->name, ((const operation *)b)->name);
}

void (*ptx_operation(const char *mnemonic, int n_to, int n_from))(ptx_slot *, const ptx_instruction *) {
#define ROW(name, type, value) {#name, name},
    static operation table[] = {OPERATIONS(ROW)};
    static bool is_sorted;
    if (!is_sorted) qsort(table, sizeof table / sizeof *table, sizeof *table, by_name);
    is_sorted = true;
    char name[64];
    snprintf(name, sizeof name, "%s", mnemonic);
    for (char *c = name; *c; c++)
        if (*c == '.') *c = '_';
    if (strcmp(mnemonic, "mov.b32") == 0 && n_to + n_from == 3) return n_to == 2 ? unpack_32 : pack_32;
    if (strcmp(mnemonic, "mov.b64") == 0 && n_to + n_from == 3) return n_to == 2 ? unpack_64 : pack_64;
    const operation wanted = {name, NULL},
                    *found = bsearch(&wanted, table, sizeof table / sizeof *table, sizeof *table, by_name);
    return found ? found->compute : NULL;
}
