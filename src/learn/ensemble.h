/*
 * ensemble.h - many predictions into one, with honest scores.                        layer: learn, uses: base, data
 *
 *   TN_TRY(tn_predict(run, cfg, index, shards, &cell));       // train/<cell> -> predict/<cell>/predictions.h5
 *   TN_TRY(tn_reduce(run, cfg, index, allow_missing));
 *
 * predict   rows: the cell's own fold (out-of-fold) and all rows with fold -1 (test, unlabelled), ascending.
 * Formula   mean: p = (1/n) sum p_m; gmean: p_c ~ exp((1/n) sum log max(p_mc, 1e-7)), normalised over c; members in
 * cell order, in double. Scores    fold f: out-of-fold rows by the members of fold f (their sizes and seeds combined);
 * pooled: all folds' rows together, the headline; ensemble of all folds: on labelled test rows only. Original labels,
 * and again against the truth column where there is one (reported beside, never chosen by). Round     the last finished
 * round, or an earlier one whose out-of-fold score over the folds that both have is better (said and recorded).
 */
#ifndef TN_LEARN_ENSEMBLE_H
#define TN_LEARN_ENSEMBLE_H

#include "base/run.h"
#include "data/index.h"
#include "data/shard.h"
#include "learn/cell.h"

/* Collective. */
tn_status tn_predict(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                     const tn_cell *cell);

/* n members (B rows, K) into one. Pure. */
void tn_combine(tn_reduce_kind kind, int n, int64_t B, int K, const float *const *p, float *p_out);

/* Collective. Reads predict/<cell> of all rounds present. allow_missing: cells without DONE are left out and said ("9
 * of 10"); else TN_EUNFINISHED naming them. Rejects members of another index digest. Writes into the run folder:
 * ensemble.h5 (row, p), submission.csv (path,label,p_<class>...; rows whose split is test or label is empty,
 * quarantined ones included with the most frequent class and p = class shares, in input order), metrics.json (schema in
 * docs/file-formats.md), ledger.csv (path,label,suggested,margin,verdict; the last round's), and reduce/DONE last. */
tn_status tn_reduce(tn_run *run, const tn_cfg *cfg, const tn_index *index, bool allow_missing);

#endif
