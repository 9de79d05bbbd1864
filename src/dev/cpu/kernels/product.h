/*
 * product.h - matrix products of bf16 pairs with float sums. Included by kernels.c once for each instruction set.
 *
 *   C(i,j) (+)= sum over pairs p of A(i,p).0 B(p,j).0 + A(i,p).1 B(p,j).1
 *
 * Pairs: pairs.h. A has two strides; B is packed in panels of 16 values of j (panels.h).
 */

INLINE vec dot_pairs(vec sum, vecu a, vecu b) {
#if defined(__AVX512BF16__)
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    return sum + (vec)(a << 16) * (vec)(b << 16) + (vec)(a & 0xffff0000U) * (vec)(b & 0xffff0000U);
#endif
}

#define WORD        uint32_t
#define WORDS       vecu
#define ADD_PRODUCT dot_pairs
#define HEIGHT      4
#define N(name)     pairs_##name
#include "dev/cpu/kernels/panels.h"
#undef WORD
#undef WORDS
#undef ADD_PRODUCT
#undef HEIGHT
#undef N

static void product(int64_t n_rows, int n_panels, int64_t n_pairs, const uint32_t *a, int64_t a_row, const uint32_t *b,
                    float *c, int64_t c_row) {
    pairs_panels(n_rows, n_panels, n_pairs, (pairs_operands){a, b, c, a_row, 1, n_pairs * PW, PW, c_row}, false);
}

static void weights_product(int64_t n, int K, int64_t C, const bf16 *dy, int64_t ld_dy, const bf16 *x, int64_t ld_x,
                            uint32_t *room, float *sums, int64_t ld_sums) {
    int64_t n_pairs = (n + 1) / 2;
    uint32_t *x_pairs = room + n_pairs * ld_dy;
    pair_rows(n, K, dy, ld_dy, room, ld_dy);
    pair_rows(n, C, x, ld_x, x_pairs, ld_sums);
    pairs_panels(K, (int)(ld_sums / PW), n_pairs, (pairs_operands){room, x_pairs, sums, 1, ld_dy, PW, ld_sums, ld_sums},
                 true);
}
