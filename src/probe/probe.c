/* probe.c - features, a discriminant for each pair of folds, posteriors for each fold, and the filter before round 0. */
#include "probe/probe.h"

#include "base/progress.h"
#include "base/watch.h"
#include "data/loader.h"
#include "filter/filter.h"
#include "model/model.h"
#include "probe/categories.h"
#include "probe/discriminant.h"
#include "probe/features.h"
#include "score/calibration.h"
#include "score/prow.h"
#include "store/done.h"
#include "store/h5.h"
#include "train/cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 1024, LEAST_PARTS = 12 }; /* of all rows together */
static const double SHRINKAGE = 0.5;          /* docs/decisions/probe.md */

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    char folder[TN_PATH_BYTES], features[TN_PATH_BYTES], posteriors[TN_PATH_BYTES];
    char *settings, *inputs;
    int64_t n, *row;   /* rows with a fold, ascending */
    int d, F, n_parts; /* parts of a fold; part i of fold f has the number f * n_parts + i */
    tn_h5 *file, *out; /* features.h5, posteriors.h5 */
    int64_t n_right;   /* rows whose own fold's classifiers agree with the label */
    tn_class_sums *of[TN_MAX_FOLDS + LEAST_PARTS], *all, *rest, *without_f;
    float *w, *b;     /* (parts,d,K), (parts,K): the classifiers for the model of a fold, by the part that they judge */
    float *x, *y, *z; /* a block of features; those of one part, their logits */
    int32_t *label;   /* (BLOCK_ROWS) */
    float *p;         /* (N,K): logits, then probabilities */
    uint8_t *use;     /* (N) rows that the temperature is fitted on */
    double *one;      /* (N) their weight */
    tn_backoff *by_category;
    int32_t *part; /* (N) with category levels: part_of */
    float *q;      /* (N,K) with category levels: what they tell */
} probe;

/* --- identity ------------------------------------------------------------------------------------------------------- */

static tn_status find_identity(const tn_cfg *cfg, char **settings_out, char **inputs_out) {
    char path[TN_PATH_BYTES], shards[TN_HEX_BYTES], folds[TN_HEX_BYTES], weights[TN_HEX_BYTES];
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/shards", cfg->run_dir));
    TN_TRY(tn_done_digest(path, "preprocess", shards));
    TN_TRY(tn_path(path, "%s/folds", cfg->run_dir));
    TN_TRY(tn_done_digest(path, "preprocess", folds));
    tn_status st = tn_hash_file(cfg->model.pretrained, weights);
    if (st != TN_OK) return tn_fail(st, "model.pretrained: %s", tn_msg);
    *settings_out = tn_cfg_canonical(cfg, TN_KEYS_PROBE);
    FILE *f = open_memstream(inputs_out, &n);
    if (f) fprintf(f, "shards %s\nfolds %s\npretrained %s\n", shards, folds, weights);
    return tn_text_end(f, *settings_out ? TN_OK : tn_fail_memory(4096, "the probe"), "the probe");
}

/* --- sums ----------------------------------------------------------------------------------------------------------- */

static int parts_of_fold(int F) {
    return (LEAST_PARTS + F - 1) / F;
}

/* The part of a row with a fold: images that resemble each other, or share a group, are in one part. */
static int part_of(const probe *s, int64_t row) {
    uint32_t mixed = (uint32_t)s->ix->component[row] * 2654435761U; /* Knuth's multiplicative hash */
    return s->ix->fold[row] * s->n_parts + (int)((mixed >> 16) % (uint32_t)s->n_parts);
}

static tn_status read_rows(probe *s) {
    int64_t shape[2];
    TN_TRY(tn_h5_open(s->features, &s->file));
    TN_TRY(tn_h5_check_stamp(s->file, s->features, "features", 1));
    TN_TRY(tn_h5_shape(s->file, "features", 2, shape));
    TN_TRY(tn_h5_read_new(s->file, "row", TN_H5_I64, &s->n, &s->row));
    s->d = (int)shape[1];
    return TN_OK;
}

/* With model.metadata_levels the models know categories, and so does the probe. */
static tn_status use_categories(probe *s) {
    size_t n = (size_t)s->ix->n, n_bytes = n * (size_t)s->ix->n_classes * sizeof *s->q;
    if (s->cfg->model.metadata_levels == 0) return TN_OK;
    s->part = malloc(n * sizeof *s->part + 1);
    s->q = malloc(n_bytes + 1);
    if (!s->part || !s->q) return tn_fail_memory(n_bytes, "the probe");
    for (size_t i = 0; i < n; i++) s->part[i] = s->ix->fold[i] < 0 ? -1 : part_of(s, (int64_t)i);
    return tn_backoff_new(s->ix, s->cfg->model.metadata_levels, TN_CATEGORY_ROWS, &s->by_category);
}

static tn_status allocate(probe *s) {
    int K = s->ix->n_classes;
    size_t n = (size_t)s->ix->n, d = (size_t)s->d, k = (size_t)K, G = (size_t)(s->F * s->n_parts);
    s->w = malloc(G * d * k * sizeof *s->w);
    s->b = malloc(G * k * sizeof *s->b);
    s->x = malloc(BLOCK_ROWS * d * sizeof *s->x);
    s->y = malloc(BLOCK_ROWS * d * sizeof *s->y);
    s->z = malloc(BLOCK_ROWS * k * sizeof *s->z);
    s->label = malloc(BLOCK_ROWS * sizeof *s->label);
    s->p = malloc(n * k * sizeof *s->p + 1);
    s->use = calloc(n + 1, 1);
    s->one = malloc(n * sizeof *s->one + 1);
    if (!s->w || !s->b || !s->x || !s->y || !s->z || !s->label || !s->p || !s->use || !s->one)
        return tn_fail_memory((n + G * d) * k * sizeof *s->p + 2 * BLOCK_ROWS * d * sizeof *s->x, "the probe");
    for (size_t i = 0; i < n; i++) s->one[i] = 1;
    TN_TRY(use_categories(s));
    for (int g = 0; g < s->F * s->n_parts; g++) TN_TRY(tn_class_sums_new(s->d, K, &s->of[g]));
    TN_TRY(tn_class_sums_new(s->d, K, &s->rest));
    TN_TRY(tn_class_sums_new(s->d, K, &s->without_f));
    return tn_class_sums_new(s->d, K, &s->all);
}

/* Read the block of features that begins with row `first` of the file. n_out: its rows. */
static tn_status read_block(probe *s, int64_t first, int64_t *n_out) {
    *n_out = s->n - first < BLOCK_ROWS ? s->n - first : BLOCK_ROWS;
    TN_TRY(tn_probe_go_on());
    return tn_h5_read_rows(s->file, "features", TN_H5_F32, first, *n_out, s->x);
}

static tn_status add_up(probe *s) {
    for (int64_t first = 0, n; first < s->n; first += n) {
        TN_TRY(read_block(s, first, &n));
        tn_watch_at("probe: sums", first);
        for (int g = 0; g < s->F * s->n_parts; g++) {
            for (int64_t i = 0; i < n; i++) {
                int64_t row = s->row[first + i];
                s->label[i] = part_of(s, row) == g ? s->ix->label[row] : -1;
            }
            TN_TRY(tn_class_sums_add(s->of[g], n, s->x, s->label));
        }
    }
    for (int g = 0; g < s->F * s->n_parts; g++) tn_class_sums_join(s->all, 1, s->of[g]);
    return TN_OK;
}

/* --- posteriors ------------------------------------------------------------------------------------------------------- */

/* Fit the classifier that judges part g for the model of fold f: of all rows that are neither in f nor in g. */
static tn_status fit_without(probe *s, int f, int g) {
    int K = s->ix->n_classes, first = f * s->n_parts;
    float *w = s->w + (int64_t)g * s->d * K, *b = s->b + g * K;
    if (g > first && g < first + s->n_parts) { /* what judges one part of f judges all of it */
        memcpy(w, s->w + (int64_t)first * s->d * K, (size_t)s->d * (size_t)K * sizeof *w);
        memcpy(b, s->b + first * K, (size_t)K * sizeof *b);
        return TN_OK;
    }
    tn_class_sums_clear(s->rest);
    tn_class_sums_join(s->rest, 1, s->without_f);
    if (g != first) tn_class_sums_join(s->rest, -1, s->of[g]);
    return tn_discriminant_fit(s->rest, SHRINKAGE, w, b);
}

static void leave_out(probe *s, int f) {
    tn_class_sums_clear(s->without_f);
    tn_class_sums_join(s->without_f, 1, s->all);
    for (int i = 0; i < s->n_parts; i++) tn_class_sums_join(s->without_f, -1, s->of[f * s->n_parts + i]);
}

/* Write the logits of the rows of part g among n rows, the block that begins with row `first` of the file. */
static void judge_block(probe *s, int g, int64_t first, int64_t n) {
    int K = s->ix->n_classes;
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        if (part_of(s, s->row[first + i]) == g) memcpy(s->y + m++ * s->d, s->x + i * s->d, (size_t)s->d * sizeof *s->y);
    tn_discriminant_logits(s->d, K, s->w + (int64_t)g * s->d * K, s->b + g * K, m, s->y, s->z);
    m = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = s->row[first + i];
        if (part_of(s, row) == g) memcpy(s->p + row * K, s->z + m++ * K, (size_t)K * sizeof *s->p);
    }
}

static void softmax(int K, float *z) {
    float most = z[0];
    double sum = 0;
    for (int k = 1; k < K; k++) most = z[k] > most ? z[k] : most;
    for (int k = 0; k < K; k++) sum += z[k] = expf(z[k] - most);
    for (int k = 0; k < K; k++) z[k] = (float)(z[k] / sum);
}

/* Give p the temperature with which it explains the labels outside fold f best. */
static double temper(probe *s) {
    int K = s->ix->n_classes;
    double t = tn_temperature(s->ix->n, K, s->p, s->ix->label, s->one, s->use);
    for (int64_t i = 0; i < s->n; i++) tn_prow_temper(K, 1 / t, s->p + s->row[i] * K);
    return t;
}

/* Join what categories tell the model of fold f. said (room): what is said of it. */
static void join_categories(probe *s, int f, char *said, size_t room) {
    tn_watch_at("probe: categories", f);
    tn_categories_of(s->by_category, s->ix, f, s->F * s->n_parts, s->part, s->q);
    double weight[2];
    tn_categories_join(s->ix, s->q, s->use, s->p, weight);
    snprintf(said, room, ", weights of pictures %.2f, of categories %.2f", weight[0], weight[1]);
}

/* Posteriors of all rows for the model of fold f. */
static tn_status judge_for(probe *s, int f) {
    int K = s->ix->n_classes;
    char categories[96] = "";
    memset(s->p, 0, (size_t)s->ix->n * (size_t)K * sizeof *s->p);
    leave_out(s, f);
    for (int g = 0; g < s->F * s->n_parts; g++) {
        tn_watch_at("probe: classifiers", f * s->F * s->n_parts + g);
        TN_TRY(tn_probe_go_on());
        TN_TRY(fit_without(s, f, g));
    }
    for (int64_t first = 0, n; first < s->n; first += n) {
        TN_TRY(read_block(s, first, &n));
        for (int g = 0; g < s->F * s->n_parts; g++) judge_block(s, g, first, n);
    }
    for (int64_t i = 0; i < s->n; i++) softmax(K, s->p + s->row[i] * K);
    for (int64_t i = 0; i < s->ix->n; i++) s->use[i] = s->ix->fold[i] >= 0 && s->ix->fold[i] != f;
    double t = temper(s);
    if (s->by_category) join_categories(s, f, categories, sizeof categories);
    tn_say("probe: classifiers of fold %d of %d, temperature %.2f%s", f + 1, s->F, t, categories);
    return TN_OK;
}

/* right: the share of given labels that classifiers of the other folds agree with. */
static void say_result(const probe *s, double right) {
    tn_say("probe: %.1f %% of %lld labels are what other folds say", 100 * right, (long long)s->n);
    tn_result("%.1f %% of labels agree with the probe", 100 * right);
}

static tn_status prepare(probe *s) {
    TN_TRY(read_rows(s));
    TN_TRY(allocate(s));
    TN_TRY(add_up(s));
    TN_TRY(tn_h5_create(s->posteriors, &s->out));
    TN_TRY(tn_h5_stamp(s->out, "probe", 1));
    return tn_h5_reserve(s->out, "p", TN_H5_F32, 3, (int64_t[]){s->F, s->ix->n, s->ix->n_classes});
}

static tn_status write_fold(probe *s, int f) {
    TN_TRY(judge_for(s, f));
    for (int64_t i = 0; i < s->ix->n; i++)
        s->n_right +=
            s->ix->fold[i] == f && tn_prow_argmax(s->ix->n_classes, s->p + i * s->ix->n_classes) == s->ix->label[i];
    return tn_h5_write_rows(s->out, "p", TN_H5_F32, f, 1, s->p);
}

static tn_status finish(probe *s, const tn_done *want) {
    char digest[TN_HEX_BYTES];
    TN_TRY(tn_h5_close(&s->out));
    TN_TRY(tn_hash_file(s->posteriors, digest));
    say_result(s, (double)s->n_right / (double)s->n);
    return tn_done_publish(s->folder, want, digest, (const char *[]){"features.h5", "posteriors.h5", NULL});
}

/* --- the stage -------------------------------------------------------------------------------------------------------- */

static void release(probe *s) {
    tn_h5_close(&s->file);
    tn_h5_close(&s->out);
    for (int g = 0; g < s->F * s->n_parts; g++) tn_class_sums_free(&s->of[g]);
    tn_class_sums_free(&s->without_f);
    tn_class_sums_free(&s->all);
    tn_class_sums_free(&s->rest);
    tn_backoff_free(&s->by_category);
    void *all[] = {s->row, s->w, s->b, s->x, s->y, s->z, s->label, s->p, s->use, s->one, s->part, s->q};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Rank 0 works; the others meet it after each fold, so that none of them waits for longer than train.hang_seconds. */
static tn_status classify(tn_run *run, probe *s, const tn_done *want) {
    bool works = run->rank == 0;
    tn_status st = tn_agree(run, works ? prepare(s) : TN_OK);
    for (int f = 0; f < s->F && st == TN_OK; f++) st = tn_agree(run, works ? write_fold(s, f) : TN_OK);
    if (st == TN_OK) st = tn_agree(run, works ? finish(s, want) : TN_OK);
    release(s);
    return st;
}

static tn_status make(tn_run *run, probe *s, const tn_shards *shards, const tn_done *want) {
    TN_TRY(tn_features_make(run, s->cfg, s->ix, shards, s->features));
    tn_status st = classify(run, s, want);
    if (run->rank == 0 && st != TN_OK) tn_done_undo(s->folder);
    return st;
}

tn_status tn_probe_mib(const tn_cfg *cfg, int64_t rows, double *out) {
    tn_net_spec spec = tn_train_net(cfg, 0);
    int d = 0;
    TN_TRY(tn_feature_count(&spec, &d));
    double G = cfg->folds.count * parts_of_fold(cfg->folds.count), K = cfg->data.n_classes,
           row = 4 * K + 9 + (cfg->model.metadata_levels > 0 ? 4 * K + 44 : 0);
    *out = 64 + (8 * (G + 4) * d * (d + K) + 4 * G * d * K + row * (double)rows) / 0x1p20;
    return TN_OK;
}

/* Add up BLOCK_ROWS rows of random features, and fit a classifier. */
static tn_status time_classifier(tn_class_sums *s, float *x, int32_t *label, float *w, double *add_s, double *fit_s) {
    float *b = w + (int64_t)s->d * s->K;
    uint32_t grain = 1;
    for (int64_t i = 0; i < (int64_t)BLOCK_ROWS * s->d; i++)
        x[i] = (float)((grain = grain * 1664525U + 1013904223U) >> 8); /* a linear congruential generator */
    for (int i = 0; i < BLOCK_ROWS; i++) label[i] = i % s->K;
    double begin_s = tn_now_s();
    TN_TRY(tn_class_sums_add(s, BLOCK_ROWS, x, label));
    *add_s = tn_now_s() - begin_s;
    begin_s = tn_now_s();
    TN_TRY(tn_discriminant_fit(s, SHRINKAGE, w, b));
    *fit_s = tn_now_s() - begin_s;
    return TN_OK;
}

tn_status tn_probe_classify_s(const tn_cfg *cfg, int64_t n, double *out) {
    tn_net_spec spec = tn_train_net(cfg, 0);
    int d = 0, K = cfg->data.n_classes, F = cfg->folds.count, parts = parts_of_fold(F);
    double add_s = 0, fit_s = 0;
    tn_class_sums *s = NULL;
    TN_TRY(tn_feature_count(&spec, &d));
    float *x = malloc(sizeof *x * BLOCK_ROWS * (size_t)d), *w = malloc(sizeof *w * (size_t)K * ((size_t)d + 1));
    int32_t *label = malloc(sizeof *label * BLOCK_ROWS);
    tn_status st = x && w && label ? tn_class_sums_new(d, K, &s)
                                   : tn_fail_memory(sizeof *x * BLOCK_ROWS * (size_t)d, "the probe's time");
    if (st == TN_OK) st = time_classifier(s, x, label, w, &add_s, &fit_s);
    *out = add_s * (double)n / BLOCK_ROWS + fit_s * F * ((F - 1) * parts + 1);
    tn_class_sums_free(&s);
    free(x);
    free(w);
    free(label);
    return st;
}

static tn_status find_paths(const tn_cfg *cfg, probe *s) {
    if (!cfg->self.probe)
        return tn_fail(TN_EARG, "self.probe is false: round 0 is trained on the given labels. Set self.probe = true to "
                                "filter them before");
    TN_TRY(tn_path(s->folder, "%s/probe", cfg->run_dir));
    TN_TRY(tn_path(s->features, "%s/probe/features.h5", cfg->run_dir));
    return tn_path(s->posteriors, "%s/probe/posteriors.h5", cfg->run_dir);
}

tn_status tn_probe(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards) {
    probe s = {.cfg = cfg, .ix = index, .F = cfg->folds.count, .n_parts = parts_of_fold(cfg->folds.count)};
    bool valid = false;
    tn_status st = tn_agree(run, find_paths(cfg, &s));
    if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? find_identity(cfg, &s.settings, &s.inputs) : TN_OK);
    if (st == TN_OK) st = tn_agree(run, tn_levels_check(cfg, index));
    tn_done want = {.stage = "probe", .settings = s.settings, .inputs = s.inputs};
    if (st == TN_OK) st = tn_done_begin_all(run, s.folder, "probe", &want, &valid);
    if (st == TN_OK && !valid) st = make(run, &s, shards, &want);
    free(s.settings);
    free(s.inputs);
    return st == TN_OK ? tn_filter(run, cfg, index, TN_ROUND_OF_PROBE, NULL) : st;
}

tn_status tn_probe_done(const tn_cfg *cfg, bool *out) {
    probe s = {.cfg = cfg};
    char filter[TN_PATH_BYTES];
    tn_done_state state = TN_DONE_ABSENT;
    *out = false;
    tn_status st = find_paths(cfg, &s);
    if (st == TN_OK) st = find_identity(cfg, &s.settings, &s.inputs);
    if (st == TN_OK)
        st = tn_done_find(s.folder, &(tn_done){.stage = "probe", .settings = s.settings, .inputs = s.inputs}, &state);
    if (st == TN_OK) st = tn_filter_folder(cfg, 0, filter);
    if (st == TN_OK) *out = state == TN_DONE_VALID && tn_done_exists(filter);
    free(s.settings);
    free(s.inputs);
    return st;
}
