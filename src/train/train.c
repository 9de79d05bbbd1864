/*
 * train.c - the step loop of one cell.
 *
 *   step:  each lane of this rank -> a vector [batch moments | gradients] and a few numbers on the device
 *          tn_lane_sum            -> the sums over all lanes, bitwise the same on every rank; gradients are sent while
 *                                    those of earlier layers are still computed
 *          optimiser, running moments, EMA: every rank computes all of it, nothing is sent
 *   evaluation: EMA weights predict the rows to evaluate; z, validation score, model to keep, journal, checkpoint
 *
 * Invariants 1. A rank that fails inside a step sets its lane's number FAILED and still takes part in the sums, so that all
 *               ranks leave the loop in the same step.
 *            2. A stop signal sets the number STOP: all ranks finish the step, publish a checkpoint and return
 *               TN_EUNFINISHED; during an evaluation they drop the evaluation (train/eval.h) and do the same.
 *            3. Checkpoints exist only at step boundaries. For a checkpoint by wall clock, only rank 0 reads the clock;
 *               it tells the others by the number SAVE.
 */
#include "train/train_priv.h"

#include "base/watch.h"
#include "model/model.h"
#include "store/done.h"
#include "store/history.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* The teacher's probabilities: averaged weights predict the images before Mixup or CutMix, and the results are mixed like the labels. */
static const float *ask_teacher(tn_train *t, const tn_lane *in) {
    if (!t->teacher) return NULL;
    int K = t->index->n_classes;
    float *mixed = t->teacher_p + (int64_t)t->B * K;
    tn_images clean = tn_images_of(in->clean_image, &t->train_spec.norm);
    tn_exec_eval(t->teacher, &clean, in->clean_extra, t->teacher_p);
    if (in->mix.lambda >= 1) return t->teacher_p;
    tn_mix_rows(&in->mix, t->B, K, t->teacher_p, mixed);
    return mixed;
}

/* A lane's gradient while it is computed. The part from `from` to the end is final. */
typedef struct {
    tn_train *t;
    const float *grads;
    int64_t from;
    double *square;
    bool last; /* the last lane of this rank: final parts are sent at once, and then overwritten by the sum */
} tn_growing;

/* Called when grads[from..] is final. The squared length is summed here while the values are in the cache; the pieces do not depend
 * on which rank has the lane. */
static void on_grads(void *context, int64_t from) {
    tn_growing *g = context;
    tn_train_vectors *v = &g->t->vec;
    if (from < g->from) g->t->dev->op->add_squares(g->t->dev, g->from - from, g->grads + from, g->square);
    g->from = from;
    if (g->last) tn_lane_sum_ready(v->sum, v->grads_at + from);
}

static tn_status run_lane(tn_train *t, tn_feed *f, int i) {
    tn_watch_at(t->name, t->clock.images_seen);
    tn_lane in;
    TN_TRY(tn_feed_take(t, f, &in));
    tn_exec_lane lane = {
        .image = tn_images_of(in.image, &t->train_spec.norm),
        .extra = in.extra,
        .target = in.target,
        .class_weight = t->class_loss.weight,
        .logit_shift = t->class_loss.shift,
        .n_frozen = t->clock.step < tn_frozen_steps(t->cfg) ? tn_net_params_in(t->net, t->cfg->train.freeze_stages) : 0,
        .teacher = ask_teacher(t, &in),
        .consistency = t->cfg->self.consistency,
        .consistency_weight = tn_consistency_weight(t->cfg, t->clock.images_seen),
        .seed = (uint64_t)t->cell.seed,
        .position = (t->clock.step * t->L + t->mine.first + i) * t->B,
        .on_grads = on_grads};
    float *moments = t->vec.lane[i], *grads = moments + t->vec.grads_at;
    tn_growing growing = {
        .t = t, .grads = grads, .from = t->vec.n_params, .square = t->vec.square + i, .last = i == t->mine.n - 1};
    lane.context = &growing;
    tn_exec_train(t->exec, &lane, grads, moments, NULL);
    t->dev->op->add(t->dev, t->B, tn_exec_losses(t->exec), t->vec.loss + (int64_t)i * t->B);
    tn_feed_stage(t, f);
    return TN_OK;
}

/* Losses and lengths of all lanes come to the host in one piece. */
static void take_numbers(tn_train *t) {
    const double *square = (const double *)(const void *)t->numbers.computed;
    const float *loss = (const float *)(square + t->mine.n);
    t->dev->op->download(t->dev, t->numbers.n_computed, (const float *)(const void *)t->vec.square,
                         t->numbers.computed);
    for (int i = 0; i < t->mine.n; i++) {
        double sum = 0;
        for (int b = 0; b < t->B; b++) sum += (double)*loss++;
        t->numbers.lane[i][TN_LANE_LOSS] = (float)(sum / t->B);
        t->numbers.lane[i][TN_LANE_SQUARE] = (float)square[i];
    }
}

/* Update weights and averages after the sum; every rank computes the same. */
static void update(tn_train *t) {
    const tn_cfg *cfg = t->cfg;
    float *moments = t->vec.lane[0], *grads = moments + t->vec.grads_at;
    int64_t step = t->clock.step + 1;
    t->dev->op->scale(t->dev, t->vec.n_lane, 1.0F / (float)t->L, moments);
    tn_optim_step(t->dev, t->net, cfg, tn_learning_rate(cfg, t->clock.images_seen), step, grads, t->vec.params,
                  t->vec.m, t->vec.v);
    t->dev->op->lerp(t->dev, t->vec.n_state, (float)tn_net_spec_of(t->net)->bn_momentum, moments, t->vec.state);
    double decay = tn_ema_decay(cfg, step);
    t->dev->op->lerp(t->dev, t->vec.n_params, (float)(1.0 - decay), t->vec.params, t->vec.ema_params);
    t->dev->op->lerp(t->dev, t->vec.n_state, (float)(1.0 - decay), t->vec.state, t->vec.ema_state);
}

static void count_exposure(tn_train *t) {
    for (int64_t i = 0; i < (int64_t)t->L * t->B; i++) {
        int32_t label = t->rows.label[tn_sampler_at(t->sampler, t->clock.images_seen + i)];
        if (label >= 0) t->clock.exposure[label]++;
    }
}

/* x (n): device memory */
static bool has_bad(const tn_train *t, int64_t n, const float *x) {
    return !isfinite(tn_dev_squares(t->dev, n, x));
}

/* Where a value became non-finite: the first layer whose batch moments are not finite; else the last layer whose gradient is not. */
static const char *first_bad(const tn_train *t) {
    const char *name = "the loss";
    for (int i = 0; i < tn_net_tensors(t->net); i++) {
        const tn_tensor *x = tn_net_tensor(t->net, i);
        if (tn_tensor_is_state(x) && has_bad(t, x->n, t->vec.lane[0] + x->offset)) return x->name;
    }
    for (int i = 0; i < tn_net_tensors(t->net); i++) {
        const tn_tensor *x = tn_net_tensor(t->net, i);
        if (!tn_tensor_is_state(x) && has_bad(t, x->n, t->vec.lane[0] + t->vec.grads_at + x->offset)) name = x->name;
    }
    return name;
}

/* Checked after the sum over lanes, so that every rank gets the same result, and before the weights are changed. */
static tn_status check_finite(const tn_train *t, double loss, double *square_out) {
    *square_out = tn_dev_squares(t->dev, t->vec.n_params, t->vec.lane[0] + t->vec.grads_at);
    if (isfinite(loss) && isfinite(*square_out)) return TN_OK;
    return tn_fail(
        TN_EDIVERGED,
        "%s: values are not finite at step %lld, after %lld images (loss %g), first in %s. Lower "
        "train.learning_rate, lengthen train.warmup_images or set train.clip_norm; the last checkpoint is kept",
        t->name, (long long)t->clock.step, (long long)t->clock.images_seen, loss, first_bad(t));
}

/* What all ranks learn from the numbers of a step's lanes. */
typedef struct {
    bool stop, save; /* some rank was asked to stop; it is time for a checkpoint */
} signals;

static bool save_by_clock(const tn_train *t) {
    double every = t->cfg->train.checkpoint_seconds;
    return every > 0 && tn_now_s() - t->checkpoint_at_s >= every;
}

static tn_status step(tn_run *run, tn_train *t, tn_feed *f, signals *out) {
    tn_exec_weights(t->exec, t->vec.params, t->vec.state);
    if (t->teacher) tn_exec_weights(t->teacher, t->vec.ema_params, t->vec.ema_state);
    tn_status mine = TN_OK;
    t->dev->op->fill(t->dev, t->numbers.n_computed, 0, (float *)(void *)t->vec.square);
    tn_lane_sum_begin(run, t->vec.sum);
    for (int i = 0; i < t->mine.n; i++) {
        if (mine == TN_OK) mine = run_lane(t, f, i);
        if (mine != TN_OK) t->dev->op->fill(t->dev, t->vec.n_lane, 0, t->vec.lane[i]);
        t->numbers.lane[i][TN_LANE_STOP] = i == 0 && tn_stop_wanted() ? 1 : 0;
        t->numbers.lane[i][TN_LANE_SAVE] = i == 0 && run->rank == 0 && save_by_clock(t) ? 1 : 0;
        t->numbers.lane[i][TN_LANE_FAILED] = mine != TN_OK ? 1 : 0;
    }
    tn_lane_sum_finish(run, t->vec.sum); /* sends while the device computes; so nothing may wait for it before */
    take_numbers(t);
    tn_lane_sum_begin(run, t->numbers.sum);
    tn_lane_sum_finish(run, t->numbers.sum);
    const float *sum = t->numbers.lane[0];
    if (sum[TN_LANE_FAILED] > 0) return tn_agree(run, mine);
    double loss = (double)sum[TN_LANE_LOSS] / t->L, square = 0, L = t->L;
    TN_TRY(check_finite(t, loss, &square));
    t->clock.small_sq += fmin((double)sum[TN_LANE_SQUARE], FLT_MAX) / L; /* a float, which may have overflowed */
    t->clock.big_sq += square / (L * L);
    *out = (signals){.stop = sum[TN_LANE_STOP] > 0, .save = sum[TN_LANE_SAVE] > 0};
    update(t);
    count_exposure(t);
    t->clock.loss_sum += loss;
    t->clock.loss_steps++;
    t->clock.step++;
    t->clock.images_seen += (int64_t)t->L * t->B;
    return TN_OK;
}

/* Do the next evaluation if it is due; otherwise one step, and a checkpoint if one is due after it. */
static tn_status advance(tn_run *run, tn_train *t, tn_feed *f, bool *stop_out) {
    signals s = {.stop = false};
    if (t->clock.step == tn_train_point_step(t, t->clock.evaluations_done)) {
        tn_status st = tn_train_evaluate(run, t);
        if (st != TN_EUNFINISHED) return st;
        s.stop = true;
    } else {
        double before = tn_now_s();
        TN_TRY(step(run, t, f, &s));
        t->clock.seconds += tn_now_s() - before;
    }
    *stop_out = s.stop;
    return s.stop || s.save ? tn_train_checkpoint(run, t) : TN_OK;
}

/* What a person wants to know: the mean loss since the last evaluation, and the kept evaluation. A geometric mean of 0 means that some class has an F1 of 0. */
static void note_of(const tn_train *t, double waited_s, char out[128]) {
    const tn_train_clock *c = &t->clock;
    char score[80], loss[24] = "";
    if (c->loss_steps > 0) snprintf(loss, sizeof loss, "loss %.3f, ", c->loss_sum / (double)c->loss_steps);
    if (c->best_evaluation < 0)
        snprintf(score, sizeof score, "not evaluated yet");
    else if (c->best.gmean > 0)
        snprintf(score, sizeof score, "accuracy %.3f, score %.3f", c->best.accuracy, c->best.gmean);
    else
        snprintf(score, sizeof score, "accuracy %.3f, score 0: a class has no hit", c->best.accuracy);
    snprintf(out, 128, "%s%s, waited %.0f s", loss, score, waited_s);
}

static tn_status train_loop(tn_run *run, tn_train *t, tn_feed *f) {
    tn_progress bar;
    if (run->rank == 0) {
        tn_progress_begin(&bar, t->name, t->n_steps * t->L * t->B, "images");
        tn_progress_at(&bar, t->clock.images_seen, NULL);
    }
    tn_status st = TN_OK;
    bool stop = false;
    double training_s = -t->clock.seconds;
    t->checkpoint_at_s = tn_now_s();
    while (st == TN_OK && t->clock.evaluations_done < t->cfg->train.evaluations && !stop) {
        st = advance(run, t, f, &stop);
        if (run->rank == 0) {
            char note[128];
            note_of(t, tn_loader_waited_s(f->loader), note);
            tn_progress_at(&bar, t->clock.images_seen, note);
        }
    }
    training_s += t->clock.seconds;
    if (run->rank == 0) {
        char note[96];
        snprintf(note, sizeof note, "%s, waited for images %.1f %% of the steps' time",
                 st == TN_OK && !stop ? "trained" : "stopped",
                 training_s > 0 ? 100 * tn_loader_waited_s(f->loader) / training_s : 0.0);
        tn_progress_end(&bar, note);
    }
    if (st == TN_OK && stop)
        return tn_fail(TN_EUNFINISHED,
                       "%s: stopped on request after %lld of %lld images; a checkpoint is published: run "
                       "the same command again, or `tenfold run`",
                       t->name, (long long)t->clock.images_seen, (long long)t->n_steps * t->L * t->B);
    return st;
}

static tn_status train_all(tn_run *run, tn_train *t) {
    tn_feed f = {.loader = NULL};
    tn_status st = tn_agree(run, tn_feed_begin(t, &f));
    if (st == TN_OK) st = train_loop(run, t, &f);
    tn_feed_end(t, &f);
    return st;
}

static tn_done identity_of(const tn_train *t) {
    return (tn_done){.stage = "train", .settings = t->settings, .inputs = t->inputs, .scratch = TN_CHECKPOINT_NAME};
}

static tn_status finish(tn_run *run, tn_train *t) {
    tn_status st = TN_OK;
    if (run->rank == 0) {
        tn_done done = identity_of(t);
        st = tn_done_publish(
            t->files.folder, &done, t->clock.best_digest,
            (const char *[]){"best.safetensors", t->rows.kind == TN_EVALUATED_SLICE ? NULL : "posteriors.h5", NULL});
        if (st == TN_OK)
            tn_result("validation macro F1 %.3f, accuracy %.3f", t->clock.best.macro, t->clock.best.accuracy);
        if (st == TN_OK)
            tn_say("%s: evaluation %d of %d is kept, validation geometric mean F1 %.4f (macro %.4f, accuracy "
                   "%.4f), digest %s",
                   t->name, t->clock.best_evaluation + 1, t->cfg->train.evaluations, t->clock.best.gmean,
                   t->clock.best.macro, t->clock.best.accuracy, t->clock.best_digest);
    }
    return tn_agree(run, st);
}

/* The rounds ended before this one: publish the cell as skipped. */
static tn_status skip(tn_run *run, tn_train *t) {
    tn_status st = TN_OK;
    if (run->rank == 0) {
        tn_done done = identity_of(t);
        st = tn_done_publish(t->files.folder, &done, TN_SKIPPED, NULL);
        tn_say("%s: skipped, because the round before did not improve", t->name);
    }
    return tn_agree(run, st);
}

/* --- identity ----------------------------------------------------------------------------------------------------- */

static const char *const EVALUATED[] = {"", "judged validation+own\n", "judged validation\n"};

static tn_evaluated evaluated_wanted(const tn_cfg *cfg, const tn_cell *cell) {
    if (cfg->search.n_space > 0) return TN_EVALUATED_OWN;
    return cell->round < cfg->self.max_rounds && !tn_is_student(cell) ? TN_EVALUATED_ALL : TN_EVALUATED_SLICE;
}

tn_evaluated tn_train_judged_of(const char *inputs, size_t *front_out) {
    const char *line = strstr(inputs, "judged ");
    *front_out = line ? (size_t)(line - inputs) : strlen(inputs);
    if (!line) return TN_EVALUATED_ALL;
    return strcmp(line, EVALUATED[TN_EVALUATED_OWN]) == 0 ? TN_EVALUATED_OWN : TN_EVALUATED_SLICE;
}

/* The hash of the file is remembered while its inode and times stay the same, because `status --watch` asks for it very often. */
static tn_status hash_pretrained(const char *path, char out[TN_HEX_BYTES]) {
    static struct {
        struct stat of;
        char path[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    } last;
    struct stat now = {0};
    bool known = stat(path, &now) == 0 && strcmp(last.path, path) == 0 && now.st_dev == last.of.st_dev &&
                 now.st_ino == last.of.st_ino && now.st_size == last.of.st_size &&
                 memcmp(&now.st_mtim, &last.of.st_mtim, sizeof now.st_mtim) == 0 &&
                 memcmp(&now.st_ctim, &last.of.st_ctim, sizeof now.st_ctim) == 0;
    if (!known) {
        *last.path = 0;
        tn_status st = tn_hash_file(path, last.hex);
        if (st != TN_OK) return tn_fail(st, "model.pretrained: %s", tn_msg);
        last.of = now;
        snprintf(last.path, sizeof last.path, "%s", path);
    }
    memcpy(out, last.hex, TN_HEX_BYTES);
    return TN_OK;
}

static tn_status inputs_of(const tn_cfg *cfg, const tn_cell *cell, char out[TN_TRAIN_INPUTS_BYTES]) {
    char folder[TN_PATH_BYTES], shards[TN_HEX_BYTES], folds[TN_HEX_BYTES], more[TN_HEX_BYTES];
    TN_TRY(tn_path(folder, "%s/shards", cfg->run_dir));
    TN_TRY(tn_done_digest(folder, "preprocess", shards));
    TN_TRY(tn_path(folder, "%s/folds", cfg->run_dir));
    TN_TRY(tn_done_digest(folder, "preprocess", folds));
    int at = snprintf(out, TN_TRAIN_INPUTS_BYTES, "shards %s\nfolds %s\n", shards, folds);
    if (tn_is_filtered(cfg, cell->round)) {
        TN_TRY(tn_filter_folder(cfg, cell->round, folder));
        TN_TRY(tn_done_digest(folder, tn_filter_verb(cell->round), more));
        at += snprintf(out + at, TN_TRAIN_INPUTS_BYTES - (size_t)at, "filter %s\n", more);
    }
    if (*cfg->model.pretrained) {
        TN_TRY(hash_pretrained(cfg->model.pretrained, more));
        snprintf(out + at, TN_TRAIN_INPUTS_BYTES - (size_t)at, "pretrained %s\n", more);
    }
    return TN_OK;
}

/* The settings of a cell's identity: canonical text, size and seed. The caller frees *out. */
static tn_status settings_of(const tn_cfg *cfg, const tn_cell *cell, char **out) {
    char *canonical = tn_cfg_canonical(cfg, TN_KEYS_TRAIN);
    size_t n_bytes = (canonical ? strlen(canonical) : 0) + 128;
    char *settings = malloc(n_bytes);
    if (canonical && settings)
        snprintf(settings, n_bytes, "%scell.size_px = %d\ncell.seed = %lld\n", canonical, cell->size_px,
                 (long long)cell->seed);
    bool ok = canonical && settings;
    free(canonical);
    if (!ok) free(settings);
    *out = ok ? settings : NULL;
    return ok ? TN_OK : tn_fail_memory(n_bytes, "the identity of a cell");
}

/* The present inputs of a cell. A cell that is done and was evaluated on more rows than needed now counts as done: then out has the
 * inputs in its DONE. */
static tn_status find_inputs(const tn_cfg *cfg, const tn_cell *cell, const char *folder, const char *settings,
                             char out[TN_TRAIN_INPUTS_BYTES], bool *done_out) {
    tn_evaluated wanted = evaluated_wanted(cfg, cell);
    tn_done want = {.stage = "train", .settings = settings, .inputs = out};
    tn_done_state state = TN_DONE_STALE;
    TN_TRY(inputs_of(cfg, cell, out));
    size_t front = strlen(out);
    for (int rows = (int)wanted; rows >= TN_EVALUATED_ALL && state == TN_DONE_STALE; rows--) {
        snprintf(out + front, TN_TRAIN_INPUTS_BYTES - front, "%s", EVALUATED[rows]);
        TN_TRY(tn_done_find(folder, &want, &state));
    }
    *done_out = state == TN_DONE_VALID;
    if (!*done_out) snprintf(out + front, TN_TRAIN_INPUTS_BYTES - front, "%s", EVALUATED[wanted]);
    return TN_OK;
}

tn_status tn_train_done(const tn_cfg *cfg, const tn_cell *cell, bool *out) {
    char folder[TN_PATH_BYTES], inputs[TN_TRAIN_INPUTS_BYTES], *settings = NULL;
    *out = false;
    TN_TRY(tn_cell_folder(cfg, "train", cell, folder));
    if (!tn_done_exists(folder)) return TN_OK;
    TN_TRY(settings_of(cfg, cell, &settings));
    tn_status st = find_inputs(cfg, cell, folder, settings, inputs, out);
    free(settings);
    return st;
}

tn_status tn_train_digest(const tn_cfg *cfg, const tn_cell *cell, char hex_out[TN_HEX_BYTES]) {
    char folder[TN_PATH_BYTES], name[TN_CELL_NAME_BYTES];
    bool done = false;
    TN_TRY(tn_train_done(cfg, cell, &done));
    tn_cell_name(cell, name);
    if (!done)
        return tn_fail(TN_EARG,
                       "%s is not trained, or its inputs have changed since: run `tenfold train --round %d --folds %d` "
                       "first",
                       name, cell->round, cell->fold);
    TN_TRY(tn_cell_folder(cfg, "train", cell, folder));
    return tn_done_digest(folder, "train", hex_out);
}

/* --- the cell ----------------------------------------------------------------------------------------------------- */

static tn_status set_paths(tn_train *t) {
    tn_cell_name(&t->cell, t->name);
    TN_TRY(tn_cell_folder(t->cfg, "train", &t->cell, t->files.folder));
    TN_TRY(tn_path(t->files.checkpoint, "%s/" TN_CHECKPOINT_NAME, t->files.folder));
    TN_TRY(tn_path(t->files.best, "%s/best.safetensors", t->files.folder));
    TN_TRY(tn_path(t->files.posteriors, "%s/posteriors.h5", t->files.folder));
    TN_TRY(tn_path(t->files.journal, "%s/journal.jsonl", t->files.folder));
    TN_TRY(tn_path(t->files.heartbeat, "%s/heartbeat", t->files.folder));
    return settings_of(t->cfg, &t->cell, &t->settings);
}

/* A start that was killed left its last heartbeat. Record in the history how much work after its checkpoint was lost. */
static void tell_lost(const tn_train *t, const tn_heartbeat *last) {
    int64_t images = last->done - t->clock.images_seen;
    tn_history_line line = {.state = "lost", .at = (int64_t)time(NULL)};
    if (strcmp(last->label, t->name) != 0 || images <= 0 || last->per_s <= 0) return;
    snprintf(line.why, sizeof line.why, "%lld %.1f", (long long)images, (double)images / last->per_s);
    tn_history_add(t->cfg->run_dir, t->name, &line);
}

tn_status tn_train_cell(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                        const tn_cell *cell, const tn_train_how *how) {
    tn_train t = {.cfg = cfg, .index = index, .shards = shards, .cell = *cell, .how = how};
    bool valid = false;
    tn_status st = set_paths(&t);
    if (st == TN_OK && run->rank == 0) st = find_inputs(cfg, cell, t.files.folder, t.settings, t.inputs, &valid);
    st = tn_agree(run, st);
    tn_bcast(run, 0, t.inputs, sizeof t.inputs);
    tn_done want = identity_of(&t);
    if (st == TN_OK) st = tn_done_begin_all(run, t.files.folder, t.name, &want, &valid);
    bool skipped = st == TN_OK && !valid && cell->round > 0 && strstr(t.inputs, "filter " TN_SKIPPED "\n");
    if (skipped) st = skip(run, &t);
    if (st == TN_OK && !valid && !skipped) {
        tn_heartbeat last;
        bool begun = run->rank == 0 && tn_heartbeat_read(t.files.heartbeat, &last);
        if (run->rank == 0) tn_progress_heartbeat(t.files.heartbeat);
        st = tn_train_open(run, &t, how->allow_other_bits);
        if (st == TN_OK && begun) tell_lost(&t, &last);
        if (st == TN_OK) st = train_all(run, &t);
        if (st == TN_OK && how->profile && run->rank == 0) {
            tn_exec_profile(t.exec, stderr);
            tn_lane_sum_profile(t.vec.sum, stderr);
        }
        if (st == TN_OK) st = finish(run, &t);
    }
    if (run->rank == 0) tn_progress_heartbeat(NULL);
    tn_train_close(&t);
    return st;
}
