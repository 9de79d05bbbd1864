/* test_match.c - when a round is given up: against McNemar's standard error, and with kin. */
#include "unit.h"

#include "score/match.h"

#include <math.h>

enum { N = 2000 };

/* N rows of two classes in turn. Of each ten rows both are wrong on one. Of those both have right, the older alone
 * loses `gained` rows and the newer `lost`, spread evenly. Rows of lost ones share a group of `kin` rows. */
static void fill(int lost, int gained, int kin, tn_match *m) {
    int n_lost = 0, n_gained = 0;
    assert_int_equal(tn_match_new(2, 5, m), TN_OK);
    for (int i = 0; i < N; i++) {
        int label = i % 2, older = label, newer = label, group = i;
        if (i / 2 % 10 == 0) {
            older = newer = 1 - label;
        } else if (i / 2 % 10 < 5 && n_lost < lost) {
            newer = 1 - label;
            group = N + n_lost++ / kin;
        } else if (i / 2 % 10 >= 5 && n_gained < gained) {
            older = 1 - label;
            n_gained++;
        }
        tn_match_add(m, group, label, older, newer);
    }
    assert_true(n_lost == lost && n_gained == gained);
}

static tn_match_result match(int lost, int gained, int kin) {
    tn_match m;
    fill(lost, gained, kin, &m);
    tn_match_result r = tn_match_end(&m);
    tn_match_free(&m);
    return r;
}

/* Balanced classes and symmetric errors: F1 of either is the accuracy. Standard error of the difference of two paired
 * shares: sqrt(b + c - (b - c)^2 / n) / n. */
static void interval_is_mcnemars(void **unused) {
    (void)unused;
    tn_match_result r = match(60, 20, 1);
    double se = sqrt(80 - 40.0 * 40 / N) / N;
    assert_string_equal(r.metric, "geometric mean F1");
    assert_int_equal(r.rows, N);
    assert_true(fabs(r.older - 0.89) < 1e-4 && fabs(r.newer - 0.87) < 1e-4);
    assert_true(fabs(r.low - (-0.02 - 1.96 * se)) < 0.1 * se && fabs(r.high - (-0.02 + 1.96 * se)) < 0.15 * se);
    assert_true(r.worse && r.share_worse > 0.99);
}

static void kept_unless_worse(void **unused) {
    (void)unused;
    tn_match_result same = match(0, 0, 1), better = match(20, 60, 1), unsure = match(12, 8, 1), kin = match(60, 20, 60);
    assert_true(!same.worse && same.low == 0 && same.high == 0 && same.share_worse == 0);
    assert_true(!better.worse && better.low > 0 && better.share_worse < 0.01);
    assert_true(!unsure.worse && unsure.newer < unsure.older && unsure.high > 0);
    assert_true(!kin.worse && kin.newer < kin.older); /* all that was lost is one family: no evidence */
}

static bool keeps(int lost, int gained, bool *highest) {
    tn_match m;
    fill(lost, gained, 1, &m);
    bool kept = tn_match_keeps(&m, highest);
    tn_match_free(&m);
    return kept;
}

/* By the standard error of the test above: 4 of 2000 rows less are within it, 40 are not. */
static void a_later_point_is_kept_unless_worse(void **unused) {
    (void)unused;
    bool highest = false;
    assert_true(keeps(8, 12, &highest) && highest);
    assert_true(keeps(12, 8, &highest) && !highest);
    assert_true(keeps(0, 0, &highest) && !highest); /* the same score: the later one */
    assert_true(!keeps(60, 20, &highest) && !highest);
}

/* A class that nobody finds makes both geometric means 0: macro F1 decides. F1 of class 0: 2 * 4 / (6 + 4 + 1) and so
 * on, worked out from the ten rows. */
static void macro_decides_between_zeros(void **unused) {
    (void)unused;
    tn_match m;
    assert_int_equal(tn_match_new(3, 5, &m), TN_OK);
    const int label[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2};
    const int older[] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 0}, newer[] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 0};
    for (int i = 0; i < 10; i++) tn_match_add(&m, i, label[i], older[i], newer[i]);
    tn_match_result r = tn_match_end(&m);
    assert_string_equal(r.metric, "macro F1");
    assert_true(fabs(r.older - (8.0 / 12 + 4.0 / 7 + 0) / 3) < 1e-12);
    assert_true(fabs(r.newer - (10.0 / 12 + 6.0 / 7 + 0) / 3) < 1e-12);
    assert_false(r.worse);
    tn_match_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(interval_is_mcnemars), cmocka_unit_test(kept_unless_worse),
                                       cmocka_unit_test(a_later_point_is_kept_unless_worse),
                                       cmocka_unit_test(macro_decides_between_zeros)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
