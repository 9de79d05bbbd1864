/* train_state.c - allocates, initialises and frees the state of a cell. */
#include "train/train_priv.h"

#include "model/weights.h"
#include "store/done.h"
#include "store/h5.h"
#include "store/visible.h"
#include "train/cost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Input normalisation for training from scratch; pretrained weights have their own. */
static const tn_input_norm IMAGENET = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

/* Choose the instruction set: that of the job file; else that of the checkpoint; else the highest that all ranks have. */
static tn_status choose_isa(tn_run *run, tn_train *t, const tn_ckpt *ck, bool allow_other_bits) {
    int least = (int)tn_isa_best();
    tn_isa recorded = ck ? tn_ckpt_isa(ck) : TN_ISA_BEST, wanted = t->cfg->train.isa;
    MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_INT, MPI_MIN, run->comm);
    t->isa = (tn_isa)least;
    if (recorded != TN_ISA_BEST && (!allow_other_bits || (int)recorded < least)) t->isa = recorded;
    if (wanted != TN_ISA_BEST) t->isa = wanted;
    tn_status st =
        tn_dev_open(t->cfg->train.device, t->cfg->train.lane_threads, t->isa, t->cfg->train.precision, &t->dev);
    if (st == TN_OK) t->isa = t->dev->isa;
    if (st != TN_ENODE) return st;
    return tn_fail(st, "%s: %s%s", t->name,
                   wanted != TN_ISA_BEST ? "train.isa: "
                   : ck                  ? "it began with another instruction set: "
                                         : "",
                   tn_msg);
}

static tn_status start_anew(tn_train *t) {
    float *params = malloc((size_t)t->vec.n_params * sizeof *params),
          *state = malloc((size_t)t->vec.n_state * sizeof *state);
    tn_status st = params && state ? TN_OK : tn_fail_memory((size_t)t->vec.n_params * sizeof *params, "the weights");
    if (st == TN_OK) {
        tn_net_init(t->net, (uint64_t)t->cell.seed, params, state);
        if (t->pretrained) st = tn_pretrained_load(t->pretrained, t->net, params, state);
    }
    if (st == TN_OK) {
        t->dev->op->upload(t->dev, t->vec.n_params, params, t->vec.params);
        t->dev->op->upload(t->dev, t->vec.n_state, state, t->vec.state);
        t->dev->op->upload(t->dev, t->vec.n_params, params, t->vec.ema_params);
        t->dev->op->upload(t->dev, t->vec.n_state, state, t->vec.ema_state);
    }
    free(params);
    free(state);
    return st;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static tn_status make_net(tn_train *t) {
    const tn_cfg *c = t->cfg;
    TN_TRY(tn_levels_check(c, t->index));
    tn_net_spec spec = tn_train_net(c, tn_extra_units(t->index, c->model.metadata_levels));
    spec.n_classes = t->index->n_classes;
    tn_input_norm norm = IMAGENET;
    if (t->pretrained) TN_TRY(tn_pretrained_fit(c->model.pretrained, t->pretrained, &spec, &norm));
    TN_TRY(tn_net_new(&spec, &t->net));
    t->model = (tn_ckpt_model){.net = *tn_net_spec_of(t->net), .size_px = t->cell.size_px, .norm = norm};
    t->vec.n_params = tn_net_params(t->net);
    t->vec.n_state = tn_net_state(t->net);
    return TN_OK;
}

static tn_status make_vectors(tn_train *t, int n_ranks, int rank) {
    enum { LINE = 16, BUCKET = 1 << 19 }; /* floats; docs/performance.md, "Sum over ranks" */
    t->vec.grads_at = (t->vec.n_state + LINE - 1) / LINE * LINE;
    t->vec.n_lane = t->vec.grads_at + t->vec.n_params;
    bool adamw = t->cfg->train.optimizer == TN_OPTIM_ADAMW;
    struct {
        float **at;
        int64_t n;
    } want[] = {{&t->vec.params, t->vec.n_params},     {&t->vec.state, t->vec.n_state},
                {&t->vec.m, t->vec.n_params},          {&t->vec.v, adamw ? t->vec.n_params : 0},
                {&t->vec.ema_params, t->vec.n_params}, {&t->vec.ema_state, t->vec.n_state}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (want[i].n && !(*want[i].at = t->dev->op->alloc(t->dev, want[i].n)))
            return tn_fail_memory((size_t)want[i].n * sizeof(float), "the weights");
    t->vec.lane = calloc((size_t)t->mine.n, sizeof *t->vec.lane);
    if (!t->vec.lane) return tn_fail_memory((size_t)t->mine.n * sizeof *t->vec.lane, "the lanes");
    for (int i = 0; i < t->mine.n; i++)
        if (!(t->vec.lane[i] = t->dev->op->alloc(t->dev, t->vec.n_lane)))
            return tn_fail_memory((size_t)t->vec.n_lane * sizeof(float), "the gradients of a lane");
    t->numbers.n_computed = t->mine.n * (int64_t)(sizeof(double) / sizeof(float) + (size_t)t->B);
    t->vec.square = (double *)(void *)t->dev->op->alloc(t->dev, t->numbers.n_computed);
    t->numbers.computed = calloc((size_t)t->numbers.n_computed, sizeof *t->numbers.computed);
    if (!t->vec.square || !t->numbers.computed)
        return tn_fail_memory((size_t)t->numbers.n_computed * sizeof(float), "the losses of the lanes");
    t->vec.loss = (float *)(t->vec.square + t->mine.n);
    TN_TRY(tn_lane_sum_new(t->L, n_ranks, rank, t->vec.n_lane, BUCKET, t->dev, t->vec.lane, &t->vec.sum));
    return tn_exec_new(t->dev, t->net, t->B, t->cell.size_px, true, &t->exec);
}

static tn_status make_numbers(tn_train *t, int n_ranks, int rank) {
    size_t n = (size_t)t->mine.n;
    t->numbers.lane = calloc(n, sizeof *t->numbers.lane);
    t->numbers.memory = calloc(n * TN_LANE_NUMBERS, sizeof *t->numbers.memory);
    if (!t->numbers.lane || !t->numbers.memory) return tn_fail_memory(n * 32, "the lanes");
    for (size_t i = 0; i < n; i++) t->numbers.lane[i] = t->numbers.memory + i * TN_LANE_NUMBERS;
    return tn_lane_sum_new(t->L, n_ranks, rank, TN_LANE_NUMBERS, TN_LANE_NUMBERS, NULL, t->numbers.lane,
                           &t->numbers.sum);
}

static tn_status make_teacher(tn_train *t) {
    size_t n = 2 * (size_t)t->B * (size_t)t->index->n_classes;
    if (t->cfg->self.consistency_weight <= 0) return TN_OK;
    t->teacher_p = malloc(n * sizeof *t->teacher_p);
    if (!t->teacher_p) return tn_fail_memory(n * sizeof *t->teacher_p, "the teacher");
    return tn_exec_new(t->dev, t->net, t->B, t->cell.size_px, false, &t->teacher);
}

/* Set the labels and targets to train with, from the overlay of the round. */
static tn_status make_labels(tn_train *t) {
    int64_t N = t->index->n;
    uint8_t *verdict = malloc((size_t)N);
    t->rows.label = calloc((size_t)N, sizeof *t->rows.label);
    tn_status st = verdict && t->rows.label ? tn_overlay_read(t->cfg, &t->cell, N, verdict, t->rows.label)
                                            : tn_fail_memory((size_t)N * 5, "the labels");
    for (int64_t i = 0; st == TN_OK && i < N; i++)
        t->rows.label[i] = tn_label_after(verdict[i], t->index->label[i], t->rows.label[i]);
    free(verdict);
    return st == TN_OK ? tn_overlay_soft(t->cfg, &t->cell, N, t->index->n_classes, &t->rows.soft) : st;
}

static bool is_judged(const tn_train *t, int64_t row) {
    return t->rows.kind == TN_EVALUATED_ALL || t->rows.is_validation[row] ||
           (t->rows.kind == TN_EVALUATED_OWN && t->index->fold[row] == t->cell.fold);
}

/* Choose the rows to train on, to evaluate and to validate on. */
static tn_status make_rows(tn_train *t) {
    const tn_index *ix = t->index;
    int64_t N = ix->n, n_train = 0;
    int64_t *rows = malloc((size_t)N * sizeof *rows);
    t->rows.is_validation = calloc((size_t)N, 1);
    t->rows.evaluated = malloc((size_t)N * sizeof *t->rows.evaluated);
    tn_status st = rows && t->rows.is_validation && t->rows.evaluated ? make_labels(t)
                                                                      : tn_fail_memory((size_t)N * 17, "the rows");
    if (st == TN_OK) st = tn_validation_draw(t->cfg, ix, t->cell.fold, t->rows.is_validation);
    for (int64_t i = 0; st == TN_OK && i < N; i++) {
        if (ix->fold[i] < 0) {
            if (tn_soft_of(&t->rows.soft, i)) { /* the student's: no label, but a target */
                rows[n_train++] = i;
                t->rows.n_unlabeled++;
            }
            continue;
        }
        if (is_judged(t, i)) t->rows.evaluated[t->rows.n_evaluated++] = i;
        t->rows.n_validation += t->rows.is_validation[i];
        if (ix->fold[i] != t->cell.fold && !t->rows.is_validation[i] && t->rows.label[i] != TN_LABEL_OUT) {
            rows[n_train++] = i;
            *(t->rows.label[i] >= 0 ? &t->rows.by_class[t->rows.label[i]] : &t->rows.n_unlabeled) += 1;
        }
    }
    if (st == TN_OK && t->rows.n_validation == 0)
        st = tn_fail(TN_EARG, "fold %d has no validation rows: raise folds.validation_share", t->cell.fold);
    if (st == TN_OK)
        st = tn_sampler_new(&(tn_sampler_spec){t->cfg->train.sampler, t->cfg->train.rows_per_class},
                            (uint64_t)t->cell.seed, ix->n_classes, ix->class_name, rows, n_train, t->rows.label,
                            &t->sampler);
    if (st == TN_OK)
        st = tn_class_loss_new(t->cfg, ix->n_classes, ix->class_name, tn_sampler_counts(t->sampler), &t->class_loss);
    free(rows);
    if (st != TN_OK) return st;
    size_t floats = (size_t)t->rows.n_evaluated * (size_t)tn_prow_width(ix->n_classes);
    t->rows.z = calloc(floats, sizeof *t->rows.z);
    t->rows.p = calloc(floats, sizeof *t->rows.p);
    t->rows.top = calloc((size_t)t->rows.n_validation, sizeof *t->rows.top);
    return t->rows.z && t->rows.p && t->rows.top ? TN_OK
                                                 : tn_fail_memory(2 * floats * sizeof *t->rows.z, "the posteriors");
}

static void make_specs(tn_train *t) {
    const tn_cfg *c = t->cfg;
    t->eval_spec = (tn_loader_spec){.index = t->index,
                                    .shards = t->shards,
                                    .size_px = t->cell.size_px,
                                    .lane_images = t->B,
                                    .n_threads = c->train.loader_threads,
                                    .depth = 2 * t->mine.n + 2,
                                    .seed = (uint64_t)t->cell.seed,
                                    .metadata_levels = c->model.metadata_levels,
                                    .norm = t->model.norm};
    t->train_spec = t->eval_spec;
    t->train_spec.training = true;
    t->train_spec.augment = c->train.augment;
    t->train_spec.n_augment = c->train.n_augment;
    t->train_spec.label_smoothing = c->train.label_smoothing;
    t->train_spec.label = t->rows.label;
    t->train_spec.soft = &t->rows.soft;
    t->train_spec.keep_clean = t->teacher != NULL;
}

/* Fail before anything is allocated if the device has too little memory. */
static tn_status check_memory(const tn_train *t) {
    tn_train_cost cost;
    size_t n_free = 0, all = 0;
    if (!t->dev->op->memory) return TN_OK;
    TN_TRY(tn_train_cost_of(t->cfg, t->cell.size_px, t->mine.n, tn_net_spec_of(t->net)->extra_units, &cost));
    t->dev->op->memory(t->dev, &n_free, &all);
    if (cost.device_bytes <= n_free) return TN_OK;
    return tn_fail(cost.device_bytes > all ? TN_EARG : TN_ENODE,
                   "%s: a lane of %d images of %d px needs %zu MiB of GPU memory, but %zu of %zu MiB are free: lower "
                   "train.lane_images, or use other GPUs",
                   t->name, t->B, t->cell.size_px, cost.device_bytes >> 20, n_free >> 20, all >> 20);
}

static tn_status make_all(tn_train *t, int n_ranks, int rank) {
    TN_TRY(make_net(t));
    TN_TRY(check_memory(t));
    TN_TRY(make_vectors(t, n_ranks, rank));
    TN_TRY(make_numbers(t, n_ranks, rank));
    TN_TRY(make_teacher(t));
    TN_TRY(make_rows(t));
    make_specs(t);
    return TN_OK;
}

/* Cut the journal at the length in the checkpoint: later lines belong to steps that will be repeated. Training does not depend on
 * the journal; if it was lost, a new one begins. */
static tn_status open_journal(tn_train *t) {
    struct stat info = {.st_size = 0};
    if (stat(t->files.journal, &info) != 0 && errno != ENOENT)
        return tn_fail(TN_EIO, "%s: cannot be read: %s", t->files.journal, strerror(errno));
    if (info.st_size < t->clock.journal_bytes) {
        tn_warn("%s: lines are missing; a new journal begins", t->files.journal);
        t->clock.journal_bytes = 0;
    }
    t->journal = t->clock.journal_bytes > 0 ? fopen(t->files.journal, "r+b") : tn_file_create(t->files.journal);
    if (!t->journal || ftruncate(fileno(t->journal), t->clock.journal_bytes) != 0 ||
        fseek(t->journal, 0, SEEK_END) != 0)
        return tn_fail(TN_EIO, "%s: cannot be written: %s", t->files.journal, strerror(errno));
    return TN_OK;
}

/* Check that the kept model, which the checkpoint refers to, is there and can be read. */
static tn_status check_best(const tn_train *t) {
    tn_ckpt *best = NULL;
    tn_h5 *posteriors = NULL;
    bool alone = t->rows.kind == TN_EVALUATED_SLICE;
    tn_status st = tn_ckpt_read(t->files.best, &best);
    if (st == TN_OK && !alone) st = tn_h5_open(t->files.posteriors, &posteriors);
    tn_h5_close(&posteriors);
    tn_ckpt_free(&best);
    bool there = tn_file_exists(t->files.best) && (alone || tn_file_exists(t->files.posteriors));
    if (st == TN_OK || (there && st != TN_EFORMAT))
        return st; /* a read error may be temporary: the files are not lost */
    return tn_fail(TN_EFORMAT,
                   "%s\nthe checkpoint needs that file: delete the folder %s and run again; the cell starts anew",
                   tn_msg, t->files.folder);
}

/* A start may have been killed after it published a kept model and before the checkpoint that refers to it. That start had kept the
 * next evaluation. The repeated evaluation is kept regardless of its score, because with --allow-other-bits it may score
 * differently. */
static tn_status check_best_bits(tn_run *run, tn_train *t) {
    char digest[TN_HEX_BYTES] = "";
    if (t->clock.best_evaluation < 0) return TN_OK;
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_train_best_digest(t, digest) : TN_OK));
    tn_bcast(run, 0, digest, sizeof digest);
    if (strcmp(digest, t->clock.best_digest) == 0) return TN_OK;
    if (t->clock.evaluations_done >= t->cfg->train.evaluations)
        return tn_fail(TN_EFORMAT,
                       "%s: is not the model that the checkpoint refers to: delete the folder %s and run again",
                       t->files.best, t->files.folder);
    if (run->rank == 0)
        tn_say("%s: the kept model is newer than the checkpoint: the next evaluation will be kept", t->name);
    t->clock.best_evaluation = -1;
    return TN_OK;
}

/* Wait until every rank sees the overlay of the round and its DONE. */
static tn_status see_overlay(tn_run *run, const tn_train *t) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    if (!tn_is_filtered(t->cfg, t->cell.round)) return TN_OK;
    tn_overlay_name(t->cell.fold, name);
    TN_TRY(tn_filter_folder(t->cfg, t->cell.round, folder));
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_done_file(folder, name, tn_filter_verb(t->cell.round), path) : TN_OK));
    TN_TRY(tn_path(path, "%s/%s", folder, name));
    TN_TRY(tn_wait_visible(run, path, NULL));
    return tn_done_wait_visible(run, folder);
}

/* Read the pretrained weights, and check that their hash is the one in the cell's inputs. */
static tn_status read_pretrained(tn_run *run, tn_train *t) {
    const char *path = t->cfg->model.pretrained;
    char hex[TN_HEX_BYTES], line[TN_HEX_BYTES + 16];
    if (!*path) return TN_OK;
    TN_TRY(tn_ckpt_read_all(run, path, true, hex, &t->pretrained));
    snprintf(line, sizeof line, "pretrained %s\n", hex);
    return strstr(t->inputs, line)
               ? TN_OK
               : tn_fail(TN_EIO, "model.pretrained: %s: the file has changed meanwhile: run again", path);
}

/* Rank 0 decides whether there is a checkpoint, and reads it for all ranks, so that all of them do the same. */
static tn_status read_checkpoint(tn_run *run, tn_train *t, tn_ckpt **out) {
    int there = run->rank == 0 && tn_file_exists(t->files.checkpoint);
    MPI_Bcast(&there, 1, MPI_INT, 0, run->comm);
    return there ? tn_ckpt_read_all(run, t->files.checkpoint, false, NULL, out) : TN_OK;
}

/* A checkpoint that was evaluated on more rows than needed now continues with them: starting anew would cost more. */
static void choose_rows(tn_train *t, const tn_ckpt *ck) {
    size_t front, its_front;
    const char *its = ck ? tn_ckpt_word(ck, "inputs") : NULL;
    t->rows.kind = tn_train_judged_of(t->inputs, &front);
    if (!its || tn_train_judged_of(its, &its_front) >= t->rows.kind || its_front != front ||
        strncmp(its, t->inputs, front) != 0)
        return;
    t->rows.kind = tn_train_judged_of(its, &its_front);
    snprintf(t->inputs, sizeof t->inputs, "%s", its);
}

tn_status tn_train_open(tn_run *run, tn_train *t, bool allow_other_bits) {
    t->L = t->cfg->train.lanes;
    t->B = t->cfg->train.lane_images;
    if (run->n_ranks > t->L)
        return tn_fail(TN_EARG,
                       "%d ranks for one fold, but train.lanes = %d: give at most %d ranks, or train several "
                       "folds at once with --ranks-per-fold",
                       run->n_ranks, t->L, t->L);
    t->mine = tn_lanes_of(t->L, run->n_ranks, run->rank);
    TN_TRY(tn_train_steps(t->cfg, &t->n_steps));
    t->clock.best_evaluation = -1;

    tn_ckpt *ck = NULL;
    bool resumed = false;
    tn_status st = see_overlay(run, t);
    if (st == TN_OK) st = read_pretrained(run, t);
    if (st == TN_OK) st = read_checkpoint(run, t, &ck);
    if (st == TN_OK) choose_rows(t, ck);
    if (st == TN_OK) st = tn_agree(run, choose_isa(run, t, ck, allow_other_bits));
    if (st == TN_OK) st = tn_agree(run, make_all(t, run->n_ranks, run->rank));
    if (st == TN_OK) {
        if (ck) st = tn_train_resume(t, ck, allow_other_bits, &resumed);
        if (st == TN_OK && !resumed) st = start_anew(t);
        if (st == TN_OK && run->rank == 0 && t->clock.best_evaluation >= 0) st = check_best(t);
        if (st == TN_OK && run->rank == 0) st = open_journal(t);
        st = tn_agree(run, st);
        if (st == TN_OK && resumed) st = check_best_bits(run, t);
    }
    tn_ckpt_free(&ck);
    tn_ckpt_free(&t->pretrained);
    if (st == TN_OK && resumed && run->rank == 0)
        tn_say("%s: goes on after %lld images", t->name, (long long)t->clock.images_seen);
    return st;
}

void tn_train_close(tn_train *t) {
    if (t->dev) {
        float *vector[] = {t->vec.params, t->vec.state, t->vec.m, t->vec.v, t->vec.ema_params, t->vec.ema_state};
        for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) t->dev->op->free(t->dev, vector[i]);
        for (int i = 0; t->vec.lane && i < t->mine.n; i++) t->dev->op->free(t->dev, t->vec.lane[i]);
        t->dev->op->free(t->dev, (float *)(void *)t->vec.square);
    }
    tn_lane_sum_free(&t->vec.sum);
    tn_lane_sum_free(&t->numbers.sum);
    free(t->vec.lane);
    free(t->numbers.lane);
    free(t->numbers.memory);
    free(t->numbers.computed);
    tn_ckpt_free(&t->pretrained);
    tn_exec_free(&t->exec);
    tn_exec_free(&t->teacher);
    free(t->teacher_p);
    tn_dev_close(&t->dev);
    tn_net_free(&t->net);
    tn_sampler_free(&t->sampler);
    tn_class_loss_free(&t->class_loss);
    free(t->rows.evaluated);
    free(t->rows.label);
    tn_soft_free(&t->rows.soft);
    free(t->rows.is_validation);
    free(t->rows.z);
    free(t->rows.p);
    free(t->rows.top);
    free(t->settings);
    if (t->journal) fclose(t->journal);
}
