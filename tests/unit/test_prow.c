/* test_prow.c - rows of largest values against whole rows in double, and against sums and counts worked out in another way. */
#include "unit.h"

#include "base/rng.h"
#include "score/blend.h"
#include "score/bootstrap.h"
#include "score/probability.h"
#include "score/prow.h"

#include <math.h>

enum { K = 1100, T = TN_PROW_TOP, N = 40 };

/* A softmax of K normal numbers, peaked by `sharp`; the label is favoured a little. */
static void draw(uint64_t seed, double sharp, int label, double *p) {
    tn_rng r = tn_rng_at(seed, TN_STREAM_TEST, 0, 0);
    double sum = 0;
    for (int k = 0; k < K; k++) sum += p[k] = exp(sharp * tn_rng_normal(&r) + (k == label ? sharp : 0));
    for (int k = 0; k < K; k++) p[k] /= sum;
}

static void keep(int label, const double *p, float *row) {
    static float whole[K];
    for (int k = 0; k < K; k++) whole[k] = (float)p[k];
    tn_prow_keep(K, label, whole, row);
}

/* The classes of p by value, largest first. */
static const double *sorted_p;
static int by_value(const void *a, const void *b) {
    double x = sorted_p[*(const int *)a], y = sorted_p[*(const int *)b];
    return (x < y) - (x > y);
}
static void rank(const double *p, int *order) {
    for (int k = 0; k < K; k++) order[k] = k;
    sorted_p = p;
    qsort(order, K, sizeof *order, by_value);
}

static void keeps_the_largest(void **unused) {
    (void)unused;
    static double p[K];
    static int order[K];
    for (uint64_t seed = 0; seed < 20; seed++) {
        float row[TN_PROW_FEW];
        int label = (int)(seed * 53 % K);
        draw(seed, 0.5 + 0.3 * (double)seed, label, p);
        keep(label, p, row);
        rank(p, order);
        double rest = 1;
        for (int j = 0; j < T; j++) {
            assert_int_equal(tn_prow_class(K, row, j), order[j]);
            assert_true(tn_prow_value(K, row, j) == (float)p[order[j]]);
            rest -= p[order[j]];
        }
        bool among = p[label] >= p[order[T - 1]];
        assert_int_equal(tn_prow_listed(K, row), T + !among);
        assert_true(tn_prow_at(K, row, label) == (float)p[label]);
        if (!among) rest -= p[label];
        double share = rest / (K - tn_prow_listed(K, row));
        assert_true(fabs(tn_prow_at(K, row, order[K - 1]) - share) < 1e-8);
        assert_int_equal(tn_prow_argmax(K, row), order[0]);
        assert_true(tn_prow_other(K, row, order[0]) == (float)p[order[1]]);
        assert_true(tn_prow_other(K, row, label) == (float)p[order[label == order[0]]]);
        assert_null(tn_prow_wrong(K, row));
    }
}

/* The temporal ensemble over 8 evaluations, against z of all K classes: the label is exact, and another class is off by no more than
 * prow.h says. */
static void mixes_within_the_bound(void **unused) {
    (void)unused;
    static double p[K], z[K], bound[K];
    const double alpha = 0.9;
    for (uint64_t seed = 0; seed < 10; seed++) {
        float row[TN_PROW_FEW], kept[TN_PROW_FEW];
        int label = 7;
        for (int e = 0; e < 8; e++) {
            double a = e ? alpha : 0;
            draw(100 * seed + (uint64_t)e, 1 + 0.4 * e, label, p);
            keep(label, p, row);
            double least = tn_prow_value(K, row, T - 1), least_z = e ? tn_prow_value(K, kept, T - 1) : 0;
            for (int k = 0; k < K; k++) {
                bool in_row = false, in_z = false;
                for (int j = 0; j < T; j++) {
                    in_row |= tn_prow_class(K, row, j) == k;
                    in_z |= e && tn_prow_class(K, kept, j) == k;
                }
                z[k] = a * z[k] + (1 - a) * p[k];
                /* what z lost of a class that it does not list is at most its own smallest value, or was lost before */
                bound[k] = a * (bound[k] + (in_z ? 0 : least_z)) + (1 - a) * (in_row ? 0 : least);
            }
            tn_prow_mix(K, a, e ? kept : row, 1 - a, row, kept);
        }
        assert_null(tn_prow_wrong(K, kept));
        assert_true(fabs(tn_prow_at(K, kept, label) - z[label]) < 1e-6 * z[label] + 1e-9);
        for (int j = 0; j < T; j++) {
            int k = tn_prow_class(K, kept, j);
            assert_true(fabs(tn_prow_value(K, kept, j) - z[k]) <= bound[k] + 1e-6);
        }
    }
}

/* Members that list the same classes lose nothing: mean and geometric mean as of whole rows. */
static void sums_are_means(void **unused) {
    (void)unused;
    static double p[3][K], base[K];
    static int order[K];
    for (int logs = 0; logs < 2; logs++) {
        double sum[2][TN_PSUM_FEW] = {{0}}, total = 0, mean[K];
        float row[TN_PROW_FEW], out[TN_PROW_FEW];
        draw(5, 2.5, 3, base);
        rank(base, order);
        for (int m = 0; m < 3; m++) { /* other values of the largest, equal shares of the rest */
            double largest = 0;
            for (int j = 0; j < T; j++) largest += p[m][order[j]] = base[order[j]] * (0.6 + 0.1 * m + 0.01 * j);
            for (int j = T; j < K; j++) p[m][order[j]] = (1 - largest) / (K - T);
            keep(-1, p[m], row);
            tn_psum_add(K, logs, m + 1, 1, row, sum[m == 2]); /* two folds, merged below */
        }
        tn_psum_merge(K, 1, sum[1], sum[0]);
        tn_psum_end(K, logs, 6, 1, sum[0], out);
        for (int k = 0; k < K; k++) {
            double s = 0;
            for (int m = 0; m < 3; m++) s += (m + 1) * (logs ? log(p[m][k]) : p[m][k]);
            total += mean[k] = logs ? exp(s / 6) : s / 6;
        }
        rank(mean, order);
        for (int j = 0; j < T; j++) {
            assert_int_equal(tn_prow_class(K, out, j), order[j]);
            assert_true(fabs(tn_prow_value(K, out, j) - mean[order[j]] / total) < 1e-6);
        }
        keep(-1, p[0], row);
        for (int k = 0; !logs && k < K; k++) mean[k] = mean[k] * 6 + p[0][k];
        rank(mean, order);
        if (!logs) assert_int_equal(tn_psum_argmax_with(K, sum[0], row), order[0]);
    }
}

/* Predictions that are scored know nothing of their labels. */
static void sums_ignore_labels(void **unused) {
    (void)unused;
    static double p[K];
    double sum[2][TN_PSUM_FEW] = {{0}};
    for (uint64_t m = 0; m < 9; m++) {
        float with[TN_PROW_FEW], without[TN_PROW_FEW];
        draw(m, 1, 17, p);
        keep(17, p, with);
        keep(-1, p, without);
        tn_psum_add(K, false, 1, 1, with, sum[0]);
        tn_psum_add(K, false, 1, 1, without, sum[1]);
    }
    assert_memory_equal(sum[0], sum[1], sizeof sum[0]);
    assert_true(sum[0][0] == TN_PSUM_TOP); /* more classes than there is room for */
}

static void says_what_is_wrong(void **unused) {
    (void)unused;
    static double p[K];
    float row[TN_PROW_FEW], zero[TN_PROW_FEW] = {0}, bad[TN_PROW_FEW];
    draw(1, 2, 4, p);
    keep(4, p, row);
    struct {
        int at;
        float value;
        const char *say;
    } change[] = {{0, row[1], "classes"}, {2, K, "classes"},       {2, 1.5F, "classes"},   {3, NAN, "classes"},
                  {T, 1.5F, "largest"},   {T + 1, NAN, "largest"}, {T + 2, -1, "largest"}, {T + 5, row[T], "largest"},
                  {2 * T, K, "label"},    {2 * T + 1, 2, "label"}, {T, 1, "more than 1"}};
    assert_int_equal(tn_probability_bad(1, K, row), -1);
    assert_non_null(tn_prow_wrong(K, zero));
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        memcpy(bad, row, sizeof bad);
        bad[change[i].at] = change[i].value;
        const char *say = tn_prow_wrong(K, bad);
        assert_true(say && strstr(say, change[i].say));
        assert_int_equal(tn_probability_bad(1, K, bad), 0);
    }
    tn_probability_fail("f.h5", 7, "a.jpg", K, NULL, zero, "go");
    unit_says(
        "f.h5: row 7 (a.jpg): is not a row of largest probabilities, its classes are not different whole numbers: go");
    p[3] = NAN;
    keep(4, p, row);
    assert_true(isnan(tn_prow_value(K, row, 0)) && tn_prow_wrong(K, row));
}

/* Resamples of listed rows are those of counted rows: the same rows as few and as many classes, of which only the first 3 occur. Compared
 * is the accuracy, which classes without rows do not change, and the others through the number of classes. */
static void listed_is_counted(void **unused) {
    (void)unused;
    enum { FEW = 3, RESAMPLES = 200 };
    tn_bootstrap few, many;
    tn_confusion pairs;
    uint8_t w[RESAMPLES];
    int64_t cell[FEW * FEW] = {0};
    tn_rng r = tn_rng_at(2, TN_STREAM_TEST, 0, 0);
    assert_int_equal(tn_bootstrap_new(FEW, RESAMPLES, 9, &few), TN_OK);
    assert_int_equal(tn_bootstrap_new(K, RESAMPLES, 9, &many), TN_OK);
    assert_int_equal(tn_confusion_new(K, &pairs), TN_OK);
    for (int32_t i = 0; i < 3000; i++) {
        int label = i % FEW, predicted = tn_rng_below(&r, 3) ? label : (int)tn_rng_below(&r, FEW);
        tn_bootstrap_weights(9, i / 2, RESAMPLES, w);
        assert_int_equal(tn_bootstrap_add(&few, i / 2, w, label, predicted), TN_OK);
        assert_int_equal(tn_bootstrap_add(&many, i / 2, w, label, predicted), TN_OK);
        assert_int_equal(tn_confusion_add(&pairs, label, predicted), TN_OK);
        cell[label * FEW + predicted]++;
    }
    tn_interval a = tn_bootstrap_interval(&few, TN_METRIC_ACCURACY),
                b = tn_bootstrap_interval(&many, TN_METRIC_ACCURACY);
    assert_true(a.low == b.low && a.high == b.high && a.low > 0.7 && a.high < 0.9);
    a = tn_bootstrap_interval(&few, TN_METRIC_MACRO), b = tn_bootstrap_interval(&many, TN_METRIC_MACRO);
    assert_true(fabs(a.low * FEW / K - b.low) < 1e-12 && fabs(a.high * FEW / K - b.high) < 1e-12);
    assert_true(tn_bootstrap_interval(&many, TN_METRIC_GMEAN).high == 0);
    assert_int_equal(tn_bootstrap_end(&many), TN_OK);
    tn_interval again = tn_bootstrap_interval(&many, TN_METRIC_MACRO);
    assert_true(again.low == b.low && again.high == b.high);
    tn_confusion_sort(&pairs);
    assert_int_equal(pairs.n_listed, FEW * FEW);
    for (int i = 0; i < FEW * FEW; i++) {
        assert_int_equal(pairs.listed[i].label * FEW + pairs.listed[i].predicted, i);
        assert_int_equal(pairs.listed[i].n, cell[i]);
    }
    int64_t n = 0;
    tn_confused *most = NULL;
    assert_int_equal(tn_confusion_most(&pairs, 2, &n, &most), TN_OK);
    assert_true(n == 2 && most[0].n >= most[1].n && most[0].label != most[0].predicted);
    for (int i = 0; i < FEW * FEW; i++) assert_true(i / FEW == i % FEW || cell[i] <= most[0].n);
    free(most);
    tn_bootstrap_free(&few);
    tn_bootstrap_free(&many);
    tn_confusion_free(&pairs);
}

/* The score that offsets are tuned for. */
static double score_of(int n, const float *p, const int32_t *label, const double *offset) {
    tn_counts c = {.K = 0};
    assert_int_equal(tn_counts_new(K, &c), TN_OK);
    for (int i = 0; i < n; i++) tn_counts_add(&c, label[i], tn_prow_decide(K, p + i * TN_PROW_FEW, offset));
    double score = tn_smoothed(&c);
    tn_counts_free(&c);
    return score;
}

/* A temperature keeps the classes and their order; it and its inverse give the row back. */
static void temperature_of_few(void **unused) {
    (void)unused;
    static double whole[K];
    float row[TN_PROW_FEW], back[TN_PROW_FEW];
    double sum = 0, tempered = 0;
    for (int k = 0; k < K; k++) sum += whole[k] = k % 50 == 3 ? 1 + k : 0.05;
    for (int k = 0; k < K; k++) whole[k] /= sum;
    keep(-1, whole, row);
    memcpy(back, row, sizeof row);
    double rest = (double)tn_prow_rest(K, row);
    for (int k = 0; k < K; k++)
        tempered += pow(k % 50 == 3 && tn_prow_at(K, row, k) > 0 ? tn_prow_at(K, row, k) : rest, 0.5);
    tn_prow_temper(K, 0.5, row);
    assert_null(tn_prow_wrong(K, row));
    for (int j = 0; j < TN_PROW_TOP; j++) {
        assert_true(row[j] == back[j]);
        assert_true(fabs((double)row[TN_PROW_TOP + j] - sqrt((double)back[TN_PROW_TOP + j]) / tempered) < 1e-6);
    }
    tn_prow_temper(K, 2, row);
    for (int j = 0; j < TN_PROW_TOP; j++) assert_true(fabsf(row[TN_PROW_TOP + j] - back[TN_PROW_TOP + j]) < 1e-6F);
    memcpy(row, back, sizeof row);
    tn_prow_temper(K, 1, row);
    assert_memory_equal(row, back, sizeof row);
}

/* Odd classes are shy. Offsets gain much, and no other offset of a single class is better. */
static void offsets_of_few_are_best(void **unused) {
    (void)unused;
    enum { ROWS = 4 * K };
    static float p[ROWS * TN_PROW_FEW];
    static double whole[K], weight[ROWS], b[K], none[K];
    static int32_t label[ROWS];
    static uint8_t use[ROWS];
    for (int i = 0; i < ROWS; i++) {
        tn_rng r = tn_rng_at(3, TN_STREAM_TEST, 0, (uint64_t)i);
        double sum = 0;
        label[i] = i % K;
        use[i] = 1;
        weight[i] = 1;
        for (int k = 0; k < K; k++) whole[k] = 1e-4;
        for (int j = 0; j < 24; j++)
            whole[(i + 37 * j) % K] = exp(2.0 * tn_rng_uniform(&r) - (double)((i + 37 * j) % K % 2) * 0.7);
        whole[label[i]] *= 3;
        for (int k = 0; k < K; k++) sum += whole[k];
        for (int k = 0; k < K; k++) whole[k] /= sum;
        keep(-1, whole, p + i * TN_PROW_FEW);
    }
    assert_int_equal(tn_blend_offsets_few(ROWS, K, p, label, weight, use, b), TN_OK);
    double found = score_of(ROWS, p, label, b), mean = 0, odd = 0;
    assert_true(found > score_of(ROWS, p, label, none) + 0.1);
    for (int k = 0; k < K; k++) {
        mean += b[k];
        odd += k % 2 ? b[k] : -b[k];
    }
    assert_true(fabs(mean) < 1e-6 && odd / K > 0.2);
    for (int k = 0; k < K; k += 137)
        for (int step = -10; step <= 10; step += 2) {
            double kept = b[k];
            b[k] += 0.1 * step;
            assert_true(score_of(ROWS, p, label, b) <= found + 1e-6);
            b[k] = kept;
        }
}

/* Up to TN_WHOLE_CLASSES classes a row is what it always was. */
static void whole_rows_are_arrays(void **unused) {
    (void)unused;
    const float a[] = {0.2F, 0.5F, 0.3F}, b[] = {0.6F, 0.1F, 0.3F};
    float row[3], sum[3] = {0};
    tn_prow_keep(3, 1, a, row);
    assert_memory_equal(row, a, sizeof row);
    assert_int_equal(tn_prow_width(TN_WHOLE_CLASSES), TN_WHOLE_CLASSES);
    assert_int_equal(tn_prow_width(TN_WHOLE_CLASSES + 1), TN_PROW_FEW);
    tn_prow_mix(3, 0.9, a, 0.1, b, row);
    for (int k = 0; k < 3; k++) assert_true(row[k] == (float)(0.9 * (double)a[k] + 0.1 * (double)b[k]));
    tn_prow_add(3, 0, a, sum);
    tn_prow_add(3, 1, b, sum);
    tn_prow_end(3, 2, sum);
    for (int k = 0; k < 3; k++) assert_true(sum[k] == (a[k] + b[k]) / 2);
    assert_true(tn_prow_other(3, a, 1) == 0.3F && tn_prow_at(3, a, 0) == 0.2F && tn_prow_argmax(3, a) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_largest),       cmocka_unit_test(mixes_within_the_bound),
        cmocka_unit_test(sums_are_means),          cmocka_unit_test(sums_ignore_labels),
        cmocka_unit_test(says_what_is_wrong),      cmocka_unit_test(listed_is_counted),
        cmocka_unit_test(offsets_of_few_are_best), cmocka_unit_test(temperature_of_few),
        cmocka_unit_test(whole_rows_are_arrays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
