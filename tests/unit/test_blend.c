/* test_blend.c - greedy selection and offsets against search by brute force and cases worked out by hand; views. */
#include "unit.h"

#include "base/rng.h"
#include "data/view.h"
#include "score/blend.h"
#include "score/metric.h"

#include <math.h>

enum { N = 300, K = 3, M = 4 };

static double gmean_of(const double *log_p, const int32_t *label, const double *b) {
    tn_counts c = {.K = 0};
    assert_int_equal(tn_counts_new(K, &c), TN_OK);
    for (int i = 0; i < N; i++) {
        int best = 0;
        for (int k = 1; k < K; k++)
            if (log_p[i * K + k] + b[k] > log_p[i * K + best] + b[best]) best = k;
        tn_counts_add(&c, label[i], best);
    }
    double gmean = tn_score_of(&c).gmean;
    tn_counts_free(&c);
    return gmean;
}

/* Class 2 is rare and shy. No grid of 61 x 61 offsets may beat what was found, and tuning must gain. */
static void offsets_are_best(void **unused) {
    (void)unused;
    static double log_p[N * K], weight[N];
    static int32_t label[N];
    static uint8_t use[N];
    tn_rng r = tn_rng_at(3, TN_STREAM_TEST, 0, 0);
    for (int i = 0; i < N; i++) {
        label[i] = i % 20 == 0 ? 2 : i % 3 == 0;
        weight[i] = use[i] = 1;
        for (int k = 0; k < K; k++) log_p[i * K + k] = tn_rng_normal(&r) + (k == label[i] ? 1.2 : 0) - (k == 2 ? 4 : 0);
    }
    double b[K], plain[K] = {0}, best = 0;
    assert_int_equal(tn_blend_offsets(N, K, log_p, label, weight, use, b), TN_OK);
    for (int i = -30; i <= 30; i++)
        for (int j = -30; j <= 30; j++) best = fmax(best, gmean_of(log_p, label, (double[]){0, i / 10.0, j / 10.0}));
    assert_true(gmean_of(log_p, label, b) > gmean_of(log_p, label, plain) + 0.02);
    assert_true(gmean_of(log_p, label, b) >= best - 0.01); /* one class at a time may stop a little below */
    assert_true(fabs(b[0] + b[1] + b[2]) < 1e-9);
    assert_true(b[2] > b[0] && b[2] > b[1]);
    /* rows that are not looked at decide nothing */
    double again[K];
    for (int i = 0; i < N; i += 2) use[i] = 0;
    assert_int_equal(tn_blend_offsets(N, K, log_p, label, weight, use, b), TN_OK);
    for (int i = 0; i < N; i += 2) label[i] = 0;
    assert_int_equal(tn_blend_offsets(N, K, log_p, label, weight, use, again), TN_OK);
    assert_memory_equal(b, again, sizeof b);
}

/* A weight of 3 is the row three times. */
static void weights_are_copies(void **unused) {
    (void)unused;
    const double log_p[] = {0, 0.5, 0, 0.2, 0, -0.3, 0, -0.1, 0, 0.4, 0, 0.4, 0, 0.4}, heavy[] = {1, 1, 1, 1, 3},
                 light[] = {1, 1, 1, 1, 1, 1, 1};
    const int32_t label[] = {1, 0, 1, 0, 1, 1, 1};
    const uint8_t use[] = {1, 1, 1, 1, 1, 1, 1};
    double a[2], b[2];
    assert_int_equal(tn_blend_offsets(5, 2, log_p, label, heavy, use, a), TN_OK);
    assert_int_equal(tn_blend_offsets(7, 2, log_p, label, light, use, b), TN_OK);
    assert_memory_equal(a, b, sizeof a);
}

/* Member 1 is right everywhere, 0 and 2 are wrong on a third of the rows each, 3 is not to be used: 1 alone, once.
 * Then, without 1, the two complement one another: neither alone is right everywhere, both together are. */
static void greedy_finds_members(void **unused) {
    (void)unused;
    static float p[N * M * K];
    static int32_t label[N];
    static double weight[N];
    static uint8_t use[N];
    for (int i = 0; i < N; i++) {
        label[i] = i % K;
        weight[i] = use[i] = 1;
        for (int m = 0; m < M; m++) {
            bool wrong = (m == 0 && i % 10 < 3) || (m == 2 && i % 10 > 6);
            int said = wrong ? (label[i] + 1) % K : label[i];
            for (int k = 0; k < K; k++)
                p[(i * M + m) * K + k] = k == said ? (wrong ? 0.5F : 0.8F) : (wrong ? 0.25F : 0.1F);
        }
    }
    tn_blend_rows rows = {.n = N, .K = K, .M = M, .label = label, .weight = weight, .p = p};
    int times[M];
    assert_int_equal(tn_blend_greedy(&rows, use, (const uint8_t[]){1, 1, 1, 0}, times), TN_OK);
    assert_memory_equal(times, ((const int[]){0, 1, 0, 0}), sizeof times);
    assert_int_equal(tn_blend_greedy(&rows, use, (const uint8_t[]){1, 0, 1, 0}, times), TN_OK);
    assert_memory_equal(times, ((const int[]){1, 0, 1, 0}), sizeof times);
}

/* Boxes by hand, for 100 x 60 pixels. */
static void views_are_boxes(void **unused) {
    (void)unused;
    static tn_cfg cfg = {
        .predict = {.n_views = 4, .views = {"identity", "horizontal_flip", "center_crop_50", "five_crop_80"}}};
    static const int BOX[8][4] = {{20, 0, 60, 0}, {20, 0, 60, 1}, {35, 15, 30, 0}, {0, 0, 48, 0},
                                  {52, 0, 48, 0}, {0, 12, 48, 0}, {52, 12, 48, 0}, {26, 6, 48, 0}};
    tn_image_view view[TN_MAX_SINGLE_VIEWS];
    assert_int_equal(tn_views_of(&cfg, view), 8);
    for (int i = 0; i < 8; i++) {
        tn_box box = tn_view_box(&view[i], 100, 60);
        assert_true(box.x == BOX[i][0] && box.y == BOX[i][1] && box.w == BOX[i][2] && box.h == BOX[i][2]);
        assert_int_equal(view[i].flip, BOX[i][3]);
    }
    tn_view_spec look;
    assert_true(tn_view_parse("five_crop", &look) && look.percent == 87);
    const char *bad[] = {"",
                         "flip",
                         "identity_50",
                         "center_crop_",
                         "center_crop_5",
                         "center_crop_101",
                         "center_crop_50x",
                         "pad_80",
                         "squish_",
                         "identity_flip",
                         "pad_flip_flip",
                         "squish_flips",
                         "padding",
                         "_flip",
                         "five_crop_80flip",
                         "five_crop_flip_80",
                         "horizontal_flip_flip"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(tn_view_parse(bad[i], &look));
    assert_true(tn_view_parse("five_crop_80_flip", &look) && look.kind == TN_VIEW_KIND_FIVE && look.percent == 80 &&
                look.flip);
    assert_true(tn_view_parse("center_crop_flip", &look) && look.percent == 87 && look.flip);
    assert_true(tn_view_parse("squish", &look) && look.kind == TN_VIEW_KIND_SQUISH && !look.flip);
    assert_true(tn_view_parse("pad_flip", &look) && look.kind == TN_VIEW_KIND_PAD && look.flip);
    static tn_cfg mirrored = {.predict = {.n_views = 2, .views = {"five_crop_80_flip", "squish"}}};
    assert_int_equal(tn_views_of(&mirrored, view), 6);
    for (int i = 0; i < 6; i++) assert_int_equal(view[i].flip, i < 5);
    tn_box box = tn_view_box(&view[5], 100, 60), place = tn_view_place(&view[5], 100, 60, 48);
    assert_true(box.x == 0 && box.y == 0 && box.w == 100 && box.h == 60 && place.w == 48 && place.h == 48);
}

/* The score that offsets are tuned for. */
static double log_score(int n, int n_classes, const double *log_p, const int32_t *label, const double *b) {
    tn_counts c = {.K = 0};
    assert_int_equal(tn_counts_new(n_classes, &c), TN_OK);
    for (int i = 0; i < n; i++) {
        int best = 0;
        for (int k = 1; k < n_classes; k++)
            if (log_p[i * n_classes + k] + b[k] > log_p[i * n_classes + best] + b[best]) best = k;
        tn_counts_add(&c, label[i], best);
    }
    double score = tn_smoothed(&c);
    tn_counts_free(&c);
    return score;
}

/* With many classes no other offset of any single class is better than the one that was found. */
static void many_offsets_are_best(void **unused) {
    (void)unused;
    enum { ROWS = 600, MANY = 80 };
    static double log_p[ROWS * MANY], weight[ROWS];
    static int32_t label[ROWS];
    static uint8_t use[ROWS];
    double b[MANY], none[MANY] = {0};
    tn_rng r = tn_rng_at(5, TN_STREAM_TEST, 0, 0);
    for (int i = 0; i < ROWS; i++) {
        label[i] = i % MANY;
        use[i] = 1;
        weight[i] = 1;
        for (int k = 0; k < MANY; k++) /* odd classes are shy */
            log_p[i * MANY + k] = 3 * tn_rng_uniform(&r) + (k == label[i] ? (k % 2 ? 1.0 : 2.5) : 0) - 4;
    }
    assert_int_equal(tn_blend_offsets(ROWS, MANY, log_p, label, weight, use, b), TN_OK);
    double found = log_score(ROWS, MANY, log_p, label, b);
    assert_true(found > log_score(ROWS, MANY, log_p, label, none) + 0.02);
    for (int k = 0; k < MANY; k++)
        for (int step = -20; step <= 20; step++) {
            double kept = b[k];
            b[k] += 0.1 * step;
            assert_true(log_score(ROWS, MANY, log_p, label, b) <= found + 1e-6);
            b[k] = kept;
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(offsets_are_best), cmocka_unit_test(weights_are_copies),
                                       cmocka_unit_test(greedy_finds_members), cmocka_unit_test(views_are_boxes),
                                       cmocka_unit_test(many_offsets_are_best)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
