/*
 * reduce.h - combines the predictions of all models into one ensemble, and computes scores.
 *
 *   TN_TRY(tn_reduce(run, cfg, allow_missing));            // RUN/predict -> RUN/ensemble.h5, submission.csv
 *   TN_TRY(tn_reduce_new(run, cfg, data_dir, allow_missing));   // the same for new images
 *
 * Formula   mean: p = (1/n) sum p_m; gmean: p_c ~ exp((1/n) sum log max(p_mc, 1e-7)), normalised over c; members in
 *           cell order, in double.
 *           Prior of categories, if set: p_c ~ p_c * prior_c (reduce_priv.h). Then the class: argmax log p_c + b_c, where b is
 *           -tau log pi_c or offsets (blend.h). Then the temperature: p_c ~ p_c^(1/T) is what is written (calibration.h); it comes
 *           last, so it decides nothing.
 * Scores    fold f: out-of-fold rows, by the members of fold f (all sizes and seeds combined). Pooled: the rows of all folds
 *           together; this is the main score. Ensemble of all folds: on labelled test rows only. All use the original labels;
 *           scores against the truth column, if there is one, are reported but never used for a choice.
 *           Tuned: each fold is scored with what was tuned without it (honest), and for weights also in sample. What is below
 *           the untuned score, honestly and by the smoothed score, is not used.
 *           Intervals: bootstrap.h.
 * Round     the first, the newest, or both pooled (reduce_gate.c). A round with fewer than half of the members of the fullest
 *           round takes no part; without a common fold the first stays. Greedy selection uses the members of all rounds.
 */
#ifndef TN_REDUCE_REDUCE_H
#define TN_REDUCE_REDUCE_H

#include "base/run.h"
#include "cfg/cfg.h"
#include "predict/ensemble_spec.h"

/* Reads RUN/shards, folds and predict/<cell> of all rounds, in blocks. Writes into the run folder ensemble.h5, submission.csv
 * (test and unlabelled rows in input order; quarantined ones get the most frequent class and p = class shares), metrics.json,
 * ledger.csv (of the last filter; if there is none, from the out-of-fold predictions), reduce/ensemble.json (ensemble_spec.h), and
 * reduce/DONE last (docs/file-formats.md). Collective.
 * allow_missing  leave out cells without DONE and report their number; otherwise TN_EUNFINISHED names them
 * Errors         TN_EARG a member of another data set, fold map or list of classes, a model twice; TN_EFORMAT rows are missing,
 *                values are not probabilities. Nothing is written then.
 * Memory         a block of rows of all members (64 MiB), and reduce.tune_rows rows. Up to TN_WHOLE_CLASSES
 *                classes the rest does not depend on N: reduce.bootstrap x 24 K bytes per score, a few confusion matrices of
 *                8 K^2 bytes. More classes: each rank lists its scored rows, 12 bytes each for the resamples of a score, and
 *                the cells of confusion matrices that have rows, 16 bytes each; then gathers these lists of all ranks, for a
 *                moment on every rank. Intervals of scores stay on rank 0; cells, and rows to compare rounds, on all */
tn_status tn_reduce(tn_run *run, const tn_cfg *cfg, bool allow_missing);

/* New images: combine data_dir/predict/<cell> to the ensemble that the run chose (ensemble_spec.h). Labels are used only for scoring.
 * Writes ensemble.h5, submission.csv (a line per row of the table), metrics.json and reduce/DONE into data_dir. Collective.
 * Errors  as above; TN_EARG predictions by other models than those of the ensemble. */
tn_status tn_reduce_new(tn_run *run, const tn_cfg *cfg, const char *data_dir, bool allow_missing);

/* The rows of the run's own data set that no model was trained on, by the student alone (its predictions are in dir/predict): with the
 * decision and the temperature of the ensemble. cfg: of the student. Writes the same files into dir. Collective. Errors as above. */
tn_status tn_reduce_student(tn_run *run, const tn_cfg *cfg, const tn_spec *student, const char *dir);

#endif
