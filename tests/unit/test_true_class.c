/* test_true_class.c - noise matrix and true classes: of drawn labels beside scipy's optimiser and what was planted; borders by hand. */
#include "unit.h"

#include "golden/true_class.h"
#include "score/true_class.h"

#include <math.h>

static void of_scipy(void **unused) {
    (void)unused;
    static float q[N * K];
    uint8_t all[N];
    tn_true_class m;
    int n_right = 0, n_right_labels = 0;
    memset(all, 1, N);
    assert_int_equal(tn_true_class_fit(N, K, P, LABEL, NULL, all, &m), TN_OK);
    assert_true(fabs(m.temperature / TEMPERATURE - 1) < 0.02);
    for (int k = 0; k < K; k++)
        for (int j = 0; j < K; j++) assert_true(fabs(m.given[j * K + k] - MATRIX[k * K + j]) < 5e-3);
    tn_true_class_of(&m, N, P, LABEL, all, q);
    for (int i = 0; i < N; i++) {
        const float *r = q + i * K;
        int says = r[1] > r[0] ? (r[2] > r[1] ? 2 : 1) : r[2] > r[0] ? 2 : 0;
        for (int k = 0; k < K; k++) assert_true(fabs((double)r[k] - Q[i * K + k]) < 1e-2);
        n_right += says == TRUTH[i];
        n_right_labels += LABEL[i] == TRUTH[i];
    }
    assert_true(n_right > n_right_labels + 30); /* 600 rows, some 120 labels are wrong */
    tn_true_class_free(&m);
}

/* 60,000 rows from the same 600 predictions: only a third of them is used, and all three planted errors of more than a tenth are found. */
static void of_many(void **unused) {
    (void)unused;
    enum { TIMES = 100 };
    float *p = malloc(sizeof(float) * N * K * TIMES);
    int32_t *label = malloc(sizeof(int32_t) * N * TIMES);
    uint8_t *use = malloc(N * TIMES);
    tn_true_class m;
    unsigned state = 7;
    for (int i = 0; i < N * TIMES; i++) {
        double at = (double)((state = state * 1664525U + 1013904223U) >> 8) / 0x1p24, sum = 0;
        memcpy(p + (size_t)i * K, P + (i % N) * K, K * sizeof *p);
        use[i] = 1;
        label[i] = 0;
        for (int j = 0; j < K - 1; j++) label[i] += at > (sum += PLANTED[TRUTH[i % N] * K + j]);
    }
    assert_int_equal(tn_true_class_fit(N * TIMES, K, p, label, NULL, use, &m), TN_OK);
    for (int k = 0; k < K; k++)
        for (int j = 0; j < K; j++) assert_true(fabs(m.given[j * K + k] - PLANTED[k * K + j]) < 0.05);
    tn_true_class_free(&m);
    free(p);
    free(label);
    free(use);
}

/* Without rows: 0.9 for the label, the rest by equal shares. A prediction of 0 is no certainty. Rows that are not judged stay. */
static void borders(void **unused) {
    (void)unused;
    const float p[] = {0.5F, 0.25F, 0.25F, 1, 0, 0, 7, 7, 7};
    const int32_t label[] = {1, 2, 0};
    const uint8_t none[3] = {0}, two[] = {1, 1, 0};
    float q[9] = {0, 0, 0, 0, 0, 0, 7, 8, 9};
    tn_true_class m;
    assert_int_equal(tn_true_class_fit(3, 3, p, label, NULL, none, &m), TN_OK);
    assert_true(fabs((double)(m.temperature) - (1)) <= 0);
    assert_true(fabs((double)(m.given[0]) - (0.9 + 0.1 / 3)) <= 1e-12);
    assert_true(fabs((double)(m.given[1]) - (0.1 / 3)) <= 1e-12);
    tn_true_class_of(&m, 3, p, label, two, q);
    double sum = 0.75 * 0.1 / 3 + 0.25 * (0.9 + 0.1 / 3);
    assert_true(fabs((double)(q[0]) - (0.5 * 0.1 / 3 / sum)) <= 1e-6);
    assert_true(fabs((double)(q[1]) - (0.25 * (0.9 + 0.1 / 3) / sum)) <= 1e-6);
    assert_true(fabs((double)(q[3] + q[4] + q[5]) - (1)) <= 1e-6);
    assert_true(q[3] > 0.999F && q[5] > 0 && q[5] < 1e-6F);
    assert_true(q[6] == 7 && q[7] == 8 && q[8] == 9);
    tn_true_class_free(&m);
}

/* A label that the fit has never seen in the class that p is sure of: p stands, and nothing is divided by zero. */
static void contradiction(void **unused) {
    (void)unused;
    double given[] = {1, 0, 0, 1};
    const tn_true_class m = {.K = 2, .temperature = 0.1, .given = given};
    const float p[] = {0, 1};
    const int32_t label = 0;
    const uint8_t judged = 1;
    float q[] = {-1, -1};
    tn_true_class_of(&m, 1, p, &label, &judged, q);
    assert_true(q[0] < 1e-6F && q[1] > 0.999F);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_scipy), cmocka_unit_test(of_many), cmocka_unit_test(borders),
                                       cmocka_unit_test(contradiction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
