/* What categories tell, for the model of a fold: beside the formula of score/backoff.h in plain loops over all rows; and joined with pictures. */
#include "unit.h"

#include "golden/categories.h"
#include "probe/categories.h"

#include <math.h>
#include <stdlib.h>

enum { N = 60, K = 3, F = 3, M = 2, PARTS = 6 };

/* Fold f has the parts 2 f and 2 f + 1. Row 59 has no fold. */
static tn_index *make(int32_t part[N]) {
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(N, M, &ix), TN_OK);
    ix->n_classes = K;
    ix->n_folds = F;
    for (int i = 0; i < N; i++) {
        ix->label[i] = i * i % 7 % K;
        ix->cat[i * M] = i % 4;
        ix->cat[i * M + 1] = i * 5 % 9;
        ix->component[i] = i;
        ix->fold[i] = i == N - 1 ? TN_FOLD_NONE : i * 3 % 11 % F;
        part[i] = ix->fold[i] * 2 + i / 2 % 2;
    }
    return ix;
}

static int is_like(const tn_index *ix, int a, int b, int level) {
    for (int m = 0; m < level; m++)
        if (ix->cat[a * M + m] != ix->cat[b * M + m]) return 0;
    return 1;
}

/* q of row i for the model of fold f, of class k, by `level` levels. */
static double naive(const tn_index *ix, const int32_t *part, int f, int i, int k, int level) {
    double n = 0, n_k = 0, n_coarser = 0;
    for (int r = 0; r < N; r++) {
        int counted = ix->fold[r] >= 0 && ix->fold[r] != f && (ix->fold[i] == f || part[r] != part[i]);
        if (counted && level > 0) n_coarser += is_like(ix, r, i, level - 1);
        if (!counted || !is_like(ix, r, i, level)) continue;
        n++;
        n_k += ix->label[r] == k;
    }
    if (level == 0) return (n_k + 1) / (n + K);
    double coarser = naive(ix, part, f, i, k, level - 1);
    int same = n < 1 || n > n_coarser - 1;
    return same ? coarser : (n_k + TN_CATEGORY_ROWS * coarser) / (n + TN_CATEGORY_ROWS);
}

static void shares_of_other_rows(void **state) {
    (void)state;
    int32_t part[N];
    float q[N * K];
    tn_index *ix = make(part);
    tn_backoff *b = NULL;
    assert_int_equal(tn_backoff_new(ix, M, TN_CATEGORY_ROWS, &b), TN_OK);
    assert_int_equal(b->n, N - 1);
    for (int f = 0; f < F; f++) {
        for (int i = 0; i < N * K; i++) q[i] = -1;
        tn_categories_of(b, ix, f, PARTS, part, q);
        for (int i = 0; i < N - 1; i++)
            for (int k = 0; k < K; k++) assert_true(fabs((double)q[i * K + k] - naive(ix, part, f, i, k, M)) < 1e-6);
        assert_true(q[(N - 1) * K] == -1);
    }
    tn_backoff_free(&b);
    tn_index_free(&ix);
}

/* Rows of two classes, of which the pictures say p for class 0 and the categories q; three of four labels are 0. Then by hand, with the odds o:
 * a log o(p) + b log o(q) = log 3 for all rows. If q is 1/2 everywhere, a = log 3 / log o(p) alone. */
static void one_of_them_tells(void **state) {
    (void)state;
    enum { ROWS = 40 };
    for (int who = 0; who < 2; who++) {
        float x[2][ROWS * 2];
        double weight[2];
        uint8_t use[ROWS];
        tn_index *ix = NULL;
        assert_int_equal(tn_index_new(ROWS, 0, &ix), TN_OK);
        ix->n_classes = 2;
        for (int i = 0; i < ROWS; i++) {
            ix->label[i] = i % 4 == 0;
            use[i] = i > 3;
            ix->fold[i] = i ? 0 : TN_FOLD_NONE;
            for (int k = 0; k < 2; k++) {
                x[who][i * 2 + k] = k ? 0.1F : 0.9F;
                x[1 - who][i * 2 + k] = 0.5F;
            }
        }
        tn_categories_join(ix, x[1], use, x[0], weight);
        if (who == 0) assert_true(fabs(weight[0] - log(3) / log(9)) < 1e-5);
        if (who == 1) assert_true(fabs(weight[1] - log(3) / log(9)) < 1e-5);
        assert_true(fabs((double)x[0][2] - 0.75) < 1e-6 && fabs((double)x[0][3] - 0.25) < 1e-6);
        assert_true(x[0][0] == (who ? 0.5F : 0.9F)); /* no fold: as it was */
        tn_index_free(&ix);
    }
}

/* Beside scipy.optimize.minimize (BFGS) of the same sum: tests/golden/make_categories.py. */
static void weights_are_those_of_scipy(void **state) {
    (void)state;
    float p[CATEGORIES_N * CATEGORIES_K], q[CATEGORIES_N * CATEGORIES_K];
    uint8_t use[CATEGORIES_N];
    double weight[2];
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(CATEGORIES_N, 0, &ix), TN_OK);
    ix->n_classes = CATEGORIES_K;
    memcpy(p, CATEGORIES_P, sizeof p);
    memcpy(q, CATEGORIES_Q, sizeof q);
    for (int i = 0; i < CATEGORIES_N; i++) {
        ix->label[i] = CATEGORIES_LABEL[i];
        ix->fold[i] = 0;
        use[i] = 1;
    }
    tn_categories_join(ix, q, use, p, weight);
    assert_true(fabs(weight[0] - CATEGORIES_A) < 1e-4 && fabs(weight[1] - CATEGORIES_B) < 1e-4);
    for (int i = 0; i < CATEGORIES_N * CATEGORIES_K; i++)
        assert_true(fabs((double)(p[i] - CATEGORIES_JOINED[i])) < 1e-4);
    tn_index_free(&ix);
}

static void without_labels_pictures_stay(void **state) {
    (void)state;
    int32_t part[N];
    float p[N * K], q[N * K];
    uint8_t use[N] = {0};
    double weight[2];
    tn_index *ix = make(part);
    for (int i = 0; i < N * K; i++) p[i] = i % K == 0 ? 0.5F : 0.25F, q[i] = 1.0F / K;
    tn_categories_join(ix, q, use, p, weight);
    assert_true(weight[0] == 1 && weight[1] == 0);
    assert_true(fabs((double)p[0] - 0.5) < 1e-6);
    tn_index_free(&ix);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares_of_other_rows), cmocka_unit_test(one_of_them_tells),
                                       cmocka_unit_test(weights_are_those_of_scipy),
                                       cmocka_unit_test(without_labels_pictures_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
