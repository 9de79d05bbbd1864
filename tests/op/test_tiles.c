/*
 * test_tiles.c - products on tiles: in plain C everywhere, and with the instructions where the processor has them. Both give the same
 * bits.
 */
#include "dev/cpu/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const tn_kernels tn_kernels_tiles_in_c;
#define IN_C (&tn_kernels_tiles_in_c)

enum { MOST_ROWS = 70, MOST_SUMMED = 100, MOST_COLUMNS = 80 };

typedef struct {
    int rows, summed, columns;
} shape;

static const shape SHAPES[] = {{1, 1, 1},    {2, 3, 16},   {15, 32, 17},  {16, 16, 32},
                               {33, 31, 48}, {47, 64, 33}, {70, 100, 80}, {64, 96, 24}};
#define EACH_SHAPE(s) for (const shape *s = SHAPES; s < SHAPES + sizeof SHAPES / sizeof *SHAPES; s++)

static int up(int n, int to) {
    return (n + to - 1) / to * to;
}

static float value_of(uint16_t bf16) {
    uint32_t u = (uint32_t)bf16 << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* bf16 of both signs, exponents from 2^-7 to 2^8; every 50th is below 2^-126. */
static uint16_t some_bf16(int64_t i) {
    uint32_t h = (uint32_t)(i * 2654435761U + 12345) * 2246822519U;
    uint16_t sign = (uint16_t)(h >> 31 << 15), fraction = (uint16_t)(h >> 8 & 127);
    return (uint16_t)(sign | (i % 50 == 49 ? 0 : (120 + (h >> 20) % 16) << 7) | fraction);
}

/* --- forward ---------------------------------------------------------------------------------------------------------- */

static uint16_t a[MOST_ROWS * (MOST_SUMMED + 2)];
static float w[MOST_COLUMNS * MOST_SUMMED];
static uint32_t packed[MOST_COLUMNS * MOST_SUMMED];

/* c (rows, columns rounded up to 16) = a w^T */
static void forward(const tn_kernels *k, const shape *s, float *c) {
    int ld = up(s->summed, 2), n_pairs = ld / 2;
    memset(a, 0, sizeof a);
    for (int i = 0; i < s->rows; i++)
        for (int p = 0; p < s->summed; p++) a[i * ld + p] = some_bf16(i * 131 + p);
    for (int i = 0; i < s->columns * s->summed; i++) w[i] = value_of(some_bf16(7000 + i));
    k->pack_pairs(1, s->summed, s->columns, w, 1, s->summed, packed);
    k->product(s->rows, up(s->columns, 16) / 16, n_pairs, (const uint32_t *)(const void *)a, n_pairs, packed, c,
               up(s->columns, 16));
}

/* A float sum of n products is off by at most n 2^-23 of the sum of their sizes. */
static void assert_near(float found, double sum, double sizes, int n) {
    if (fabs((double)found - sum) > n * 0x1p-23 * sizes) fail_msg("%g instead of %g", (double)found, sum);
}

static void forward_is_right(void **unused) {
    (void)unused;
    static float c[MOST_ROWS * MOST_COLUMNS];
    EACH_SHAPE(s) {
        forward(IN_C, s, c);
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                double sum = 0, sizes = 1e-30;
                for (int p = 0; p < s->summed; p++) {
                    double product = (double)value_of(a[i * up(s->summed, 2) + p]) * (double)w[j * s->summed + p];
                    sum += product, sizes += fabs(product);
                }
                assert_near(c[i * up(s->columns, 16) + j], sum, sizes, s->summed);
            }
    }
}

/* --- the weights' gradient ---------------------------------------------------------------------------------------------- */

enum { MOST_SUMS = 112 * MOST_COLUMNS };

static uint16_t dy[MOST_ROWS * 112], x[MOST_ROWS * MOST_COLUMNS];
static uint32_t room[(MOST_ROWS + 31) / 32 * 16 * (112 + MOST_COLUMNS)];

/* sums (K = summed, C = columns) += dy^T x over `rows` rows, from ones. */
static void weights(const tn_kernels *k, const shape *s, float *sums) {
    int K = s->summed, C = s->columns, ld_dy = up(K, 16), ld_sums = up(C, 16);
    memset(dy, 0, sizeof dy);
    for (int i = 0; i < s->rows; i++) {
        for (int j = 0; j < K; j++) dy[i * ld_dy + j] = some_bf16(i * 211 + j);
        for (int j = 0; j < C; j++) x[i * C + j] = some_bf16(9000 + i * 97 + j);
    }
    for (int i = 0; i < up(K, 16) * ld_sums; i++) sums[i] = 1;
    assert_true(tn_weights_room(s->rows, K, ld_sums) <= (int64_t)(sizeof room / sizeof *room));
    k->weights_product(s->rows, K, C, dy, ld_dy, x, C, room, sums, ld_sums);
}

static void weights_are_right(void **unused) {
    (void)unused;
    static float sums[MOST_SUMS];
    EACH_SHAPE(s) {
        weights(IN_C, s, sums);
        for (int k = 0; k < s->summed; k++)
            for (int j = 0; j < s->columns; j++) {
                double sum = 1, sizes = 1;
                for (int i = 0; i < s->rows; i++) {
                    double product =
                        (double)value_of(dy[i * up(s->summed, 16) + k]) * (double)value_of(x[i * s->columns + j]);
                    sum += product, sizes += fabs(product);
                }
                assert_near(sums[k * up(s->columns, 16) + j], sum, sizes, s->rows);
            }
    }
}

/* --- exact semantics ---------------------------------------------------------------------------------------------------- */

/* The sum of four products a w, in two pairs. */
static float four(const tn_kernels *k, const float a_value[4], const float w_value[4]) {
    static float c[16];
    uint16_t row[4];
    uint32_t panel[32] = {0};
    for (int p = 0; p < 4; p++) {
        uint32_t u;
        memcpy(&u, &a_value[p], sizeof u);
        row[p] = (uint16_t)(u >> 16);
    }
    k->pack_pairs(1, 4, 1, w_value, 1, 4, panel);
    k->product(1, 1, 2, (const uint32_t *)(const void *)row, 2, panel, c, 16);
    return c[0];
}

/* By hand, from the definition of the instruction. */
static void exact(const tn_kernels *k) {
    const float one[4] = {1, 1, 1, 1}, small = 0x1p-24F;
    /* first halves 1 + 2^-24 = 1 (ties to even), second halves 2^-24 + 2^-24 = 2^-23: one chain over all four would stay at 1 */
    assert_true(four(k, (float[]){1, small, small, small}, one) == 1 + 0x1p-23F);
    /* an operand below 2^-126 is zero, though the product would not be */
    assert_true(four(k, (float[]){0x1p-127F, 0, 0, 0}, (float[]){0x1p100F, 0, 0, 0}) == 0);
    /* so is a result; it does not add up either */
    assert_true(four(k, (float[]){0x1p-70F, 0x1p-70F, 0x1p-70F, 0x1p-70F},
                     (float[]){0x1p-57F, 0x1p-57F, 0x1p-57F, 0x1p-57F}) == 0);
    assert_true(four(k, (float[]){0x1p-70F, 0, 0, 0}, (float[]){0x1p-56F, 0, 0, 0}) == 0x1p-126F);
}

static void exact_in_c(void **unused) {
    (void)unused;
    exact(IN_C);
}

static void instructions_agree(void **unused) {
    (void)unused;
    if (tn_isa_best() < TN_ISA_AVX512_AMX) {
        print_message("this processor has no AMX: the tiles in C alone were tested\n");
        return;
    }
    const tn_kernels *k = tn_kernels_for(TN_ISA_AVX512_AMX);
    static float found[MOST_SUMS], wanted[MOST_SUMS];
    exact(k);
    EACH_SHAPE(s) {
        forward(IN_C, s, wanted);
        forward(k, s, found);
        assert_memory_equal(found, wanted, (size_t)(s->rows * up(s->columns, 16)) * sizeof *found);
        weights(IN_C, s, wanted);
        weights(k, s, found);
        assert_memory_equal(found, wanted, (size_t)(s->summed * up(s->columns, 16)) * sizeof *found);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward_is_right), cmocka_unit_test(weights_are_right),
                                       cmocka_unit_test(exact_in_c), cmocka_unit_test(instructions_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
