/* slot.c - a slot of a rung: its trial, the trial's run folder, its training. */
#include "search/rung_priv.h"

#include "base/progress.h"
#include "data/loader.h"
#include "store/done.h"
#include "train/cost.h"
#include "train/train.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t tn_rung_images(const tn_cfg *cfg, int rung) {
    return rung < cfg->search.n_rungs ? cfg->search.rungs[rung] : cfg->train.images;
}

int tn_rung_slots(const tn_cfg *cfg, int rung) {
    return rung < cfg->search.n_rungs ? tn_cfg_slots(cfg, rung) : 2;
}

int tn_rung_folds(const tn_cfg *cfg, int rung, int fold_out[TN_MAX_FOLDS]) {
    bool judge = rung == cfg->search.n_rungs;
    int n = judge ? cfg->search.n_judge_folds : cfg->search.n_folds;
    for (int i = 0; i < n; i++) fold_out[i] = judge ? cfg->search.judge_folds[i] : cfg->search.folds[i];
    for (int f = 0; judge && cfg->search.n_judge_folds == 0 && f < cfg->folds.count; f++) {
        bool used = false;
        for (int i = 0; i < cfg->search.n_folds; i++) used |= cfg->search.folds[i] == f;
        if (!used) fold_out[n++] = f;
    }
    return n;
}

int tn_rung_count(const tn_cfg *cfg, int rung) {
    int fold[TN_MAX_FOLDS];
    return tn_rung_slots(cfg, rung) * tn_rung_folds(cfg, rung, fold);
}

tn_slot tn_rung_slot(const tn_cfg *cfg, int rung, int i) {
    int fold[TN_MAX_FOLDS], n_folds = tn_rung_folds(cfg, rung, fold);
    TN_ASSERT(n_folds > 0);
    return (tn_slot){rung, i / n_folds, fold[i % n_folds]};
}

void tn_rung_name(const tn_cfg *cfg, int rung, char out[16]) {
    snprintf(out, 16, rung == cfg->search.n_rungs ? "judge" : "q%d", rung);
}

/* Checked with the images of rung 0, because every later rung has more optimiser steps. */
tn_status tn_rungs_check(const tn_cfg *cfg, const tn_index *index) {
    for (int t = 0; t < cfg->search.trials; t++) {
        tn_cfg *trial = NULL;
        TN_TRY(tn_search_cfg(cfg, t, tn_rung_images(cfg, 0), &trial));
        tn_status st = index ? tn_levels_check(trial, index) : tn_train_check(trial);
        tn_cfg_free(&trial);
        if (st != TN_OK) return tn_search_no_job(st, t);
    }
    return TN_OK;
}

tn_status tn_slot_trial(const tn_cfg *cfg, int rung, int slot, int *trial_out) {
    char folder[TN_PATH_BYTES];
    bool judge = rung == cfg->search.n_rungs;
    *trial_out = -1;
    if (rung == 0 || (judge && slot == 0)) {
        *trial_out = slot;
        return TN_OK;
    }
    TN_TRY(tn_rung_folder(cfg, rung - 1, folder));
    if (!tn_done_exists(folder)) return TN_OK;
    tn_ranked *all = calloc((size_t)cfg->search.trials, sizeof *all);
    tn_status st = all ? tn_rung_read(cfg, rung - 1, all) : tn_fail_memory(sizeof *all, "a ranking");
    if (st == TN_OK) *trial_out = all[judge ? 0 : slot].trial;
    free(all);
    return st;
}

/* The settings of a slot's trial; *out is NULL if the trial is not known yet. repeats_out: slot 0 has the same trial and trains it;
 * two tasks must not train the same cell. */
static tn_status slot_cfg(const tn_cfg *cfg, const tn_slot *at, int *trial_out, tn_cfg **out, bool *repeats_out) {
    *out = NULL;
    TN_TRY(tn_slot_trial(cfg, at->rung, at->slot, trial_out));
    *repeats_out = at->rung == cfg->search.n_rungs && at->slot == 1 && *trial_out == 0;
    return *trial_out < 0 ? TN_OK : tn_search_cfg(cfg, *trial_out, tn_rung_images(cfg, at->rung), out);
}

int tn_trial_cells(const tn_cfg *trial_cfg, int fold, tn_cell out[TN_MAX_TRIAL_CELLS]) {
    int n = 0;
    for (int s = 0; s < trial_cfg->train.n_sizes; s++)
        for (int x = 0; x < trial_cfg->train.n_seeds; x++)
            out[n++] =
                (tn_cell){.fold = fold, .size_px = trial_cfg->train.sizes_px[s], .seed = trial_cfg->train.seeds[x]};
    return n;
}

/* --- divergence --------------------------------------------------------------------------------------------------- */

static tn_status diverged_path(const tn_cfg *trial_cfg, int fold, char out[TN_PATH_BYTES]) {
    return tn_path(out, "%s/diverged-f%d.json", trial_cfg->run_dir, fold);
}

tn_status tn_trial_diverged(const tn_cfg *trial_cfg, int fold, char why_out[512]) {
    char path[TN_PATH_BYTES], *text = NULL;
    const char *settings = NULL, *why = NULL;
    size_t n = 0;
    *why_out = 0;
    TN_TRY(diverged_path(trial_cfg, fold, path));
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_file_read(path, &text, &n));
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    tn_status st = TN_OK;
    char *now = tn_cfg_canonical(trial_cfg, TN_KEYS_TRAIN);
    if (!now)
        st = tn_fail_memory(4096, "the identity of a trial");
    else if (json_unpack(j, "{s:s,s:s}", "settings", &settings, "why", &why) != 0)
        st = tn_fail(TN_EFORMAT, "%s: damaged: delete it", path);
    else
        st = tn_settings_same(path, settings, now);
    if (st == TN_OK) snprintf(why_out, 512, "%s", why);
    free(now);
    json_decref(j);
    return st;
}

static tn_status record_divergence(const tn_cfg *trial_cfg, int fold, const char *why) {
    char path[TN_PATH_BYTES], *settings = tn_cfg_canonical(trial_cfg, TN_KEYS_TRAIN);
    json_t *j =
        settings ? json_pack("{s:s,s:s,s:s}", "format", "tenfold diverged 1", "settings", settings, "why", why) : NULL;
    char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
    json_decref(j);
    free(settings);
    tn_status st = text ? diverged_path(trial_cfg, fold, path) : tn_fail_memory(4096, "the record of a trial");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}

tn_status tn_slot_done(const tn_cfg *cfg, const tn_slot *at, bool *done_out) {
    tn_cfg *t = NULL;
    tn_cell cell[TN_MAX_TRIAL_CELLS];
    char why[512] = "";
    bool done = true, repeats = false;
    int trial = -1;
    *done_out = false;
    TN_TRY(slot_cfg(cfg, at, &trial, &t, &repeats));
    if (!t) return TN_OK;
    tn_status st = tn_trial_diverged(t, at->fold, why);
    int n = repeats ? 0 : tn_trial_cells(t, at->fold, cell);
    for (int i = 0; i < n && done && st == TN_OK && !*why; i++) st = tn_train_done(t, &cell[i], &done);
    *done_out = st == TN_OK && done;
    tn_cfg_free(&t);
    return st;
}

/* --- training ----------------------------------------------------------------------------------------------------- */

/* Make the trial's run folder, with links to the data of the search's run. */
static tn_status make_folder(const tn_cfg *trial_cfg) {
    static const char *const SHARED[] = {"shards", "folds"};
    char path[TN_PATH_BYTES], target[64];
    TN_TRY(tn_folder_make(trial_cfg->run_dir));
    for (int i = 0; i < 2; i++) {
        TN_TRY(tn_path(path, "%s/%s", trial_cfg->run_dir, SHARED[i]));
        snprintf(target, sizeof target, "../../%s", SHARED[i]);
        if (symlink(target, path) != 0 && errno != EEXIST)
            return tn_fail(TN_EIO, "%s: no link to %s: %s", path, target, strerror(errno));
    }
    return TN_OK;
}

/* Find the slot's trial, and the reason why it need not be trained ("": it must be trained). Local. */
static tn_status look(const tn_cfg *cfg, const tn_slot *at, int *trial_out, char idle_out[600]) {
    tn_cfg *t = NULL;
    bool repeats = false;
    char why[512] = "";
    TN_TRY(slot_cfg(cfg, at, trial_out, &t, &repeats));
    if (!t)
        return tn_fail(
            TN_EARG, "the trial of this slot is not known before rung %d is ranked: run `tenfold rank --rung %d` first",
            at->rung - 1, at->rung - 1);
    tn_status st = repeats ? TN_OK : make_folder(t);
    if (st == TN_OK) st = tn_trial_diverged(t, at->fold, why);
    tn_cfg_free(&t);
    if (repeats) snprintf(idle_out, 600, "the job file as it stands is the best trial: it is trained at slot 0");
    if (*why) snprintf(idle_out, 600, "diverged before: %s", why);
    return st;
}

/* Only rank 0 looks at files, because other ranks may see an older state of a shared file system. In rung 0 all trials are checked
 * first: one that the data do not fit could never be trained, and its rung would never end. */
static tn_status open_slot(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_slot *at, tn_cfg **out,
                           char idle_out[600]) {
    int trial = -1;
    *idle_out = 0;
    tn_status st = run->rank == 0 && at->rung == 0 ? tn_rungs_check(cfg, index) : TN_OK;
    TN_TRY(tn_agree(run, st == TN_OK && run->rank == 0 ? look(cfg, at, &trial, idle_out) : st));
    tn_bcast(run, 0, &trial, sizeof trial);
    tn_bcast(run, 0, idle_out, 600);
    return tn_agree(run, tn_search_cfg(cfg, trial, tn_rung_images(cfg, at->rung), out));
}

tn_status tn_slot_train(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                        const tn_slot *at) {
    tn_cfg *t = NULL;
    tn_cell cell[TN_MAX_TRIAL_CELLS];
    char idle[600], why[512];
    tn_status st = open_slot(run, cfg, index, at, &t, idle);
    int n = st == TN_OK && !*idle ? tn_trial_cells(t, at->fold, cell) : 0;
    if (st == TN_OK && run->rank == 0) tn_say("%s%s%s", t->run_dir, *idle ? ": " : "", idle);
    for (int i = 0; i < n && st == TN_OK; i++)
        st = tn_train_cell(run, t, index, shards, &cell[i], &(tn_train_how){.profile = false});
    if (st == TN_EDIVERGED) {
        snprintf(why, sizeof why, "%s", tn_msg);
        st = tn_agree(run, run->rank == 0 ? record_divergence(t, at->fold, why) : TN_OK);
        if (st == TN_OK && run->rank == 0) tn_say("%s: diverged, and is ranked last: %s", t->run_dir, why);
    }
    tn_cfg_free(&t);
    return st;
}
