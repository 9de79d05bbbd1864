/* The discriminant beside scikit-learn's, and sums that are taken apart again. */
#include "unit.h"

#include "golden/discriminant.h"
#include "probe/discriminant.h"

#include <math.h>

static void softmax(int K, const float *z, double *p) {
    double sum = 0;
    for (int k = 0; k < K; k++) sum += p[k] = exp(z[k]);
    for (int k = 0; k < K; k++) p[k] /= sum;
}

static tn_class_sums *sums_of(int first, int n) {
    tn_class_sums *s = NULL;
    assert_int_equal(tn_class_sums_new(LDA_D, LDA_K, &s), TN_OK);
    assert_int_equal(tn_class_sums_add(s, n, LDA_X + (size_t)first * LDA_D, LDA_LABEL + first), TN_OK);
    return s;
}

static void check_golden(const tn_class_sums *s) {
    float w[LDA_D * LDA_K], b[LDA_K], z[LDA_N * LDA_K];
    assert_int_equal(tn_discriminant_fit(s, LDA_SHRINKAGE, w, b), TN_OK);
    tn_discriminant_logits(LDA_D, LDA_K, w, b, LDA_N, LDA_X, z);
    for (int i = 0; i < LDA_N; i++) {
        double p[LDA_K];
        softmax(LDA_K, z + i * LDA_K, p);
        for (int k = 0; k < LDA_K; k++) assert_true(fabs(p[k] - LDA_P[i * LDA_K + k]) < 2e-5);
    }
}

static void probabilities_are_those_of_scikit_learn(void **state) {
    (void)state;
    tn_class_sums *s = sums_of(0, LDA_N);
    check_golden(s);
    tn_class_sums_free(&s);
}

/* The rows 13 to 22 twice, and once less, are the rows once. */
static void parts_are_added_and_left_out(void **state) {
    (void)state;
    tn_class_sums *s = sums_of(0, 23), *rest = sums_of(13, LDA_N - 13), *twice = sums_of(13, 10);
    tn_class_sums_join(s, 1, rest);
    tn_class_sums_join(s, -1, twice);
    check_golden(s);
    tn_class_sums_free(&s);
    tn_class_sums_free(&rest);
    tn_class_sums_free(&twice);
}

static void a_class_without_rows_is_never_predicted(void **state) {
    (void)state;
    float x[] = {0, 1, 2, 3, 2.5f, 5}, w[2], b[2], z[2];
    int32_t label[] = {0, 0, 0, 0, 0, 0};
    tn_class_sums *s = NULL;
    assert_int_equal(tn_class_sums_new(1, 2, &s), TN_OK);
    assert_int_equal(tn_class_sums_add(s, 6, x, label), TN_OK);
    assert_int_equal(tn_discriminant_fit(s, 0, w, b), TN_OK);
    tn_discriminant_logits(1, 2, w, b, 1, x, z);
    assert_true(isfinite(z[0]) && z[1] == -INFINITY);
    tn_class_sums_free(&s);
}

static void what_cannot_be_fitted_is_said(void **state) {
    (void)state;
    float x[] = {0, NAN, 2}, w[2], b[2];
    int32_t none[] = {-1, -1, -1}, some[] = {0, 1, 1};
    tn_class_sums *s = NULL;
    assert_int_equal(tn_class_sums_new(1, 2, &s), TN_OK);
    assert_int_equal(tn_class_sums_add(s, 3, x, none), TN_OK);
    assert_int_equal(tn_discriminant_fit(s, 0.5, w, b), TN_EARG);
    assert_int_equal(tn_class_sums_add(s, 3, x, some), TN_OK);
    assert_int_equal(tn_discriminant_fit(s, 0.5, w, b), TN_EFORMAT);
    tn_class_sums_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_scikit_learn), cmocka_unit_test(parts_are_added_and_left_out),
        cmocka_unit_test(a_class_without_rows_is_never_predicted), cmocka_unit_test(what_cannot_be_fitted_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
