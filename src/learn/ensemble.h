/*
 * ensemble.h - many predictions into one, with honest scores.                        layer: learn, uses: base, data
 *
 *   TN_TRY(tn_predict(run, cfg, index, shards, &cell));       // train/<cell> -> predict/<cell>/predictions.h5
 *   TN_TRY(tn_reduce(run, cfg, allow_missing));
 *   TN_TRY(tn_predict_new(run, cfg, data_dir, index, shards, &chosen.member[i]));  TN_TRY(tn_reduce_new(...));
 *
 * predict   rows: the cell's own fold (out-of-fold) and all rows with fold -1 (test, unlabelled), ascending; the mean
 *           over predict.views. Rank 0 writes block after block: memory is the index and one wave of lanes.
 * Formula   mean: p = (1/n) sum p_m; gmean: p_c ~ exp((1/n) sum log max(p_mc, 1e-7)), normalised over c; members in
 *           cell order, in double.
 *           Tuned: p_c ~ p_c * prior_c * e^b_c (blend.h: greedy and offsets; reduce_priv.h: prior).
 * Scores    fold f: out-of-fold rows by the members of fold f (their sizes and seeds combined); pooled: all folds' rows
 *           together, the headline; ensemble of all folds: on labelled test rows only. Original labels, and again
 *           against the truth column where there is one (reported beside, never chosen by).
 *           Tuned: each fold by what was chosen without it (honest), by what was chosen with it (in sample), and
 *           untuned; written is the tuned one, unless its honest score is below the untuned one: then the mean.
 *           Intervals: bootstrap.h.
 * Round     the last one that is not worse (rounds.h) than the one kept before it, over the out-of-fold rows of the
 *           folds that all rounds have; with fewer than half of the members of the fullest round, or without a common
 *           fold, it is given up (said and recorded). Greedy selection chooses among the members of all rounds.
 */
#ifndef TN_LEARN_ENSEMBLE_H
#define TN_LEARN_ENSEMBLE_H

#include "base/run.h"
#include "learn/chosen.h"
#include "data/index.h"
#include "data/shard.h"
#include "learn/cell.h"

/* Collective. */
tn_status tn_predict(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                     const tn_cell *cell);

/* The same of new pictures (index of tn_chosen_index, its shards) into data_dir/predict/<cell>: all usable rows.
 * Errors  TN_EARG the model was trained again since the run was reduced; data_dir/predict/<cell> is of another run's
 *         models. */
tn_status tn_predict_new(tn_run *run, const tn_cfg *cfg, const char *data_dir, const tn_index *index,
                         const tn_shards *shards, const tn_chosen_member *member);

/* Collective. Reads RUN/shards, folds and predict/<cell> of all rounds present, in blocks. allow_missing: cells without
 * DONE are left out and said ("9 of 10"); else TN_EUNFINISHED naming them. Rejects members of another data set, fold
 * map or list of classes, of another cell, a model twice, rows missing, numbers that are no probabilities: nothing is
 * written then. Writes into the run folder: ensemble.h5, submission.csv (rows whose split is test or label is empty,
 * quarantined ones included with the most frequent class and p = class shares, in input order), metrics.json,
 * ledger.csv (the last filter's; else of the out-of-fold predictions), reduce/chosen.json (chosen.h), and
 * reduce/DONE last (docs/file-formats.md).
 * Memory   a block of rows of all members (64 MiB), reduce.tune_rows of them where something is tuned, reduce.bootstrap
 *          confusion matrices per score. */
tn_status tn_reduce(tn_run *run, const tn_cfg *cfg, bool allow_missing);

/* New pictures: the ensemble that the run's reduction decided on (chosen.h), of data_dir/predict/<cell>. Labels only
 * judge. Writes ensemble.h5, submission.csv (a line per row of the table), metrics.json and reduce/DONE into data_dir;
 * refuses as above, and predictions by other models than those chosen. Collective. */
tn_status tn_reduce_new(tn_run *run, const tn_cfg *cfg, const char *data_dir, bool allow_missing);

#endif
