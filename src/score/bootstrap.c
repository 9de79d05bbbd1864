/* bootstrap.c - Poisson bootstrap by group. */
#include "score/bootstrap.h"

#include "base/rng.h"

#include <stdlib.h>

enum { MOST_WEIGHT = 12 }; /* P(Poisson(1) > 12) = 6e-11, less than one step of a 32-bit draw */

tn_status tn_bootstrap_new(int K, int n, tn_bootstrap *out) {
    size_t n_counts = 3 * (size_t)K * (size_t)n;
    *out = (tn_bootstrap){.K = K, .n = n, .count = calloc(n_counts + 1, sizeof *out->count)};
    return out->count
               ? TN_OK
               : tn_fail_memory(n_counts * sizeof *out->count, "resampled scores (in reduce: lower reduce.bootstrap)");
}

void tn_bootstrap_free(tn_bootstrap *b) {
    free(b->count);
    *b = (tn_bootstrap){.K = 0};
}

/* limit[w]: a 32-bit draw from limit[w - 1] to below limit[w] has weight w. */
static void poisson_limits(uint64_t limit[MOST_WEIGHT]) {
    double term = 0.36787944117144233, sum = 0; /* 1/e */
    for (int w = 0; w < MOST_WEIGHT; w++) {
        sum += term;
        limit[w] = (uint64_t)(sum * 4294967296.0);
        term /= w + 1;
    }
}

void tn_bootstrap_weights(uint64_t seed, int32_t group, int n, uint8_t *w_out) {
    uint64_t limit[MOST_WEIGHT];
    poisson_limits(limit);
    tn_rng r = tn_rng_at(seed, TN_STREAM_BOOTSTRAP, 0, (uint32_t)group);
    for (int j = 0; j < n; j++) {
        uint32_t u = tn_rng_u32(&r);
        uint8_t w = 0;
        while (w < MOST_WEIGHT && u >= limit[w]) w++;
        w_out[j] = w;
    }
}

void tn_bootstrap_add(tn_bootstrap *b, const uint8_t *w, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < b->K && predicted >= 0 && predicted < b->K);
    int64_t n = b->n, *right = b->count + label * n, *labelled = b->count + (b->K + label) * n,
            *predicted_as = b->count + (2 * b->K + predicted) * n;
    for (int64_t j = 0; j < n; j++) {
        labelled[j] += w[j];
        predicted_as[j] += w[j];
    }
    for (int64_t j = 0; label == predicted && j < n; j++) right[j] += w[j];
}

/* room: counts for the resample. */
static double value_of(const tn_bootstrap *b, int j, tn_metric metric, tn_counts *room) {
    for (int64_t i = 0; i < 3 * (int64_t)b->K; i++) room->n[i] = b->count[i * b->n + j];
    tn_score s = tn_score_of(room);
    return metric == TN_METRIC_GMEAN ? s.gmean : metric == TN_METRIC_MACRO ? s.macro : s.accuracy;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Equal to numpy.percentile: linear interpolation between the two nearest values. */
static double percentile(int n, const double *sorted, double q) {
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static tn_interval interval_of(int n, double *value) {
    qsort(value, (size_t)n, sizeof *value, by_value);
    return (tn_interval){percentile(n, value, 0.025), percentile(n, value, 0.975)};
}

/* The interval of a score of a (b NULL), or of the difference b - a. */
static tn_interval interval(const tn_bootstrap *a, const tn_bootstrap *b, tn_metric metric, double *better_out) {
    TN_ASSERT(a->n >= 1 && (!b || (b->n == a->n && b->K == a->K)));
    double *value = malloc((size_t)a->n * sizeof *value);
    tn_counts room = {.K = 0};
    tn_status st = tn_counts_new(a->K, &room);
    TN_ASSERT(value && st == TN_OK); /* only a few kilobytes */
    int n_better = 0;
    for (int j = 0; j < a->n; j++) {
        double of_a = value_of(a, j, metric, &room);
        value[j] = b ? value_of(b, j, metric, &room) - of_a : of_a;
        n_better += value[j] > 0;
    }
    if (better_out) *better_out = (double)n_better / a->n;
    tn_interval i = interval_of(a->n, value);
    free(value);
    tn_counts_free(&room);
    return i;
}

tn_interval tn_bootstrap_interval(const tn_bootstrap *b, tn_metric metric) {
    return interval(b, NULL, metric, NULL);
}

tn_interval tn_bootstrap_difference(const tn_bootstrap *a, const tn_bootstrap *b, tn_metric metric,
                                    double *better_out) {
    return interval(a, b, metric, better_out);
}
