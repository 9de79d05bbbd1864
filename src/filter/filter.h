/*
 * filter.h - the filter: finds suspicious labels with the models of a round, and makes the labels of the next round.
 *
 *   TN_TRY(tn_filter(run, cfg, index, round, NULL));    // reads train/r<round>-..., writes filter/r<round+1>/
 *
 * View         which models judge which rows, by self.method:
 *              self, own view: model f judges its own training rows by its temporal ensemble z; this gives overlay f.
 *              self, out-of-fold view: z of the models of each row's own fold, which have not seen it; one overlay for all folds. (The probe's
 *              classifiers have seen neither the row nor the model's fold: for round 0 this is the own view.)
 *              self, shared view: the mean z of the models of self.folds judges all rows; one overlay for all folds.
 *              confident, disagreement: each row is judged by p of its own fold's models (out-of-fold) at their kept
 *              evaluation; one overlay for all folds.
 *              Models of one fold with other sizes and seeds are averaged first, in list order.
 *              With a file of posteriors (--posteriors) its rows are used for any method; one overlay for all folds.
 *              Original labels are judged in every round, so a dropped row can come back.
 * Slab         posteriors of the models of one fold: N rows (score/prow.h).
 * Probe        with self.probe, method self joins z with what the probe says for the same fold (posteriors.h: tn_posteriors_with_probe).
 *              It knows the pictures by other features, and has not seen the label that it judges (docs/decisions/probe.md).
 * Noise matrix (noise_matrix.h) limits method self, and is reported by every method (tally.h). It is estimated from rows that the model was
 *              not trained on: self, own view: the validation slice of each model, summed over the models, and for overlay f from model f
 *              alone, so that no label of fold f has a say in it (unless folds.validation makes fold f that slice); from the probe: all
 *              rows outside fold f; shared view: each model on its own fold; else all rows.
 * Targets      with self.dropped = "soft": true_class.h, fitted on the rows that the model was not trained on, as above.
 * Rule         judge.h. The ledger (ledger.h) uses the mean of all slabs that have a row.
 * Rounds       the filter after round r >= 1 first compares round r with round r - 1: by the smoothed score (score/metric.h) of the
 *              validation slices of all cells used, counted together. If round r is not better, filter/r<r+1> is published
 *              as skipped, and so are all cells of later rounds (done.h: TN_SKIPPED).
 * Source       Nguyen et al. 2020, SELF, algorithm 1
 *
 * Cost     N x K x F additions on rank 0; the other ranks wait.
 * Memory   on rank 0: 8 W + F + 21 bytes per row (W = K up to TN_WHOLE_CLASSES classes, else 34), and 50 more while the ledger is written, for any number of sizes and seeds; with the
 *          probe 4 K more while its posteriors are joined; with soft targets (data/soft.h) 4 K more, and 4 K + 8 while an overlay is written;
 *          floors and rankings need all rows of a class at once. Measured with 5 classes, 10 folds, 10^6 rows
 *          (tests/bench/bench_filter): 126 bytes per row, 1.3 GB for 10^7 rows. Also the index, on every rank: 90 bytes per
 *          row with paths of 15 letters. More ranks do not reduce this.
 */
#ifndef TN_FILTER_FILTER_H
#define TN_FILTER_FILTER_H

#include "base/hash.h"
#include "base/run.h"
#include "cfg/cell.h"
#include "data/index.h"
#include "data/overlay.h"
#include "filter/ledger.h"

/* This number stands for the probe (probe/probe.h) where a round is asked for. The probe judges before round 0, so its filter fills
 * filter/r0. Its classifiers judge only rows that they did not learn from. */
enum { TN_ROUND_OF_PROBE = -1 };

/* Filter the labels after a round. Writes overlay-f<f>.h5 for every fold, ledger.csv, ledger.h5, filter.json (tally.h), posteriors.h5
 * (posteriors.h) and DONE in filter/r<round+1>; the digest in DONE is that of the overlays. A filter that is done is only reported. Prints the number
 * of suspicious labels by class, and, with a truth column, how many wrong labels were found and how many random selection would
 * find. Collective; rank 0 does the work.
 * posteriors  file of models trained elsewhere; NULL: use the round's cells
 * Errors      TN_EARG a cell of the round is not done (named), or a model would have no row left of a class; those of
 *             posteriors.h. Nothing is published then. */
tn_status tn_filter(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round, const char *posteriors);

/* tn_filter if all cells that it needs are done; otherwise, or if another process is doing it, nothing. So the task that trains the
 * last cell of a round filters it, and no task waits. Collective. */
tn_status tn_filter_if_complete(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round);

/* Was the filter before `round` made by posteriors of another program (--posteriors)? false: also if there is none. Local. */
tn_status tn_filter_foreign(const tn_cfg *cfg, int round, bool *out);
/* Check that the filter folder of this round was not made with --posteriors: it must not be replaced by a filter of the round's own
 * cells. Local. Errors TN_EARG it was. */
tn_status tn_filter_own(const tn_cfg *cfg, int round);

/* Does the filter use the models of this fold? */
bool tn_self_uses_fold(const tn_cfg *cfg, int fold);

/* Was a round >= 1 better than the round before, by the smoothed score of the validation slices? reason_out: one line with the scores.
 * Local. Errors TN_EIO, TN_EFORMAT, TN_ENOMEM. */
tn_status tn_round_improved(const tn_cfg *cfg, const tn_index *ix, int round, bool *out, char reason_out[256]);

/* Digest of the truth column, which is an input of filter and reduce only. It is no part of the data set's digest, so that models
 * and predictions stay valid if the truth becomes known later. */
void tn_truth_digest(const tn_index *index, char hex_out[TN_HEX_BYTES]);

#endif
