/*
 * rung.h - successive halving: the rungs of a search, the cells of each, and who goes on.
 *                                                                                   layer: suite, uses: search, learn
 *
 *   TN_TRY(tn_place_train(run, cfg, index, shards, &(tn_place){.rung = 0, .place = 3, .fold = 1}));
 *   TN_TRY(tn_rung_end(run, cfg, index, 0));                   // all of the rung done: ranked, published
 *
 * Rung       q = 0 .. n_rungs - 1: tn_cfg_places(q) trials with tune.rungs[q] images each, on tune.folds. The last,
 *            q = n_rungs, is the judgement: two trials, 0 (the job file as it stands) and the best, with train.images,
 *            on folds that the search has not used.
 * Place      who is trained is known only when the rung before has ended, how many before anything began: a plan has
 *            places. Place p of rung 0 is trial p; of a later one the trial ranked p-th in the rung before. Where trial
 *            0 is the best, place 1 of the judgement stands for it again: there is nothing to do at that place.
 * Score      of a trial: mean over tune.folds (and sizes and seeds) of the validation scores of the kept points.
 * Diverged   a trial whose loss is no number has lost: it is ranked last, with the reason. Any other failure (a kill, a
 *            full disk, damaged data) says nothing about a trial: it is made good by going on, and the rung waits.
 * Files      <run>/tune/t007-i2000/   a run folder: links to shards and folds, train/<cell>/, diverged-f<fold>.json
 *            <run>/tune/rung<q>/      ranking.json, DONE;   <run>/tune/judge/   judge.json, DONE
 * Invariant  The same job file and data give the same survivors: a DONE of a rung lists the digests that it ranked.
 */
#ifndef TN_SUITE_RUNG_H
#define TN_SUITE_RUNG_H

#include "base/run.h"
#include "data/index.h"
#include "data/shard.h"
#include "suite/search.h"

typedef struct {
    int rung, place, fold;
} tn_place;

int64_t tn_rung_images(const tn_cfg *cfg, int rung);
int tn_rung_places(const tn_cfg *cfg, int rung);
int tn_rung_folds(const tn_cfg *cfg, int rung, int fold_out[TN_MAX_FOLDS]);
/* Its places x its folds, place slowest; out: NULL, or room for as many as are returned. */
int tn_rung_list(const tn_cfg *cfg, int rung, tn_place *out);
/* "q0", "judge": in names of steps and jobs. */
void tn_rung_name(const tn_cfg *cfg, int rung, char out[16]);

/* <run>/tune/rung<q>, <run>/tune/judge. */
tn_status tn_rung_folder(const tn_cfg *cfg, int rung, char out[TN_PATH_BYTES]);

/* Can all trials be trained? index NULL: as far as that shows without data (tn_train_check), before anything is
 * written; else with these data (tn_levels_check).
 * Errors  TN_EARG names the trial and what does not fit. */
tn_status tn_rungs_check(const tn_cfg *cfg, const tn_index *index);

/* -1: not known yet, because the rung before has not ended. Local. */
tn_status tn_place_trial(const tn_cfg *cfg, int rung, int place, int *trial_out);
/* Trained, diverged, or nothing to do. Local. */
tn_status tn_place_done(const tn_cfg *cfg, const tn_place *at, bool *done_out);
/* Train what the place stands for. Collective.
 * Errors  TN_EARG the rung before is not ranked; as tn_train_cell. A trial that diverges is recorded, and no error. */
tn_status tn_place_train(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                         const tn_place *at);

/* Is the ranking there, and of the cells as they are now? Local. Errors TN_EARG made with other settings. */
tn_status tn_rung_done(const tn_cfg *cfg, int rung, bool *done_out);
/* Rank, or judge; publish. Collective; rank 0 works. Errors TN_EUNFINISHED names the first that is not trained. */
tn_status tn_rung_end(tn_run *run, const tn_cfg *cfg, const tn_index *index, int rung);
/* The ranking of a rung < n_rungs; out: caller's array of tn_rung_places. Errors as tn_done_file. */
tn_status tn_rung_read(const tn_cfg *cfg, int rung, tn_ranked *out);

#endif
