/* backoff.c - see backoff.h. */
#include "score/backoff.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    tn_backoff *b;
    tn_backoff_visit *visit;
    void *context;
} prediction;

static int compare(const void *a, const void *b) {
    const tn_backoff_row *x = a, *y = b;
    for (int m = 0; m < TN_MAX_LEVELS; m++)
        if (x->cat[m] != y->cat[m]) return x->cat[m] > y->cat[m] ? 1 : -1;
    if (x->component != y->component) return x->component > y->component ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The number of rows in [from, to) that are in this part. */
static int64_t count(const tn_backoff *b, int64_t from, int64_t to, tn_backoff_part part) {
    int64_t n = 0;
    for (int64_t i = from; i < to; i++) n += b->at[i].part == part;
    return n;
}

/* Count the rows that are counted by class: n_class. */
static void count_classes(tn_backoff *b, int64_t from, int64_t to) {
    memset(b->n_class, 0, (size_t)b->K * sizeof *b->n_class);
    for (int64_t i = from; i < to; i++)
        if (b->at[i].part == TN_COUNTED) b->n_class[b->at[i].label]++;
}

/* Level 0, from n rows. */
static const double *predict_prior(tn_backoff *b, int64_t n) {
    count_classes(b, 0, b->n);
    for (int k = 0; k < b->K; k++) b->q[k] = ((double)b->n_class[k] + 1) / ((double)n + b->K);
    return b->q;
}

/* Level m, for the combination of [from, to), of which n rows are counted. */
static const double *predict_level(tn_backoff *b, int m, int64_t from, int64_t to, int64_t n, const double *coarser) {
    double *q = b->q + (int64_t)m * b->K;
    count_classes(b, from, to);
    for (int k = 0; k < b->K; k++)
        q[k] = ((double)b->n_class[k] + b->prior_count * coarser[k]) / ((double)n + b->prior_count);
    return q;
}

/* Predict by levels m and above on [from, to): rows with the same m - 1 first values, n_coarser of them counted. Where level m
 * tells nothing new, the coarser prediction is used as it is: with many classes a new one costs much. */
static void predict(const prediction *p, int m, int64_t from, int64_t to, int64_t n_coarser, const double *coarser) {
    tn_backoff *b = p->b;
    for (int64_t end; from < to; from = end) {
        for (end = from; end < to && b->at[end].cat[m - 1] == b->at[from].cat[m - 1];) end++;
        if (count(b, from, end, TN_PREDICTED) == 0) continue;
        int64_t n = count(b, from, end, TN_COUNTED);
        bool same = n == 0 || n == n_coarser;
        const double *q = same ? coarser : predict_level(b, m, from, end, n, coarser);
        p->visit(p->context, m, from, end, q, n > 0);
        if (m < b->M && m < TN_MAX_LEVELS) predict(p, m + 1, from, end, n, q);
    }
}

void tn_backoff_predict(tn_backoff *b, tn_backoff_visit *visit, void *context) {
    prediction p = {b, visit, context};
    if (count(b, 0, b->n, TN_PREDICTED) == 0) return;
    int64_t n = count(b, 0, b->n, TN_COUNTED);
    const double *prior = predict_prior(b, n);
    visit(context, 0, 0, b->n, prior, true);
    if (b->M > 0) predict(&p, 1, 0, b->n, n, prior);
}

static void list_rows(const tn_index *ix, tn_backoff *b) {
    for (int64_t i = 0; i < ix->n; i++) {
        if (ix->fold[i] < 0 || ix->label[i] < 0) continue;
        tn_backoff_row *r = &b->at[b->n++];
        *r = (tn_backoff_row){.label = ix->label[i], .component = ix->component[i], .row = (int32_t)i};
        for (int m = 0; m < b->M; m++) r->cat[m] = ix->cat[i * ix->n_levels + m];
    }
    qsort(b->at, (size_t)b->n, sizeof *b->at, compare);
}

tn_status tn_backoff_new(const tn_index *ix, int M, double prior_count, tn_backoff **out) {
    tn_backoff *b = calloc(1, sizeof *b);
    size_t n = (size_t)ix->n, K = (size_t)ix->n_classes;
    *out = b;
    if (!b) return tn_fail_memory(sizeof *b, "the categories");
    *b = (tn_backoff){.M = M, .K = ix->n_classes, .prior_count = prior_count};
    b->at = malloc(n * sizeof *b->at + 1);
    b->n_class = malloc(K * sizeof *b->n_class);
    b->q = malloc(((size_t)M + 1) * K * sizeof *b->q);
    if (b->at && b->n_class && b->q) {
        list_rows(ix, b);
        return TN_OK;
    }
    tn_backoff_free(out);
    return tn_fail_memory(n * sizeof *b->at, "the categories");
}

void tn_backoff_free(tn_backoff **b) {
    if (!*b) return;
    free((*b)->at);
    free((*b)->n_class);
    free((*b)->q);
    free(*b);
    *b = NULL;
}
