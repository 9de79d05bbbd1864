/* train_evaluation.c - one evaluation during training. */
#include "train/train_priv.h"

#include "base/watch.h"
#include "score/match.h"
#include "store/done.h"
#include "store/h5.h"
#include "train/noise.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t tn_train_point_step(const tn_train *t, int j) {
    return t->n_steps * (j + 1) / t->cfg->train.evaluations;
}

/* The first evaluation that enters z: the first after 30 % of the training length. The last evaluation is at its end. */
static int first_in_ensemble(const tn_train *t) {
    return t->cfg->train.evaluations * 3 / 10;
}

/* The temporal ensemble z (train.h). Before it begins, z is the latest p, for a kept evaluation as early as that. */
static void ensemble_in_time(tn_train *t) {
    int K = t->index->n_classes, W = tn_prow_width(K);
    double weights = 1; /* 1 + alpha + alpha^2 + ..., a term for each evaluation that has entered, this one too */
    for (int j = first_in_ensemble(t); j < t->clock.evaluations_done; j++) weights = 1 + t->cfg->self.alpha * weights;
    for (int64_t i = 0; i < t->rows.n_evaluated; i++) {
        float *z = t->rows.z + i * W;
        tn_prow_mix(K, 1 - 1 / weights, z, 1 / weights, t->rows.p + i * W, z);
    }
}

/* The last step may have made the weights non-finite. All ranks have the same p and come to the same result. */
static tn_status check_finite(const tn_train *t) {
    int64_t i = 0, n = t->rows.n_evaluated * tn_prow_width(t->index->n_classes);
    while (i < n && isfinite(t->rows.p[i])) i++;
    if (i == n) return TN_OK;
    return tn_fail(
        TN_EDIVERGED,
        "%s: the predictions are not finite at evaluation %d, after %lld images: lower "
        "train.learning_rate, lengthen train.warmup_images or set train.clip_norm; the last checkpoint is kept",
        t->name, t->clock.evaluations_done + 1, (long long)t->clock.images_seen);
}

/* --- which evaluation is kept ------------------------------------------------------------------------------------------ */

/* Score this evaluation on the validation slice. It is kept if it scores highest or is not significantly worse than the
 * highest-scoring one. counts_out: the caller frees it, also after an error. */
static tn_status judge_point(tn_train *t, tn_counts *counts_out, bool *keep_out) {
    int K = t->index->n_classes, W = tn_prow_width(K);
    tn_match m = {.seed = 0};
    tn_status st = tn_match_new(K, (uint64_t)t->cfg->folds.seed, &m);
    for (int64_t i = 0, v = 0; st == TN_OK && i < t->rows.n_evaluated; i++) {
        int64_t row = t->rows.evaluated[i];
        if (t->rows.is_validation[row])
            st = tn_match_add(&m, t->index->component[row], t->index->label[row], (int)t->rows.top[v++],
                              tn_prow_argmax(K, t->rows.p + i * W));
    }
    if (st == TN_OK) {
        bool highest = false;
        *keep_out = tn_match_keeps(&m, &highest) || t->clock.best_evaluation < 0;
        /* not where the kept model was lost after the checkpoint: what scored highest before it still stands */
        highest = highest || t->clock.evaluations_done == 0;
        for (int64_t i = 0, v = 0; highest && i < t->rows.n_evaluated; i++)
            if (t->rows.is_validation[t->rows.evaluated[i]])
                t->rows.top[v++] = (float)tn_prow_argmax(K, t->rows.p + i * W);
    }
    *counts_out = m.newer_rows;
    m.newer_rows = (tn_counts){.K = 0};
    tn_match_free(&m);
    return st;
}

/* --- the kept model ----------------------------------------------------------------------------------------------- */

/* Rows that are written or read at a time: 16 MiB, at most 2^16. */
static int64_t block_rows(const tn_train *t) {
    enum { MOST = 1 << 16, FLOATS = 1 << 22 };
    int64_t n = FLOATS / tn_prow_width(t->index->n_classes);
    return n < MOST ? n : MOST;
}

/* Write x, n_evaluated rows, as dataset of N rows; those that are not evaluated are zeros. room: block_rows rows. */
static tn_status write_spread(const tn_train *t, tn_h5 *f, const char *name, const float *x, float *room) {
    int64_t N = t->index->n, W = tn_prow_width(t->index->n_classes), block = block_rows(t), i = 0;
    TN_TRY(tn_h5_reserve(f, name, TN_H5_F32, 2, (int64_t[]){N, W}));
    for (int64_t first = 0; first < N; first += block) {
        int64_t n = N - first < block ? N - first : block;
        memset(room, 0, (size_t)(n * W) * sizeof *room);
        for (; i < t->rows.n_evaluated && t->rows.evaluated[i] < first + n; i++)
            memcpy(room + (t->rows.evaluated[i] - first) * W, x + i * W, (size_t)W * sizeof *room);
        TN_TRY(tn_h5_write_rows(f, name, TN_H5_F32, first, n, room));
        tn_watch_go();
    }
    return TN_OK;
}

/* Only rank 0 writes: docs/decisions/one-writer.md. */
static tn_status write_posteriors(const tn_train *t) {
    char tmp[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    size_t n_bytes = (size_t)block_rows(t) * (size_t)tn_prow_width(t->index->n_classes) * sizeof(float);
    TN_TRY(tn_publish_name(t->files.posteriors, tmp));
    float *room = malloc(n_bytes);
    tn_status st = room ? tn_h5_create(tmp, &f) : tn_fail_memory(n_bytes, "posteriors");
    if (st == TN_OK) st = tn_h5_stamp(f, "posteriors", 1);
    if (st == TN_OK) st = write_spread(t, f, "z", t->rows.z, room);
    if (st == TN_OK) st = write_spread(t, f, "p", t->rows.p, room);
    tn_status closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st == TN_OK) st = tn_publish_end(t->files.posteriors);
    if (st != TN_OK) tn_publish_drop(t->files.posteriors);
    free(room);
    return st;
}

/* Read back what write_spread wrote. */
static tn_status read_spread(const tn_train *t, tn_h5 *f, const char *name, float *x, float *room) {
    int64_t N = t->index->n, W = tn_prow_width(t->index->n_classes), block = block_rows(t), i = 0;
    for (int64_t first = 0; first < N; first += block) {
        int64_t n = N - first < block ? N - first : block;
        TN_TRY(tn_h5_read_rows(f, name, TN_H5_F32, first, n, room));
        for (; i < t->rows.n_evaluated && t->rows.evaluated[i] < first + n; i++)
            memcpy(x + i * W, room + (t->rows.evaluated[i] - first) * W, (size_t)W * sizeof *room);
    }
    return TN_OK;
}

static void hash_weights(const tn_train *t, const float *params, const float *state, tn_hash *hash) {
    tn_hash_add(hash, params, (size_t)t->vec.n_params * sizeof *params);
    tn_hash_add(hash, state, (size_t)t->vec.n_state * sizeof *state);
}

static void hash_posteriors(const tn_train *t, const float *x, tn_hash *hash) {
    tn_hash_add(hash, x, (size_t)t->rows.n_evaluated * (size_t)tn_prow_width(t->index->n_classes) * sizeof *x);
}

static tn_status hash_weights_file(const tn_train *t, tn_hash *hash) {
    tn_ckpt *best = NULL;
    float *params = malloc((size_t)t->vec.n_params * sizeof *params),
          *state = malloc((size_t)t->vec.n_state * sizeof *state);
    tn_status st = params && state ? tn_ckpt_read(t->files.best, &best)
                                   : tn_fail_memory((size_t)t->vec.n_params * sizeof *params, "the best model");
    if (st == TN_OK) st = tn_ckpt_net_load(best, t->net, "model.", params, state);
    if (st == TN_OK) hash_weights(t, params, state, hash);
    tn_ckpt_free(&best);
    free(params);
    free(state);
    return st;
}

static tn_status hash_posteriors_file(const tn_train *t, tn_hash *hash) {
    static const char *const NAME[] = {"z", "p"};
    tn_h5 *f = NULL;
    size_t n_bytes = (size_t)block_rows(t) * (size_t)tn_prow_width(t->index->n_classes) * sizeof(float);
    float *room = malloc(n_bytes);
    tn_status st = room ? tn_h5_open(t->files.posteriors, &f) : tn_fail_memory(n_bytes, "posteriors");
    for (int i = 0; st == TN_OK && i < 2; i++) {
        st = read_spread(t, f, NAME[i], t->rows.p, room);
        if (st == TN_OK) hash_posteriors(t, t->rows.p, hash);
    }
    tn_h5_close(&f);
    free(room);
    return st;
}

tn_status tn_train_best_digest(tn_train *t, char hex_out[TN_HEX_BYTES]) {
    tn_hash *hash = tn_hash_new();
    tn_status st = hash_weights_file(t, hash);
    if (st == TN_OK && t->rows.kind != TN_EVALUATED_SLICE) st = hash_posteriors_file(t, hash);
    tn_hash_hex(hash, hex_out);
    tn_hash_free(&hash);
    return st;
}

static tn_status write_best(tn_train *t, char digest_out[TN_HEX_BYTES]) {
    int n = tn_net_tensors(t->net);
    tn_ckpt_entry *entry = calloc((size_t)n, sizeof *entry);
    float *params = malloc((size_t)t->vec.n_params * sizeof *params),
          *state = malloc((size_t)t->vec.n_state * sizeof *state);
    json_t *meta = json_object();
    tn_status st = TN_OK;
    if (!entry || !params || !state || !meta) {
        st = tn_fail_memory((size_t)t->vec.n_params * sizeof *params, "the best model");
    } else {
        t->dev->op->download(t->dev, t->vec.n_params, t->vec.ema_params, params);
        t->dev->op->download(t->dev, t->vec.n_state, t->vec.ema_state, state);
        tn_ckpt_net_entries(t->net, "model.", params, state, entry);
        tn_ckpt_set_model(meta, &t->model);
        tn_ckpt_set_isa(meta, t->isa);
        json_object_set_new(meta, "cell", json_string(t->name));
        json_object_set_new(meta, "images_seen", json_sprintf("%lld", (long long)t->clock.images_seen));
        st = tn_ckpt_write(t->files.best, n, entry, meta);
        tn_hash *hash = tn_hash_new();
        hash_weights(t, params, state, hash);
        if (t->rows.kind != TN_EVALUATED_SLICE) {
            hash_posteriors(t, t->rows.z, hash);
            hash_posteriors(t, t->rows.p, hash);
        }
        tn_hash_hex(hash, digest_out);
        tn_hash_free(&hash);
    }
    json_decref(meta);
    free(entry);
    free(params);
    free(state);
    return st;
}

static tn_status publish_best(tn_run *run, tn_train *t, const tn_counts *counts) {
    char digest[TN_HEX_BYTES] = "";
    tn_status st = TN_OK;
    if (run->rank == 0 && t->rows.kind != TN_EVALUATED_SLICE) st = write_posteriors(t);
    if (run->rank == 0 && st == TN_OK) st = write_best(t, digest);
    TN_TRY(tn_agree(run, st));
    MPI_Bcast(digest, sizeof digest, MPI_CHAR, 0, run->comm);
    memcpy(t->clock.best_digest, digest, sizeof digest);
    t->clock.best = tn_score_of(counts);
    t->clock.best_evaluation = t->clock.evaluations_done;
    return TN_OK;
}

/* --- journal ------------------------------------------------------------------------------------------------------ */

/* The noise scale over the steps since the last evaluation; null if it cannot be estimated. */
static json_t *noise_json(const tn_train *t) {
    double images = tn_noise_scale(t->clock.small_sq, t->clock.big_sq, t->B, (double)t->L * t->B);
    return isfinite(images) ? json_real(images) : json_null();
}

/* evaluation_s: seconds that this evaluation took. */
static tn_status append_journal(tn_train *t, const tn_counts *counts, double evaluation_s) {
    TN_TRY(tn_done_check());
    const tn_train_clock *c = &t->clock;
    tn_score score = tn_score_of(counts);
    int64_t n_labelled = 0;
    for (int k = 0; k < t->index->n_classes; k++) n_labelled += c->exposure[k];
    json_t *f1 = json_object(), *exposure = json_object(), *rows = json_object();
    for (int k = 0; k < t->index->n_classes; k++) {
        json_object_set_new(f1, t->index->class_name[k], json_real(tn_f1(counts, k)));
        json_object_set_new(exposure, t->index->class_name[k], json_integer(c->exposure[k]));
        json_object_set_new(rows, t->index->class_name[k], json_integer(t->rows.by_class[k]));
    }
    json_t *line = json_pack("{s:i,s:I,s:I,s:f,s:f,s:b,s:{s:f,s:f,s:f,s:o},s:o,s:I,s:o,s:I,s:o,s:f,s:f}", "evaluation",
                             c->evaluations_done + 1, "step", (json_int_t)c->step, "images", (json_int_t)c->images_seen,
                             "learning_rate", tn_learning_rate(t->cfg, c->images_seen), "loss",
                             c->loss_steps ? c->loss_sum / (double)c->loss_steps : 0.0, "best",
                             c->best_evaluation == c->evaluations_done, "validation", "geometric_mean", score.gmean,
                             "macro_f1", score.macro, "accuracy", score.accuracy, "f1", f1, "images_by_class", exposure,
                             "images_unlabeled", (json_int_t)(c->images_seen - n_labelled), "rows_by_class", rows,
                             "rows_unlabeled", (json_int_t)t->rows.n_unlabeled, "noise_scale_images", noise_json(t),
                             "training_seconds", c->seconds, "evaluation_seconds", evaluation_s);
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(TN_SCORE_DIGITS)) : NULL;
    json_decref(line);
    if (!text) return tn_fail_memory(1024, "a line of the journal");
    int n = fprintf(t->journal, "%s\n", text);
    free(text);
    if (n < 0 || fflush(t->journal) != 0 || fsync(fileno(t->journal)) != 0)
        return tn_fail(TN_EIO, "%s: cannot be written: %s", t->files.journal, strerror(errno));
    t->clock.journal_bytes += n;
    return TN_OK;
}

tn_status tn_train_evaluate(tn_run *run, tn_train *t) {
    double begin_s = tn_now_s();
    tn_exec_weights(t->exec, t->vec.ema_params, t->vec.ema_state);
    TN_TRY(tn_eval_rows(run, t->exec, &t->eval_spec, t->rows.n_evaluated, t->rows.evaluated, t->index->label, NULL,
                        t->rows.p));
    TN_TRY(check_finite(t));
    ensemble_in_time(t);
    tn_counts counts = {.K = 0};
    bool keep = false;
    tn_status st = tn_agree(run, judge_point(t, &counts, &keep));
    if (st == TN_OK && keep) st = publish_best(run, t, &counts);
    if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? append_journal(t, &counts, tn_now_s() - begin_s) : TN_OK);
    tn_counts_free(&counts);
    TN_TRY(st);
    t->clock.evaluations_done++;
    t->clock.loss_sum = t->clock.small_sq = t->clock.big_sq = 0;
    t->clock.loss_steps = 0;
    return tn_train_checkpoint(run, t);
}
