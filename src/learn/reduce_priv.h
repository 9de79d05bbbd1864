/* reduce_priv.h - shared by reduce.c (members, scores) and reduce_write.c (files). */
#ifndef TN_LEARN_REDUCE_PRIV_H
#define TN_LEARN_REDUCE_PRIV_H

#include "base/hash.h"
#include "learn/ensemble.h"
#include "learn/metric.h"
#include "learn/rounds.h"
#include "learn/self.h"

#include <jansson.h>

typedef struct {
    tn_score out_of_fold, test;
    int n_members; /* 0: the fold is missing */
} tn_fold_result;

/* Everything about one round. */
typedef struct {
    int round, n_members, n_planned;
    tn_fold_result fold[TN_MAX_FOLDS];
    tn_score pooled, pooled_truth; /* out-of-fold rows against given labels and against the truth column */
    tn_score test;                 /* ensemble of all members on labelled test rows */
    tn_confusion pooled_confusion;
    float *p;      /* (N,K): out-of-fold rows by their fold's members, other rows by all; zeros elsewhere */
    char *missing; /* names of missing cells, one per line */
} tn_round_result;

/* A later round against the one that was chosen before it. */
typedef struct {
    int older, newer; /* numbers of the rounds */
    int n_folds;      /* that both have */
    tn_match_result result;
} tn_round_match;

enum { TN_MAX_ROUNDS = 21 }; /* self.max_rounds and round 0 */

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    int n_rounds; /* with members */
    tn_round_result *round;
    int chosen;
    int n_matches;
    tn_round_match match[TN_MAX_ROUNDS - 1];
    char reason[320];
} tn_reduction;

/* reduce_write.c: all files of the run folder, without DONE. digest_out: of the ensemble. */
tn_status tn_reduce_write(const tn_reduction *r, char digest_out[TN_HEX_BYTES]);

#endif
