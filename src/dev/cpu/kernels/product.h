/*
 * product.h - matrix products of bf16 pairs with float sums. Included by kernels.c once for each instruction set.
 *
 *   C(i,j) (+)= sum over pairs p of A(i,p).0 B(p,j).0 + A(i,p).1 B(p,j).1
 *
 * A pair is two neighbours along the summed dimension in one 32-bit word, the first in the low half. A has two strides; B is
 * packed in panels of 16 values of j. A tile of C stays in registers while the loop runs over p.
 */

INLINE v16 dot_pairs(v16 sum, v16u a, v16u b) {
#if defined(__AVX512BF16__)
    return (v16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    return sum + (v16)(a << 16) * (v16)(b << 16) + (v16)(a & 0xffff0000U) * (v16)(b & 0xffff0000U);
#endif
}

typedef struct {
    const uint32_t *a, *b;
    float *c;
    int64_t a_row, a_pair, b_panel, b_pair; /* strides in pairs */
    int64_t c_row;                          /* in floats */
} operands;

INLINE void tile(int rows, int panels, int64_t n_pairs, const operands *o, bool add) {
    v16 c[12][4];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < panels; j++) c[i][j] = all(0);
    const uint32_t *a = o->a, *b = o->b;
    int64_t a_row = o->a_row, b_panel = o->b_panel;
    for (int64_t p = 0; p < n_pairs; p++, a += o->a_pair, b += o->b_pair) {
        v16u column[4];
#pragma GCC unroll 4
        for (int j = 0; j < panels; j++) column[j] = (v16u)get_f32((const float *)(const void *)(b + j * b_panel), VW);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            uint32_t x = a[i * a_row];
            v16u row = {x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#pragma GCC unroll 4
            for (int j = 0; j < panels; j++) c[i][j] = dot_pairs(c[i][j], row, column[j]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < panels; j++) {
            float *to = o->c + i * o->c_row + j * VW;
            put_f32(to, add ? get_f32(to, VW) + c[i][j] : c[i][j], VW);
        }
}

/* All rows of a few panels: tiles of MOST rows, then of 4, then single rows. */
#define STRIPE(PANELS, MOST)                                                                                           \
    static void stripe_##PANELS(int64_t n_rows, int64_t n_pairs, operands o, bool add) {                               \
        int64_t i = 0;                                                                                                 \
        for (; i + MOST <= n_rows; i += MOST, o.a += MOST * o.a_row, o.c += MOST * o.c_row)                            \
            tile(MOST, PANELS, n_pairs, &o, add);                                                                      \
        for (; i + 4 <= n_rows; i += 4, o.a += 4 * o.a_row, o.c += 4 * o.c_row) tile(4, PANELS, n_pairs, &o, add);     \
        for (; i < n_rows; i++, o.a += o.a_row, o.c += o.c_row) tile(1, PANELS, n_pairs, &o, add);                     \
    }
STRIPE(1, 12)
STRIPE(2, 12)
STRIPE(3, 8)

/* C (n_rows, 16 n_panels), with c_row floats from row to row. */
static void product(int64_t n_rows, int n_panels, int64_t n_pairs, const uint32_t *a, int64_t a_row, int64_t a_pair,
                    const uint32_t *b, int64_t b_panel, int64_t b_pair, bool add, float *c, int64_t c_row) {
    operands o = {a, b, c, a_row, a_pair, b_panel, b_pair, c_row};
    for (int j = 0; j < n_panels;) {
        int left = n_panels - j, n = left == 1 ? 1 : left == 2 || left == 4 ? 2 : 3;
        if (n == 1)
            stripe_1(n_rows, n_pairs, o, add);
        else if (n == 2)
            stripe_2(n_rows, n_pairs, o, add);
        else
            stripe_3(n_rows, n_pairs, o, add);
        o.b += n * b_panel;
        o.c += n * VW;
        j += n;
    }
}

/* Interleave rows 2p and 2p+1 of x (n, n_columns; row length ld) to pairs: out (ceil(n/2), ld_out). A missing last row and the padding
 * are zeros. */
static void pair_rows(int64_t n, int64_t n_columns, const bf16 *x, int64_t ld, uint32_t *out, int64_t ld_out) {
    for (int64_t i = 0; i < n; i += 2, x += 2 * ld, out += ld_out) {
        if (i + 1 < n) {
#pragma omp simd
            for (int64_t c = 0; c < n_columns; c++) out[c] = (uint32_t)x[c] | (uint32_t)x[ld + c] << 16;
        } else {
            for (int64_t c = 0; c < n_columns; c++) out[c] = x[c];
        }
        for (int64_t c = n_columns; c < ld_out; c++) out[c] = 0;
    }
}

/* Pack weights w(k,j) = w[k * k_step + j * j_step], k < K, j < J, in panels of pairs along k: out (J/16, K/2, 16), padded with zeros. */
static void pack_pairs(int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step, uint32_t *out) {
    for (int64_t panel = 0; panel < J; panel += VW)
        for (int64_t k = 0; k < K; k += 2, out += VW) {
            float low[VW] = {0}, high[VW] = {0};
            for (int64_t j = panel; j < panel + VW && j < J; j++) {
                low[j - panel] = w[k * k_step + j * j_step];
                if (k + 1 < K) high[j - panel] = w[(k + 1) * k_step + j * j_step];
            }
            v16u pairs = (v16u)bf16_round(get_f32(low, VW)) >> 16 | (v16u)bf16_round(get_f32(high, VW));
            memcpy(out, &pairs, sizeof pairs);
        }
}
