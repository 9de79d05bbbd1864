/*
 * test_rounds.c - who learns from what, and who judges whom, read from the files of a run: validation slices, held-out
 * folds, dropped labels, posteriors over time, out-of-fold scores. Counted here from the table and the fold map.
 */
#include "unit.h"

#include "data/fold.h"
#include "filter/filter.h"
#include "model/model.h"
#include "predict/pred.h"
#include "predict/predict.h"
#include "preprocess/preprocess.h"
#include "probe/probe.h"
#include "reduce/reduce.h"
#include "run/local.h"
#include "score/metric.h"
#include "score/true_class.h"
#include "store/csv.h"
#include "store/h5.h"
#include "store/jpeg.h"
#include "train/eval.h"
#include "train/train.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <time.h>

enum { N = 96, K = 3, F = 3, S = 16 };

/* Classes are colours; every seventh label is wrong, every eighth row is a test row. */
static void write_images(void) {
    FILE *f = fopen(unit_path("m.csv"), "w");
    assert_non_null(f);
    fputs("path,label,split\n", f);
    for (int i = 0; i < N; i++) {
        unsigned char pixels[S * S * 3], *bytes = NULL;
        size_t n = 0;
        char name[16], path[300];
        int truth = i % K;
        for (int j = 0; j < S * S * 3; j++)
            pixels[j] = (unsigned char)(60 + (j % 3 == truth ? 60 : 0) + (i * 31 + j * 17 + i * j) % 97);
        assert_int_equal(tn_jpeg_encode(pixels, S, S, 90, &bytes, &n), TN_OK);
        snprintf(name, sizeof name, "%d.jpg", i);
        snprintf(path, sizeof path, "%s", unit_path(name));
        assert_int_equal(tn_file_publish(path, bytes, n), TN_OK);
        free(bytes);
        fprintf(f, "%s,%c,%s\n", name, 'a' + (i % 7 == 3 ? (truth + 1) % K : truth), i % 8 == 5 ? "test" : "");
    }
    fclose(f);
}

/* A run folder with everything up to the shards. */
typedef struct {
    tn_run run;
    tn_cfg *cfg;
    tn_index *ix;
    tn_shards *shards;
} job;

static void begin(job *j, tn_run run, const char *folder, char *images, char *evaluations) {
    char *set[] = {images, evaluations}, shards[300], folds[300];
    *j = (job){.run = run};
    unit_write("job.cfg", "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\", \"c\" ]; };\n"
                          "preprocess: { size_px = 16; };\nfolds: { count = 3; validation_share = 0.2; };\n"
                          "model: { net = \"efficientnet-b0\"; width = 0.25; depth = 0.35; stem_stride = 1; };\n"
                          "train: { images = 1600; sizes_px = [ 16 ]; lane_images = 8; schedule = \"constant\"; "
                          "learning_rate = 0.004; ema_decay = 0.9; };\nself: { alpha = 0.75; };\n");
    if (tn_cfg_read(unit_path("job.cfg"), 2, set, unit_path(folder), &j->cfg) != TN_OK) fail_msg("%s", tn_msg);
    if (tn_preprocess(&j->run, j->cfg) != TN_OK) fail_msg("%s", tn_msg);
    snprintf(shards, sizeof shards, "%s/shards", j->cfg->run_dir);
    snprintf(folds, sizeof folds, "%s/folds", j->cfg->run_dir);
    assert_int_equal(tn_index_open(&j->run, shards, folds, &j->ix), TN_OK);
    assert_int_equal(tn_shards_open(NULL, j->ix, &j->shards), TN_OK);
}

static void end(job *j) {
    tn_shards_close(&j->shards);
    tn_index_free(&j->ix);
    tn_cfg_free(&j->cfg);
}

static void train(job *j, const tn_cell *cell) {
    if (tn_train_cell(&j->run, j->cfg, j->ix, j->shards, cell, &(tn_train_how){.profile = false}) != TN_OK)
        fail_msg("%s", tn_msg);
}

static const char *file_of(const job *j, const char *stage, const tn_cell *cell, const char *name) {
    static char path[TN_PATH_BYTES];
    char folder[TN_PATH_BYTES];
    assert_int_equal(tn_cell_folder(j->cfg, stage, cell, folder), TN_OK);
    assert_int_equal(tn_path(path, "%s/%s", folder, name), TN_OK);
    return path;
}

static void read_posteriors(const job *j, const tn_cell *cell, float *z, float *p) {
    tn_h5 *f = NULL;
    assert_int_equal(tn_h5_open(file_of(j, "train", cell, "posteriors.h5"), &f), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "z", TN_H5_F32, 0, N, z), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "p", TN_H5_F32, 0, N, p), TN_OK);
    tn_h5_close(&f);
}

/* The last line of the cell's journal. */
static json_t *journal_of(const job *j, const tn_cell *cell) {
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(tn_file_read(file_of(j, "train", cell, "journal.jsonl"), &text, &n), TN_OK);
    text[n - 1] = 0;
    char *last = strrchr(text, '\n');
    json_t *line = json_loads(last ? last + 1 : text, 0, NULL);
    assert_non_null(line);
    free(text);
    return line;
}

static void assert_trained_on(const job *j, const tn_cell *cell, const uint8_t *verdict) {
    uint8_t validation[N];
    int64_t wanted[K] = {0}, n_seen = 0;
    assert_int_equal(tn_validation_draw(j->cfg, j->ix, cell->fold, validation), TN_OK);
    for (int i = 0; i < N; i++)
        if (j->ix->fold[i] >= 0 && j->ix->fold[i] != cell->fold && !validation[i] &&
            (!verdict || verdict[i] != TN_VERDICT_DROP))
            wanted[j->ix->label[i]]++;
    json_t *line = journal_of(j, cell), *rows = json_object_get(line, "rows_by_class"), *count;
    for (int k = 0; k < K; k++)
        assert_int_equal(json_integer_value(json_object_get(rows, (const char *[]){"a", "b", "c"}[k])), wanted[k]);
    const char *name;
    json_object_foreach(json_object_get(line, "images_by_class"), name, count) n_seen += json_integer_value(count);
    assert_int_equal(n_seen, json_integer_value(json_object_get(line, "images")));
    json_decref(line);
}

static bool is_best(const job *j, const tn_cell *cell) {
    json_t *line = journal_of(j, cell);
    bool best = json_is_true(json_object_get(line, "best"));
    json_decref(line);
    return best;
}

/* z of a cell's last evaluation is this mixture of the p of shorter runs; p: [n][N * K] */
static void assert_mixture(const job *j, const float *z, int n, const double *weight, const float *const *p) {
    for (int i = 0; i < N * K; i++) {
        double expected = 0;
        for (int e = 0; e < n; e++) expected += weight[e] * (double)p[e][i];
        assert_true(fabs((double)z[i] - expected) < 1e-6);
        if (j->ix->fold[i / K] < 0) assert_true(z[i] == 0);
    }
}

/* alpha is 3/4. z of a first evaluation is p; of two, (3/4 p_1 + p_2) / (7/4), where p_1 is that of a run half as long. Of four
 * evaluations the first is at a quarter of the run and does not enter: (9/16 p_2 + 3/4 p_3 + p_4) / (37/16). */
static void over_time(tn_run run) {
    static char *const SET[][2] = {{"train.images=1600", "train.evaluations=1"},
                                   {"train.images=2400", "train.evaluations=1"},
                                   {"train.images=3200", "train.evaluations=2"},
                                   {"train.images=3200", "train.evaluations=4"}};
    static float z[4][N * K], p[4][N * K];
    static const double TWO[] = {3.0 / 7, 4.0 / 7}, THREE[] = {9.0 / 37, 12.0 / 37, 16.0 / 37};
    job j[4];
    bool last_are_best = false;
    for (int i = 0; i < 4; i++) begin(&j[i], run, (char[]){'z', (char)('0' + i), 0}, SET[i][0], SET[i][1]);
    for (int seed = 1; seed < 20 && !last_are_best; seed++) {
        tn_cell cell = {.fold = 1, .size_px = 16, .seed = seed};
        for (int i = 0; i < 4; i++) {
            train(&j[i], &cell);
            read_posteriors(&j[i], &cell, z[i], p[i]);
        }
        assert_memory_equal(z[0], p[0], sizeof p[0]);
        last_are_best = is_best(&j[2], &cell) && is_best(&j[3], &cell);
        assert_trained_on(&j[2], &cell, NULL);
    }
    assert_true(last_are_best);
    assert_memory_equal(p[2], p[3], sizeof p[2]);
    assert_mixture(&j[2], z[2], 2, TWO, (const float *[]){p[0], p[2]});
    assert_mixture(&j[3], z[3], 3, THREE, (const float *[]){p[0], p[1], p[3]});
    for (int i = 0; i < 4; i++) end(&j[i]);
}

/* The overlay of model f judges its training rows alone. Returns how many it drops. */
static int assert_judged(const job *j, int f, uint8_t *verdict) {
    uint8_t validation[N];
    int n_dropped = 0;
    assert_int_equal(tn_overlay_read(j->cfg, &(tn_cell){.round = 1, .fold = f}, N, verdict, NULL), TN_OK);
    assert_int_equal(tn_validation_draw(j->cfg, j->ix, f, validation), TN_OK);
    for (int i = 0; i < N; i++) {
        bool trained_on = j->ix->fold[i] >= 0 && j->ix->fold[i] != f && !validation[i];
        assert_int_equal(verdict[i] != TN_VERDICT_NOT_JUDGED, trained_on);
        n_dropped += verdict[i] == TN_VERDICT_DROP;
    }
    return n_dropped;
}

/* Rows of a predictions file: the cell's fold and what no model sees. Adds the fold's to the counts. */
static void assert_predicted(const job *j, const tn_cell *cell, tn_counts *c) {
    tn_pred *pr = NULL;
    float p[N * K];
    int64_t at = 0, row[N];
    assert_int_equal(tn_pred_open(file_of(j, "predict", cell, "predictions.h5"), &pr), TN_OK);
    assert_int_equal(tn_pred_read(pr, 0, tn_pred_info_of(pr)->n, row, p), TN_OK);
    for (int i = 0; i < N; i++) {
        if (j->ix->fold[i] != cell->fold && j->ix->fold[i] != TN_FOLD_NONE) continue;
        assert_int_equal(row[at], i);
        if (j->ix->fold[i] == cell->fold) tn_counts_add(c, j->ix->label[i], tn_argmax(K, p + at * K));
        at++;
    }
    assert_int_equal(at, tn_pred_info_of(pr)->n);
    tn_pred_close(&pr);
}

/* Predictions of a cell, made anew with these views. Returns how many rows. */
static int64_t predict_with(job *j, const tn_cell *cell, int n_views, const char *const *view, float *p) {
    char folder[TN_PATH_BYTES];
    int64_t row[N];
    tn_pred *pr = NULL;
    j->cfg->predict.n_views = n_views;
    for (int v = 0; v < n_views; v++) snprintf(j->cfg->predict.views[v], TN_NAME_BYTES, "%s", view[v]);
    assert_int_equal(tn_cell_folder(j->cfg, "predict", cell, folder), TN_OK);
    assert_int_equal(tn_folder_remove(folder), TN_OK);
    assert_int_equal(tn_predict(&j->run, j->cfg, j->ix, j->shards, cell), TN_OK);
    assert_int_equal(tn_pred_open(file_of(j, "predict", cell, "predictions.h5"), &pr), TN_OK);
    int64_t n = tn_pred_info_of(pr)->n;
    assert_int_equal(tn_pred_read(pr, 0, n, row, p), TN_OK);
    tn_pred_close(&pr);
    return n;
}

/* Two views together are the mean of each alone, and the two are not the same. */
static void assert_views(job *j) {
    static float a[N * K], b[N * K], both[N * K];
    static const char *const VIEW[] = {"horizontal_flip", "five_crop_60", "identity"};
    const tn_cell cell = {.fold = 0, .size_px = 16, .seed = 1};
    int64_t n = predict_with(j, &cell, 1, VIEW, a);
    assert_int_equal(predict_with(j, &cell, 1, VIEW + 1, b), n);
    assert_int_equal(predict_with(j, &cell, 2, VIEW, both), n);
    assert_memory_not_equal(a, b, (size_t)(n * K) * sizeof *a);
    /* five_crop counts as five views */
    for (int64_t i = 0; i < n * K; i++)
        assert_true(fabs((double)both[i] - ((double)a[i] + 5 * (double)b[i]) / 6) < 1e-6);
    predict_with(j, &cell, 1, VIEW + 2, a);
}

/* With a size factor of 1.5, predictions are those of the kept weights on images of 24 pixels, in whole lanes. The model stays as it
 * is, and predictions of another size are not taken for these. */
static void assert_sizes(job *j) {
    static float p[N * K], wanted[N * K];
    static const char *const VIEW[] = {"identity"};
    const tn_cell cell = {.fold = 0, .size_px = 16, .seed = 1};
    int64_t row[N], n = predict_with(j, &cell, 1, VIEW, p), n_unseen = 0;
    bool done = false;
    for (int i = 0; i < N; i++)
        if (j->ix->fold[i] == 0 || j->ix->fold[i] < 0) row[n_unseen++] = i;
    assert_int_equal(n, n_unseen);
    tn_model m = {.net = NULL};
    tn_model_use use = {TN_DEVICE_CPU, 1, TN_ISA_BEST, TN_FP32, 8, 24};
    assert_int_equal(tn_model_open(file_of(j, "train", &cell, "best.safetensors"), &use, &m), TN_OK);
    tn_loader_spec spec = {.index = j->ix,
                           .shards = j->shards,
                           .size_px = 24,
                           .lane_images = 8,
                           .n_threads = 1,
                           .depth = 4,
                           .norm = m.about.norm};
    assert_int_equal(tn_eval_rows(&j->run, m.exec, &spec, n, row, NULL, NULL, wanted), TN_OK);
    tn_model_close(&m);
    assert_memory_not_equal(p, wanted, (size_t)(n * K) * sizeof *p);
    j->cfg->predict.size_factor = 1.5;
    assert_int_equal(tn_predict_done(j->cfg, &cell, &done), TN_EARG);
    assert_int_equal(tn_predict(&j->run, j->cfg, j->ix, j->shards, &cell), TN_EARG);
    unit_says("predict.size_factor = 1 (now: 1.5)");
    assert_int_equal(tn_train_done(j->cfg, &cell, &done), TN_OK);
    assert_true(done);
    assert_int_equal(predict_with(j, &cell, 1, VIEW, p), n);
    assert_memory_equal(p, wanted, (size_t)(n * K) * sizeof *p);
    j->cfg->predict.size_factor = 1;
    predict_with(j, &cell, 1, VIEW, p);
}

/* The first means and variances of batch norm after a training of one step. */
static void moments_after(tn_run run, char *folder, double momentum, float out[2]) {
    static const char *const NAME[] = {"model.bn1.running_mean", "model.bn1.running_var"};
    const tn_cell cell = {.fold = 0, .size_px = 16, .seed = 1};
    job j;
    tn_ckpt *ck = NULL;
    begin(&j, run, folder, "train.images=16", "train.evaluations=1");
    j.cfg->train.ema_decay = 0;
    j.cfg->train.bn_momentum = momentum;
    train(&j, &cell);
    assert_int_equal(tn_ckpt_read(file_of(&j, "train", &cell, "best.safetensors"), &ck), TN_OK);
    for (int i = 0; i < 2; i++) {
        float x[8];
        assert_int_equal(tn_ckpt_copy(ck, NAME[i], 1, (int64_t[]){8}, x), TN_OK);
        out[i] = x[0];
    }
    tn_ckpt_free(&ck);
    end(&j);
}

/* running = (1 - m) running + m batch, from a mean of 0 and a variance of 1; the net's own m is 0.1. */
static void bn_momentum(tn_run run) {
    float own[2], part[2], all[2];
    moments_after(run, "m-own", -1, own);
    moments_after(run, "m-part", 0.25, part);
    moments_after(run, "m-all", 1, all);
    assert_true(fabs((double)all[0]) > 1e-3 && fabs((double)all[1] - 1) > 1e-3);
    assert_true(fabs((double)part[0] / (double)all[0] - 0.25) < 1e-5);
    assert_true(fabs(((double)part[1] - 1) / ((double)all[1] - 1) - 0.25) < 1e-5);
    assert_true(fabs((double)own[0] / (double)all[0] - 0.1) < 1e-5);
    assert_true(fabs(((double)own[1] - 1) / ((double)all[1] - 1) - 0.1) < 1e-4);
}

static void assert_scored(const job *j, int round, const tn_counts *c) {
    char path[TN_PATH_BYTES];
    tn_score s = tn_score_of(c);
    assert_int_equal(tn_path(path, "%s/metrics.json", j->cfg->run_dir), TN_OK);
    json_t *all = json_load_file(path, 0, NULL),
           *score = json_object_get(json_array_get(json_object_get(all, "rounds"), (size_t)round), "out_of_fold");
    assert_int_equal(json_integer_value(json_object_get(score, "n")), N - N / 8);
    assert_true(fabs(json_number_value(json_object_get(score, "accuracy")) - s.accuracy) < 1e-12);
    assert_true(fabs(json_number_value(json_object_get(score, "macro_f1")) - s.macro) < 1e-12);
    assert_true(fabs(json_number_value(json_object_get(score, "geometric_mean")) - s.gmean) < 1e-12);
    json_decref(all);
}

/* The geometric mean of both, in double. */
static void join(const job *j, const float *probe, float *z) {
    for (int i = 0; i < N; i++) {
        double both[K], sum = 0;
        for (int k = 0; k < K; k++) sum += both[k] = sqrt((double)z[i * K + k] * (double)probe[i * K + k]);
        for (int k = 0; k < K && j->ix->fold[i] >= 0; k++) z[i * K + k] = (float)(both[k] / sum);
    }
}

/* The ledger judges by the mean of all slabs, and counts their votes. probe (F,N,K), or NULL. */
static void assert_ledger(const job *j, const float *probe) {
    static float z[F][N * K], p[N * K];
    char path[TN_PATH_BYTES];
    tn_csv *t = NULL;
    int64_t at = 0;
    for (int f = 0; f < F; f++) {
        read_posteriors(j, &(tn_cell){.fold = f, .size_px = 16, .seed = 1}, z[f], p);
        if (probe) join(j, probe + f * N * K, z[f]);
    }
    assert_int_equal(tn_filter_folder(j->cfg, 1, path), TN_OK);
    assert_int_equal(tn_path(path, "%s/ledger.csv", path), TN_OK);
    assert_int_equal(tn_csv_read(path, &t), TN_OK);
    for (int i = 0; i < N; i++) {
        if (j->ix->fold[i] < 0) continue;
        double mean[K] = {0}, other = -1;
        int label = j->ix->label[i], keep = 0, drop = 0;
        for (int f = 0; f < F; f++) {
            for (int k = 0; k < K; k++) mean[k] += (double)z[f][i * K + k];
            *(tn_argmax(K, &z[f][i * K]) == label ? &keep : &drop) += 1;
        }
        for (int k = 0; k < K; k++)
            if (k != label && mean[k] > other) other = mean[k];
        assert_true(fabs(atof(tn_csv_at(t, at, tn_csv_column(t, "margin"))) - (other - mean[label]) / F) < 2e-6);
        assert_int_equal(atoi(tn_csv_at(t, at, tn_csv_column(t, "votes_keep"))), keep);
        assert_int_equal(atoi(tn_csv_at(t, at, tn_csv_column(t, "votes_drop"))), drop);
        at++;
    }
    assert_int_equal(at, tn_csv_rows(t));
    tn_csv_free(&t);
}

/* --- other posteriors --------------------------------------------------------------------------------------------- */

/* The filter once more, by other means, in place of the one before. */
static tn_status filter_again(job *j, tn_self_method method, double class_floor, const char *posteriors) {
    char folder[TN_PATH_BYTES];
    assert_int_equal(tn_filter_folder(j->cfg, 1, folder), TN_OK);
    assert_int_equal(tn_folder_remove(folder), TN_OK);
    j->cfg->self.method = method;
    j->cfg->self.class_floor = class_floor;
    return tn_filter(&j->run, j->cfg, j->ix, 0, posteriors);
}

static const char *write_foreign(const job *j, const float *p) {
    const char *path = unit_path("foreign.h5");
    int64_t row[N];
    tn_h5 *f = NULL;
    for (int i = 0; i < N; i++) row[i] = i;
    assert_int_equal(tn_h5_create(path, &f), TN_OK);
    assert_int_equal(tn_h5_set_text(f, "index_digest", j->ix->digest), TN_OK);
    for (int k = 0; k < K; k++)
        assert_int_equal(tn_h5_set_text(f, (const char *[]){"classes0", "classes1", "classes2"}[k],
                                        (const char *[]){"a", "b", "c"}[k]),
                         TN_OK);
    assert_int_equal(tn_h5_write(f, "row", TN_H5_I64, 1, (int64_t[]){N}, row), TN_OK);
    assert_int_equal(tn_h5_write(f, "p", TN_H5_F32, 2, (int64_t[]){N, K}, p), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    return path;
}

static void assert_nothing_taken(job *j) {
    for (int f = 0; f < F; f++) {
        uint8_t verdict[N];
        assert_int_equal(tn_overlay_read(j->cfg, &(tn_cell){.round = 1, .fold = f}, N, verdict, NULL), TN_OK);
        for (int i = 0; i < N; i++)
            assert_int_equal(verdict[i], j->ix->fold[i] < 0 ? TN_VERDICT_NOT_JUDGED : TN_VERDICT_KEEP);
    }
}

/* What models trained elsewhere judged is replaced neither by `filter` nor by the plan of a whole run. */
static void assert_kept(job *j) {
    char path[TN_PATH_BYTES], before[TN_HEX_BYTES], after[TN_HEX_BYTES];
    tn_start start = {.n_set = 0};
    tn_plan *plan = NULL;
    bool missing[64];
    assert_int_equal(tn_filter_folder(j->cfg, 1, path), TN_OK);
    assert_int_equal(tn_path(path, "%s/DONE", path), TN_OK);
    assert_int_equal(tn_hash_file(path, before), TN_OK);
    assert_int_equal(tn_filter(&j->run, j->cfg, j->ix, 0, NULL), TN_EARG);
    unit_says("filter/r1 was made with --posteriors");
    assert_int_equal(tn_path(start.run_dir, "%s", j->cfg->run_dir), TN_OK);
    assert_int_equal(tn_plan_make(j->cfg, &start, &plan), TN_OK);
    assert_int_equal(tn_run_plan(j->cfg, plan, &(tn_run_how){.n_ranks = 1}), TN_EARG);
    unit_says("filter/r1 was made with --posteriors");
    assert_true(plan->n <= 64);
    assert_int_equal(tn_steps_missing(j->cfg, plan->n, plan->step, missing), TN_EARG); /* of `submit` */
    unit_says("filter/r1 was made with --posteriors");
    tn_plan_free(&plan);
    assert_int_equal(tn_hash_file(path, after), TN_OK);
    assert_string_equal(before, after);
}

/* Disagreement: argmax of the own fold's p. The same numbers from a file judge alike; where they deny a class, nothing
 * is written. */
static void other_posteriors(job *j) {
    static float z[F][N * K], p[F][N * K], own[N * K];
    char folder[TN_PATH_BYTES];
    for (int f = 0; f < F; f++) read_posteriors(j, &(tn_cell){.fold = f, .size_px = 16, .seed = 1}, z[f], p[f]);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++) own[i * K + k] = j->ix->fold[i] >= 0 ? p[j->ix->fold[i]][i * K + k] : 1.0F / K;
    for (int from_file = 0; from_file < 2; from_file++) {
        const char *path = from_file ? write_foreign(j, own) : NULL;
        if (filter_again(j, TN_SELF_DISAGREEMENT, 0.5, path) != TN_OK) fail_msg("%s", tn_msg);
        for (int f = 0; f < F; f++) {
            uint8_t verdict[N];
            int n[K] = {0}, n_right[K] = {0}, n_back[K] = {0}; /* the floor brings some back where few are believed */
            assert_int_equal(tn_overlay_read(j->cfg, &(tn_cell){.round = 1, .fold = f}, N, verdict, NULL), TN_OK);
            for (int i = 0; i < N; i++) {
                int label = j->ix->label[i];
                bool judged = j->ix->fold[i] >= 0, right = tn_argmax(K, own + i * K) == label;
                assert_int_equal(verdict[i] == TN_VERDICT_NOT_JUDGED, !judged);
                if (!judged) continue;
                n[label]++;
                n_right[label] += right;
                n_back[label] += !right && verdict[i] == TN_VERDICT_KEEP;
                if (right) assert_int_equal(verdict[i], TN_VERDICT_KEEP);
            }
            for (int k = 0; k < K; k++) {
                int least = (n[k] + 1) / 2;
                assert_int_equal(n_back[k], n_right[k] < least ? least - n_right[k] : 0);
            }
        }
    }
    assert_kept(j);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++) own[i * K + k] = k == 1 ? 0.5F : 0.25F;
    assert_int_equal(filter_again(j, TN_SELF_DISAGREEMENT, 0, write_foreign(j, own)), TN_EARG);
    unit_says("labels of class a that the model of fold 0 may train on are found suspicious, and self.class_floor = 0");
    assert_int_equal(tn_filter_folder(j->cfg, 1, folder), TN_OK);
    assert_false(tn_file_exists(folder));
    /* class a is believed in fold 2 alone, which the model of fold 2 never sees: one overlay for all is not enough */
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++) {
            int label = j->ix->label[i], says = label == 0 && j->ix->fold[i] != 2 ? 1 : label;
            own[i * K + k] = k == says ? 0.5F : 0.25F;
        }
    assert_int_equal(filter_again(j, TN_SELF_DISAGREEMENT, 0.1, write_foreign(j, own)), TN_EARG);
    unit_says("rows of class a that the model of fold 2 may train on, none would keep its label");
    assert_false(tn_file_exists(folder));
    /* argmax contradicts all labels of class a; but none is estimated to be wrong, so that all stay, also without a floor */
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++)
            own[i * K + k] = j->ix->label[i] == 0   ? (const float[]){0.4F, 0.45F, 0.15F}[k]
                             : j->ix->label[i] == k ? 0.8F
                                                    : 0.1F;
    j->cfg->self.verdict_ratio = 0;
    assert_int_equal(filter_again(j, TN_SELF_SELF, 0, write_foreign(j, own)), TN_OK);
    assert_nothing_taken(j);
    j->cfg->self.verdict_ratio = 2; /* relative to the class none of them is odd */
    assert_int_equal(filter_again(j, TN_SELF_SELF, 0, write_foreign(j, own)), TN_OK);
    assert_nothing_taken(j);
    own[7 * K] = (float)strtod("nan", NULL);
    assert_int_equal(filter_again(j, TN_SELF_CONFIDENT, 0.5, write_foreign(j, own)), TN_EFORMAT);
    unit_says("row 7 (7.jpg): the probability of a is");
    assert_false(tn_file_exists(folder));
}

/* The joined file has the slabs of these folds, and no others. */
static void assert_joined(const job *j, int n_folds, const int32_t *fold) {
    static float all[F * N * K], z[N * K], p[N * K];
    char path[TN_PATH_BYTES];
    int64_t shape[3];
    int32_t named[F];
    tn_h5 *f = NULL;
    assert_int_equal(tn_path(path, "%s/filter/r1/posteriors.h5", j->cfg->run_dir), TN_OK);
    assert_int_equal(tn_h5_open(path, &f), TN_OK);
    assert_int_equal(tn_h5_shape(f, "z", 3, shape), TN_OK);
    assert_true(shape[0] == n_folds && shape[1] == N && shape[2] == K);
    assert_int_equal(tn_h5_read_rows(f, "z", TN_H5_F32, 0, n_folds, all), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "fold", TN_H5_I32, 0, n_folds, named), TN_OK);
    tn_h5_close(&f);
    assert_memory_equal(named, fold, (size_t)n_folds * sizeof *fold);
    for (int i = 0; i < n_folds; i++) {
        read_posteriors(j, &(tn_cell){.fold = fold[i], .size_px = 16, .seed = 1}, z, p);
        assert_memory_equal(all + i * N * K, z, sizeof z);
    }
}

static void shared_view(job *j) {
    j->cfg->self.view = TN_VIEW_SHARED;
    j->cfg->self.n_folds = 2;
    j->cfg->self.folds[0] = 0;
    j->cfg->self.folds[1] = 2;
    if (filter_again(j, TN_SELF_SELF, 0.5, NULL) != TN_OK) fail_msg("%s", tn_msg);
    assert_joined(j, 2, (const int32_t[]){0, 2});
    j->cfg->self.view = TN_VIEW_OWN;
    j->cfg->self.n_folds = 0;
}

/* Each row is judged by z of its own fold's models, and all folds have the same overlay. */
static void out_of_fold_view(job *j) {
    static float z[F][N * K], p[N * K];
    char path[TN_PATH_BYTES];
    uint8_t first[N], verdict[N];
    tn_csv *t = NULL;
    int64_t at = 0;
    j->cfg->self.view = TN_VIEW_OUT_OF_FOLD;
    if (filter_again(j, TN_SELF_SELF, 0.5, NULL) != TN_OK) fail_msg("%s", tn_msg);
    for (int f = 0; f < F; f++) {
        read_posteriors(j, &(tn_cell){.fold = f, .size_px = 16, .seed = 1}, z[f], p);
        assert_int_equal(tn_overlay_read(j->cfg, &(tn_cell){.round = 1, .fold = f}, N, verdict, NULL), TN_OK);
        if (f == 0) memcpy(first, verdict, N);
        assert_memory_equal(first, verdict, N);
    }
    assert_int_equal(tn_filter_folder(j->cfg, 1, path), TN_OK);
    assert_int_equal(tn_path(path, "%s/ledger.csv", path), TN_OK);
    assert_int_equal(tn_csv_read(path, &t), TN_OK);
    for (int i = 0; i < N; i++) {
        if (j->ix->fold[i] < 0) continue;
        const float *own = z[j->ix->fold[i]] + i * K;
        float other = -1;
        for (int k = 0; k < K; k++)
            if (k != j->ix->label[i] && own[k] > other) other = own[k];
        double margin = atof(tn_csv_at(t, at++, tn_csv_column(t, "margin")));
        assert_true(fabs(margin - ((double)other - (double)own[j->ix->label[i]])) < 2e-6);
    }
    assert_int_equal(at, tn_csv_rows(t));
    tn_csv_free(&t);
    j->cfg->self.view = TN_VIEW_OWN;
}

/* Train a short cell by the overlays as they are. */
static void digest_of_next(job *j, char hex[TN_HEX_BYTES]) {
    tn_cell cell = {.round = 1, .fold = 1, .size_px = 16, .seed = 2};
    char folder[TN_PATH_BYTES];
    int64_t images = j->cfg->train.images;
    j->cfg->train.images = 64;
    train(j, &cell);
    assert_int_equal(tn_train_digest(j->cfg, &cell, hex), TN_OK);
    assert_int_equal(tn_cell_folder(j->cfg, "train", &cell, folder), TN_OK);
    assert_int_equal(tn_folder_remove(folder), TN_OK);
    j->cfg->train.images = images;
}

/* The targets of model f are those of its own z, with the noise matrix of its validation slice. */
static void assert_targets(const job *j, int f) {
    static float z[N * K], p[N * K], q[N * K];
    uint8_t verdict[N], validation[N];
    tn_soft soft;
    tn_true_class m;
    tn_cell cell = {.round = 1, .fold = f};
    read_posteriors(j, &(tn_cell){.fold = f, .size_px = 16, .seed = 1}, z, p);
    assert_int_equal(tn_validation_draw(j->cfg, j->ix, f, validation), TN_OK);
    assert_int_equal(tn_true_class_fit(N, K, z, j->ix->label, NULL, validation, &m), TN_OK);
    assert_int_equal(tn_overlay_read(j->cfg, &cell, N, verdict, NULL), TN_OK);
    assert_int_equal(tn_overlay_soft(j->cfg, &cell, N, K, &soft), TN_OK);
    for (int i = 0; i < N; i++) {
        const float *target = tn_soft_of(&soft, i);
        uint8_t judged = j->ix->fold[i] >= 0 && j->ix->fold[i] != f && !validation[i];
        assert_int_equal(verdict[i] != TN_VERDICT_NOT_JUDGED, judged);
        assert_int_equal(target != NULL, judged);
        if (!judged) continue;
        tn_true_class_of(&m, 1, z + i * K, &j->ix->label[i], &judged, q);
        for (int k = 0; k < K; k++) assert_true(fabs((double)target[k] - (double)q[k]) < 1e-6);
    }
    tn_soft_free(&soft);
    tn_true_class_free(&m);
}

/* Training obeys the targets: those that are labels give the bits that labels give. */
static void soft_targets(job *j) {
    static float labels[N * K];
    char hard[TN_HEX_BYTES], as_hard[TN_HEX_BYTES], mixed[TN_HEX_BYTES];
    j->cfg->self.dropped = TN_DROPPED_SOFT;
    if (filter_again(j, TN_SELF_SELF, 0.5, NULL) != TN_OK) fail_msg("%s", tn_msg);
    for (int f = 0; f < F; f++) assert_targets(j, f);
    digest_of_next(j, mixed);
    for (int i = 0; i < N * K; i++) labels[i] = j->ix->label[i / K] == i % K;
    if (filter_again(j, TN_SELF_SELF, 0.5, write_foreign(j, labels)) != TN_OK) fail_msg("%s", tn_msg);
    digest_of_next(j, as_hard);
    j->cfg->self.dropped = TN_DROPPED_DROP;
    if (filter_again(j, TN_SELF_SELF, 1, NULL) != TN_OK) fail_msg("%s", tn_msg); /* keeps every label */
    digest_of_next(j, hard);
    assert_string_equal(as_hard, hard);
    assert_string_not_equal(mixed, hard);
}

/* Scores of validation rows, counted here from the p of both rounds: the mean of log((2 TP + 1) / (2 TP + FP + FN + 2)). */
static void assert_improvement(const job *j) {
    static float z[N * K], p[N * K];
    double score[2] = {0};
    char why[256], wanted[64];
    bool improved;
    for (int round = 0; round < 2; round++) {
        int right[K] = {0}, labelled[K] = {0}, predicted[K] = {0};
        for (int f = 0; f < F; f++) {
            uint8_t validation[N];
            read_posteriors(j, &(tn_cell){.round = round, .fold = f, .size_px = 16, .seed = 1}, z, p);
            assert_int_equal(tn_validation_draw(j->cfg, j->ix, f, validation), TN_OK);
            for (int i = 0; i < N; i++) {
                if (!validation[i]) continue;
                int says = tn_argmax(K, p + i * K), label = j->ix->label[i];
                labelled[label]++;
                predicted[says]++;
                right[label] += says == label;
            }
        }
        for (int k = 0; k < K; k++) score[round] += log((2 * right[k] + 1) / (labelled[k] + predicted[k] + 2.0)) / K;
    }
    assert_int_equal(tn_round_improved(j->cfg, j->ix, 1, &improved, why), TN_OK);
    assert_int_equal(improved, score[1] > score[0]);
    snprintf(wanted, sizeof wanted, "3 models: round 1 %.4f, round 0 %.4f", score[1], score[0]);
    assert_non_null(strstr(why, wanted));
}

/* The last test: the wish stays. Filter and reduce leave as unfinished, and leave nothing. */
static void asked_to_stop(job *j) {
    static const char *const GONE[] = {"filter/r1", "reduce", "submission.csv", "ensemble.h5", "metrics.json"};
    char path[TN_PATH_BYTES];
    for (size_t i = 0; i < sizeof GONE / sizeof *GONE; i++) {
        assert_int_equal(tn_path(path, "%s/%s", j->cfg->run_dir, GONE[i]), TN_OK);
        if (strchr(GONE[i], '.'))
            remove(path);
        else
            assert_int_equal(tn_folder_remove(path), TN_OK);
    }
    kill(getpid(), SIGTERM);
    while (!tn_stop_wanted()) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(tn_filter(&j->run, j->cfg, j->ix, 0, NULL), TN_EUNFINISHED);
    assert_int_equal(tn_reduce(&j->run, j->cfg, false), TN_EUNFINISHED);
    for (size_t i = 0; i < sizeof GONE / sizeof *GONE; i++) {
        if (strcmp(GONE[i], "reduce") == 0) continue; /* a folder without DONE */
        assert_int_equal(tn_path(path, "%s/%s", j->cfg->run_dir, GONE[i]), TN_OK);
        assert_false(tn_file_exists(path));
    }
}

/* p (F,N,K): what the classifiers for the model of each fold say. */
static void read_probe(job *j, float *p) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    assert_int_equal(tn_path(folder, "%s/probe", j->cfg->run_dir), TN_OK);
    assert_int_equal(tn_folder_remove(folder), TN_OK);
    assert_int_equal(tn_filter_folder(j->cfg, 0, path), TN_OK);
    assert_int_equal(tn_folder_remove(path), TN_OK);
    if (tn_probe(&j->run, j->cfg, j->ix, j->shards) != TN_OK) fail_msg("%s", tn_msg);
    assert_int_equal(tn_path(path, "%s/posteriors.h5", folder), TN_OK);
    assert_int_equal(tn_h5_open(path, &f), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "p", TN_H5_F32, 0, F, p), TN_OK);
    tn_h5_close(&f);
}

/* p as logarithms less that of class 0: two numbers of a row. */
static void log_ratios(const float *p, double out[K - 1]) {
    for (int k = 1; k < K; k++) out[k - 1] = log(p[k] / (double)p[0]);
}

/* The label of a row of fold 1 changes: nothing that model 1 is trained from changes; for model 0 that row is judged as before, but for the
 * temperature, a common factor of all logarithms; the rows of fold 2 are judged anew. */
static void assert_not_seen(job *j, int row) {
    static float before[F * N * K], after[F * N * K];
    double a[K - 1], b[K - 1];
    int n_differ = 0, label = j->ix->label[row];
    read_probe(j, before);
    for (int i = 0; i < N; i++) assert_true(i == row || j->ix->component[i] != j->ix->component[row]);
    j->ix->label[row] = (label + 1) % K;
    read_probe(j, after);
    j->ix->label[row] = label;
    assert_memory_equal(before + N * K, after + N * K, N * K * sizeof *before);
    for (int i = 0; i < N; i++)
        n_differ += j->ix->fold[i] == 2 && memcmp(before + i * K, after + i * K, K * sizeof *before) != 0;
    assert_true(n_differ > 20);
    log_ratios(before + row * K, a);
    log_ratios(after + row * K, b);
    int big = fabs(a[0]) > fabs(a[1]) ? 0 : 1;
    double factor = b[big] / a[big];
    assert_true(factor > 0.5 && factor < 2);
    assert_true(fabs(b[1 - big] - factor * a[1 - big]) < 1e-3);
}

static void probe_has_not_seen(job *j) {
    int n_tried = 0;
    snprintf(j->cfg->model.pretrained, sizeof j->cfg->model.pretrained, "%s",
             file_of(j, "train", &(tn_cell){.fold = 2, .size_px = 16, .seed = 1}, "best.safetensors"));
    j->cfg->self.probe = true;
    for (int i = 0; i < N && n_tried < 4; i++) {
        if (j->ix->fold[i] != 1) continue;
        assert_not_seen(j, i);
        n_tried++;
    }
    j->cfg->self.probe = false;
    *j->cfg->model.pretrained = 0;
}

/* A run of its own, whose round 0 is trained by the probe: after it the probe and the models judge together. */
static void probe_speaks(const job *before) {
    static float p[F * N * K];
    job j;
    begin(&j, before->run, "probed", "train.images=320", "train.evaluations=1");
    snprintf(j.cfg->model.pretrained, sizeof j.cfg->model.pretrained, "%s",
             file_of(before, "train", &(tn_cell){.fold = 2, .size_px = 16, .seed = 1}, "best.safetensors"));
    j.cfg->self.probe = true;
    read_probe(&j, p);
    for (int f = 0; f < F; f++) train(&j, &(tn_cell){.fold = f, .size_px = 16, .seed = 1});
    if (tn_filter(&j.run, j.cfg, j.ix, 0, NULL) != TN_OK) fail_msg("%s", tn_msg);
    assert_ledger(&j, p);
    end(&j);
}

static void rounds(tn_run run) {
    job j;
    tn_counts c[2];
    int n_dropped = 0;
    for (int round = 0; round < 2; round++) assert_int_equal(tn_counts_new(K, &c[round]), TN_OK);
    begin(&j, run, "rounds", "train.images=640", "train.evaluations=1");
    j.cfg->self.max_rounds = 2;    /* a last round would have no posteriors */
    j.cfg->self.verdict_ratio = 0; /* models that have hardly learned give low odds */
    for (int f = 0; f < F; f++) train(&j, &(tn_cell){.fold = f, .size_px = 16, .seed = 1});
    assert_int_equal(tn_filter(&j.run, j.cfg, j.ix, 0, NULL), TN_OK);
    assert_ledger(&j, NULL);
    assert_joined(&j, F, (const int32_t[]){0, 1, 2});
    for (int f = 0; f < F; f++) {
        uint8_t verdict[N];
        tn_cell cell = {.round = 1, .fold = f, .size_px = 16, .seed = 1};
        n_dropped += assert_judged(&j, f, verdict);
        train(&j, &cell);
        assert_trained_on(&j, &cell, verdict);
    }
    assert_true(n_dropped > 0);
    j.cfg->self.max_rounds = 1; /* who has judged more is done */
    for (int round = 0; round < 2; round++)
        for (int f = 0; f < F; f++) {
            tn_cell cell = {.round = round, .fold = f, .size_px = 16, .seed = 1};
            assert_int_equal(tn_predict(&j.run, j.cfg, j.ix, j.shards, &cell), TN_OK);
            assert_predicted(&j, &cell, &c[round]);
        }
    assert_views(&j);
    assert_sizes(&j);
    assert_int_equal(tn_reduce(&j.run, j.cfg, false), TN_OK);
    for (int round = 0; round < 2; round++) {
        assert_scored(&j, round, &c[round]);
        tn_counts_free(&c[round]);
    }
    assert_improvement(&j);
    shared_view(&j);
    out_of_fold_view(&j);
    soft_targets(&j);
    other_posteriors(&j);
    probe_has_not_seen(&j);
    probe_speaks(&j);
    asked_to_stop(&j);
    end(&j);
}

/* MPI begins once in a process. */
static void all(void **unused) {
    (void)unused;
    tn_run run;
    assert_int_equal(tn_run_begin(&run), TN_OK);
    write_images();
    over_time(run);
    bn_momentum(run);
    rounds(run); /* asks to stop at its end */
    tn_run_end(&run, TN_OK, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
