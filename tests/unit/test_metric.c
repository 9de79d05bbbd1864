/* test_metric.c - every published score against scikit-learn, to 1e-12 (golden/make_metric.py). */
#include "unit.h"

#include "filter/ledger.h"
#include "golden/metric.h"
#include "score/bootstrap.h"
#include "score/metric.h"

#include <math.h>

/* Relative; what is 0 there is 0 here. */
static void assert_near(double value, double wanted, const char *what) {
    if (!(fabs(value - wanted) <= 1e-12 * fabs(wanted))) fail_msg("%s: %.17g, not %.17g", what, value, wanted);
}

static void scores(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_METRIC / sizeof *GOLDEN_METRIC; g++) {
        const golden_metric *e = &GOLDEN_METRIC[g];
        tn_counts c = {.K = 0};
        int64_t N = 0;
        assert_int_equal(tn_counts_new(e->K, &c), TN_OK);
        for (int i = 0; i < e->n_cells; i++) {
            int label = (int)e->cell[i][0], predicted = (int)e->cell[i][1];
            c.n[label] += label == predicted ? e->cell[i][2] : 0;
            c.n[e->K + label] += e->cell[i][2];
            c.n[2 * e->K + predicted] += e->cell[i][2];
            N += e->cell[i][2];
        }
        tn_score s = tn_score_of(&c);
        assert_true(s.N == N);
        for (int k = 0; k < e->K; k++) assert_near(tn_f1(&c, k), e->f1[k], e->what);
        assert_near(s.macro, e->macro, e->what);
        assert_near(s.accuracy, e->accuracy, e->what);
        assert_near(s.gmean, e->gmean, e->what);
        tn_counts_free(&c);
    }
}

/* scikit-learn refuses to score nothing; here it is 0. */
static void no_rows(void **unused) {
    (void)unused;
    tn_counts c = {.K = 0};
    assert_int_equal(tn_counts_new(3, &c), TN_OK);
    tn_score s = tn_score_of(&c);
    assert_true(s.N == 0 && s.gmean == 0 && s.macro == 0 && s.accuracy == 0 && tn_f1(&c, 0) == 0);
    tn_counts_free(&c);
}

/* matrix (K,K): scikit-learn's confusion matrix of the rows in use. */
static void assert_counted(int K, const int64_t *matrix, const uint8_t *use) {
    tn_counts c = {.K = 0};
    assert_int_equal(tn_counts_new(K, &c), TN_OK);
    tn_counts_rows(&c, GOLDEN_ROWS, GOLDEN_P, GOLDEN_LABEL, use);
    for (int k = 0; k < K; k++) {
        int64_t labelled = 0, predicted = 0;
        for (int j = 0; j < K; j++) {
            labelled += matrix[k * K + j];
            predicted += matrix[j * K + k];
        }
        assert_int_equal(c.n[k], matrix[k * K + k]);
        assert_int_equal(c.n[K + k], labelled);
        assert_int_equal(c.n[2 * K + k], predicted);
    }
    tn_counts_free(&c);
}

/* The first of equal probabilities, as numpy.argmax; rows without a label or a use do not count. */
static void confusion_of_rows(void **unused) {
    (void)unused;
    enum { K = GOLDEN_ROWS_K };
    assert_counted(K, GOLDEN_COUNT_ALL, NULL);
    assert_counted(K, GOLDEN_COUNT_USED, GOLDEN_USE);
    tn_confusion all = {.K = 0};
    assert_int_equal(tn_confusion_new(K, &all), TN_OK);
    for (int i = 0; i < GOLDEN_ROWS; i++)
        if (GOLDEN_LABEL[i] >= 0) tn_confusion_add(&all, GOLDEN_LABEL[i], tn_argmax(K, GOLDEN_P + i * K));
    for (int i = 0; i < K * K; i++) assert_int_equal(all.n[i], GOLDEN_COUNT_ALL[i]);
    tn_confusion_free(&all);
}

/* weight (n, n_all): resamples [first, first + n_resamples). */
static tn_bootstrap resampled(int K, int n, const int *label, const int *predicted, int first, int n_resamples) {
    tn_bootstrap b = {.K = 0};
    assert_int_equal(tn_bootstrap_new(K, n_resamples, 1, &b), TN_OK);
    for (int i = 0; i < n; i++)
        tn_bootstrap_add(&b, 0, GOLDEN_WEIGHT + i * GOLDEN_RESAMPLES + first, label[i], predicted[i]);
    return b;
}

/* A resample's score is that of rows with sample weights; the interval of one resample is its score. */
static void resamples(void **unused) {
    (void)unused;
    for (int j = 0; j < GOLDEN_RESAMPLES; j++) {
        tn_bootstrap b = resampled(GOLDEN_WEIGHTED_K, GOLDEN_WEIGHTED, GOLDEN_W_LABEL, GOLDEN_W_PREDICTED, j, 1);
        assert_near(tn_bootstrap_interval(&b, TN_METRIC_MACRO).low, GOLDEN_MACRO[j], "macro F1");
        assert_near(tn_bootstrap_interval(&b, TN_METRIC_ACCURACY).high, GOLDEN_ACCURACY[j], "accuracy");
        assert_near(tn_bootstrap_interval(&b, TN_METRIC_GMEAN).high, 0, "geometric mean of a class without rows");
        tn_bootstrap_free(&b);
        b = resampled(3, GOLDEN_WEIGHTED, GOLDEN_G_LABEL, GOLDEN_G_PREDICTED, j, 1);
        assert_near(tn_bootstrap_interval(&b, TN_METRIC_GMEAN).low, GOLDEN_GMEAN[j], "geometric mean");
        tn_bootstrap_free(&b);
    }
}

static void intervals(void **unused) {
    (void)unused;
    static const tn_metric METRIC[] = {TN_METRIC_MACRO, TN_METRIC_ACCURACY};
    tn_bootstrap b =
        resampled(GOLDEN_WEIGHTED_K, GOLDEN_WEIGHTED, GOLDEN_W_LABEL, GOLDEN_W_PREDICTED, 0, GOLDEN_RESAMPLES);
    for (int m = 0; m < 2; m++) {
        tn_interval i = tn_bootstrap_interval(&b, METRIC[m]);
        assert_near(i.low, GOLDEN_INTERVAL[m][0], "percentile 2.5");
        assert_near(i.high, GOLDEN_INTERVAL[m][1], "percentile 97.5");
    }
    tn_bootstrap_free(&b);
}

/* Precision and recall of finding wrong labels; what was not judged, or is of unknown truth, does not count. */
static void filters(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_FILTER / sizeof *GOLDEN_FILTER; g++) {
        const golden_filter *e = &GOLDEN_FILTER[g];
        tn_filter_score s = {.judged = 0};
        tn_filter_score_add(&s, TN_VERDICT_NOT_JUDGED, 0, 1);
        tn_filter_score_add(&s, TN_VERDICT_DROP, 0, -1);
        for (int i = 0; i < e->n; i++)
            tn_filter_score_add(&s, e->suspicious[i] ? TN_VERDICT_DROP : TN_VERDICT_KEEP, 0, e->wrong[i] ? 1 : 0);
        assert_int_equal(s.judged, e->n);
        assert_near(tn_share(s.found, s.dropped), e->precision, "precision");
        assert_near(tn_share(s.found, s.wrong), e->recall, "recall");
    }
}

static void comparison(void **unused) {
    (void)unused;
    tn_score a = {.gmean = 0.5, .macro = 0.6, .accuracy = 0.7}, b = a;
    assert_false(tn_score_better(&a, &b));
    b.accuracy = 0.8;
    assert_true(tn_score_better(&b, &a));
    a.macro = 0.61;
    assert_true(tn_score_better(&a, &b));
    b.gmean = 0.51;
    assert_true(tn_score_better(&b, &a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),    cmocka_unit_test(no_rows),   cmocka_unit_test(confusion_of_rows),
        cmocka_unit_test(resamples), cmocka_unit_test(intervals), cmocka_unit_test(filters),
        cmocka_unit_test(comparison)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
