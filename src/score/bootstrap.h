/*
 * bootstrap.h - confidence intervals of scores and of differences between two models, by resampling groups. All functions are
 * local; ranks add up their counts.
 *
 *   tn_bootstrap b = {.K = 0};  TN_TRY(tn_bootstrap_new(K, 1000, &b));
 *   for each row:  tn_bootstrap_weights(seed, group, b.n, w);  tn_bootstrap_add(&b, w, label, predicted);
 *   tn_interval i = tn_bootstrap_interval(&b, TN_METRIC_GMEAN);   tn_bootstrap_free(&b);
 *
 * Formula    resample j takes group g Poisson(1) times, drawn by Philox(seed, TN_STREAM_BOOTSTRAP, g) at draw j. A group is a
 *            component (rows that share a group, or are duplicates), so dependent rows are drawn together. A score's interval
 *            is the percentiles 2.5 and 97.5 over the resamples (linear interpolation); a class without rows in a resample has
 *            F1 0.
 * Invariants 1. One pass; memory for n counts by class for any number of rows. Counts of ranks and blocks can be added in
 *               any order and give the same bits.
 *            2. The same seed gives two models the same resamples, so their difference is paired.
 * Source     Efron 1979; Poisson weights: Oza and Russell 2001, Chamandy et al. 2012 ("Estimating uncertainty for
 *            massive data streams"); for many groups they agree with drawing groups with replacement
 * Cost       n draws (about 6 ns each) per row; 24 n K bytes
 */
#ifndef TN_SCORE_BOOTSTRAP_H
#define TN_SCORE_BOOTSTRAP_H

#include "score/metric.h"

typedef enum { TN_METRIC_GMEAN, TN_METRIC_MACRO, TN_METRIC_ACCURACY } tn_metric;

typedef struct {
    int K, n;       /* classes, resamples */
    int64_t *count; /* (3,K,n): the counts of tn_counts, by resample */
} tn_bootstrap;

typedef struct {
    double low, high;
} tn_interval;

tn_status tn_bootstrap_new(int K, int n, tn_bootstrap *out); /* n 0: nothing is counted. Errors TN_ENOMEM */
void tn_bootstrap_free(tn_bootstrap *b);

/* w_out (n): how often each resample takes this group. */
void tn_bootstrap_weights(uint64_t seed, int32_t group, int n, uint8_t *w_out);
void tn_bootstrap_add(tn_bootstrap *b, const uint8_t *w, int label, int predicted);

/* The 95 % interval of a score; b->n >= 1. */
tn_interval tn_bootstrap_interval(const tn_bootstrap *b, tn_metric metric);
/* The 95 % interval of metric(b) - metric(a), paired. better_out: NULL, or the share of resamples in which b is better. */
tn_interval tn_bootstrap_difference(const tn_bootstrap *a, const tn_bootstrap *b, tn_metric metric, double *better_out);

#endif
