/*
 * cell.h - a cell (one model: round, fold, image size, seed), and the layout of a run folder. All functions are local.
 *
 * results/<run>/
 *   shards/                         preprocess: dataset.h5, shard-NNNNN.h5, quarantine.csv, DONE
 *   folds/                          preprocess: folds.h5, certificate.txt, DONE
 *   probe/                          probe: features.h5, posteriors.h5, DONE; it also makes filter/r0
 *   train/r0-f3-s64-x1/             train: round 0, fold 3, 64 px, seed 1
 *       checkpoint.safetensors      the latest state, to continue from; removed after DONE
 *       best.safetensors            the kept model: averaged weights at the kept evaluation
 *       posteriors.h5               z (N,K) and p (N,K) at the kept evaluation; not in the last round, which has no filter
 *       journal.jsonl               one line per evaluation
 *       heartbeat                   progress while it is trained (base/progress.h)
 *       DONE
 *   filter/r1/                      filter: overlay-f<F>.h5 per fold, ledger.csv, DONE      (round r+1)
 *   predict/r0-f3-s64-x1/           predict: predictions.h5, DONE
 *   train/student-s64-x1/           distil: the student, as a cell; it has no posteriors.h5
 *   distil/                         distil: targets/ (overlay.h5, DONE), ensemble.json (of the student alone), DONE; of the rows that
 *                                   nobody was trained on: predict/student-s64-x1/, ensemble.h5, submission.csv, metrics.json, reduce/
 *   reduce/                         reduce: ensemble.json (for new images), DONE; and ensemble.h5, submission.csv,
 *                                   metrics.json, ledger.csv in the run folder
 *   report/                         report.md, report.html, scores.csv, DONE
 *   log/<verb>-<cell>.log           output of steps started by `run`
 *   slurm/<label>[.<task>]          how a Slurm job ended (slurm/stage.sh)
 *   history/                        starts and ends of steps, for the report (store/history.h)
 *   plan.json, job.cfg              the steps and how they went; a copy of the job file from when the run was started
 */
#ifndef TN_CFG_CELL_H
#define TN_CFG_CELL_H

#include "cfg/cfg.h"

typedef struct {
    int round, fold, size_px;
    int64_t seed;
} tn_cell;

/* A slot of a rung of a search, for one fold; which trial is in it says the ranking (search/rung.h). */
typedef struct {
    int rung, slot, fold;
} tn_slot;

/* The size at which a model that was trained at size_px predicts rows that it has not seen: predict.size_factor x size_px, rounded.
 * Posteriors, which are predicted during training, are of size_px. docs/training.md says why. */
int tn_predict_px(const tn_cfg *cfg, int size_px);

enum { TN_CELL_NAME_BYTES = 64 };
/* "r0-f3-s64-x1"; "student-s64-x1" */
void tn_cell_name(const tn_cell *cell, char out[TN_CELL_NAME_BYTES]);
tn_status tn_cell_folder(const tn_cfg *cfg, const char *stage, const tn_cell *cell, char out[TN_PATH_BYTES]);
/* The student of the ensemble (distil.student) is a cell of no round and of no fold: it trains on all of them. */
enum { TN_ROUND_OF_STUDENT = -2 };
bool tn_is_student(const tn_cell *cell);
tn_cell tn_student_cell(const tn_cfg *cfg); /* the largest of train.sizes_px, the first of train.seeds */

/* <run>/filter/r<round>, the overlays that cells of this round train with, if there is a filter before it: from round 1 on, and before
 * round 0 with self.probe. Of the student: <run>/distil/targets. */
bool tn_is_filtered(const tn_cfg *cfg, int round);
const char *tn_filter_verb(int round); /* "probe", "filter" or "distil": what makes that folder, for messages */
tn_status tn_filter_folder(const tn_cfg *cfg, int round, char out[TN_PATH_BYTES]);

/* All cells of a round: folds x sizes x seeds, fold slowest. out: caller's array of tn_cell_count(cfg). */
int tn_cell_count(const tn_cfg *cfg);
void tn_cell_list(const tn_cfg *cfg, int round, tn_cell *out);
/* The i-th cell in the order in which they are started: sizes descending, then folds, then seeds. Large cells start first, so that
 * none of them runs alone at the end. */
tn_cell tn_cell_nth(const tn_cfg *cfg, int round, int i);

#endif
