/* sight.c - DONE files, journals, signs of life, records of jobs. */
#include "suite/sight.h"

#include "base/done.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "learn/journal.h"
#include "learn/train.h"
#include "suite/job_record.h"
#include "suite/launch.h"
#include "suite/rung_priv.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAME[TN_SIGHT_STATES] = {"waiting", "queued",  "running", "done",
                                                  "failed",  "stopped", "skipped", "foreign"};
const char *tn_sight_name(tn_sight_state state) {
    return NAME[state];
}

/* --- how far a cell is -------------------------------------------------------------------------------------------- */

/* Last point for progress, last kept one for the score. */
static tn_status read_journal(const tn_cfg *cfg, const tn_cell *cell, tn_sight *out) {
    json_t *points = NULL, *point;
    size_t i;
    TN_TRY(tn_journal_read(cfg, cell, &points));
    json_array_foreach(points, i, point) {
        json_int_t images = 0;
        int best = 0;
        double score = 0, seconds = 0;
        if (json_unpack(point, "{s:I,s:b,s:{s:F},s:F}", "images", &images, "best", &best, "validation",
                        "geometric_mean", &score, "training_seconds", &seconds) != 0)
            continue;
        out->done = images;
        out->per_s = seconds > 0 ? (double)images / seconds : 0;
        if (best) out->score = score;
    }
    json_decref(points);
    return TN_OK;
}

/* The budget in whole steps. cfg: of a trial, where it is one. */
static int64_t budget(const tn_cfg *cfg) {
    int64_t step = (int64_t)cfg->train.lanes * cfg->train.lane_images;
    return (cfg->train.images + step - 1) / step * step;
}

static void read_sign(const char *folder, const tn_cell *cell, tn_sight *out) {
    char path[TN_PATH_BYTES], name[TN_CELL_NAME_BYTES];
    tn_sign sign;
    if (tn_path(path, "%s/sign", folder) != TN_OK || !tn_sign_read(path, &sign)) return;
    tn_cell_name(cell, name);
    out->sign = sign.count;
    out->sign_every_s = sign.every_s;
    if (strcmp(sign.label, name) == 0) {
        out->done = sign.done;
        if (sign.per_s > 0) out->per_s = sign.per_s;
    } else {
        snprintf(out->doing, sizeof out->doing, "%s", sign.label);
    }
}

static tn_status sight_of_cell(const tn_cfg *cfg, const tn_step *s, bool *done_out, tn_sight *out) {
    char folder[TN_PATH_BYTES];
    bool skipped = false;
    out->total = budget(cfg);
    TN_TRY(tn_cell_folder(cfg, "train", &s->cell, folder));
    TN_TRY(read_journal(cfg, &s->cell, out));
    if (tn_train_done(cfg, &s->cell, done_out) != TN_OK) {
        out->state = TN_SIGHT_FOREIGN;
        snprintf(out->why, sizeof out->why, "%.500s", tn_msg);
    }
    if (*done_out && tn_done_skipped(folder, &skipped) == TN_OK && skipped) out->state = TN_SIGHT_SKIPPED;
    if (!*done_out) read_sign(folder, &s->cell, out);
    return TN_OK;
}

static tn_status sight_of_predictions(const tn_cfg *cfg, const tn_step *s, bool *done_out, tn_sight *out) {
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    tn_status st = cell ? TN_OK : tn_fail_memory((size_t)tn_cell_count(cfg) * sizeof *cell, "the cells");
    if (cell) tn_cell_list(cfg, s->cell.round, cell);
    out->total = tn_cell_count(cfg);
    for (int i = 0; st == TN_OK && i < tn_cell_count(cfg); i++) {
        char folder[TN_PATH_BYTES], path[TN_PATH_BYTES];
        st = tn_cell_folder(cfg, "predict", &cell[i], folder);
        if (st == TN_OK) st = tn_path(path, "%s/DONE", folder);
        if (st == TN_OK) out->done += tn_file_exists(path);
    }
    free(cell);
    *done_out = out->done == out->total;
    return st;
}

/* How far the cells of a trial are, one size and seed after the other. Score: mean of those that have one. */
static tn_status add_trial_cells(const tn_cfg *trial_cfg, int fold, tn_sight *out) {
    tn_cell cell[TN_MAX_TRIAL_CELLS];
    int n = tn_trial_cells(trial_cfg, fold, cell), n_scores = 0;
    double scores = 0;
    out->total = n * budget(trial_cfg);
    for (int i = 0; i < n; i++) {
        tn_sight one = {.score = -1, .sign = -1};
        char folder[TN_PATH_BYTES];
        TN_TRY(tn_cell_folder(trial_cfg, "train", &cell[i], folder));
        TN_TRY(read_journal(trial_cfg, &cell[i], &one));
        read_sign(folder, &cell[i], &one);
        out->done += one.done;
        if (one.score >= 0) scores += one.score, n_scores++;
        if (n_scores) out->score = scores / n_scores;
        if (one.done == 0) continue;
        out->per_s = one.per_s; /* the last one that was begun is at work */
        out->sign = one.sign;
        out->sign_every_s = one.sign_every_s;
        snprintf(out->doing, sizeof out->doing, "%s", one.doing);
    }
    return TN_OK;
}

/* A place of a search, and the trial that stands there, once that is known. */
static tn_status sight_of_trial(const tn_cfg *cfg, const tn_step *s, bool *done_out, tn_sight *out) {
    tn_cfg *t = NULL;
    char why[512];
    TN_TRY(tn_place_trial(cfg, s->at.rung, s->at.place, &out->trial));
    out->total = tn_rung_images(cfg, s->at.rung);
    if (out->trial < 0) return TN_OK;
    if (tn_place_done(cfg, &s->at, done_out) != TN_OK) {
        out->state = TN_SIGHT_FOREIGN;
        snprintf(out->why, sizeof out->why, "%.500s", tn_msg);
        return TN_OK;
    }
    TN_TRY(tn_search_cfg(cfg, out->trial, out->total, &t));
    tn_status st = add_trial_cells(t, s->at.fold, out);
    if (st == TN_OK) st = tn_trial_diverged(t, s->at.fold, why);
    if (st == TN_OK && *why) snprintf(out->why, sizeof out->why, "diverged: %.480s", why);
    tn_cfg_free(&t);
    return st;
}

static tn_status sight_of_folder(const tn_cfg *cfg, const tn_step *s, bool *done_out, tn_sight *out) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], name[32];
    bool skipped = false;
    snprintf(name, sizeof name, "%s", tn_step_verb(s->kind));
    if (s->kind == TN_STEP_PREPROCESS) snprintf(name, sizeof name, "folds");
    if (s->kind == TN_STEP_FILTER) snprintf(name, sizeof name, "filter/r%d", s->cell.round + 1);
    if (s->kind == TN_STEP_REPORT && tn_is_search(cfg)) snprintf(name, sizeof name, "tune");
    if (s->kind == TN_STEP_RANK)
        TN_TRY(tn_rung_folder(cfg, s->at.rung, folder));
    else
        TN_TRY(tn_path(folder, "%s/%s", cfg->run_dir, name));
    TN_TRY(tn_path(path, "%s/DONE", folder));
    *done_out = tn_file_exists(path);
    if (*done_out && tn_done_skipped(folder, &skipped) == TN_OK && skipped) out->state = TN_SIGHT_SKIPPED;
    return TN_OK;
}

/* --- how it ended ------------------------------------------------------------------------------------------------- */

/* The last line of a log that says what is wrong; else its last line. */
static void last_words(const char *log, char *out, size_t room) {
    char line[512], error[512] = "", any[512] = "";
    FILE *f = fopen(log, "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, "tenfold: error: ", 16) == 0) strcpy(error, line + 16);
        if (*line) strcpy(any, line);
    }
    fclose(f);
    snprintf(out, room, "%s", *error ? error : any);
    tn_utf8_mend(out);
}

static void failed(tn_sight *out, int exit_code, const char *words) {
    char how[64] = "";
    tn_exit_status(exit_code, how, sizeof how);
    out->state = TN_SIGHT_FAILED;
    snprintf(out->why, sizeof out->why, "%s%s%.400s", how, *words ? ": " : "", words);
}

/* label: of the job, with its task. A job that is neither in the queue nor has a last record was ended from outside. */
static void sight_of_record(const tn_plan *plan, const char *label, const char *job, tn_sight *out) {
    tn_job_record r;
    char words[512] = "";
    bool known = tn_job_record_read(plan->start.run_dir, label, &r) && strcmp(r.job, job) == 0;
    last_words(out->log, words, sizeof words);
    bool by_slurm = known && strncmp(words, "slurmstepd", 10) == 0;
    if (known && strcmp(r.state, "failed") == 0) {
        failed(out, r.exit_code, words);
        return;
    }
    out->state = known ? TN_SIGHT_STOPPED : TN_SIGHT_FAILED;
    snprintf(out->why, sizeof out->why, "job %s %s%s%.300s", job,
             known ? "was ended from outside (scancel, time or memory limit, lost node)"
                   : "never began: it was cancelled, or what it waits for failed",
             by_slurm ? ": " : "", by_slurm ? words : "");
}

/* --- the verdict -------------------------------------------------------------------------------------------------- */

static void take_queued(const tn_queued *q, tn_sight *out) {
    out->state = q->running                                  ? TN_SIGHT_RUNNING
                 : strncmp(q->reason, "Dependency", 10) == 0 ? TN_SIGHT_WAITING
                                                             : TN_SIGHT_QUEUED;
    if (out->state == TN_SIGHT_QUEUED) snprintf(out->why, sizeof out->why, "%s: %s", q->id, q->reason);
    if (out->state == TN_SIGHT_RUNNING) snprintf(out->why, sizeof out->why, "job %s", q->id);
}

void tn_sight_label(const tn_step *s, char out[TN_JOB_LABEL_BYTES]) {
    const char *name = strrchr(s->log, '/'), *task = strchr(s->job, '_');
    char end[sizeof s->job + 8];
    snprintf(end, sizeof end, "-%s.log", s->job);
    snprintf(out, 64, "%.40s", name ? name + 1 : s->log);
    char *cut = strstr(out, end);
    if (cut) snprintf(cut, 64 - (size_t)(cut - out), "%s%s", task ? "." : "", task ? task + 1 : "");
}

/* A job in the queue may wait for more memory than was submitted. */
static void add_memory(const tn_plan *plan, const char *label, const char *job, tn_sight *out) {
    tn_job_record r;
    size_t n = strlen(out->why);
    if (!tn_job_record_read(plan->start.run_dir, label, &r) || strcmp(r.job, job) != 0 || r.out_of_memory == 0) return;
    snprintf(out->why + n, sizeof out->why - n, "; ran out of memory %s, asks for %d MiB on each node now",
             r.out_of_memory == 1 ? "once" : "twice", r.memory_mib);
}

static void sight_of_job(const tn_plan *plan, const tn_queue *queue, const tn_step *s, tn_sight *out) {
    char label[64];
    const tn_queued *q = tn_queue_find(queue, s->job);
    tn_sight_label(s, label);
    if (!q) {
        sight_of_record(plan, label, s->job, out);
        return;
    }
    take_queued(q, out);
    add_memory(plan, label, s->job, out);
}

/* The array of a round, or those of its sizes (size >= 0). */
static bool array_label(const tn_cfg *cfg, int round, int size, char out[32]) {
    if (size >= cfg->slurm.n_size_nodes) return false;
    snprintf(out, 32, size < 0 ? "train.r%d" : "train.r%d.s%d", round, size < 0 ? 0 : cfg->train.sizes_px[size]);
    return true;
}

/* What all tasks of the arrays "14,15" do: the first one that is not done says why. */
static void sight_of_arrays(const tn_cfg *cfg, const tn_plan *plan, const tn_queue *queue, const tn_step *s,
                            tn_sight *out) {
    char jobs[sizeof s->job], array[32], *rest = jobs;
    const tn_queued *best = NULL;
    snprintf(jobs, sizeof jobs, "%s", s->job);
    for (char *id; (id = strsep(&rest, ","));) {
        const tn_queued *q = tn_queue_find(queue, id);
        if (q && (!best || q->running)) best = q;
    }
    if (best) {
        take_queued(best, out);
        return;
    }
    for (int size = -1; array_label(cfg, s->cell.round + (s->kind == TN_STEP_FILTER), size, array); size++)
        for (int i = 0; i < tn_cell_count(cfg); i++) {
            char label[64];
            tn_job_record r;
            snprintf(label, sizeof label, "%s.%d", array, i);
            if (!tn_job_record_read(plan->start.run_dir, label, &r) || strcmp(r.state, "done") == 0) continue;
            if (tn_path(out->log, "%s/log/%s-%s.log", plan->start.run_dir, array, r.job) == TN_OK)
                sight_of_record(plan, label, r.job, out);
            return;
        }
    sight_of_record(plan, "", s->job, out);
}

static void sight_of_manifest(const tn_step *s, tn_sight *out) {
    static const tn_sight_state STATE[] = {TN_SIGHT_WAITING, TN_SIGHT_RUNNING, TN_SIGHT_WAITING, TN_SIGHT_FAILED,
                                           TN_SIGHT_STOPPED};
    out->state = STATE[s->state]; /* done, but without its DONE: to be made again */
    if (out->state == TN_SIGHT_FAILED || out->state == TN_SIGHT_STOPPED) {
        failed(out, s->exit_code, s->last_line);
        out->state = STATE[s->state];
    }
}

/* A pilot writes the manifest while it runs; what it left behind is no longer running. */
static void sight_of_pilot(const tn_plan *plan, const tn_queue *queue, const tn_step *s, tn_sight *out) {
    const tn_queued *q = tn_queue_find(queue, plan->pilot);
    tn_job_record r;
    sight_of_manifest(s, out);
    if (q && !q->running)
        take_queued(q, out);
    else if (q && out->state == TN_SIGHT_RUNNING)
        snprintf(out->why, sizeof out->why, "pilot, job %s", q->id);
    if (q || out->state == TN_SIGHT_FAILED) return;
    bool ended = tn_job_record_read(plan->start.run_dir, "pilot", &r) && strcmp(r.job, plan->pilot) == 0;
    if (!ended && tn_path(out->log, "%.3900s/log/pilot-%s.log", plan->start.run_dir, plan->pilot) != TN_OK) return;
    if (ended && out->state == TN_SIGHT_RUNNING) out->state = TN_SIGHT_STOPPED;
    if (!ended || (out->state == TN_SIGHT_STOPPED && !*out->why)) sight_of_record(plan, "pilot", plan->pilot, out);
}

tn_status tn_sight_of(const tn_cfg *cfg, const tn_plan *plan, const tn_queue *queue, int step, tn_sight *out) {
    const tn_step *s = &plan->step[step];
    bool done = false;
    *out = (tn_sight){.score = -1, .sign = -1, .trial = -1, .state = TN_SIGHT_STATES};
    TN_TRY(tn_path(out->log, "%s", s->log));
    TN_TRY(s->kind == TN_STEP_TRAIN     ? sight_of_cell(cfg, s, &done, out)
           : s->kind == TN_STEP_TRIAL   ? sight_of_trial(cfg, s, &done, out)
           : s->kind == TN_STEP_PREDICT ? sight_of_predictions(cfg, s, &done, out)
                                        : sight_of_folder(cfg, s, &done, out));
    if (out->state != TN_SIGHT_STATES) return TN_OK; /* foreign, skipped */
    if (done)
        out->state = TN_SIGHT_DONE;
    else if (!*s->job && *plan->pilot)
        sight_of_pilot(plan, queue, s, out);
    else if (!*s->job)
        sight_of_manifest(s, out);
    else if (s->kind == TN_STEP_PREDICT || s->kind == TN_STEP_FILTER)
        sight_of_arrays(cfg, plan, queue, s, out);
    else
        sight_of_job(plan, queue, s, out);
    return TN_OK;
}
