/*
 * panels.h - a product whose B lies in panels of PW values of j. Included by product.h for pairs of bf16 and by product_f32.h for floats.
 *
 *   C(i,j) (+)= sum over k of A(i,k) B(k,j)
 *
 * The includer defines WORD, an element of A and B; WORDS, a vector of them; ADD_PRODUCT(sum, a, b); HEIGHT, the rows of a tile of two
 * vectors where registers are few; N(name). A tile of C stays in registers while the loop runs over k. So every element is one chain
 * of multiply-adds in the order of k, and does not depend on other rows.
 */

typedef struct {
    const WORD *a, *b;
    float *c;
    int64_t a_row, a_step, b_panel, b_step; /* strides in words */
    int64_t c_row;                          /* in floats */
} N(operands);

/* A tile of C: `rows` rows and `vectors` adjacent vectors. */
INLINE void N(tile)(int rows, int vectors, int64_t n, const N(operands) * o, bool add) {
    vec c[12][3];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) c[i][j] = all(0);
    const WORD *a = o->a, *b = o->b;
    int64_t a_row = o->a_row, b_panel = o->b_panel;
    for (int64_t k = 0; k < n; k++, a += o->a_step, b += o->b_step) {
        WORDS column[3];
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            column[j] = (WORDS)get_f32((const float *)(const void *)(b + j * VW / PW * b_panel + j * VW % PW), VW);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            WORDS row = a[i * a_row] - (WORDS){0};
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++) c[i][j] = ADD_PRODUCT(c[i][j], row, column[j]);
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

/* All rows of a few vectors: tiles of `height` rows, then of 4, then single rows. */
INLINE void N(stripe)(int height, int vectors, int64_t n_rows, int64_t n, N(operands) o, bool add) {
    int64_t i = 0;
    for (; i + height <= n_rows; i += height, o.a += height * o.a_row, o.c += height * o.c_row)
        N(tile)(height, vectors, n, &o, add);
    for (; i + 4 <= n_rows; i += 4, o.a += 4 * o.a_row, o.c += 4 * o.c_row) N(tile)(4, vectors, n, &o, add);
    for (; i < n_rows; i++, o.a += o.a_row, o.c += o.c_row) N(tile)(1, vectors, n, &o, add);
}

#if defined(__AVX512F__)
static void N(panels)(int64_t n_rows, int n_panels, int64_t n, N(operands) o, bool add) {
    for (int j = 0; j < n_panels;) {
        int left = n_panels - j, taken = left == 1 ? 1 : left == 2 || left == 4 ? 2 : 3;
        if (taken == 1)
            N(stripe)(12, 1, n_rows, n, o, add);
        else if (taken == 2)
            N(stripe)(12, 2, n_rows, n, o, add);
        else
            N(stripe)(8, 3, n_rows, n, o, add);
        o.b += taken * o.b_panel;
        o.c += taken * PW;
        j += taken;
    }
}
#else
static void N(panels)(int64_t n_rows, int n_panels, int64_t n, N(operands) o, bool add) {
    for (int j = 0; j < n_panels; j++, o.b += o.b_panel - PW)
        for (int at = 0; at < PW; at += 2 * VW, o.b += 2 * VW, o.c += 2 * VW) N(stripe)(HEIGHT, 2, n_rows, n, o, add);
}
#endif
