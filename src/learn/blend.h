/*
 * blend.h - weights of members and offsets of classes, tuned for the geometric mean of F1.   layer: learn, uses: metric
 *
 *   tn_blend_rows rows = {.n = n, .K = K, .M = M, .label = label, .weight = weight, .p = p};
 *   TN_TRY(tn_blend_greedy(&rows, use, times));                 // how often each member was taken
 *   TN_TRY(tn_blend_offsets(n, K, log_p, label, weight, use, offset));
 *
 * Greedy     Caruana et al. 2004, "Ensemble selection from libraries of models", with replacement: begin with nothing;
 *            TN_BLEND_STEPS times add the member whose addition scores best (the lower one of equals); what is kept is
 *            the beginning that scored best (the shortest of equals). Members are averaged arithmetically.
 * Offsets    predicted = argmax log p_c + b_c. One class after the other: of all values of b_c the best is found
 *            exactly (rows sorted by the value from which on they are predicted c), the middle of the nearest best
 *            interval is taken; until a round over all classes gains nothing. Mean of b is 0.
 * Score      mean over classes of log max(F1, 1e-9), of the confusion weighted by `weight` (the inverse of a row's
 *            chance to be in the sample): monotone in the geometric mean, and not flat where one F1 is 0.
 * All pure; the bits depend on the rows in their order alone.
 */
#ifndef TN_LEARN_BLEND_H
#define TN_LEARN_BLEND_H

#include "base/cfg.h"

enum { TN_BLEND_STEPS = 50 };

typedef struct {
    int64_t n;
    int K, M;             /* classes, members */
    const int32_t *label; /* (n) */
    const double *weight; /* (n) */
    const float *p;       /* (n,M,K) */
} tn_blend_rows;

/* use (n): rows that are looked at; usable (M): members that may be taken, at least one. times_out (M). TN_ENOMEM. */
tn_status tn_blend_greedy(const tn_blend_rows *rows, const uint8_t *use, const uint8_t *usable, int *times_out);

/* log_p (n,K): any scores to be compared. offset_out (K). TN_ENOMEM. */
tn_status tn_blend_offsets(int64_t n, int K, const double *log_p, const int32_t *label, const double *weight,
                           const uint8_t *use, double *offset_out);

#endif
