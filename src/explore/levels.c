/* levels.c - see levels.h. */
#include "explore/levels.h"

#include "score/backoff.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    int M, K;
    const tn_index *ix;
    tn_backoff *rows;
    double *loss;                           /* (components, M + 1): sums of -log q_m */
    tn_counts predicted[TN_MAX_LEVELS + 1]; /* (M + 1) */
    tn_levels *out;
} scoring;

/* --- predictions of a fold ---------------------------------------------------------------------------------------- */

/* The class with the largest q; ties: the lowest. */
static int likeliest_of(int K, const double *q) {
    int likeliest = 0;
    for (int k = 1; k < K; k++)
        if (q[k] > q[likeliest]) likeliest = k;
    return likeliest;
}

/* Score the rows of the fold in [from, to), which all have this prediction of level m. */
static void score_rows(void *context, int m, int64_t from, int64_t to, const double *q, bool seen) {
    scoring *s = context;
    int likeliest = likeliest_of(s->K, q);
    for (int64_t i = from; i < to; i++) {
        const tn_backoff_row *r = &s->rows->at[i];
        if (r->part != TN_PREDICTED) continue;
        s->out->level[m].n_unseen += !seen;
        s->loss[(int64_t)r->component * (s->M + 1) + m] -= log(q[r->label]);
        tn_counts_add(&s->predicted[m], r->label, likeliest);
    }
}

static void score_fold(scoring *s, int fold) {
    for (int64_t i = 0; i < s->rows->n; i++)
        s->rows->at[i].part = s->ix->fold[s->rows->at[i].row] == fold ? TN_PREDICTED : TN_COUNTED;
    tn_backoff_predict(s->rows, score_rows, s);
}

/* --- all levels --------------------------------------------------------------------------------------------------- */

static void count_combinations(scoring *s) {
    const tn_backoff_row *at = s->rows->at;
    s->out->level[0].n_combinations = s->rows->n > 0;
    for (int64_t i = 0; i < s->rows->n; i++) {
        int m = 0;
        while (i > 0 && m < s->M && at[i].cat[m] == at[i - 1].cat[m]) m++;
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
    return sqrt(sum) / (double)s->rows->n;
}

static tn_status compare_levels(scoring *s, int64_t n_components) {
    tn_levels *out = s->out;
    int64_t *n_of = calloc((size_t)n_components + 1, sizeof *n_of);
    if (!n_of) return tn_fail_memory((size_t)n_components * sizeof *n_of, "the category levels");
    for (int64_t i = 0; i < s->rows->n; i++) n_of[s->rows->at[i].component]++;
    for (int m = 0; m <= s->M; m++) {
        for (int64_t g = 0; g < n_components; g++) out->level[m].log_loss += s->loss[g * (s->M + 1) + m];
        out->level[m].log_loss /= (double)s->rows->n;
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

static tn_status scoring_new(double prior_count, scoring *s) {
    size_t n = (size_t)s->ix->n, levels = (size_t)s->M + 1;
    s->loss = calloc(n * levels + 1, sizeof *s->loss);
    if (!s->loss) return tn_fail_memory(n * levels * sizeof *s->loss, "the category levels");
    for (int m = 0; m <= s->M; m++) TN_TRY(tn_counts_new(s->K, &s->predicted[m]));
    return tn_backoff_new(s->ix, s->M, prior_count, &s->rows);
}

static void scoring_free(scoring *s) {
    for (int m = 0; m <= s->M; m++) tn_counts_free(&s->predicted[m]);
    tn_backoff_free(&s->rows);
    free(s->loss);
}

tn_status tn_levels_score(const tn_index *ix, double prior_count, tn_levels *out) {
    scoring s = {.M = ix->n_levels, .K = ix->n_classes, .ix = ix, .out = out};
    *out = (tn_levels){.n_levels = ix->n_levels};
    tn_status st = scoring_new(prior_count, &s);
    if (st == TN_OK) {
        out->n_rows = s.rows->n;
        count_combinations(&s);
        for (int f = 0; f < ix->n_folds && out->n_rows > 0; f++) score_fold(&s, f);
        if (out->n_rows > 0) st = compare_levels(&s, ix->n);
    }
    scoring_free(&s);
    return st;
}
