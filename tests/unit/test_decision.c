/* test_decision.c - tau, the smoothed score, temperature and calibration error against numpy, scipy and scikit-learn (golden/make_decision.py). */
#include "unit.h"

#include "golden/decision.h"
#include "score/blend.h"
#include "score/calibration.h"
#include "score/metric.h"

#include <math.h>
#include <string.h>

enum { K = DECISION_K, N = DECISION_N };

static void shares(double out[K]) {
    double n[K] = {0};
    for (int i = 0; i < N; i++) n[DECISION_LABEL[i]]++;
    for (int k = 0; k < K; k++) out[k] = log(n[k] / N);
}

static void tau(void **unused) {
    (void)unused;
    double log_share[K], offset[K], chosen = -1;
    shares(log_share);
    for (int t = 0; t < TN_N_TAUS; t++) {
        double right[K] = {0}, labelled[K] = {0}, predicted[K] = {0}, sum = 0;
        for (int k = 0; k < K; k++) offset[k] = -TN_TAUS[t] * log_share[k];
        for (int i = 0; i < N; i++) {
            int said = tn_prow_decide(K, DECISION_P + i * K, offset);
            if (TN_TAUS[t] == 0.25) assert_int_equal(said, DECISION_SAID[i]);
            if (!DECISION_USE[i]) continue;
            labelled[DECISION_LABEL[i]] += DECISION_WEIGHT[i];
            predicted[said] += DECISION_WEIGHT[i];
            right[said] += said == DECISION_LABEL[i] ? DECISION_WEIGHT[i] : 0;
        }
        for (int k = 0; k < K; k++) sum += tn_smoothed_log(right[k], labelled[k], predicted[k]);
        assert_true(fabs(sum / K - DECISION_SCORE[t]) < 1e-12);
    }
    assert_int_equal(tn_blend_tau(N, K, DECISION_P, DECISION_LABEL, DECISION_WEIGHT, DECISION_USE, log_share, &chosen),
                     TN_OK);
    assert_true(chosen == DECISION_TAU);
    /* nothing to choose by: the smallest */
    assert_int_equal(tn_blend_tau(0, K, DECISION_P, DECISION_LABEL, DECISION_WEIGHT, DECISION_USE, log_share, &chosen),
                     TN_OK);
    assert_true(chosen == 0);
}

/* Equal values: the lower class; without offsets the most probable one. */
static void ties(void **unused) {
    (void)unused;
    const float p[] = {0.25F, 0.5F, 0.25F}, even[] = {0.4F, 0.2F, 0.4F};
    assert_int_equal(tn_prow_decide(3, p, NULL), 1);
    assert_int_equal(tn_prow_decide(3, even, NULL), 0);
    assert_int_equal(tn_prow_decide(3, even, (const double[]){0, 0, 0}), 0);
    assert_int_equal(tn_prow_decide(3, p, (const double[]){1, 0, 1}), 0);
    assert_int_equal(tn_prow_decide(3, p, (const double[]){1, 0, 1.01}), 2);
}

/* A class without rows counts, too: F~ = 1/2. A missed row of two moves the score by a bounded step; the geometric mean falls to 0. */
static void smoothed(void **unused) {
    (void)unused;
    tn_counts c = {.K = 0};
    assert_int_equal(tn_counts_new(2, &c), TN_OK);
    for (int i = 0; i < 3; i++) tn_counts_add(&c, 0, 0);
    assert_true(fabs(tn_smoothed(&c) - (log(7.0 / 8) + log(1.0 / 2)) / 2) < 1e-15);
    tn_counts_add(&c, 1, 0);
    assert_true(fabs(tn_smoothed(&c) - (log(7.0 / 9) + log(1.0 / 3)) / 2) < 1e-15);
    assert_true(tn_score_of(&c).gmean == 0);
    tn_counts_free(&c);
}

static void temperature(void **unused) {
    (void)unused;
    tn_calibration c[2] = {{.nll = 0}};
    double T = tn_temperature(N, K, DECISION_P, DECISION_LABEL, DECISION_WEIGHT, DECISION_USE);
    assert_true(fabs(T / DECISION_TEMPERATURE - 1) < 1e-6);
    for (int i = 0; i < N; i++) {
        float row[K];
        memcpy(row, DECISION_P + i * K, sizeof row);
        tn_calibration_add(&c[0], K, row, DECISION_LABEL[i]);
        tn_prow_temper(K, 1 / T, row);
        assert_int_equal(tn_prow_argmax(K, row), tn_prow_argmax(K, DECISION_P + i * K));
        tn_calibration_add(&c[1], K, row, DECISION_LABEL[i]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tn_calibration_rows(&c[i]), N);
        assert_true(fabs(tn_calibration_error(&c[i]) - DECISION_ERROR[i]) < 1e-6);
        assert_true(fabs(tn_calibration_nll(&c[i]) - DECISION_NLL[i]) < 1e-6);
    }
    assert_true(DECISION_ERROR[1] < DECISION_ERROR[0]);
    assert_true(tn_temperature(0, K, DECISION_P, DECISION_LABEL, DECISION_WEIGHT, DECISION_USE) == 1);
    assert_true(tn_calibration_error(&(tn_calibration){.nll = 0}) == 0);
}

/* Always right: no minimum, so the least temperature; always sure and wrong: the largest. Bins by hand. */
static void ends(void **unused) {
    (void)unused;
    const float p[] = {0.9F, 0.1F, 0.2F, 0.8F};
    const int32_t right[] = {0, 1}, wrong[] = {1, 0};
    const double weight[] = {1, 1};
    const uint8_t use[] = {1, 1};
    assert_true(fabs(tn_temperature(2, 2, p, right, weight, use) * 20 - 1) < 1e-3);
    assert_true(fabs(tn_temperature(2, 2, p, wrong, weight, use) / 20 - 1) < 1e-3);
    tn_calibration c = {.nll = 0};
    tn_calibration_add(&c, 2, (const float[]){1, 0}, 0);       /* bin 14, though p is 1 */
    tn_calibration_add(&c, 2, (const float[]){0.6F, 0.4F}, 1); /* 0.6F is above 9/15 */
    tn_calibration_add(&c, 2, (const float[]){0.25F, 0.75F}, 1);
    assert_true(c.n[14] == 1 && c.n[9] == 1 && c.n[11] == 1 && c.right[9] == 0 && c.right[11] == 1);
    assert_true(fabs(tn_calibration_error(&c) - (0 + 0.6 + 0.25) / 3) < 1e-7);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tau), cmocka_unit_test(ties), cmocka_unit_test(smoothed),
                                       cmocka_unit_test(temperature), cmocka_unit_test(ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
