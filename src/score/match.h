/*
 * match.h - compares a newer model (of a later evaluation, or a trial) with an older one: is it significantly worse? All functions
 * are local.
 *
 *   tn_match m = {.seed = 0};
 *   TN_TRY(tn_match_new(K, seed, &m));
 *   TN_TRY(tn_match_add(&m, component, label, predicted_old, predicted_new)); // every row that both models predict
 *   tn_match_result r = tn_match_end(&m);   if (!r.worse) the newer one is kept
 *   tn_match_free(&m);
 *
 * Formula  d = S(new) - S(old) over the same rows; S = geometric mean of the F1 values, or macro F1 if that is 0 for both.
 *          The 95 % interval of d is computed from paired resamples of groups (bootstrap.h, TN_MATCH_RESAMPLES of them).
 * Rule     the newer model is kept unless it is worse: the whole interval lies below 0. The highest of many scores is mostly chance
 *          (docs/decisions/kept-point.md). Rounds are compared by another rule (reduce/reduce_gate.c).
 */
#ifndef TN_SCORE_MATCH_H
#define TN_SCORE_MATCH_H

#include "score/bootstrap.h"

enum { TN_MATCH_RESAMPLES = 1000 };

typedef struct {
    uint64_t seed;
    tn_bootstrap older, newer;
    tn_counts older_rows, newer_rows;
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
/* Errors TN_ENOMEM, never up to TN_WHOLE_CLASSES. */
tn_status tn_match_add(tn_match *m, int32_t component, int label, int predicted_old, int predicted_new);
tn_match_result tn_match_end(const tn_match *m);

/* For evaluations of one training, each compared with the highest-scoring one so far (older): is the newer one kept? highest_out: is
 * it now the highest-scoring one (tn_score_better)? */
bool tn_match_keeps(const tn_match *m, bool *highest_out);

#endif
