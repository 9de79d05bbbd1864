/*
 * rounds.h - is a newer model (a round, an evaluation point) worse than an older one?
 *                                                                              layer: learn, uses: base, bootstrap
 *
 *   tn_match m = {.seed = 0};
 *   TN_TRY(tn_match_new(K, seed, &m));
 *   tn_match_add(&m, component, label, predicted_old, predicted_new);      // every row that both rounds predict
 *   tn_match_result r = tn_match_end(&m);   if (!r.worse) the newer one is kept
 *   tn_match_free(&m);
 *
 * Formula  d = S(new) - S(old) over the same rows; S = geometric mean of the F1 values, or macro F1 where that is 0 in
 *          both. Its 95 % interval is by paired resamples of groups (bootstrap.h, TN_MATCH_RESAMPLES of them).
 * Rule     the newer one is kept unless it is worse; worse: the whole interval lies below 0. Filtering has removed
 *          labels that were judged wrong, so that a loss by the given labels may be none by the true ones: a round is
 *          given up only on evidence. Of evaluation points the highest maximum is mostly luck:
 *          docs/decisions/kept-point.md.
 */
#ifndef TN_LEARN_ROUNDS_H
#define TN_LEARN_ROUNDS_H

#include "learn/bootstrap.h"

enum { TN_MATCH_RESAMPLES = 1000 };

typedef struct {
    uint64_t seed;
    tn_bootstrap older, newer;
    tn_confusion older_rows, newer_rows;
} tn_match;

typedef struct {
    const char *metric; /* "geometric mean F1", "macro F1" */
    int64_t rows;
    double older, newer; /* scores of all rows */
    double low, high;    /* interval of newer - older */
    double share_worse;  /* of the resamples: newer < older */
    bool worse;
} tn_match_result;

tn_status tn_match_new(int K, uint64_t seed, tn_match *out);
void tn_match_free(tn_match *m);
void tn_match_add(tn_match *m, int32_t component, int label, int predicted_old, int predicted_new);
tn_match_result tn_match_end(const tn_match *m);

/* Points of one training, each matched against the one that scores highest so far: is this one kept? highest_out: it is
 * the highest now (tn_score_better). */
bool tn_match_keeps(const tn_match *m, bool *highest_out);

#endif
