/* train_state.c - a cell's memory: made, saved, restored. */
#include "learn/train_priv.h"

#include "base/done.h"
#include "base/h5.h"
#include "base/seen.h"
#include "learn/cost.h"
#include "learn/weights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ImageNet statistics, as good as any other for training from scratch; pretrained weights bring their own. */
static const tn_input_norm IMAGENET = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

/* --- checkpoint --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *prefix;
    const float *params, *state; /* device; state NULL for optimiser moments */
} part;

enum { MOST_PARTS = 4 };
static int parts_of(const tn_train *t, part out[MOST_PARTS]) {
    int n = 0;
    out[n++] = (part){"model.", t->params, t->state};
    out[n++] = (part){"ema.", t->ema_params, t->ema_state};
    out[n++] = (part){"m.", t->m, NULL};
    if (t->v) out[n++] = (part){"v.", t->v, NULL};
    return n;
}

static json_t *clock_json(const tn_train_clock *c, int K) {
    json_t *f1 = json_array(), *exposure = json_array();
    for (int k = 0; k < K; k++) {
        json_array_append_new(f1, json_real(c->best.f1[k]));
        json_array_append_new(exposure, json_integer(c->exposure[k]));
    }
    return json_pack("{s:I,s:I,s:i,s:i,s:I,s:f,s:f,s:f,s:o,s:s,s:f,s:I,s:o,s:I,s:f}", "step", (json_int_t)c->step,
                     "images_seen", (json_int_t)c->images_seen, "points_done", c->points_done, "best_point",
                     c->best_point, "best_n", (json_int_t)c->best.N, "best_gmean", c->best.gmean, "best_macro",
                     c->best.macro, "best_accuracy", c->best.accuracy, "best_f1", f1, "best_digest", c->best_digest,
                     "loss_sum", c->loss_sum, "loss_steps", (json_int_t)c->loss_steps, "exposure", exposure,
                     "journal_bytes", (json_int_t)c->journal_bytes, "seconds", c->seconds);
}

static tn_status clock_from(const char *text, int K, tn_train_clock *c) {
    json_t *j = text ? json_loads(text, 0, NULL) : NULL, *f1 = NULL, *exposure = NULL;
    const char *digest = NULL;
    json_int_t step, seen, best_n, loss_steps, journal;
    int ok = j ? json_unpack(j, "{s:I,s:I,s:i,s:i,s:I,s:F,s:F,s:F,s:o,s:s,s:F,s:I,s:o,s:I,s:F}", "step", &step,
                             "images_seen", &seen, "points_done", &c->points_done, "best_point", &c->best_point,
                             "best_n", &best_n, "best_gmean", &c->best.gmean, "best_macro", &c->best.macro,
                             "best_accuracy", &c->best.accuracy, "best_f1", &f1, "best_digest", &digest, "loss_sum",
                             &c->loss_sum, "loss_steps", &loss_steps, "exposure", &exposure, "journal_bytes", &journal,
                             "seconds", &c->seconds)
               : -1;
    if (ok == 0) {
        c->step = step;
        c->images_seen = seen;
        c->best.N = best_n;
        c->best.K = K;
        c->loss_steps = loss_steps;
        c->journal_bytes = journal;
        for (int k = 0; k < K; k++) {
            c->best.f1[k] = json_number_value(json_array_get(f1, (size_t)k));
            c->exposure[k] = json_integer_value(json_array_get(exposure, (size_t)k));
        }
        snprintf(c->best_digest, sizeof c->best_digest, "%s", digest);
    }
    json_decref(j);
    return ok == 0 ? TN_OK : tn_fail(TN_EFORMAT, "the checkpoint has no readable `clock`");
}

static json_t *checkpoint_words(const tn_train *t) {
    json_t *meta = json_object(), *clock = clock_json(&t->clock, t->index->n_classes);
    char *text = json_dumps(clock, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(clock);
    tn_ckpt_set_model(meta, &t->model);
    json_object_set_new(meta, "cell", json_string(t->name));
    json_object_set_new(meta, "settings", json_string(t->settings));
    json_object_set_new(meta, "inputs", json_string(t->inputs));
    json_object_set_new(meta, "isa", json_string(tn_isa_name(t->isa)));
    json_object_set_new(meta, "library", json_string(tn_dev_library()));
    json_object_set_new(meta, "clock", json_string(text ? text : ""));
    free(text);
    return meta;
}

static tn_status write_checkpoint(tn_train *t) {
    TN_TRY(tn_done_check());
    part parts[MOST_PARTS];
    int n_parts = parts_of(t, parts), n_tensors = tn_net_tensors(t->net), n = 0;
    int64_t n_vector = t->n_params + t->n_state;
    tn_ckpt_entry *entry = calloc((size_t)(n_parts * n_tensors + 2), sizeof *entry);
    float *host = malloc((size_t)(n_parts * n_vector) * sizeof *host);
    json_t *meta = checkpoint_words(t);
    tn_status st = TN_OK;
    if (!entry || !host || !meta) {
        st = tn_fail_memory((size_t)(n_parts * n_vector) * sizeof *host, "a checkpoint");
    } else {
        for (int i = 0; i < n_parts; i++) {
            float *params = host + i * n_vector, *state = params + t->n_params;
            t->dev->op->download(t->dev, t->n_params, parts[i].params, params);
            if (parts[i].state) t->dev->op->download(t->dev, t->n_state, parts[i].state, state);
            tn_ckpt_net_entries(t->net, parts[i].prefix, params, state, entry + n);
            int kept = n; /* optimiser moments have no running moments */
            for (int j = 0; j < n_tensors; j++)
                if (parts[i].state || !tn_tensor_is_state(tn_net_tensor(t->net, j))) entry[kept++] = entry[n + j];
            n = kept;
        }
        entry[n++] = (tn_ckpt_entry){.name = "z", .n_dims = 2, .dim = {t->n_judged, t->index->n_classes}, .data = t->z};
        entry[n++] = (tn_ckpt_entry){.name = "top", .n_dims = 1, .dim = {t->n_validation}, .data = t->top};
        st = tn_ckpt_write(t->ckpt_path, n, entry, meta);
    }
    json_decref(meta);
    free(entry);
    free(host);
    return st;
}

tn_status tn_train_checkpoint(tn_run *run, tn_train *t) {
    t->checkpoint_at_s = tn_now_s();
    tn_status st = run->rank == 0 ? write_checkpoint(t) : TN_OK;
    if (st == TN_OK && run->rank == 0) tn_run_got_further();
    return tn_agree(run, st);
}

/* --- resume ------------------------------------------------------------------------------------------------------- */

static tn_status load_moments(const tn_train *t, const tn_ckpt *ck, const char *prefix, float *host, float *device) {
    for (int i = 0; i < tn_net_tensors(t->net); i++) {
        const tn_tensor *x = tn_net_tensor(t->net, i);
        if (tn_tensor_is_state(x)) continue;
        char name[TN_TENSOR_NAME_BYTES + 8];
        snprintf(name, sizeof name, "%s%s", prefix, x->name);
        TN_TRY(tn_ckpt_copy(ck, name, x->n_dims, x->dim, host + x->offset));
    }
    t->dev->op->upload(t->dev, t->n_params, host, device);
    return TN_OK;
}

static tn_status load_vectors(tn_train *t, const tn_ckpt *ck) {
    float *params = malloc((size_t)t->n_params * sizeof *params), *state = malloc((size_t)t->n_state * sizeof *state);
    tn_status st = params && state ? TN_OK : tn_fail_memory((size_t)t->n_params * sizeof *params, "the weights");
    if (st == TN_OK) st = tn_ckpt_net_load(ck, t->net, "model.", params, state);
    if (st == TN_OK) {
        t->dev->op->upload(t->dev, t->n_params, params, t->params);
        t->dev->op->upload(t->dev, t->n_state, state, t->state);
        st = tn_ckpt_net_load(ck, t->net, "ema.", params, state);
    }
    if (st == TN_OK) {
        t->dev->op->upload(t->dev, t->n_params, params, t->ema_params);
        t->dev->op->upload(t->dev, t->n_state, state, t->ema_state);
        st = load_moments(t, ck, "m.", params, t->m);
    }
    if (st == TN_OK && t->v) st = load_moments(t, ck, "v.", params, t->v);
    int64_t dim[2] = {t->n_judged, t->index->n_classes};
    if (st == TN_OK) st = tn_ckpt_copy(ck, "z", 2, dim, t->z);
    if (st == TN_OK && tn_ckpt_copy(ck, "top", 1, &t->n_validation, t->top) != TN_OK)
        st = tn_fail(TN_EFORMAT,
                     "%s: is of an earlier version, which kept another evaluation point: delete %s and run again; the "
                     "cell starts anew",
                     t->ckpt_path, t->folder);
    free(params);
    free(state);
    return st;
}

static tn_status same_bits(const tn_train *t, const tn_ckpt *ck, bool allow_other_bits) {
    const char *isa = tn_ckpt_word(ck, "isa"), *library = tn_ckpt_word(ck, "library");
    if (isa && library && strcmp(isa, tn_isa_name(t->isa)) == 0 && strcmp(library, tn_dev_library()) == 0) return TN_OK;
    if (allow_other_bits) return TN_OK;
    return tn_fail(TN_EARG,
                   "%s: began with instruction set %s and %s, here are %s and %s: the results would differ in their "
                   "last bits. Go on where it began, or give --allow-other-bits",
                   t->ckpt_path, isa ? isa : "?", library ? library : "?", tn_isa_name(t->isa), tn_dev_library());
}

/* resumed_out false: the checkpoint belongs to other inputs and is ignored. */
static tn_status resume_from(tn_train *t, const tn_ckpt *ck, bool allow_other_bits, bool *resumed_out) {
    const char *settings = tn_ckpt_word(ck, "settings"), *inputs = tn_ckpt_word(ck, "inputs");
    if (!settings || !inputs) return tn_fail(TN_EFORMAT, "%s: has no `settings` and `inputs`: delete it", t->ckpt_path);
    TN_TRY(tn_settings_same(t->folder, settings, t->settings));
    *resumed_out = strcmp(inputs, t->inputs) == 0;
    if (!*resumed_out) return TN_OK;
    TN_TRY(same_bits(t, ck, allow_other_bits));
    TN_TRY(clock_from(tn_ckpt_word(ck, "clock"), t->index->n_classes, &t->clock));
    return load_vectors(t, ck);
}

/* The instruction set of an interrupted cell, before the device is opened with it. */
static tn_status choose_isa(tn_run *run, tn_train *t, const tn_ckpt *ck) {
    int best = (int)tn_isa_best();
    MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_INT, MPI_MIN, run->comm);
    const char *recorded = ck ? tn_ckpt_word(ck, "isa") : NULL;
    for (int isa = 0; recorded && isa < best; isa++)
        if (strcmp(recorded, tn_isa_name((tn_isa)isa)) == 0) best = isa;
    t->isa = (tn_isa)best;
    return tn_dev_open(t->cfg->train.device, t->cfg->train.lane_threads, t->isa, t->cfg->train.precision, &t->dev);
}

static tn_status start_anew(tn_train *t) {
    float *params = malloc((size_t)t->n_params * sizeof *params), *state = malloc((size_t)t->n_state * sizeof *state);
    tn_status st = params && state ? TN_OK : tn_fail_memory((size_t)t->n_params * sizeof *params, "the weights");
    if (st == TN_OK) {
        tn_net_init(t->net, (uint64_t)t->cell.seed, params, state);
        if (t->pretrained) st = tn_pretrained_load(t->pretrained, t->net, params, state);
    }
    if (st == TN_OK) {
        t->dev->op->upload(t->dev, t->n_params, params, t->params);
        t->dev->op->upload(t->dev, t->n_state, state, t->state);
        t->dev->op->upload(t->dev, t->n_params, params, t->ema_params);
        t->dev->op->upload(t->dev, t->n_state, state, t->ema_state);
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
    if (*c->model.pretrained) TN_TRY(tn_pretrained_open(c->model.pretrained, &spec, &norm, &t->pretrained));
    TN_TRY(tn_net_new(&spec, &t->net));
    t->model = (tn_ckpt_model){.net = *tn_net_spec_of(t->net), .size_px = t->cell.size_px, .norm = norm};
    t->n_params = tn_net_params(t->net);
    t->n_state = tn_net_state(t->net);
    return TN_OK;
}

static tn_status make_vectors(tn_train *t, int n_ranks, int rank) {
    enum { LINE = 16, BUCKET = 1 << 19 }; /* floats; docs/performance.md, "Sum over ranks" */
    t->moments_at = TN_SLOTS;
    t->grads_at = (t->moments_at + t->n_state + LINE - 1) / LINE * LINE;
    t->n_lane = t->grads_at + t->n_params;
    bool adamw = t->cfg->train.optimizer == TN_OPTIM_ADAMW;
    struct {
        float **at;
        int64_t n;
    } want[] = {{&t->params, t->n_params},        {&t->state, t->n_state},       {&t->m, t->n_params},
                {&t->v, adamw ? t->n_params : 0}, {&t->ema_params, t->n_params}, {&t->ema_state, t->n_state}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (want[i].n && !(*want[i].at = t->dev->op->alloc(t->dev, want[i].n)))
            return tn_fail_memory((size_t)want[i].n * sizeof(float), "the weights");
    t->lane = calloc((size_t)t->mine.n, sizeof *t->lane);
    if (!t->lane) return tn_fail_memory((size_t)t->mine.n * sizeof *t->lane, "the lanes");
    for (int i = 0; i < t->mine.n; i++)
        if (!(t->lane[i] = t->dev->op->alloc(t->dev, t->n_lane)))
            return tn_fail_memory((size_t)t->n_lane * sizeof(float), "the gradients of a lane");
    TN_TRY(tn_lane_sum_new(t->L, n_ranks, rank, t->n_lane, BUCKET, t->lane, &t->sum));
    return tn_exec_new(t->dev, t->net, t->B, t->cell.size_px, true, &t->exec);
}

static tn_status make_teacher(tn_train *t) {
    size_t n = 2 * (size_t)t->B * (size_t)t->index->n_classes;
    if (t->cfg->self.consistency_weight <= 0) return TN_OK;
    t->teacher_p = malloc(n * sizeof *t->teacher_p);
    if (!t->teacher_p) return tn_fail_memory(n * sizeof *t->teacher_p, "the teacher");
    return tn_exec_new(t->dev, t->net, t->B, t->cell.size_px, false, &t->teacher);
}

/* Labels to train with, by the overlay of the round. */
static tn_status make_labels(tn_train *t) {
    int64_t N = t->index->n;
    uint8_t *verdict = malloc((size_t)N);
    t->label = calloc((size_t)N, sizeof *t->label);
    tn_status st = verdict && t->label ? tn_overlay_read(t->cfg, &t->cell, N, verdict, t->label)
                                       : tn_fail_memory((size_t)N * 5, "the labels");
    for (int64_t i = 0; st == TN_OK && i < N; i++)
        t->label[i] = tn_label_after(verdict[i], t->index->label[i], t->label[i]);
    free(verdict);
    return st;
}

/* Rows to train on, to judge, to validate on. */
static tn_status make_rows(tn_train *t) {
    const tn_index *ix = t->index;
    int64_t N = ix->n, n_train = 0;
    int64_t *rows = malloc((size_t)N * sizeof *rows);
    t->is_validation = calloc((size_t)N, 1);
    t->judged = malloc((size_t)N * sizeof *t->judged);
    tn_status st = rows && t->is_validation && t->judged ? make_labels(t) : tn_fail_memory((size_t)N * 17, "the rows");
    if (st == TN_OK) st = tn_validation_draw(t->cfg, ix, t->cell.fold, t->is_validation);
    for (int64_t i = 0; st == TN_OK && i < N; i++) {
        if (ix->fold[i] < 0) continue;
        t->judged[t->n_judged++] = i;
        t->n_validation += t->is_validation[i];
        if (ix->fold[i] != t->cell.fold && !t->is_validation[i] && t->label[i] != TN_LABEL_OUT) {
            rows[n_train++] = i;
            *(t->label[i] >= 0 ? &t->rows_by_class[t->label[i]] : &t->rows_unlabeled) += 1;
        }
    }
    if (st == TN_OK && t->n_validation == 0)
        st = tn_fail(TN_EARG, "fold %d has no validation rows: raise folds.validation_share", t->cell.fold);
    if (st == TN_OK)
        st = tn_sampler_new(t->cfg->train.sampler, (uint64_t)t->cell.seed, ix->n_classes, ix->class_name, rows, n_train,
                            t->label, &t->sampler);
    free(rows);
    if (st != TN_OK) return st;
    size_t floats = (size_t)t->n_judged * (size_t)ix->n_classes;
    t->z = calloc(floats, sizeof *t->z);
    t->p = calloc(floats, sizeof *t->p);
    t->top = calloc((size_t)t->n_validation, sizeof *t->top);
    return t->z && t->p && t->top ? TN_OK : tn_fail_memory(2 * floats * sizeof *t->z, "the posteriors");
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
    t->train_spec.label = t->label;
    t->train_spec.keep_clean = t->teacher != NULL;
}

static tn_status make_all(tn_train *t, int n_ranks, int rank) {
    TN_TRY(make_net(t));
    TN_TRY(make_vectors(t, n_ranks, rank));
    TN_TRY(make_teacher(t));
    TN_TRY(make_rows(t));
    make_specs(t);
    return TN_OK;
}

/* The journal goes on where the checkpoint knew it: lines behind that belong to lost steps, which are done again. It
 * is only told, never read by the training: one that was lost begins anew. */
static tn_status open_journal(tn_train *t) {
    struct stat info;
    if (t->clock.journal_bytes > 0 && (stat(t->journal_path, &info) != 0 || info.st_size < t->clock.journal_bytes)) {
        tn_warn("%s: lines are missing; it begins anew", t->journal_path);
        t->clock.journal_bytes = 0;
    }
    t->journal = t->clock.journal_bytes > 0 ? fopen(t->journal_path, "r+b") : tn_file_create(t->journal_path);
    if (!t->journal || ftruncate(fileno(t->journal), t->clock.journal_bytes) != 0 ||
        fseek(t->journal, 0, SEEK_END) != 0)
        return tn_fail(TN_EIO, "%s: cannot be written: %s", t->journal_path, strerror(errno));
    return TN_OK;
}

/* What the checkpoint takes for published must be there: DONE would vouch for nothing. */
static tn_status check_best(const tn_train *t) {
    tn_ckpt *best = NULL;
    tn_h5 *posteriors = NULL;
    tn_status st = tn_ckpt_read(t->best_path, &best);
    if (st == TN_OK) st = tn_h5_open(t->posteriors_path, &posteriors);
    tn_h5_close(&posteriors);
    tn_ckpt_free(&best);
    bool there = tn_file_exists(t->best_path) && tn_file_exists(t->posteriors_path);
    if (st == TN_OK || (there && st != TN_EFORMAT)) return st; /* what cannot be read now is not lost */
    return tn_fail(
        TN_EFORMAT,
        "%s\nthe checkpoint goes on from that file: delete the folder %s and run again: the cell starts over", tn_msg,
        t->folder);
}

/* Every rank reads the overlay of its round, and DONE that vouches for it. */
static tn_status see_overlay(tn_run *run, const tn_train *t) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    if (t->cell.round == 0) return TN_OK;
    tn_overlay_name(t->cell.fold, name);
    TN_TRY(tn_filter_folder(t->cfg, t->cell.round, folder));
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_done_file(folder, name, "filter", path) : TN_OK));
    TN_TRY(tn_path(path, "%s/%s", folder, name));
    TN_TRY(tn_seen_by_all(run, path));
    TN_TRY(tn_path(path, "%s/DONE", folder));
    return tn_seen_by_all(run, path);
}

/* Rank 0 decides whether there is a checkpoint, and which, so that all ranks do the same. */
static tn_status read_checkpoint(tn_run *run, tn_train *t, tn_ckpt **out) {
    int there = run->rank == 0 && tn_file_exists(t->ckpt_path);
    MPI_Bcast(&there, 1, MPI_INT, 0, run->comm);
    if (!there) return TN_OK;
    TN_TRY(tn_seen_by_all(run, t->ckpt_path));
    return tn_agree(run, tn_ckpt_read(t->ckpt_path, out));
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
    t->clock.best_point = -1;

    tn_ckpt *ck = NULL;
    bool resumed = false;
    tn_status st = see_overlay(run, t);
    if (st == TN_OK) st = read_checkpoint(run, t, &ck);
    if (st == TN_OK) st = tn_agree(run, choose_isa(run, t, ck));
    if (st == TN_OK) st = tn_agree(run, make_all(t, run->n_ranks, run->rank));
    if (st == TN_OK) {
        if (ck) st = resume_from(t, ck, allow_other_bits, &resumed);
        if (st == TN_OK && !resumed) st = start_anew(t);
        if (st == TN_OK && run->rank == 0 && t->clock.best_point >= 0) st = check_best(t);
        if (st == TN_OK && run->rank == 0) st = open_journal(t);
        st = tn_agree(run, st);
    }
    tn_ckpt_free(&ck);
    tn_ckpt_free(&t->pretrained);
    if (st == TN_OK && resumed && run->rank == 0)
        tn_say("%s: goes on after %lld images", t->name, (long long)t->clock.images_seen);
    return st;
}

void tn_train_close(tn_train *t) {
    if (t->dev) {
        float *vector[] = {t->params, t->state, t->m, t->v, t->ema_params, t->ema_state};
        for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) t->dev->op->free(t->dev, vector[i]);
        for (int i = 0; t->lane && i < t->mine.n; i++) t->dev->op->free(t->dev, t->lane[i]);
    }
    tn_lane_sum_free(&t->sum);
    free(t->lane);
    tn_ckpt_free(&t->pretrained);
    tn_exec_free(&t->exec);
    tn_exec_free(&t->teacher);
    free(t->teacher_p);
    tn_dev_close(&t->dev);
    tn_net_free(&t->net);
    tn_sampler_free(&t->sampler);
    free(t->judged);
    free(t->label);
    free(t->is_validation);
    free(t->z);
    free(t->p);
    free(t->top);
    free(t->settings);
    if (t->journal) fclose(t->journal);
}
