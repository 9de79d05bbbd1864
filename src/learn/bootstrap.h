/*
 * bootstrap.h - how sure a score is, and whether one model is better than another, by resampled groups.
 *                                                                                   layer: learn, uses: base, metric
 *
 *   tn_bootstrap b = {.K = 0};  TN_TRY(tn_bootstrap_new(K, 1000, &b));
 *   for each row:  tn_bootstrap_weights(seed, group, b.n, w);  tn_bootstrap_add(&b, w, label, predicted);
 *   tn_interval i = tn_bootstrap_interval(&b, TN_METRIC_GMEAN);   tn_bootstrap_free(&b);
 *
 * Formula    resample j takes group g Poisson(1) times, drawn by Philox(seed, TN_STREAM_BOOTSTRAP, g) at draw j. Kin (a
 *            sender, a duplicate) come and go together. A score's interval is the percentiles 2.5 and 97.5 over the
 *            resamples (linear between two); a class that a resample lacks has F1 0.
 * Invariants 1. One pass, memory of n confusion matrices whatever the number of rows; counts of parts (ranks, blocks)
 *               are added, in any order, to the same bits.
 *            2. The same seed gives two models the same resamples: differences are paired.
 * Source     Efron 1979; Poisson weights: Oza and Russell 2001, Chamandy et al. 2012 ("Estimating uncertainty for
 *            massive data streams"); they agree with drawing groups with replacement as groups grow many
 * Cost       n draws (about 6 ns each) per row; 8 n K^2 bytes
 */
#ifndef TN_LEARN_BOOTSTRAP_H
#define TN_LEARN_BOOTSTRAP_H

#include "learn/metric.h"

typedef enum { TN_METRIC_GMEAN, TN_METRIC_MACRO, TN_METRIC_ACCURACY } tn_metric;

typedef struct {
    int K, n;       /* classes, resamples */
    int64_t *count; /* (K,K,n): [label][predicted][resample]; ranks add theirs up */
} tn_bootstrap;

typedef struct {
    double low, high;
} tn_interval;

tn_status tn_bootstrap_new(int K, int n, tn_bootstrap *out); /* n may be 0: nothing is counted */
void tn_bootstrap_free(tn_bootstrap *b);

/* w_out (n): how often each resample takes this group. */
void tn_bootstrap_weights(uint64_t seed, int32_t group, int n, uint8_t *w_out);
void tn_bootstrap_add(tn_bootstrap *b, const uint8_t *w, int label, int predicted);

/* n >= 1. */
tn_interval tn_bootstrap_interval(const tn_bootstrap *b, tn_metric metric);
/* Of metric(b) - metric(a), paired. better_out (may be NULL): share of resamples in which b is better by more than
 * 0. */
tn_interval tn_bootstrap_difference(const tn_bootstrap *a, const tn_bootstrap *b, tn_metric metric, double *better_out);

#endif
