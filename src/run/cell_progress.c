/* cell_progress.c - reads journals and heartbeats. */
#include "run/cell_progress.h"

#include "base/progress.h"
#include "cfg/student.h"
#include "search/rung.h"
#include "search/search.h"
#include "store/done.h"
#include "train/journal.h"

#include <stdlib.h>
#include <string.h>

/* The last evaluation gives the progress, the last kept one the score. */
static tn_status read_journal(const tn_cfg *cfg, const tn_cell *cell, tn_step_progress *out) {
    tn_journal journal;
    TN_TRY(tn_journal_read(cfg, cell, &journal));
    for (int i = 0; i < journal.n; i++) {
        const tn_journal_entry *e = &journal.at[i];
        out->done = e->images;
        out->per_s = e->training_s > 0 ? (double)e->images / e->training_s : 0;
        if (e->best) out->score = e->gmean;
    }
    tn_journal_free(&journal);
    return TN_OK;
}

/* Training images, rounded up to whole optimiser steps. cfg: the trial's settings for a cell of a search. */
static int64_t budget(const tn_cfg *cfg) {
    return tn_cfg_steps(cfg, cfg->train.images) * cfg->train.lanes * cfg->train.lane_images;
}

static void read_heartbeat(const char *folder, const tn_cell *cell, tn_step_progress *out) {
    char path[TN_PATH_BYTES], name[TN_CELL_NAME_BYTES];
    tn_heartbeat sign;
    if (tn_done_exists(folder) || tn_path(path, "%s/heartbeat", folder) != TN_OK || !tn_heartbeat_read(path, &sign))
        return;
    tn_cell_name(cell, name);
    out->heartbeat = sign.count;
    out->heartbeat_every_s = sign.every_s;
    if (strcmp(sign.label, name) == 0) {
        out->done = sign.done;
        if (sign.per_s > 0) out->per_s = sign.per_s;
    } else {
        snprintf(out->doing, sizeof out->doing, "%s", sign.label);
    }
}

tn_status tn_progress_of_cell(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out) {
    char folder[TN_PATH_BYTES];
    out->total = budget(cfg);
    TN_TRY(tn_cell_folder(cfg, "train", &s->cell, folder));
    TN_TRY(read_journal(cfg, &s->cell, out));
    read_heartbeat(folder, &s->cell, out);
    return TN_OK;
}

tn_status tn_progress_of_student(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out) {
    tn_step step = *s;
    tn_cfg *its = malloc(sizeof *its);
    if (!its) return tn_fail_memory(sizeof *its, "the student");
    *its = *cfg;
    tn_cfg_student(its);
    step.cell = tn_student_cell(cfg);
    tn_status st = tn_progress_of_cell(its, &step, out);
    free(its);
    return st;
}

static tn_status add_trial_cells(const tn_cfg *trial_cfg, int fold, tn_step_progress *out) {
    tn_cell cell[TN_MAX_TRIAL_CELLS];
    int n = tn_trial_cells(trial_cfg, fold, cell), n_scores = 0;
    double scores = 0;
    out->total = n * budget(trial_cfg);
    for (int i = 0; i < n; i++) {
        tn_step_progress one = {.score = -1, .heartbeat = -1};
        char folder[TN_PATH_BYTES];
        TN_TRY(tn_cell_folder(trial_cfg, "train", &cell[i], folder));
        TN_TRY(read_journal(trial_cfg, &cell[i], &one));
        read_heartbeat(folder, &cell[i], &one);
        out->done += one.done;
        if (one.score >= 0) scores += one.score, n_scores++;
        if (n_scores) out->score = scores / n_scores;
        if (one.done == 0) continue;
        out->per_s = one.per_s; /* cells are trained in order: the last one begun is running */
        out->heartbeat = one.heartbeat;
        out->heartbeat_every_s = one.heartbeat_every_s;
        snprintf(out->doing, sizeof out->doing, "%s", one.doing);
    }
    return TN_OK;
}

tn_status tn_progress_of_trial(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out) {
    tn_cfg *t = NULL;
    char why[512];
    TN_TRY(tn_slot_trial(cfg, s->slot.rung, s->slot.slot, &out->trial));
    out->total = tn_rung_images(cfg, s->slot.rung);
    if (out->trial < 0) return TN_OK;
    TN_TRY(tn_search_cfg(cfg, out->trial, out->total, &t));
    tn_status st = add_trial_cells(t, s->slot.fold, out);
    if (st == TN_OK && tn_trial_diverged(t, s->slot.fold, why) == TN_OK && *why)
        snprintf(out->why, sizeof out->why, "diverged: %.480s", why);
    tn_cfg_free(&t);
    return st;
}
