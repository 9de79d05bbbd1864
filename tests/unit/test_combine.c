/* test_combine.c - what is a valid row of probabilities, how rows are stored and combined: values worked out by hand. */
#include "unit.h"

#include "predict/pred.h"
#include "score/combine.h"
#include "score/probability.h"

#include <math.h>

/* b counts as often as `times` says. */
static void combine(tn_reduce_kind kind, int times, const float *a, const float *b, float p[4]) {
    double sum[4] = {0};
    tn_combine_add(kind, 1, 2, 2, a, sum);
    tn_combine_add(kind, times, 2, 2, b, sum);
    tn_combine_end(kind, 1 + times, 2, 2, sum, p);
}

static void combining(void **unused) {
    (void)unused;
    const float a[] = {0.5F, 0.5F, 0.9F, 0.1F}, b[] = {0.1F, 0.9F, 0.0F, 1.0F};
    float p[4];
    combine(TN_REDUCE_MEAN, 3, a, b, p);
    const double thrice[] = {0.2, 0.8, 0.225, 0.775};
    for (int i = 0; i < 4; i++) assert_true(fabs((double)p[i] - thrice[i]) < 1e-6);
    combine(TN_REDUCE_MEAN, 1, a, b, p);
    const double mean[] = {0.3, 0.7, 0.45, 0.55};
    for (int i = 0; i < 4; i++) assert_true(fabs((double)p[i] - mean[i]) < 1e-6);
    combine(TN_REDUCE_GMEAN, 1, a, b, p);
    /* sqrt(.05), sqrt(.45) normalised: 0.25, 0.75; a zero counts as 1e-7: sqrt(9e-8) / (sqrt(9e-8) + sqrt(.1)) */
    const double gmean[] = {0.25, 0.75, 0.000947785, 0.999052215};
    for (int i = 0; i < 4; i++) assert_true(fabs((double)p[i] - gmean[i]) < 1e-6);
}

/* Rows of three classes and whether they are probabilities, by hand. */
static void probabilities(void **unused) {
    (void)unused;
    const float third = 1.0F / 3;
    const struct {
        float p[3];
        bool sound;
    } row[] = {{{0, 0, 1}, true},
               {{third, third, third}, true},
               {{0.25F, -0.0F, 0.75F}, true},
               {{0, 0, 1.0000001F}, true}, /* a mean of ones, rounded */
               {{0.3333F, 0.3333F, 0.3333F}, true},
               {{0.333F, 0.333F, 0.332F}, false},
               {{0.5F, 0.25F, 0.252F}, false},
               {{0, 0, 0}, false},
               {{1e-3F, -1e-7F, 0.999F}, false},
               {{0, 0, 1.0001F}, false},
               {{2, -1, 0}, false},
               {{NAN, 0.5F, 0.5F}, false},
               {{0, INFINITY, 0}, false},
               {{INFINITY, -INFINITY, 1}, false}};
    enum { N = sizeof row / sizeof *row };
    float all[N][3];
    int64_t n_sound = 0;
    for (int i = 0; i < N; i++) {
        memcpy(all[i], row[i].p, sizeof all[i]);
        assert_int_equal(tn_probability_bad(1, 3, row[i].p), row[i].sound ? -1 : 0);
        n_sound += row[i].sound && n_sound == i;
    }
    assert_int_equal(tn_probability_bad(N, 3, all[0]), n_sound);
    assert_int_equal(tn_probability_bad(n_sound, 3, all[0]), -1);
    assert_int_equal(tn_probability_bad(0, 3, all[0]), -1);
    char *name[] = {"x", "y", "z"};
    assert_int_equal(tn_probability_fail("f.h5", 7, "a.jpg", 3, name, row[10].p, "go"), TN_EFORMAT);
    unit_says("f.h5: row 7 (a.jpg): the probability of x is 2, not a number from 0 to 1: go");
    tn_probability_fail("f.h5", 7, NULL, 3, NULL, row[7].p, "go");
    unit_says("f.h5: row 7: the probabilities sum to 0, not to 1: go");
}

/* One block after the other, as `predict` does. */
static tn_status write_predictions(const char *path, const tn_pred_info *info, const int64_t *row, const float *p,
                                   char digest[TN_HEX_BYTES]) {
    tn_pred_writer *w = NULL;
    tn_status st = tn_pred_create(path, info, &w);
    for (int64_t i = 0; st == TN_OK && i < info->n; i++) st = tn_pred_append(w, 1, row + i, p + i * info->K);
    if (st == TN_OK) return tn_pred_finish(&w, digest);
    tn_pred_drop(&w);
    return st;
}

static void predictions(void **unused) {
    (void)unused;
    char digest[2][TN_HEX_BYTES];
    tn_pred_info info = {
        .cell = {1, 2, 64, 77}, .index_digest = "abc", .model_digest = "def", .classes = "a\nb", .n = 3, .K = 2};
    const int64_t rows[] = {1, 5, 9};
    const float p[] = {0.1F, 0.9F, 0.2F, 0.8F, 0.3F, 0.7F};
    float back[4];
    int64_t rows_back[2];
    tn_pred *pr = NULL;
    assert_int_equal(write_predictions(unit_path("p.h5"), &info, rows, p, digest[0]), TN_OK);
    assert_int_equal(tn_pred_open(unit_path("p.h5"), &pr), TN_OK);
    const tn_pred_info *got = tn_pred_info_of(pr);
    assert_true(got->cell.round == 1 && got->cell.fold == 2 && got->cell.size_px == 64 && got->cell.seed == 77 &&
                got->n == 3 && got->K == 2);
    assert_string_equal(got->index_digest, "abc");
    assert_string_equal(got->classes, "a\nb");
    assert_int_equal(tn_pred_read(pr, 1, 2, rows_back, back), TN_OK);
    assert_memory_equal(rows_back, rows + 1, sizeof rows_back);
    assert_memory_equal(back, p + 2, sizeof back);
    assert_int_equal(tn_pred_read(pr, 2, 2, rows_back, back), TN_EFORMAT);
    tn_pred_close(&pr);
    const int64_t wrong[] = {5, 1, 9};
    assert_int_equal(write_predictions(unit_path("q.h5"), &info, wrong, p, digest[1]), TN_OK);
    assert_string_not_equal(digest[0], digest[1]);
    assert_int_equal(tn_pred_open(unit_path("q.h5"), &pr), TN_OK);
    assert_int_equal(tn_pred_read(pr, 0, 2, rows_back, back), TN_EFORMAT);
    tn_pred_close(&pr);
    /* what is no probability is not published */
    const float bad[] = {0.1F, 0.9F, NAN, 0.8F, 0.3F, 0.7F}, large[] = {0.1F, 0.9F, 1.01F, 0, 0.3F, 0.7F};
    const float off[] = {0.1F, 0.9F, 0.2F, 0.8F, 0.3F, 0.5F};
    assert_int_equal(write_predictions(unit_path("n.h5"), &info, rows, bad, digest[1]), TN_EFORMAT);
    assert_non_null(strstr(tn_msg, "n.h5: row 5: the probability of class 0 is nan, not a number from 0 to 1"));
    assert_int_equal(write_predictions(unit_path("n.h5"), &info, rows, large, digest[1]), TN_EFORMAT);
    assert_int_equal(write_predictions(unit_path("n.h5"), &info, rows, off, digest[1]), TN_EFORMAT);
    assert_non_null(strstr(tn_msg, "n.h5: row 9: the probabilities sum to 0.8, not to 1: the model is damaged"));
    assert_false(tn_file_exists(unit_path("n.h5")) || tn_file_exists(unit_path("n.h5.tmp")));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(combining), cmocka_unit_test(probabilities),
                                       cmocka_unit_test(predictions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
