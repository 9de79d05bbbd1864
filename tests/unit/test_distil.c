/* test_distil.c - what the student learns: means worked out by hand from predictions of models that never saw the row; and what is refused. */
#include "unit.h"

#include "distil/targets.h"
#include "predict/pred.h"
#include "store/done.h"

#include <math.h>

enum { N = 6, K = 3, FOLDS = 3 };
static const int32_t FOLD[N] = {1, 0, TN_FOLD_NONE, 2, TN_FOLD_QUARANTINED, 0};

/* Probabilities of a row by the model of a fold and seed: no two are alike. */
static void say(int64_t row, int fold, int seed, float out[K]) {
    out[0] = 0.0625F * (float)(1 + row);
    out[1] = 0.0625F * (float)(1 + 2 * fold + seed);
    out[2] = 1 - out[0] - out[1];
}

static tn_cfg *new_run(void) {
    static char run[256];
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    snprintf(run, sizeof run, "%s", unit_path("run"));
    tn_folder_remove(run);
    memcpy(cfg->run_dir, run, sizeof run);
    cfg->folds.count = FOLDS;
    return cfg;
}

/* Publish the predictions of a cell: the rows of its fold and those of no fold, but for `without`. */
static void publish(const tn_cfg *cfg, int fold, int seed, int64_t without, const char *model) {
    static char classes[] = "a\nb\nc\n";
    tn_cell cell = {.fold = fold, .size_px = 8, .seed = seed};
    tn_pred_info info = {.cell = cell, .index_digest = "index", .classes = classes, .K = K};
    tn_done done = {.stage = "predict", .settings = "", .inputs = ""};
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    int64_t row[N];
    float p[N * K];
    bool valid = false;
    for (int64_t i = 0; i < N; i++) {
        if ((FOLD[i] != fold && FOLD[i] != TN_FOLD_NONE) || i == without) continue;
        row[info.n] = i;
        say(i, fold, seed, p + info.n++ * K);
    }
    snprintf(info.model_digest, sizeof info.model_digest, "%s", model);
    tn_pred_writer *w = NULL;
    assert_int_equal(tn_cell_folder(cfg, "predict", &cell, folder), TN_OK);
    assert_int_equal(tn_done_begin(folder, "predict", &done, &valid), TN_OK);
    assert_int_equal(tn_path(path, "%s/predictions.h5", folder), TN_OK);
    assert_int_equal(tn_pred_create(path, &info, &w), TN_OK);
    assert_int_equal(tn_pred_append(w, info.n, row, p), TN_OK);
    assert_int_equal(tn_pred_finish(&w, digest), TN_OK);
    assert_int_equal(tn_done_publish(folder, &done, digest, (const char *[]){"predictions.h5", NULL}), TN_OK);
}

/* Two seeds, of which the second counts twice. */
static int members(tn_spec_member out[2 * FOLDS], tn_reduce_kind kind, tn_spec *c) {
    for (int i = 0; i < 2 * FOLDS; i++)
        out[i] = (tn_spec_member){{.fold = i / 2, .size_px = 8, .seed = 1 + i % 2}, 1 + i % 2, "model"};
    *c = (tn_spec){.n_classes = K, .kind = kind, .n_members = 2 * FOLDS, .member = out};
    return 2 * FOLDS;
}

static tn_index *new_index(void) {
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(N, 0, &ix), TN_OK);
    memcpy(ix->fold, FOLD, sizeof FOLD);
    ix->n_classes = K;
    snprintf(ix->digest, sizeof ix->digest, "index");
    return ix;
}

/* A row without a fold is predicted by the members of all folds. */
static double wanted_of_all(tn_reduce_kind kind, int64_t row, int k) {
    double mean[K] = {0}, sum = 0;
    for (int f = 0; f < FOLDS; f++)
        for (int x = 1; x <= 2; x++) {
            float p[K];
            say(row, f, x, p);
            for (int j = 0; j < K; j++) mean[j] += x * (kind == TN_REDUCE_GMEAN ? log((double)p[j]) : (double)p[j]);
        }
    for (int j = 0; j < K; j++)
        sum += mean[j] = kind == TN_REDUCE_GMEAN ? exp(mean[j] / (3 * FOLDS)) : mean[j] / (3 * FOLDS);
    return mean[k] / sum;
}

static double wanted(tn_reduce_kind kind, int64_t row, int k) {
    float p[2][K];
    double mean[K], sum = 0;
    if (FOLD[row] < 0) return wanted_of_all(kind, row, k);
    for (int x = 0; x < 2; x++) say(row, FOLD[row], 1 + x, p[x]);
    for (int j = 0; j < K; j++) {
        double a = (double)p[0][j], b = (double)p[1][j];
        sum += mean[j] = kind == TN_REDUCE_GMEAN ? cbrt(a * b * b) : (a + 2 * b) / 3;
    }
    return mean[k] / sum;
}

static void means_of_those_who_never_saw_it(void **unused) {
    (void)unused;
    static const int64_t ROW[2][5] = {{0, 1, 3, 5}, {0, 1, 2, 3, 5}};
    tn_cfg *cfg = new_run();
    tn_index *ix = new_index();
    for (int f = 0; f < FOLDS; f++)
        for (int x = 1; x <= 2; x++) publish(cfg, f, x, -1, "model");
    for (int i = 0; i < 4; i++) {
        int gmean = i % 2, unlabelled = i / 2; /* row 2: of the test split with a label, or without one */
        ix->label[2] = unlabelled ? -1 : 0;
        tn_reduce_kind kind = gmean ? TN_REDUCE_GMEAN : TN_REDUCE_MEAN;
        tn_spec_member member[2 * FOLDS];
        tn_spec teacher;
        tn_soft soft;
        members(member, kind, &teacher);
        assert_int_equal(tn_targets_check(cfg, &teacher), TN_OK);
        assert_int_equal(tn_targets_make(cfg, ix, &teacher, &soft), TN_OK);
        assert_int_equal(soft.n, 4 + unlabelled);
        for (int r = 0; r < soft.n; r++) {
            assert_int_equal(soft.row[r], ROW[unlabelled][r]);
            for (int k = 0; k < K; k++)
                assert_true(fabs((double)soft.target[r * K + k] - wanted(kind, soft.row[r], k)) < 1e-6);
        }
        tn_soft_free(&soft);
    }
    tn_index_free(&ix);
    free(cfg);
}

static void refused(void **unused) {
    (void)unused;
    tn_cfg *cfg = new_run();
    tn_index *ix = new_index();
    tn_spec_member member[2 * FOLDS];
    tn_spec teacher;
    tn_soft soft;
    members(member, TN_REDUCE_MEAN, &teacher);
    teacher.n_members = 4;
    assert_int_equal(tn_targets_check(cfg, &teacher), TN_EARG);
    unit_says("no model of fold 2");
    teacher.n_members = 5; /* one of two: only a warning */
    assert_int_equal(tn_targets_check(cfg, &teacher), TN_OK);

    for (int f = 0; f < FOLDS; f++) publish(cfg, f, 1, -1, "model");
    publish(cfg, 0, 2, -1, "model");
    publish(cfg, 1, 2, -1, "another");
    assert_int_equal(tn_targets_make(cfg, ix, &teacher, &soft), TN_EARG);
    unit_says("r0-f1-s8-x2/predictions.h5: is not what the ensemble was made of: run `tenfold reduce` again");
    assert_null(soft.row);
    char folder[TN_PATH_BYTES];
    assert_int_equal(tn_cell_folder(cfg, "predict", &member[3].cell, folder), TN_OK);
    assert_int_equal(tn_folder_remove(folder), TN_OK);
    publish(cfg, 1, 2, 0, "model");
    assert_int_not_equal(tn_targets_make(cfg, ix, &teacher, &soft), TN_OK);
    assert_int_equal(tn_folder_remove(folder), TN_OK);
    assert_int_equal(tn_targets_make(cfg, ix, &teacher, &soft), TN_EARG);
    unit_says("tenfold predict");
    tn_index_free(&ix);
    free(cfg);
}

/* All members of a fold lack a row of it. */
static void a_row_without_teachers(void **unused) {
    (void)unused;
    tn_cfg *cfg = new_run();
    tn_index *ix = new_index();
    tn_spec_member member[2 * FOLDS];
    tn_spec teacher;
    tn_soft soft;
    members(member, TN_REDUCE_MEAN, &teacher);
    for (int i = 0; i < 2 * FOLDS; i++) publish(cfg, i / 2, 1 + i % 2, 5, "model");
    assert_int_equal(tn_targets_make(cfg, ix, &teacher, &soft), TN_EFORMAT);
    unit_says("of fold 0 1 rows are predicted, not 2");
    tn_index_free(&ix);
    free(cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(means_of_those_who_never_saw_it), cmocka_unit_test(refused),
                                       cmocka_unit_test(a_row_without_teachers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
