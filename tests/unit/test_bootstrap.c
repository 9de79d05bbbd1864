/* test_bootstrap.c - Poisson weights against the distribution, intervals against the formulas of statistics. */
#include "unit.h"

#include "base/rng.h"
#include "score/bootstrap.h"

#include <math.h>

enum { N = 2000, RESAMPLES = 1000 };

/* Shares of 0, 1, 2, 3 as of Poisson(1): e^-1 / w!. The same group gets the same weights, another seed others. */
static void weights_are_poisson(void **unused) {
    (void)unused;
    static uint8_t w[RESAMPLES], again[RESAMPLES];
    double seen[4] = {0}, expected[4] = {0.367879, 0.367879, 0.183940, 0.061313}, sum = 0;
    for (int g = 0; g < N; g++) {
        tn_bootstrap_weights(7, g, RESAMPLES, w);
        for (int j = 0; j < RESAMPLES; j++) {
            sum += w[j];
            if (w[j] < 4) seen[w[j]]++;
        }
    }
    for (int k = 0; k < 4; k++) assert_true(fabs(seen[k] / (N * RESAMPLES) - expected[k]) < 0.002);
    assert_true(fabs(sum / (N * RESAMPLES) - 1) < 0.004);
    tn_bootstrap_weights(7, N - 1, RESAMPLES, again);
    assert_memory_equal(w, again, RESAMPLES);
    tn_bootstrap_weights(8, N - 1, RESAMPLES, again);
    assert_memory_not_equal(w, again, RESAMPLES);
}

/* N rows of which `right_of_10` in ten are right, in groups of `kin` rows that are right or wrong together. */
static tn_bootstrap made(int kin, int right_of_10, int first_group) {
    uint8_t w[RESAMPLES];
    tn_bootstrap b = {.K = 0};
    assert_int_equal(tn_bootstrap_new(2, RESAMPLES, 1, &b), TN_OK);
    for (int i = 0; i < N; i++) {
        int group = first_group + i / kin, label = i / kin / 10 % 2;
        tn_bootstrap_weights(1, group, RESAMPLES, w);
        tn_bootstrap_add(&b, i, w, label, i / kin % 10 < right_of_10 ? label : 1 - label);
    }
    return b;
}

/* A share p of n independent groups: standard error sqrt(p (1 - p) / n); kin make it wider by sqrt(kin). */
static void interval_is_binomial(void **unused) {
    (void)unused;
    for (int kin = 1; kin <= 4; kin += 3) {
        tn_bootstrap b = made(kin, 8, 0);
        tn_interval i = tn_bootstrap_interval(&b, TN_METRIC_ACCURACY);
        double expected = 2 * 1.96 * sqrt(0.8 * 0.2 / (N / kin));
        assert_true(i.low < 0.8 && i.high > 0.8);
        assert_true(fabs((i.high - i.low) / expected - 1) < 0.12);
        tn_bootstrap_free(&b);
    }
}

/* Two models on the same groups: equal ones differ by nothing; pairing makes the difference narrower than two intervals
 * of other groups would. */
static void difference_is_paired(void **unused) {
    (void)unused;
    double better = -1;
    tn_bootstrap a = made(1, 7, 0), b = made(1, 8, 0), other = made(1, 8, N);
    tn_interval none = tn_bootstrap_difference(&a, &a, TN_METRIC_GMEAN, &better);
    assert_true(none.low == 0 && none.high == 0 && better == 0);
    tn_interval paired = tn_bootstrap_difference(&a, &b, TN_METRIC_ACCURACY, &better),
                apart = tn_bootstrap_difference(&a, &other, TN_METRIC_ACCURACY, NULL);
    /* b is right where a is and on one row in ten more: a share of 0.1 of the rows decides */
    assert_true(fabs((paired.high - paired.low) / (2 * 1.96 * sqrt(0.1 * 0.9 / N)) - 1) < 0.12);
    assert_true(apart.high - apart.low > 1.5 * (paired.high - paired.low));
    assert_true(paired.low > 0.08 && paired.high < 0.12 && better == 1);
    tn_bootstrap_free(&a);
    tn_bootstrap_free(&b);
    tn_bootstrap_free(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights_are_poisson), cmocka_unit_test(interval_is_binomial),
                                       cmocka_unit_test(difference_is_paired)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
