/* reduce_count.c - counts of the table, priors of categories, recipes. */
#include "reduce/reduce_priv.h"

#include "score/combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- counts of the table ------------------------------------------------------------------------------------------ */

static void count_rows(const tn_table *t, const tn_rows *rows, tn_table_counts *c) {
    int K = t->n_classes, level = c->prior.level;
    for (int64_t i = 0; i < rows->n; i++) {
        int fold = rows->fold[i], label = rows->label[i];
        c->predicted += fold == TN_FOLD_NONE;
        if (fold < 0) continue;
        c->trainable[label]++;
        if (!level) continue;
        int32_t value = rows->cat[i * t->n_levels + level - 1];
        c->prior.n[((int64_t)fold * c->prior.n_values + value) * K + label]++;
        c->prior.of_class[fold * K + label]++;
    }
}

static tn_status prior_new(const tn_cfg *cfg, const tn_table *t, tn_prior *p) {
    int level = cfg->reduce.category_prior;
    if (level == 0) return TN_OK;
    if (level > t->n_levels)
        return tn_fail(TN_EARG, "reduce.category_prior = %d, but the data set has %d category columns: give 0 to %d",
                       level, t->n_levels, t->n_levels);
    *p = (tn_prior){.level = level, .n_values = t->n_values[level - 1], .count = cfg->reduce.prior_count};
    size_t n = (size_t)cfg->folds.count * (size_t)p->n_values * (size_t)t->n_classes;
    p->n = calloc(n, sizeof *p->n);
    p->of_class = calloc((size_t)cfg->folds.count * (size_t)t->n_classes, sizeof *p->of_class);
    return p->n && p->of_class ? TN_OK : tn_fail_memory(n * sizeof *p->n, "the categories' classes");
}

static tn_status count_blocks(tn_run *run, tn_reduction *r, tn_rows *rows) {
    enum { BLOCK = 65536 };
    tn_table *t = r->table;
    unsigned columns = TN_COLUMN_LABEL | (r->counts.prior.level ? TN_COLUMN_CAT : 0U);
    TN_TRY(tn_rows_new(t, BLOCK, rows));
    for (int64_t first = (int64_t)run->rank * BLOCK; first < t->n; first += (int64_t)run->n_ranks * BLOCK) {
        TN_TRY(tn_table_read(t, columns, first, t->n - first < BLOCK ? t->n - first : BLOCK, rows));
        count_rows(t, rows, &r->counts);
    }
    return TN_OK;
}

tn_status tn_reduce_count(tn_run *run, tn_reduction *r) {
    tn_rows rows = {.room = 0};
    tn_table_counts *c = &r->counts;
    TN_TRY(tn_agree(run, prior_new(r->cfg, r->table, &c->prior)));
    tn_status st = tn_agree(run, count_blocks(run, r, &rows));
    tn_rows_free(&rows);
    if (st != TN_OK) return st;
    tn_sum(run, TN_MAX_CLASSES, c->trainable);
    tn_sum(run, 1, &c->predicted);
    tn_shares_of(r->table->n_classes, c);
    if (!c->prior.level) return TN_OK;
    int64_t n_counts = (int64_t)r->cfg->folds.count * r->table->n_classes;
    tn_sum(run, n_counts, c->prior.of_class);
    tn_sum(run, n_counts * c->prior.n_values, c->prior.n);
    return TN_OK;
}

/* Count the rows of each class with this category value, and all rows of the class, over all folds but two. */
static void class_counts(const tn_prior *p, int n_folds, int K, int32_t value, int fold, int other_fold,
                         double with_value[TN_WHOLE_CLASSES], double of_class[TN_WHOLE_CLASSES]) {
    for (int k = 0; k < K; k++) with_value[k] = of_class[k] = 0;
    for (int f = 0; f < n_folds; f++) {
        if (f == fold || f == other_fold) continue;
        for (int k = 0; k < K; k++) {
            with_value[k] += (double)p->n[((int64_t)f * p->n_values + value) * K + k];
            of_class[k] += (double)p->of_class[f * K + k];
        }
    }
}

void tn_prior_log(const tn_prior *p, int n_folds, int K, int32_t value, int fold, int other_fold, double *out) {
    double with_value[TN_WHOLE_CLASSES], of_class[TN_WHOLE_CLASSES], n_value = 0, n = 0;
    class_counts(p, n_folds, K, value, fold, other_fold, with_value, of_class);
    for (int k = 0; k < K; k++) {
        n_value += with_value[k];
        n += of_class[k];
    }
    for (int k = 0; k < K; k++) {
        double share = (of_class[k] + 1) / (n + K); /* + 1: the class may occur only in the folds left out */
        out[k] = log((with_value[k] + p->count * share) / (n_value + p->count)) - log(share);
    }
}

void tn_prior_apply(const tn_prior *prior, int n_folds, int K, int32_t value, int fold, int other_fold, float *p) {
    double score[TN_WHOLE_CLASSES], most = -INFINITY, total = 0;
    tn_prior_log(prior, n_folds, K, value, fold, other_fold, score);
    for (int k = 0; k < K; k++) {
        score[k] += tn_log_p(p[k]);
        most = fmax(most, score[k]);
    }
    for (int k = 0; k < K; k++) total += score[k] = exp(score[k] - most);
    for (int k = 0; k < K; k++) p[k] = (float)(score[k] / total);
}

/* --- recipes ------------------------------------------------------------------------------------------------------ */

void tn_shares_of(int K, tn_table_counts *counts) {
    double all = 0;
    for (int k = 0; k < K; k++) all += (double)counts->trainable[k];
    for (int k = 0; k < K; k++) counts->log_share[k] = log(fmax((double)counts->trainable[k], 1) / fmax(all, 1));
}

int tn_recipe_decide(const tn_recipe *r, const tn_table_counts *counts, int n_folds, int fold, int32_t value, int K,
                     float *p) {
    if (r->prior && counts->prior.level) tn_prior_apply(&counts->prior, n_folds, K, value, fold, -1, p);
    return tn_prow_decide(K, p, r->offset);
}

void tn_recipe_temper(const tn_recipe *r, int K, float *p) {
    if (r->temperature > 0) tn_prow_temper(K, 1 / r->temperature, p);
}

void tn_recipe_free(tn_recipe *r) {
    free(r->times);
    free(r->offset);
    *r = (tn_recipe){.times = NULL};
}
