/*
 * backoff.h - what categories tell of the label: the shares of the classes among other rows with the same categories, smoothed level after
 * level. All functions are local.
 *
 *   tn_backoff *b = NULL;
 *   TN_TRY(tn_backoff_new(ix, M, count, &b));
 *   for (int64_t i = 0; i < b->n; i++) b->at[i].part = fold[b->at[i].row] == f ? TN_PREDICTED : TN_COUNTED;
 *   tn_backoff_predict(b, visit, context);
 *   tn_backoff_free(&b);
 *
 * Rows      those with a fold. n counts rows that are TN_COUNTED, n_k those of class k; no row is predicted from its own label.
 * Formula   with 0 levels, the prior: q_0k = (n_k + 1) / (n + K). With m levels: q_mk = (n_mk + s q_(m-1)k) / (n_m + s); n_m counts rows
 *           with the same values of cat1 to catm, s is prior_count. q_m = q_(m-1) if n_m = 0 (the combination of values was not seen), or
 *           if level m divides nothing. An empty field is a value like any other.
 * Source    MacKay and Peto 1995, "A hierarchical Dirichlet language model"
 * Cost      a prediction: time N M K at most; memory 40 N + 8 K (M + 1) bytes
 */
#ifndef TN_SCORE_BACKOFF_H
#define TN_SCORE_BACKOFF_H

#include "data/index.h"

typedef enum { TN_COUNTED, TN_PREDICTED, TN_LEFT_OUT } tn_backoff_part;

typedef struct {
    int32_t cat[TN_MAX_LEVELS], label, component, row;
    uint8_t part; /* tn_backoff_part */
} tn_backoff_row;

typedef struct {
    int M, K;
    double prior_count;
    int64_t n;
    tn_backoff_row *at; /* (n): rows of a combination of values are neighbours, in it those of a component */
    int64_t *n_class;   /* (K), of the combination that is looked at */
    double *q;          /* (M + 1, K): room for q_m of the formula */
} tn_backoff;

/* The rows to predict among at[from] to at[to - 1] have the prediction q (K) of `level`. seen: rows with these values were counted. Called for
 * each level from 0 to M, for each combination of values with rows to predict. */
typedef void tn_backoff_visit(void *context, int level, int64_t from, int64_t to, const double *q, bool seen);

/* M: levels, at most ix->n_levels; all rows are TN_COUNTED. ix: labels and categories must be in range. The caller frees *out. Errors
 * TN_ENOMEM. */
tn_status tn_backoff_new(const tn_index *ix, int M, double prior_count, tn_backoff **out);
void tn_backoff_free(tn_backoff **b);
void tn_backoff_predict(tn_backoff *b, tn_backoff_visit *visit, void *context);

#endif
