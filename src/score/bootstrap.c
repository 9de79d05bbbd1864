/* bootstrap.c - Poisson bootstrap by group. */
#include "score/bootstrap.h"

#include "base/rng.h"
#include "base/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WEIGHT = 12 }; /* P(Poisson(1) > 12) = 6e-11, less than one step of a 32-bit draw */

tn_status tn_bootstrap_new(int K, int n, uint64_t seed, tn_bootstrap *out) {
    bool whole = tn_prow_whole(K);
    size_t n_counts = whole ? 3 * (size_t)K * (size_t)n * sizeof *out->count : 0,
           n_values = 2 * (size_t)n * sizeof *out->value;
    *out = (tn_bootstrap){.K = K, .n = n, .seed = seed, .value = malloc(n_values + 1)};
    if (whole) out->count = calloc(n_counts + 1, 1);
    return out->value && (out->count || !whole)
               ? TN_OK
               : tn_fail_memory(n_counts + n_values, "resampled scores (in reduce: lower reduce.bootstrap)");
}

void tn_bootstrap_free(tn_bootstrap *b) {
    free(b->count);
    free(b->listed);
    free(b->score);
    free(b->value);
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

tn_status tn_bootstrap_list(tn_bootstrap *b, int64_t n, const tn_drawn_row *row) {
    if (b->n_listed + n > b->room) {
        size_t room = 2 * (size_t)(b->n_listed + n) + 1024;
        tn_drawn_row *more = realloc(b->listed, room * sizeof *more);
        if (!more) return tn_fail_memory(room * sizeof *more, "resampled scores (in reduce: set reduce.bootstrap = 0)");
        b->listed = more;
        b->room = (int64_t)room;
    }
    if (n > 0) memcpy(b->listed + b->n_listed, row, (size_t)n * sizeof *row);
    b->n_listed += n;
    return TN_OK;
}

tn_status tn_bootstrap_add(tn_bootstrap *b, int32_t group, const uint8_t *w, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < b->K && predicted >= 0 && predicted < b->K);
    if (!tn_prow_whole(b->K))
        return b->n > 0 ? tn_bootstrap_list(b, 1, &(tn_drawn_row){group, label, predicted}) : TN_OK;
    int64_t n = b->n, *right = b->count + label * n, *labelled = b->count + (b->K + label) * n,
            *predicted_as = b->count + (2 * b->K + predicted) * n;
    for (int64_t j = 0; j < n; j++) {
        labelled[j] += w[j];
        predicted_as[j] += w[j];
    }
    for (int64_t j = 0; label == predicted && j < n; j++) right[j] += w[j];
    return TN_OK;
}

/* --- the score of each resample ------------------------------------------------------------------------------------ */

static double metric_of(const tn_score *s, tn_metric metric) {
    return metric == TN_METRIC_GMEAN ? s->gmean : metric == TN_METRIC_MACRO ? s->macro : s->accuracy;
}

/* value_out (n) */
static tn_status values_counted(const tn_bootstrap *b, tn_metric metric, double *value_out) {
    tn_counts room = {.K = 0};
    TN_TRY(tn_counts_new(b->K, &room));
    for (int j = 0; j < b->n; j++) {
        for (int64_t i = 0; i < 3 * (int64_t)b->K; i++) room.n[i] = b->count[i * b->n + j];
        tn_score s = tn_score_of(&room);
        value_out[j] = metric_of(&s, metric);
    }
    tn_counts_free(&room);
    return TN_OK;
}

/* The listed rows by the classes that they are labelled or predicted as: those of class k are row[at[k]] to before row[at[k + 1]]. */
typedef struct {
    int64_t *at, *row; /* (K + 2), (2 n_listed) */
} rows_of_classes;

static tn_status rows_by_class(const tn_bootstrap *b, rows_of_classes *out) {
    *out = (rows_of_classes){.at = calloc((size_t)b->K + 2, sizeof *out->at),
                             .row = malloc(2 * (size_t)b->n_listed * sizeof *out->row + 1)};
    if (!out->at || !out->row) return tn_fail_memory(16 * (size_t)b->n_listed, "resampled scores");
    for (int64_t i = 0; i < b->n_listed; i++) {
        const tn_drawn_row *r = &b->listed[i];
        out->at[r->label + 2]++;
        if (r->predicted != r->label) out->at[r->predicted + 2]++;
    }
    for (int k = 0; k < b->K; k++) out->at[k + 2] += out->at[k + 1];
    for (int64_t i = 0; i < b->n_listed; i++) {
        const tn_drawn_row *r = &b->listed[i];
        out->row[out->at[r->label + 1]++] = i;
        if (r->predicted != r->label) out->row[out->at[r->predicted + 1]++] = i;
    }
    return TN_OK;
}

/* Sums over classes, and the counts of one class, by resample: (n) each. */
typedef struct {
    double *log_sum, *f1_sum;
    int64_t *all, *all_right, *right, *labelled, *predicted;
    uint8_t *w;
} class_sums;

/* Count class k, which has n_rows rows. */
static void count_class(const tn_bootstrap *b, int k, int64_t n_rows, const int64_t *row, class_sums *s) {
    size_t n_bytes = (size_t)b->n * sizeof *s->right;
    memset(s->right, 0, n_bytes);
    memset(s->labelled, 0, n_bytes);
    memset(s->predicted, 0, n_bytes);
    for (int64_t i = 0; i < n_rows; i++) {
        const tn_drawn_row *r = &b->listed[row[i]];
        bool labelled = r->label == k, predicted = r->predicted == k;
        tn_bootstrap_weights(b->seed, r->group, b->n, s->w);
        for (int j = 0; labelled && j < b->n; j++) s->labelled[j] += s->w[j];
        for (int j = 0; predicted && j < b->n; j++) s->predicted[j] += s->w[j];
        for (int j = 0; labelled && predicted && j < b->n; j++) s->right[j] += s->w[j];
    }
}

/* Add class k to the sums, as tn_score_of does. */
static void add_class(const tn_bootstrap *b, class_sums *s) {
    for (int j = 0; j < b->n; j++) {
        double f1 = tn_share(2 * s->right[j], s->labelled[j] + s->predicted[j]);
        s->f1_sum[j] += f1;
        s->log_sum[j] += log(f1);
        s->all_right[j] += s->right[j];
        s->all[j] += s->labelled[j];
    }
}

/* score_out (n); N is left out. */
static tn_status scores_listed(const tn_bootstrap *b, tn_score *score_out) {
    size_t n = (size_t)b->n;
    double *sums = calloc(2 * n, sizeof *sums);
    int64_t *counts = calloc(5 * n, sizeof *counts);
    uint8_t *w = malloc(n);
    rows_of_classes rows = {.at = NULL};
    tn_status st = sums && counts && w ? rows_by_class(b, &rows) : tn_fail_memory(57 * n, "resampled scores");
    class_sums s = {.log_sum = sums, .f1_sum = sums + n, .all = counts, .w = w};
    s.all_right = counts + n, s.right = counts + 2 * n, s.labelled = counts + 3 * n, s.predicted = counts + 4 * n;
    for (int k = 0; st == TN_OK && k < b->K; k++) {
        count_class(b, k, rows.at[k + 1] - rows.at[k], rows.row + rows.at[k], &s);
        add_class(b, &s);
    }
    for (size_t j = 0; st == TN_OK && j < n; j++)
        score_out[j] = (tn_score){.gmean = exp(s.log_sum[j] / b->K),
                                  .macro = s.f1_sum[j] / b->K,
                                  .accuracy = tn_share(s.all_right[j], s.all[j])};
    free(sums);
    free(counts);
    free(w);
    free(rows.at);
    free(rows.row);
    return st;
}

tn_status tn_bootstrap_end(tn_bootstrap *b) {
    if (b->count || b->n == 0) return TN_OK;
    free(b->score);
    b->score = malloc((size_t)b->n * sizeof *b->score);
    return b->score ? scores_listed(b, b->score) : tn_fail_memory((size_t)b->n * sizeof *b->score, "resampled scores");
}

/* Memory for a few classes is a few kilobytes; without memory for many, the other ranks would wait for this one. */
static void values_of(const tn_bootstrap *b, tn_metric metric, double *value_out) {
    tn_bootstrap copy = *b;
    copy.score = NULL;
    tn_status st = b->count ? values_counted(b, metric, value_out) : b->score ? TN_OK : tn_bootstrap_end(&copy);
    if (st != TN_OK) tn_die(st, "%s", tn_msg);
    for (int j = 0; !b->count && j < b->n; j++)
        value_out[j] = metric_of(b->score ? &b->score[j] : &copy.score[j], metric);
    free(copy.score);
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
    double *value = a->value, *of_b = value + a->n;
    int n_better = 0;
    values_of(a, metric, value);
    if (b) values_of(b, metric, of_b);
    for (int j = 0; j < a->n; j++) {
        if (b) value[j] = of_b[j] - value[j];
        n_better += value[j] > 0;
    }
    if (better_out) *better_out = (double)n_better / a->n;
    return interval_of(a->n, value);
}

tn_interval tn_bootstrap_interval(const tn_bootstrap *b, tn_metric metric) {
    return interval(b, NULL, metric, NULL);
}

tn_interval tn_bootstrap_difference(const tn_bootstrap *a, const tn_bootstrap *b, tn_metric metric,
                                    double *better_out) {
    return interval(a, b, metric, better_out);
}
