/*
 * bootstrap.h - confidence intervals of scores and of differences between two models, by resampling groups. All functions are
 * local; ranks add up their counts.
 *
 *   tn_bootstrap b = {.K = 0};  TN_TRY(tn_bootstrap_new(K, 1000, seed, &b));
 *   for each row:  tn_bootstrap_weights(seed, group, b.n, w);  TN_TRY(tn_bootstrap_add(&b, group, w, label, predicted));
 *   tn_interval i = tn_bootstrap_interval(&b, TN_METRIC_GMEAN);   tn_bootstrap_free(&b);
 *
 * Formula    resample j takes group g Poisson(1) times, drawn by Philox(seed, TN_STREAM_BOOTSTRAP, g) at draw j. A group is a
 *            component (rows that share a group, or are duplicates), so dependent rows are drawn together. A score's interval
 *            is the percentiles 2.5 and 97.5 over the resamples (linear interpolation); a class without rows in a resample has
 *            F1 0.
 * Invariants 1. One pass. Up to TN_WHOLE_CLASSES classes: memory for n counts by class for any number of rows. More classes: the rows are
 *               listed, and their weights are drawn again when an interval is asked for. Counts or lists of ranks and blocks
 *               can be added in any order and give the same bits, and both ways give the same.
 *            2. The same seed gives two models the same resamples, so their difference is paired.
 * Source     Efron 1979; Poisson weights: Oza and Russell 2001, Chamandy et al. 2012 ("Estimating uncertainty for
 *            massive data streams"); for many groups they agree with drawing groups with replacement
 * Cost       n draws (about 6 ns each) per row; (24 K + 16) n bytes. Listed: 12 bytes per row; for an interval, or once for all of them
 *            (tn_bootstrap_end), twice the draws, n K logarithms and 16 more bytes per row
 */
#ifndef TN_SCORE_BOOTSTRAP_H
#define TN_SCORE_BOOTSTRAP_H

#include "score/metric.h"

typedef enum { TN_METRIC_GMEAN, TN_METRIC_MACRO, TN_METRIC_ACCURACY } tn_metric;

typedef struct {
    int32_t group, label, predicted;
} tn_drawn_row;

typedef struct {
    int K, n; /* classes, resamples */
    uint64_t seed;
    int64_t *count; /* (3,K,n): the counts of tn_counts, by resample; NULL: listed */
    int64_t n_listed, room;
    tn_drawn_row *listed;
    tn_score *score; /* (n): of listed resamples after tn_bootstrap_end */
    double *value;   /* (2,n): room for an interval's values */
} tn_bootstrap;

typedef struct {
    double low, high;
} tn_interval;

tn_status tn_bootstrap_new(int K, int n, uint64_t seed,
                           tn_bootstrap *out); /* n 0: nothing is counted. Errors TN_ENOMEM */
void tn_bootstrap_free(tn_bootstrap *b);

/* w_out (n): how often each resample takes this group. */
void tn_bootstrap_weights(uint64_t seed, int32_t group, int n, uint8_t *w_out);
/* Does tn_bootstrap_add read the weights, with n resamples of K classes? Not if rows are listed: then nobody needs to draw them. */
static inline bool tn_bootstrap_takes_weights(int K, int n) {
    return n > 0 && tn_prow_whole(K);
}
/* Add a row of a group with these weights. Errors TN_ENOMEM, never up to TN_WHOLE_CLASSES. */
tn_status tn_bootstrap_add(tn_bootstrap *b, int32_t group, const uint8_t *w, int label, int predicted);
/* Add n rows to resamples that are listed. Errors TN_ENOMEM. */
tn_status tn_bootstrap_list(tn_bootstrap *b, int64_t n, const tn_drawn_row *row);

/* After the last row, for more than one interval of rows that are listed: draw their weights once for all. Errors TN_ENOMEM. */
tn_status tn_bootstrap_end(tn_bootstrap *b);

/* The 95 % interval of a score; b->n >= 1. */
tn_interval tn_bootstrap_interval(const tn_bootstrap *b, tn_metric metric);
/* The 95 % interval of metric(b) - metric(a), paired. better_out: NULL, or the share of resamples in which b is better. */
tn_interval tn_bootstrap_difference(const tn_bootstrap *a, const tn_bootstrap *b, tn_metric metric, double *better_out);

#endif
