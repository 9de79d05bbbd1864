/* test_search.c - points, values and order of a search's trials. */
#include "unit.h"

#include "search/rung.h"
#include "search/search.h"

#include <math.h>

#define JOB                                                                                                            \
    "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\n"                                                       \
    "train: { images = 24000; warmup_images = 1200; augment = ( { op = \"cutmix\"; } ); };\n"                          \
    "search: { trials = 17; rungs = [ 4000, 12000 ]; folds = [ 1, 3 ]; space = (\n"                                    \
    " { key = \"train.learning_rate\"; log_uniform = ( 1e-4, 1e-2 ); },\n"                                             \
    " { key = \"train.augment.cutmix.probability\"; uniform = ( 0.25, 0.75 ); },\n"                                    \
    " { key = \"train.lane_images\"; integer = ( 5, 8 ); },\n"                                                         \
    " { key = \"train.sampler\"; choice = ( \"natural\", \"balanced_down\" ); } ); };\n"

static tn_cfg *job(void) {
    tn_cfg *cfg = NULL;
    if (tn_cfg_read(unit_write("job.cfg", JOB), 0, NULL, "run", &cfg) != TN_OK) fail_msg("%s", tn_msg);
    return cfg;
}

/* Point 0 is the shift itself, because Sobol's point 0 is the origin: taken off, what is left are Sobol's points, as
 * printed for instance by Joe and Kuo (2008), for the first two dimensions, in which all tables agree. */
static void sobol_points(void **unused) {
    (void)unused;
    const double want[8][2] = {{0, 0},         {0.5, 0.5},     {0.75, 0.25},   {0.25, 0.75},
                               {0.375, 0.375}, {0.875, 0.875}, {0.625, 0.125}, {0.125, 0.625}};
    double shift[2], x[2];
    tn_search_point(TN_SAMPLING_SOBOL, 5, 0, 2, shift);
    for (int i = 0; i < 8; i++) {
        tn_search_point(TN_SAMPLING_SOBOL, 5, i, 2, x);
        for (int d = 0; d < 2; d++) {
            int bits = (int)(x[d] * 0x1p30) ^ (int)(shift[d] * 0x1p30);
            assert_true(bits * 0x1p-30 == want[i][d]);
        }
    }
    /* a shift moves no point out of the stratification: 16 points, one in each sixteenth of every key */
    for (int d = 0; d < 5; d++) {
        int seen = 0;
        for (int i = 0; i < 16; i++) {
            double y[5];
            tn_search_point(TN_SAMPLING_SOBOL, 9, i, 5, y);
            assert_true(y[d] > 0 && y[d] < 1);
            seen |= 1 << (int)(y[d] * 16);
        }
        assert_int_equal(seen, 0xFFFF);
    }
}

static void random_points(void **unused) {
    (void)unused;
    double a[3], b[3], sum = 0, squares = 0;
    enum { N = 4000 };
    for (int i = 0; i < N; i++) {
        tn_search_point(TN_SAMPLING_RANDOM, 1, i, 3, a);
        assert_true(a[2] > 0 && a[2] < 1);
        sum += a[2];
        squares += a[2] * a[2];
    }
    /* mean 1/2 and variance 1/12 within five standard errors */
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(squares / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    tn_search_point(TN_SAMPLING_RANDOM, 1, 7, 3, a);
    tn_search_point(TN_SAMPLING_RANDOM, 1, 7, 3, b);
    assert_memory_equal(a, b, sizeof a);
    tn_search_point(TN_SAMPLING_RANDOM, 2, 7, 3, b);
    assert_true(a[0] != b[0] && a[1] != b[1] && a[2] != b[2]);
    assert_true(a[0] != a[1] && a[1] != a[2]);
}

/* 16 Sobol points: a half of them in each half of every range, a quarter in each quarter. */
static void values(void **unused) {
    (void)unused;
    tn_cfg *cfg = job();
    tn_values v;
    int below = 0, low = 0, natural = 0, count[9] = {0};
    assert_int_equal(tn_search_values(cfg, 0, &v), TN_OK);
    assert_int_equal(v.n, 0); /* the job file as it stands */
    for (int t = 1; t <= 16; t++) {
        tn_cfg *trial = NULL;
        assert_int_equal(tn_search_cfg(cfg, t, 4000, &trial), TN_OK);
        assert_true(trial->train.learning_rate >= 1e-4 && trial->train.learning_rate <= 1e-2);
        assert_true(trial->train.augment[0].probability >= 0.25 && trial->train.augment[0].probability <= 0.75);
        assert_true(trial->train.lane_images >= 5 && trial->train.lane_images <= 8);
        below += trial->train.learning_rate < 1e-3; /* the middle of the logarithms */
        low += trial->train.augment[0].probability < 0.5;
        natural += trial->train.sampler == TN_SAMPLER_NATURAL;
        count[trial->train.lane_images]++;
        tn_cfg_free(&trial);
    }
    assert_int_equal(below, 8);
    assert_int_equal(low, 8);
    assert_int_equal(natural, 8);
    for (int n = 5; n <= 8; n++) assert_int_equal(count[n], 4);
    tn_cfg_free(&cfg);
}

static void trials(void **unused) {
    (void)unused;
    tn_cfg *cfg = job(), *t = NULL;
    int fold[TN_MAX_FOLDS];
    assert_int_equal(tn_search_cfg(cfg, 0, 4000, &t), TN_OK);
    assert_string_equal(t->run_dir, "run/search/t000-i4000");
    assert_int_equal(t->train.images, 4000);
    assert_int_equal(t->train.warmup_images, 200); /* 1200 x 4000 / 24000 */
    assert_true(t->train.learning_rate == cfg->train.learning_rate);
    tn_cfg_free(&t);
    assert_int_equal(tn_rungs_check(cfg, NULL), TN_OK);
    /* 17 x 0.333 = 5.66 -> 6; then two are judged, on the other eight folds, with the whole budget */
    assert_int_equal(tn_rung_slots(cfg, 0), 17);
    assert_int_equal(tn_rung_slots(cfg, 1), 6);
    assert_int_equal(tn_rung_slots(cfg, 2), 2);
    assert_int_equal(tn_rung_images(cfg, 1), 12000);
    assert_int_equal(tn_rung_images(cfg, 2), 24000);
    assert_int_equal(tn_rung_folds(cfg, 0, fold), 2);
    assert_int_equal(fold[1], 3);
    assert_int_equal(tn_rung_folds(cfg, 2, fold), 8);
    assert_true(fold[0] == 0 && fold[1] == 2 && fold[2] == 4 && fold[7] == 9);
    tn_cfg_free(&cfg);
    /* each value is fine, together they are no job: told before anything runs */
    char *set[] = {"search.space=( { key = \"train.warmup_images\"; choice = ( 0, 24000 ); } )"};
    assert_int_equal(tn_cfg_read(unit_write("job.cfg", JOB), 1, set, "run", &cfg), TN_OK);
    assert_int_equal(tn_rungs_check(cfg, NULL), TN_EARG);
    unit_says("of search.space cannot be trained");
    unit_says("train.warmup_images = 24000: give less than train.images");
    tn_cfg_free(&cfg);
    char *none[] = {"search.space=( )"};
    assert_int_equal(tn_cfg_read(unit_write("job.cfg", JOB), 1, none, "run", &cfg), TN_OK);
    assert_int_equal(tn_rungs_check(cfg, NULL), TN_EARG);
    unit_says("search.space is empty");
    tn_cfg_free(&cfg);
}

static void order(void **unused) {
    (void)unused;
    tn_ranked a[] = {{.trial = 4, .gmean = 0.5, .macro = 0.6, .accuracy = 0.7},
                     {.trial = 2, .gmean = 0.9, .diverged = true}, /* one of its folds was good */
                     {.trial = 7, .gmean = 0.0, .macro = 0.9, .accuracy = 0.9},
                     {.trial = 1, .gmean = 0.5, .macro = 0.6, .accuracy = 0.8},
                     {.trial = 3, .gmean = 0.5, .macro = 0.6, .accuracy = 0.7},
                     {.trial = 0, .gmean = 0.5, .macro = 0.7, .accuracy = 0.1},
                     {.trial = 5, .gmean = 0.6, .macro = 0.1, .accuracy = 0.1}};
    const int want[] = {5, 0, 1, 3, 4, 7, 2};
    tn_search_rank(7, a);
    for (int i = 0; i < 7; i++) assert_int_equal(a[i].trial, want[i]);
    assert_true(a[6].gmean == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sobol_points), cmocka_unit_test(random_points),
                                       cmocka_unit_test(values), cmocka_unit_test(trials), cmocka_unit_test(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
