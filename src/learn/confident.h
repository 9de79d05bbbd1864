/*
 * confident.h - confident learning: how many labels of each class are wrong, and which.      layer: learn, uses: base
 *
 *   TN_TRY(tn_confident_judge(N, K, p, label, judged, TN_PRUNE_NOISE_RATE, suspicious));
 *
 * Wants    p (N,K) out-of-fold posteriors: a row's by models that did not train on it.
 * Formula  t_k = mean of p_k over the rows labelled k (at least 2e-6).
 *          C[i][j] = rows labelled i that are confidently j: the only j with p_j >= t_j - 1e-6, or, of several, argmax
 *          p; the diagonal at least 1. Calibrated: row i scaled to the number of rows labelled i and rounded to whole
 *          numbers of the same sum.
 *          noise_rate: for j != i the C[i][j] rows labelled i with the largest p_j - p_i.
 *          both: of these, the rows that are also among the n_i - C[i][i] rows labelled i with the lowest p_i.
 *          At least one row stays in every class; no row is suspicious whose label is argmax p, to 1e-6.
 * Source   Northcutt, Jiang, Chuang 2021, "Confident Learning", sections 3.1-3.3 ("prune by noise rate", "both"); the
 *          constants and roundings are those of cleanlab 2.9, with which tests/golden/confident.h was made
 * Ties     the lower row first
 * Cost     K sorts of every class: K N log N
 */
#ifndef TN_LEARN_CONFIDENT_H
#define TN_LEARN_CONFIDENT_H

#include "base/cfg.h"

/* t (K) over the rows with judged != 0: how much the models give to a label of this class. 2 for a class without
 * rows. */
void tn_confident_thresholds(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             double *threshold_out);

/* Over the rows with judged != 0. threshold_out (K): 2 for a class without rows. joint_out (K,K): calibrated. */
void tn_confident_joint(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                        double *threshold_out, int64_t *joint_out);

/* suspicious_out (N) 0/1, 0 where judged is 0. TN_ENOMEM. */
tn_status tn_confident_judge(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             tn_prune prune, uint8_t *suspicious_out);

#endif
