/*
 * product_f32.h - matrix products of floats. Included by kernels.c once for each instruction set.
 *
 *   C(i,j) (+)= sum over k of A(i,k) B(k,j)          product_f32: B in panels of 16 values of j, A with two strides
 *   C(i,j)  += sum over k of A(i,k) B(j,k)           dots_f32: k is contiguous in both
 *
 * Every element is one chain of fused multiply-adds in the order of k (panels.h), for any position in a tile. So the bits of a row do not
 * depend on other rows.
 */

#define WORD                   float
#define WORDS                  vec
#define ADD_PRODUCT(sum, a, b) ((sum) + (a) * (b))
#define HEIGHT                 6
#define N(name)                f32_##name
#include "dev/cpu/kernels/panels.h"
#undef WORD
#undef WORDS
#undef ADD_PRODUCT
#undef HEIGHT
#undef N

/* The last panel, if it has fewer than 16 values of j: memory after them is not read or written. */
static void last_columns_f32(int64_t n_rows, int n_columns, int64_t n, const f32_operands *o, bool add) {
    for (int64_t i = 0; i < n_rows; i++) {
        float sum[PW] = {0}, *to = o->c + i * o->c_row;
        for (int64_t k = 0; k < n; k++) {
            float x = o->a[i * o->a_row + k * o->a_step];
            const float *b = o->b + k * o->b_step;
            for (int j = 0; j < n_columns; j++) sum[j] += x * b[j];
        }
        for (int j = 0; j < n_columns; j++) to[j] = add ? to[j] + sum[j] : sum[j];
    }
}

/* C (n_rows, n_columns), with c_row floats from row to row. For row-major B give b_panel = 16. */
static void product_f32(int64_t n_rows, int64_t n_columns, int64_t n, const float *a, int64_t a_row, int64_t a_step,
                        const float *b, int64_t b_panel, int64_t b_step, bool add, float *c, int64_t c_row) {
    f32_operands o = {a, b, c, a_row, a_step, b_panel, b_step, c_row};
    int n_panels = (int)(n_columns / PW);
    f32_panels(n_rows, n_panels, n, o, add);
    o.b += n_panels * b_panel;
    o.c += n_panels * PW;
    if (n_columns % PW) last_columns_f32(n_rows, (int)(n_columns % PW), n, &o, add);
}

INLINE float sum_of(vec v) {
    float sum = 0;
    for (int i = 0; i < VW; i++) sum += v[i];
    return sum;
}

/* Dot products of `rows` rows of A and `columns` rows of B. Each is summed in VW chains, which are added in order; then the rest of k. */
INLINE void dots_tile(int rows, int columns, int64_t n, const float *a, int64_t a_row, const float *b, int64_t b_row,
                      float *c, int64_t c_row) {
    vec sum[4][4];
    int64_t k = 0;
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++) sum[i][j] = all(0);
    for (; k + VW <= n; k += VW) {
        vec x[4];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) x[i] = get_f32(a + i * a_row + k, VW);
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++) {
            vec w = get_f32(b + j * b_row + k, VW);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) sum[i][j] += x[i] * w;
        }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float total = sum_of(sum[i][j]);
            for (int64_t r = k; r < n; r++) total += a[i * a_row + r] * b[j * b_row + r];
            c[i * c_row + j] += total;
        }
}

enum { DOTS = VW == 16 ? 4 : 2 }; /* as many as registers allow */
static void dots_f32(int64_t n_rows, int64_t n_columns, int64_t n, const float *a, int64_t a_row, const float *b,
                     int64_t b_row, float *c, int64_t c_row) {
    for (int64_t j = 0; j < n_columns;) {
        bool broad = j + DOTS <= n_columns;
        for (int64_t i = 0; i < n_rows;) {
            bool high = i + DOTS <= n_rows;
            const float *x = a + i * a_row, *w = b + j * b_row;
            float *to = c + i * c_row + j;
            if (broad && high)
                dots_tile(DOTS, DOTS, n, x, a_row, w, b_row, to, c_row);
            else if (broad)
                dots_tile(1, DOTS, n, x, a_row, w, b_row, to, c_row);
            else if (high)
                dots_tile(DOTS, 1, n, x, a_row, w, b_row, to, c_row);
            else
                dots_tile(1, 1, n, x, a_row, w, b_row, to, c_row);
            i += high ? DOTS : 1;
        }
        j += broad ? DOTS : 1;
    }
}

/* Pack weights w(k,j) = w[k * k_step + j * j_step], k < K, j < J, in panels: out (J/16, K, 16), padded with zeros. */
static void pack_f32(int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step, float *out) {
    for (int64_t panel = 0; panel < J; panel += PW)
        for (int64_t k = 0; k < K; k++, out += PW)
            for (int64_t j = panel; j < panel + PW; j++) out[j - panel] = j < J ? w[k * k_step + j * j_step] : 0;
}
