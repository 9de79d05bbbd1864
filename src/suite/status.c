/* status.c - what a run folder looks like now. DONE files and journals are the truth, the manifest adds how a step
 * ended. */
#include "suite/status.h"

#include "base/done.h"
#include "learn/train.h"
#include "suite/launch.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t images;
    double seconds, best;
    int points;
} journal;

/* Last complete line for progress, best of all lines for the score. */
static tn_status read_journal(const char *path, journal *out) {
    char *text = NULL;
    size_t n_bytes = 0;
    *out = (journal){.best = -1};
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_file_read(path, &text, &n_bytes));
    char *rest = text;
    for (char *line; (line = strtok_r(rest, "\n", &rest));) {
        json_t *j = json_loads(line, 0, NULL);
        json_int_t images = 0;
        int best = 0;
        double score = 0, seconds = 0;
        if (j && json_unpack(j, "{s:I,s:b,s:{s:F},s:F}", "images", &images, "best", &best, "validation",
                             "geometric_mean", &score, "training_seconds", &seconds) == 0) {
            out->images = images;
            out->seconds = seconds;
            out->points++;
            if (best) out->best = score;
        }
        json_decref(j);
    }
    free(text);
    return TN_OK;
}

/* The budget in whole steps. */
static int64_t budget(const tn_cfg *cfg) {
    int64_t step = (int64_t)cfg->train.lanes * cfg->train.lane_images;
    return (cfg->train.images + step - 1) / step * step;
}

static tn_status print_train(const tn_cfg *cfg, const tn_step *s, FILE *out) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES];
    journal j;
    bool done = false;
    TN_TRY(tn_cell_folder(cfg, "train", &s->cell, folder));
    TN_TRY(tn_path(path, "%s/journal.jsonl", folder));
    TN_TRY(read_journal(path, &j));
    tn_status st = tn_train_done(cfg, &s->cell, &done);
    const char *state = done && tn_done_skipped(folder) ? "skipped"
                        : done                          ? "done"
                        : s->state == TN_STEP_DONE      ? "waiting"
                                                        : tn_step_state_name(s->state);
    fprintf(out, "%-28s %-8s", s->name, st == TN_OK ? state : "foreign");
    if (j.points) {
        fprintf(out, " %9" PRId64 " of %" PRId64 " images, %4.0f images/s", j.images, budget(cfg),
                j.seconds > 0 ? (double)j.images / j.seconds : 0.0);
        if (!done && j.seconds > 0)
            fprintf(out, ", %.0f s left", (double)(budget(cfg) - j.images) * j.seconds / (double)j.images);
        fprintf(out, ", best score %.4f", j.best);
    }
    fputc('\n', out);
    return TN_OK;
}

/* A place of a search, and the trial that stands there, once that is known. */
static tn_status print_trial(const tn_cfg *cfg, const tn_step *s, FILE *out) {
    int trial = -1;
    bool done = false;
    TN_TRY(tn_place_trial(cfg, s->at.rung, s->at.place, &trial));
    tn_status st = tn_place_done(cfg, &s->at, &done);
    const char *state = done ? "done" : s->state == TN_STEP_DONE ? "waiting" : tn_step_state_name(s->state);
    fprintf(out, "%-28s %-8s", s->name, st == TN_OK ? state : "foreign");
    if (trial >= 0) fprintf(out, " trial %d, %" PRId64 " images", trial, tn_rung_images(cfg, s->at.rung));
    fputc('\n', out);
    return TN_OK;
}

static const char *folder_of(const tn_plan *plan, const tn_step *s, char out[64]) {
    switch (s->kind) {
    case TN_STEP_PREPROCESS:
        return "folds";
    case TN_STEP_FILTER:
        snprintf(out, 64, "filter/r%d", s->cell.round + 1);
        return out;
    case TN_STEP_REDUCE:
        return "reduce";
    case TN_STEP_RANK:
        snprintf(out, 64, "tune/rung%d", s->at.rung);
        return strcmp(s->name, "rank judge") == 0 ? "tune/judge" : out;
    case TN_STEP_REPORT:
        return plan->start.tune ? NULL : "report";
    default:
        return NULL; /* predict: one folder per cell, known by reduce */
    }
}

static tn_status print_other(const tn_plan *plan, const tn_step *s, FILE *out) {
    char path[TN_PATH_BYTES], name[64];
    const char *folder = folder_of(plan, s, name);
    const char *state = tn_step_state_name(s->state);
    if (folder) {
        TN_TRY(tn_path(path, "%s/%s/DONE", plan->start.run_dir, folder));
        bool done = tn_file_exists(path);
        TN_TRY(tn_path(path, "%s/%s", plan->start.run_dir, folder));
        if (done)
            state = tn_done_skipped(path) ? "skipped" : "done";
        else if (s->state == TN_STEP_DONE)
            state = "waiting";
    }
    fprintf(out, "%-28s %s\n", s->name, state);
    return TN_OK;
}

tn_status tn_status_print(const tn_cfg *cfg, const tn_plan *plan, FILE *out) {
    for (int i = 0; i < plan->n; i++) {
        const tn_step *s = &plan->step[i];
        TN_TRY(s->kind == TN_STEP_TRAIN   ? print_train(cfg, s, out)
               : s->kind == TN_STEP_TRIAL ? print_trial(cfg, s, out)
                                          : print_other(plan, s, out));
        if (s->state != TN_STEP_FAILED && s->state != TN_STEP_STOPPED) continue;
        char how[64] = "";
        tn_exit_status(s->exit_code, how, sizeof how);
        fprintf(out, "    %s: %s\n    log: %s\n", how, s->last_line, s->log);
    }
    return TN_OK;
}
