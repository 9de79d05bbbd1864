/*
 * product.h - matrix products of bf16 pairs with float sums. Included by kernels.c once for each instruction set.
 *
 *   C(i,j) (+)= sum over pairs p of A(i,p).0 B(p,j).0 + A(i,p).1 B(p,j).1
 *
 * Pairs: pairs.h. A has two strides; B is packed in panels of 16 values of j. A tile of C stays in registers while the loop runs over p.
 */

INLINE vec dot_pairs(vec sum, vecu a, vecu b) {
#if defined(__AVX512BF16__)
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    return sum + (vec)(a << 16) * (vec)(b << 16) + (vec)(a & 0xffff0000U) * (vec)(b & 0xffff0000U);
#endif
}

typedef struct {
    const uint32_t *a, *b;
    float *c;
    int64_t a_row, a_pair, b_panel, b_pair; /* strides in pairs */
    int64_t c_row;                          /* in floats */
} operands;

INLINE void tile(int rows, int vectors, int64_t n_pairs, const operands *o, bool add) {
    vec c[12][3];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) c[i][j] = all(0);
    const uint32_t *a = o->a, *b = o->b;
    int64_t a_row = o->a_row, b_panel = o->b_panel;
    for (int64_t p = 0; p < n_pairs; p++, a += o->a_pair, b += o->b_pair) {
        vecu column[3];
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            column[j] = (vecu)get_f32((const float *)(const void *)(b + j * VW / PW * b_panel + j * VW % PW), VW);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            vecu row = a[i * a_row] - (vecu){0};
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++) c[i][j] = dot_pairs(c[i][j], row, column[j]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) {
            float *to = o->c + i * o->c_row + j * VW;
            put_f32(to, add ? get_f32(to, VW) + c[i][j] : c[i][j], VW);
        }
}

/* All rows of a few vectors: tiles of MOST rows, then of 4, then single rows. */
#define STRIPE(VECTORS, MOST)                                                                                          \
    static void stripe_##VECTORS(int64_t n_rows, int64_t n_pairs, operands o, bool add) {                              \
        int64_t i = 0;                                                                                                 \
        for (; i + MOST <= n_rows; i += MOST, o.a += MOST * o.a_row, o.c += MOST * o.c_row)                            \
            tile(MOST, VECTORS, n_pairs, &o, add);                                                                     \
        for (; i + 4 <= n_rows; i += 4, o.a += 4 * o.a_row, o.c += 4 * o.c_row) tile(4, VECTORS, n_pairs, &o, add);    \
        for (; i < n_rows; i++, o.a += o.a_row, o.c += o.c_row) tile(1, VECTORS, n_pairs, &o, add);                    \
    }
#if defined(__AVX512F__)
STRIPE(1, 12)
STRIPE(2, 12)
STRIPE(3, 8)

static void multiply_pairs(int64_t n_rows, int n_panels, int64_t n_pairs, operands o, bool add) {
    for (int j = 0; j < n_panels;) {
        int left = n_panels - j, n = left == 1 ? 1 : left == 2 || left == 4 ? 2 : 3;
        if (n == 1)
            stripe_1(n_rows, n_pairs, o, add);
        else if (n == 2)
            stripe_2(n_rows, n_pairs, o, add);
        else
            stripe_3(n_rows, n_pairs, o, add);
        o.b += n * o.b_panel;
        o.c += n * PW;
        j += n;
    }
}
#else
STRIPE(2, 4)
static void multiply_pairs(int64_t n_rows, int n_panels, int64_t n_pairs, operands o, bool add) {
    for (int j = 0; j < n_panels; j++, o.b += o.b_panel - PW)
        for (int at = 0; at < PW; at += 2 * VW, o.b += 2 * VW, o.c += 2 * VW) stripe_2(n_rows, n_pairs, o, add);
}
#endif

static void product(int64_t n_rows, int n_panels, int64_t n_pairs, const uint32_t *a, int64_t a_row, const uint32_t *b,
                    float *c, int64_t c_row) {
    multiply_pairs(n_rows, n_panels, n_pairs, (operands){a, b, c, a_row, 1, n_pairs * PW, PW, c_row}, false);
}

static void weights_product(int64_t n, int K, int64_t C, const bf16 *dy, int64_t ld_dy, const bf16 *x, int64_t ld_x,
                            uint32_t *room, float *sums, int64_t ld_sums) {
    int64_t n_pairs = (n + 1) / 2;
    uint32_t *x_pairs = room + n_pairs * ld_dy;
    pair_rows(n, K, dy, ld_dy, room, ld_dy);
    pair_rows(n, C, x, ld_x, x_pairs, ld_sums);
    multiply_pairs(K, (int)(ld_sums / PW), n_pairs, (operands){room, x_pairs, sums, 1, ld_dy, PW, ld_sums, ld_sums},
                   true);
}
