/*
 * self.h - SELF: which given labels a round of models does not believe.              layer: learn, uses: base, data
 *
 *   TN_TRY(tn_filter(run, cfg, index, round));          // reads train/r<round>-..., writes filter/r<round+1>/
 *
 * Formula  z = mean over the slabs used of z_f (sizes and seeds of a fold averaged first, in list order);
 *          margin = max_{c != y} z_c - z_y; drop where margin > 0 (argmax z differs from the *original* label y).
 *          own view: overlay f from slab f, for the training rows of model f only; rows of fold f are not judged by it.
 *          shared view: one mean over the slabs of self.folds, the same overlay for every fold.
 * Floor    of each class at least self.class_floor of its judged rows are kept: the dropped rows with the highest z_y
 * are restored (ties: the lower row). Ledger   one row per sample with fold >= 0, judged by the mean z of all slabs
 * that judge it: margin, verdict and suggested label = argmax of that mean; votes = slabs whose own argmax differs
 * from, or equals, the label. Cost     N x K x F additions on rank 0; the others wait. Source   Nguyen et al. 2020,
 * SELF, algorithm 1 (filter by the ensemble of predictions; here `drop` instead of the consistency loss for dropped
 * samples)
 */
#ifndef TN_LEARN_SELF_H
#define TN_LEARN_SELF_H

#include "base/hash.h"
#include "base/run.h"
#include "data/index.h"
#include "learn/cell.h"

typedef enum { TN_VERDICT_KEEP, TN_VERDICT_DROP, TN_VERDICT_NOT_JUDGED } tn_verdict;

/* The judgement alone, without files. z (N,K), label (N), judged (N) 0/1. verdict_out, margin_out (N): NOT_JUDGED and 0
 * where judged is 0. suggested_out (N): argmax z. floor in [0,1]. Local, pure. */
tn_status tn_self_judge(int64_t N, int K, const float *z, const int32_t *label, const uint8_t *judged, double floor,
                        uint8_t *verdict_out, float *margin_out, int32_t *suggested_out);

/* Collective. Errors TN_EARG a cell of the round without DONE (named; the paper needs all F; shared: those of
 * self.folds). Writes overlay-f<f>.h5 for every fold, ledger.csv
 * (path,label,suggested,margin,verdict,votes_drop,votes_keep[,truth]) and DONE in filter/r<round+1>. Done already: says
 * so. The digest in DONE is of the overlays. Prints one line: dropped by class, and, with a truth column, found of
 * planted, precision, against chance. */
tn_status tn_filter(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round);

/* Digest of the truth column: an input of what judges by it (filter, reduce). It is no part of the data set's digest,
 * so that learning the truth later leaves models and predictions valid. */
void tn_truth_digest(const tn_index *index, char hex_out[TN_HEX_BYTES]);

/* verdict (N) of the overlay for this cell's fold; all KEEP for round 0. */
tn_status tn_overlay_read(const tn_cfg *cfg, const tn_cell *cell, int64_t N, uint8_t *verdict_out);

/* How well the ledger of filter/r<round> finds wrong labels, by the truth column. */
typedef struct {
    int64_t judged, wrong;  /* judged rows with known truth, and those of them whose label is wrong */
    int64_t dropped, found; /* verdict drop, and those of them that are wrong */
} tn_filter_score;          /* chance: dropped * wrong / judged */
tn_status tn_filter_judge(const tn_cfg *cfg, int round, tn_filter_score *out); /* reads ledger.csv; TN_EARG no truth */

#endif
