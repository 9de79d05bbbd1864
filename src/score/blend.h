/*
 * blend.h - tunes weights of ensemble members and the decision rule on out-of-fold rows.
 *
 *   tn_blend_rows rows = {.n = n, .K = K, .M = M, .label = label, .weight = weight, .p = p};
 *   TN_TRY(tn_blend_greedy(&rows, use, usable, times));         // how often each member was taken
 *   TN_TRY(tn_blend_tau(n, K, p, label, weight, use, log_share, &tau));
 *   TN_TRY(tn_blend_offsets(n, K, log_p, label, weight, use, offset));
 *
 * Greedy     Caruana et al. 2004, "Ensemble selection from libraries of models", with replacement: start with an empty
 *            ensemble; TN_BLEND_STEPS times add the member whose addition scores best (ties: the lower index); keep the first
 *            additions up to the best score (ties: the fewest). Members are averaged arithmetically.
 * Tau        predicted class = argmax log p_k - tau log pi_k, pi the shares of the classes: logit adjustment of Menon et al. 2020,
 *            "Long-tail learning via logit adjustment" (arXiv 2007.07314), section 4.1. tau is the one of TN_TAUS with the best score
 *            (ties: the smallest). One number for all classes cannot fit chance in a rare one.
 * Offsets    predicted class = argmax log p_c + b_c. Coordinate ascent over classes: the best b_c is found exactly (rows are
 *            sorted by the value of b_c from which on they are predicted as c), and the middle of the nearest best interval is
 *            taken; repeated until a pass over all classes gains nothing. The mean of b is 0.
 * Score      the smoothed score (score/metric.h), where a row counts `weight` (the inverse of its probability to be in the sample).
 * Measured   docs/decisions/decision-rule.md
 * All functions are pure; their bits depend only on the rows and their order.
 */
#ifndef TN_SCORE_BLEND_H
#define TN_SCORE_BLEND_H

#include "score/prow.h"

enum { TN_BLEND_STEPS = 50, TN_N_TAUS = 4 };
extern const double TN_TAUS[TN_N_TAUS];

typedef struct {
    int64_t n;
    int K, M;             /* classes, members */
    const int32_t *label; /* (n) */
    const double *weight; /* (n) */
    const float *p;       /* (n,M) rows (score/prow.h) */
} tn_blend_rows;

/* use (n): 0/1, rows to count; usable (M): 0/1, members that may be taken, at least one. times_out (M). Errors TN_ENOMEM. */
tn_status tn_blend_greedy(const tn_blend_rows *rows, const uint8_t *use, const uint8_t *usable, int *times_out);

/* p: n rows without label; log_share (K): log pi. Errors TN_ENOMEM. */
tn_status tn_blend_tau(int64_t n, int K, const float *p, const int32_t *label, const double *weight, const uint8_t *use,
                       const double *log_share, double *tau_out);

/* log_p (n,K): log probabilities, or any other class scores; K at most TN_WHOLE_CLASSES. offset_out (K). Errors TN_ENOMEM. */
tn_status tn_blend_offsets(int64_t n, int K, const double *log_p, const int32_t *label, const double *weight,
                           const uint8_t *use, double *offset_out);

/* Find the offsets for rows p (n) of largest values without label. A row is predicted as one of the classes that it lists (tn_prow_decide), so that
 * for each class only the rows that list it are looked at. Cost of a pass over all classes: n TN_PROW_TOP (TN_PROW_TOP + log n). */
tn_status tn_blend_offsets_few(int64_t n, int K, const float *p, const int32_t *label, const double *weight,
                               const uint8_t *use, double *offset_out);

#endif
