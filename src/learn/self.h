/*
 * self.h - the filter: which given labels a round of models does not believe.        layer: learn, uses: base, data
 *
 *   TN_TRY(tn_filter(run, cfg, index, round, NULL));    // reads train/r<round>-..., writes filter/r<round+1>/
 *
 * Posteriors   self.method = self, own view: overlay f is judged by z of model f, for the training rows of model f
 *              only; rows of fold f are not judged by it.
 *              Shared view: the mean z of self.folds, one overlay for all.
 *              confident, disagreement: a row by p of its own fold's models at their kept point (out-of-fold), one
 *              overlay for all.
 *              Sizes and seeds of a fold are averaged first, in list order.
 *              posteriors FILE: those of models trained elsewhere, by any method, one overlay for all.
 *              Always the original labels: a dropped row can come back.
 * Judgement    judge.h. Ledger: ledger.h, by the mean of all slabs that judge a row.
 * Rounds       the filter after round r >= 1 asks first whether round r was better than round r - 1: the mean over the
 *              cells used of the validation score (geometric mean F1, then macro F1). If not, filter/r<r+1> is
 *              published as skipped, and so are all cells of the rounds behind (done.h: TN_SKIPPED).
 * Source       Nguyen et al. 2020, SELF, algorithm 1
 *
 * Cost     N x K x F additions on rank 0; the others wait.
 * Memory   grows with the rows, on rank 0: floors and rankings need all rows of a class at once. 8 K + F + 20 bytes a
 *          row and, while the ledger is written, some 50 more, whatever the number of sizes and seeds. Measured with 5
 *          classes, 10 folds, 2 x 10^6 rows (tests/bench/bench_filter): 124 bytes a row, 1.2 GB for 10^7. Beside it the
 *          index, on every rank: 90 bytes a row with paths of 15 letters. More ranks need no less.
 */
#ifndef TN_LEARN_SELF_H
#define TN_LEARN_SELF_H

#include "base/hash.h"
#include "base/run.h"
#include "data/index.h"
#include "learn/cell.h"
#include "learn/ledger.h"
#include "learn/overlay.h"

/* Collective. posteriors: NULL = of the round's cells. Writes overlay-f<f>.h5 for every fold, ledger.csv, ledger.h5,
 * posteriors.h5 (posteriors.h) and DONE in filter/r<round+1>. Done already: says so. The digest in DONE is of the
 * overlays. Prints one line: suspicious by class, and, with a truth column, found of planted, precision, against
 * chance.
 * Errors  TN_EARG a cell of the round without DONE (named); a class of which a model would have no row left; those of
 *         posteriors.h. Nothing is published then. */
tn_status tn_filter(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round, const char *posteriors);

/* tn_filter as soon as all cells that it needs are there: until then, and while another process is at it, nothing. Whoever
 * finishes the last cell of a round filters it, and nobody waits. Collective. */
tn_status tn_filter_if_complete(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round);

/* What --posteriors judged is not replaced by a judgement of the round's own cells: TN_EARG where that would happen.
 * Local. */
tn_status tn_filter_own(const tn_cfg *cfg, int round);

/* Do the models of this fold decide? */
bool tn_self_uses_fold(const tn_cfg *cfg, int fold);

/* Was round (>= 1) better than the one before it, by validation? reason_out: one line with the scores. Local. */
tn_status tn_round_improved(const tn_cfg *cfg, const tn_index *ix, int round, bool *out, char reason_out[256]);

/* Digest of the truth column: an input of what judges by it (filter, reduce). It is no part of the data set's digest,
 * so that learning the truth later leaves models and predictions valid. */
void tn_truth_digest(const tn_index *index, char hex_out[TN_HEX_BYTES]);

#endif
