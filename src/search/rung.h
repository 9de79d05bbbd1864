/*
 * rung.h - successive halving: the rungs of a search, the cells of each rung, and which trials continue.
 *
 *   TN_TRY(tn_slot_train(run, cfg, index, shards, &(tn_slot){.rung = 0, .slot = 3, .fold = 1}));
 *   TN_TRY(tn_rung_end(run, cfg, index, 0));                   // all of the rung done: ranked, published
 *
 * Rung       q = 0 .. n_rungs - 1: tn_cfg_slots(q) trials with search.rungs[q] images each, on search.folds. q = n_rungs is
 *            the final comparison ("judge" in names of files): two trials, 0 (the job file as it stands) and the best,
 *            with train.images, on rows of other folds that ranked no trial (rung_judge.c).
 * Slot       a place for a trial in a rung. The number of slots is known when planning; the trials in them only when the
 *            rung before is ranked. Slot p of rung 0 is trial p; in a later rung it is the trial ranked p-th in the rung
 *            before. If trial 0 is the best, slot 1 of the final comparison is trial 0 again and has nothing to do.
 * Score      of a trial: mean over search.folds, sizes and seeds of the validation scores of the kept evaluations.
 * Diverged   a trial whose loss is not finite is ranked last, and the reason is recorded. Other failures (a kill, a full
 *            disk, damaged data) are no property of the trial: the rung waits until it is trained again.
 * Files      <run>/search/t007-i2000/   a run folder: links to shards and folds, train/<cell>/, diverged-f<fold>.json
 *            <run>/search/rung<q>/      ranking.json, DONE;   <run>/search/judge/   judge.json, DONE
 * Invariant  The same job file and data give the same survivors. DONE of a rung lists the digests of the cells it ranked.
 * Functions are local if not said otherwise.
 */
#ifndef TN_SEARCH_RUNG_H
#define TN_SEARCH_RUNG_H

#include "base/run.h"
#include "cfg/cell.h"
#include "data/index.h"
#include "data/shard.h"
#include "search/search.h"

/* Training images of a trial in a rung, the number of its slots, and its folds (returns their number). */
int64_t tn_rung_images(const tn_cfg *cfg, int rung);
int tn_rung_slots(const tn_cfg *cfg, int rung);
int tn_rung_folds(const tn_cfg *cfg, int rung, int fold_out[TN_MAX_FOLDS]);
/* Number of slots x folds of a rung, and the i-th of these pairs, slot slowest. */
int tn_rung_count(const tn_cfg *cfg, int rung);
tn_slot tn_rung_slot(const tn_cfg *cfg, int rung, int i);
/* The rung in names of steps and jobs: "q0"; "judge" for the final comparison. */
void tn_rung_name(const tn_cfg *cfg, int rung, char out[16]);

/* <run>/search/rung<q>, <run>/search/judge. */
tn_status tn_rung_folder(const tn_cfg *cfg, int rung, char out[TN_PATH_BYTES]);

/* Check that all trials can be trained. index NULL: only what can be checked without data (tn_train_check); otherwise also
 * that the data fit (tn_levels_check).
 * Errors  TN_EARG names the trial and the misfit. */
tn_status tn_rungs_check(const tn_cfg *cfg, const tn_index *index);

/* The trial in a slot; -1: not known yet, because the rung before is not ranked. Errors those of tn_rung_read. */
tn_status tn_slot_trial(const tn_cfg *cfg, int rung, int slot, int *trial_out);
/* Is the slot done: trained, diverged, or without work? Errors TN_EARG made with other settings. */
tn_status tn_slot_done(const tn_cfg *cfg, const tn_slot *at, bool *done_out);
/* Train the trial of a slot. Collective.
 * Errors  TN_EARG the rung before is not ranked; those of tn_train_cell. A trial that diverges is recorded and no error. */
tn_status tn_slot_train(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                        const tn_slot *at);

/* The cells of a trial for one fold: its sizes x its seeds. Returns their number. trial_cfg: tn_search_cfg. */
enum { TN_MAX_TRIAL_CELLS = TN_MAX_SIZES * TN_MAX_SIZES };
int tn_trial_cells(const tn_cfg *trial_cfg, int fold, tn_cell out[TN_MAX_TRIAL_CELLS]);
/* why_out: the reason why a trial diverged, or "" if it did not. Errors TN_EARG recorded with other settings. */
tn_status tn_trial_diverged(const tn_cfg *trial_cfg, int fold, char why_out[512]);

/* Is the ranking published, and made from the present cells? Errors TN_EARG made with other settings. */
tn_status tn_rung_done(const tn_cfg *cfg, int rung, bool *done_out);
/* Rank the trials of a rung, or make the final comparison, and publish the result. Collective; rank 0 does the work.
 * Errors TN_EUNFINISHED names the first cell that is not trained. */
tn_status tn_rung_end(tn_run *run, const tn_cfg *cfg, const tn_index *index, int rung);
/* tn_rung_end if all trials of the rung are trained; otherwise, or if another process is doing it, nothing. So the task that
 * trains the last trial ranks the rung, and no task waits. Collective. */
tn_status tn_rung_end_if_complete(tn_run *run, const tn_cfg *cfg, const tn_index *index, int rung);
/* Read the ranking of a rung < n_rungs, best first. out: caller's array of tn_rung_slots. Errors those of tn_done_file. */
tn_status tn_rung_read(const tn_cfg *cfg, int rung, tn_ranked *out);

#endif
