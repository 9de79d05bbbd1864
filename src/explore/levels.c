/* levels.c - see levels.h. Rows are sorted by their categories, so that the rows of a combination of values are neighbours. */
#include "explore/levels.h"

#include "explore/explore_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row to train on. */
typedef struct {
    int32_t cat[TN_MAX_LEVELS], label, fold, component;
} sample;

typedef struct {
    int M, K, fold; /* fold: whose rows are predicted now */
    double prior_count;
    int64_t n;
    sample *at;                             /* (n), sorted */
    int64_t *n_class;                       /* (K), of the combination that is looked at */
    double *q;                              /* (M + 1, K): room for q_m of the formula */
    double *loss;                           /* (components, M + 1): sums of -log q_m */
    tn_counts predicted[TN_MAX_LEVELS + 1]; /* (M + 1) */
    tn_levels *out;
} scoring;

typedef struct {
    const double *q; /* (K) */
    int likeliest;   /* the class with the largest q; ties: the lowest */
} prediction;

static int compare(const void *a, const void *b) {
    const sample *x = a, *y = b;
    for (int m = 0; m < TN_MAX_LEVELS; m++)
        if (x->cat[m] != y->cat[m]) return x->cat[m] > y->cat[m] ? 1 : -1;
    if (x->component != y->component) return x->component > y->component ? 1 : -1;
    return (x->label > y->label) - (x->label < y->label);
}

/* --- predictions of a fold ---------------------------------------------------------------------------------------- */

/* The number of rows of other folds in [from, to). */
static int64_t count_others(const scoring *s, int64_t from, int64_t to) {
    int64_t n = 0;
    for (int64_t i = from; i < to; i++) n += s->at[i].fold != s->fold;
    return n;
}

/* Count the same rows by class: n_class. */
static void count_classes(scoring *s, int64_t from, int64_t to) {
    memset(s->n_class, 0, (size_t)s->K * sizeof *s->n_class);
    for (int64_t i = from; i < to; i++)
        if (s->at[i].fold != s->fold) s->n_class[s->at[i].label]++;
}

static prediction prediction_of(const scoring *s, const double *q) {
    int likeliest = 0;
    for (int k = 1; k < s->K; k++)
        if (q[k] > q[likeliest]) likeliest = k;
    return (prediction){q, likeliest};
}

/* Score the rows of the fold in [from, to), which all have this prediction of level m. */
static void score_rows(scoring *s, int m, int64_t from, int64_t to, prediction p) {
    for (int64_t i = from; i < to; i++) {
        const sample *r = &s->at[i];
        if (r->fold != s->fold) continue;
        s->loss[(int64_t)r->component * (s->M + 1) + m] -= log(p.q[r->label]);
        tn_counts_add(&s->predicted[m], r->label, p.likeliest);
    }
}

/* Level 0, from n rows of other folds. */
static prediction predict_prior(scoring *s, int64_t n) {
    count_classes(s, 0, s->n);
    for (int k = 0; k < s->K; k++) s->q[k] = ((double)s->n_class[k] + 1) / ((double)n + s->K);
    return prediction_of(s, s->q);
}

/* Level m, for the combination of [from, to), of which n rows are in other folds. */
static prediction predict_level(scoring *s, int m, int64_t from, int64_t to, int64_t n, const double *coarser) {
    double *q = s->q + (int64_t)m * s->K;
    count_classes(s, from, to);
    for (int k = 0; k < s->K; k++)
        q[k] = ((double)s->n_class[k] + s->prior_count * coarser[k]) / ((double)n + s->prior_count);
    return prediction_of(s, q);
}

/* Score levels m and above on [from, to): rows with the same m - 1 first values, n_coarser of them in other folds. Where level m
 * tells nothing new, the coarser prediction is used as it is: with many classes a new one costs much. */
static void score_level(scoring *s, int m, int64_t from, int64_t to, int64_t n_coarser, prediction coarser) {
    for (int64_t end; from < to; from = end) {
        for (end = from; end < to && s->at[end].cat[m - 1] == s->at[from].cat[m - 1];) end++;
        int64_t n = count_others(s, from, end);
        if (n == end - from) continue; /* no row of the fold */
        if (n == 0) s->out->level[m].n_unseen += end - from;
        bool same = n == 0 || n == n_coarser;
        prediction p = same ? coarser : predict_level(s, m, from, end, n, coarser.q);
        score_rows(s, m, from, end, p);
        if (m < s->M && m < TN_MAX_LEVELS) score_level(s, m + 1, from, end, n, p);
    }
}

static void score_fold(scoring *s, int fold) {
    s->fold = fold;
    int64_t n = count_others(s, 0, s->n);
    prediction prior = predict_prior(s, n);
    score_rows(s, 0, 0, s->n, prior);
    if (s->M > 0) score_level(s, 1, 0, s->n, n, prior);
}

/* --- all levels --------------------------------------------------------------------------------------------------- */

static void count_combinations(scoring *s) {
    s->out->level[0].n_combinations = s->n > 0;
    for (int64_t i = 0; i < s->n; i++) {
        int m = 0;
        while (i > 0 && m < s->M && s->at[i].cat[m] == s->at[i - 1].cat[m]) m++;
        for (; m < s->M; m++) s->out->level[m + 1].n_combinations++;
    }
}

/* The standard error of the difference between m and the best number of levels. n_of: rows of each component. */
static double paired_error(const scoring *s, int m, const int64_t *n_of, int64_t n_components) {
    double sum = 0, mean = s->out->level[m].above;
    for (int64_t g = 0; g < n_components; g++) {
        const double *loss = s->loss + g * (s->M + 1);
        double d = loss[m] - loss[s->out->best] - (double)n_of[g] * mean;
        sum += d * d;
    }
    return sqrt(sum) / (double)s->n;
}

static tn_status compare_levels(scoring *s, int64_t n_components) {
    tn_levels *out = s->out;
    int64_t *n_of = calloc((size_t)n_components + 1, sizeof *n_of);
    if (!n_of) return tn_fail_memory((size_t)n_components * sizeof *n_of, "the category levels");
    for (int64_t i = 0; i < s->n; i++) n_of[s->at[i].component]++;
    for (int m = 0; m <= s->M; m++) {
        for (int64_t g = 0; g < n_components; g++) out->level[m].log_loss += s->loss[g * (s->M + 1) + m];
        out->level[m].log_loss /= (double)s->n;
        out->level[m].score = tn_score_of(&s->predicted[m]);
        if (out->level[m].log_loss < out->level[out->best].log_loss) out->best = m;
    }
    out->fewest = out->best;
    for (int m = s->M; m >= 0; m--) {
        tn_level_score *l = &out->level[m];
        l->above = l->log_loss - out->level[out->best].log_loss;
        l->above_se = paired_error(s, m, n_of, n_components);
        if (m < out->best && l->above <= l->above_se) out->fewest = m;
    }
    free(n_of);
    return TN_OK;
}

static void list_rows(const tn_index *ix, scoring *s) {
    for (int64_t i = 0; i < ix->n; i++) {
        if (tn_row_kind_of(ix, i) != TN_ROW_TRAIN) continue;
        sample *r = &s->at[s->n++];
        *r = (sample){.label = ix->label[i], .fold = ix->fold[i], .component = ix->component[i]};
        for (int m = 0; m < s->M; m++) r->cat[m] = ix->cat[i * s->M + m];
    }
    qsort(s->at, (size_t)s->n, sizeof *s->at, compare);
}

static tn_status scoring_new(const tn_index *ix, scoring *s) {
    size_t n = (size_t)ix->n, K = (size_t)ix->n_classes, levels = (size_t)ix->n_levels + 1;
    s->at = malloc(n * sizeof *s->at + 1);
    s->n_class = malloc(K * sizeof *s->n_class);
    s->q = malloc(levels * K * sizeof *s->q);
    s->loss = calloc(n * levels + 1, sizeof *s->loss);
    if (!s->at || !s->n_class || !s->q || !s->loss)
        return tn_fail_memory(n * (sizeof *s->at + levels * sizeof *s->loss), "the category levels");
    for (int m = 0; m <= s->M; m++) TN_TRY(tn_counts_new(s->K, &s->predicted[m]));
    return TN_OK;
}

static void scoring_free(scoring *s) {
    for (int m = 0; m <= s->M; m++) tn_counts_free(&s->predicted[m]);
    free(s->loss);
    free(s->q);
    free(s->n_class);
    free(s->at);
}

tn_status tn_levels_score(const tn_index *ix, double prior_count, tn_levels *out) {
    scoring s = {.M = ix->n_levels, .K = ix->n_classes, .prior_count = prior_count, .out = out};
    *out = (tn_levels){.n_levels = ix->n_levels};
    tn_status st = scoring_new(ix, &s);
    if (st == TN_OK) {
        list_rows(ix, &s);
        out->n_rows = s.n;
        count_combinations(&s);
        for (int f = 0; f < ix->n_folds && s.n > 0; f++) score_fold(&s, f);
        if (s.n > 0) st = compare_levels(&s, ix->n);
    }
    scoring_free(&s);
    return st;
}
