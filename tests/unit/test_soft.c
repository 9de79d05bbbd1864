/* test_soft.c - soft targets: which rows have them, and files that are refused. */
#include "unit.h"

#include "data/overlay.h"

#include <math.h>

enum { N = 4, K = 3 };
static const float Q[N * K] = {0.5F, 0.25F, 0.25F, 0.75F, 0.25F, 0, 0, 0, 0, 0.25F, 0.25F, 0.5F};
static const uint8_t VERDICT[N] = {TN_VERDICT_KEEP, TN_VERDICT_SOFT, TN_VERDICT_NOT_JUDGED, TN_VERDICT_SOFT};

static void targets(void **unused) {
    (void)unused;
    tn_soft s;
    assert_int_equal(tn_soft_make(N, K, VERDICT, Q, &s), TN_OK);
    assert_int_equal(s.n, 3);
    for (int i = 0; i < N; i++) {
        const float *target = tn_soft_of(&s, i);
        assert_int_equal(target != NULL, i != 2);
        if (target) assert_memory_equal(target, Q + i * K, K * sizeof *Q);
    }
    tn_soft_free(&s);
    assert_int_equal(tn_soft_make(N, K,
                                  (const uint8_t[N]){TN_VERDICT_NOT_JUDGED, TN_VERDICT_NOT_JUDGED,
                                                     TN_VERDICT_NOT_JUDGED, TN_VERDICT_NOT_JUDGED},
                                  Q, &s),
                     TN_OK);
    assert_true(s.n == 0 && !tn_soft_of(&s, 0));
}

/* Write targets of rows 1 and 3, changed as told, and read them for a data set of N rows and n_classes classes. */
static tn_status read_again(int64_t row, float value, int n_classes, tn_soft *out) {
    int64_t rows[] = {1, row};
    float target[] = {0.5F, 0.5F, 0, 0, value, 0.25F};
    tn_soft s = {.K = K, .n = 2, .row = rows, .target = target};
    tn_h5 *f = NULL;
    assert_int_equal(tn_h5_create(unit_path("soft.h5"), &f), TN_OK);
    assert_int_equal(tn_soft_write(f, &s), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    assert_int_equal(tn_h5_open(unit_path("soft.h5"), &f), TN_OK);
    tn_status st = tn_soft_read(f, "soft.h5", N, n_classes, out);
    tn_h5_close(&f);
    return st;
}

static void files(void **unused) {
    (void)unused;
    tn_soft s;
    assert_int_equal(read_again(3, 0.75F, K, &s), TN_OK);
    assert_true(s.n == 2 && tn_soft_of(&s, 1)[1] == 0.5F && tn_soft_of(&s, 3)[1] == 0.75F);
    tn_soft_free(&s);
    assert_int_equal(read_again(1, 0.75F, K, &s), TN_EFORMAT);
    unit_says("soft.h5: target_row 1 is 1: rows are from 0 to 3, ascending: delete its folder");
    assert_int_equal(read_again(4, 0.75F, K, &s), TN_EFORMAT);
    unit_says("target_row 1 is 4");
    assert_int_equal(read_again(3, 0.5F, K, &s), TN_EFORMAT);
    unit_says("the target of row 3 is not a probability for each class");
    assert_int_equal(read_again(3, NAN, K, &s), TN_EFORMAT);
    unit_says("the target of row 3");
    assert_int_equal(read_again(3, 0.75F, K + 1, &s), TN_EFORMAT);
    unit_says("target has 2 rows of 3 classes, not 2 of 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(targets), cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
