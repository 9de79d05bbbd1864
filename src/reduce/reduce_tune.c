/*
 * reduce_tune.c - tunes weights of members and offsets of classes: for each fold on the other folds, and on all folds.
 *
 * Nested cross-fitting: the values applied to fold f were tuned without its rows, and the prior of categories is computed
 * without its labels. The F + 1 tunings are distributed over ranks; all ranks have the same rows in the same order.
 */
#include "reduce/reduce_priv.h"

#include "reduce/blend.h"
#include "reduce/combine.h"

#include <stdlib.h>
#include <string.h>

/* Remove rows of folds that the chosen round has no members of: they get no score, so they are not tuned on. */
static void keep_judged(const tn_reduction *r, tn_sample *s) {
    const int *in_fold = r->members.round[r->rounds.chosen].in_fold;
    size_t floats = (size_t)s->n_groups * (size_t)tn_prow_width(s->K);
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (in_fold[s->fold[i]] == 0) continue;
        s->row[n] = s->row[i];
        s->label[n] = s->label[i];
        s->fold[n] = s->fold[i];
        s->value[n] = s->value[i];
        memmove(s->p + (size_t)n++ * floats, s->p + (size_t)i * floats, floats * sizeof *s->p);
    }
    s->n = n;
}

/* The weight of a row: rows of its class that get a score / rows of its class in the sample. */
static tn_status weights_of(const tn_reduction *r, double **out) {
    const tn_sample *s = &r->tuning.sample;
    const int64_t *all = r->rounds.blend[r->rounds.chosen].pooled.n + s->K; /* rows by label */
    int64_t taken[TN_MAX_CLASSES] = {0};
    double *weight = malloc((size_t)s->n * sizeof *weight + 1);
    if (!weight) return tn_fail_memory((size_t)s->n * sizeof *weight, "the rows to tune on: lower reduce.tune_rows");
    for (int64_t i = 0; i < s->n; i++) taken[s->label[i]]++;
    for (int64_t i = 0; i < s->n; i++) weight[i] = (double)all[s->label[i]] / (double)taken[s->label[i]];
    *out = weight;
    return TN_OK;
}

/* Member groups that have every fold that gets a score. With a fold missing, greedy selection would compare different rows. */
static void usable_columns(const tn_reduction *r, uint8_t *usable) {
    for (int c = 0; c < r->members.n_groups; c++) {
        usable[c] = 1;
        for (int f = 0; f < r->cfg->folds.count; f++)
            usable[c] &= r->members.round[r->rounds.chosen].in_fold[f] == 0 || r->members.group[c].there[f];
    }
}

static tn_status choose_members(const tn_reduction *r, const double *weight, const uint8_t *use, int *times) {
    const tn_sample *s = &r->tuning.sample;
    int n = r->members.n_groups, n_usable = 0;
    uint8_t *usable = malloc((size_t)n);
    if (!usable) return tn_fail_memory(4096, "the members");
    usable_columns(r, usable);
    for (int c = 0; c < n; c++) n_usable += usable[c];
    tn_blend_rows rows = {.n = s->n, .K = s->K, .M = n, .label = s->label, .weight = weight, .p = s->p};
    tn_status st = n_usable > 0
                       ? tn_blend_greedy(&rows, use, usable, times)
                       : tn_fail(TN_EUNFINISHED, "reduce.method = greedy: no combination of size, seed and round has "
                                                 "predictions for all folds of the chosen round: finish them "
                                                 "(tenfold run)");
    free(usable);
    return st;
}

/* The combined prediction of row i of the sample. */
static void combine(const tn_reduction *r, const tn_recipe *recipe, int64_t i, float *p_out) {
    const tn_sample *s = &r->tuning.sample;
    double sum[TN_PROW_MOST] = {0};
    int n = 0;
    for (int c = 0; c < s->n_groups; c++) {
        if (recipe->times[c] == 0 || !r->members.group[c].there[s->fold[i]]) continue;
        tn_combine_add(recipe->kind, recipe->times[c], 1, s->K, s->p + (i * s->n_groups + c) * tn_prow_width(s->K),
                       sum);
        n += recipe->times[c];
    }
    tn_combine_end(recipe->kind, n, 1, s->K, sum, p_out);
}

/* log_p (n,K): the log probabilities that offsets are added to. t: the fold that is left out. */
static void log_of_rows(const tn_reduction *r, const tn_recipe *recipe, int t, double *log_p) {
    const tn_sample *s = &r->tuning.sample;
    for (int64_t i = 0; i < s->n; i++) {
        double prior[TN_WHOLE_CLASSES] = {0};
        float p[TN_PROW_MOST];
        combine(r, recipe, i, p);
        if (r->counts.prior.level)
            tn_prior_log(&r->counts.prior, r->cfg->folds.count, s->K, s->value[i], s->fold[i], t, prior);
        for (int k = 0; k < s->K; k++) log_p[i * s->K + k] = tn_log_p(p[k]) + prior[k];
    }
}

static tn_status offsets_whole(const tn_reduction *r, const double *weight, const uint8_t *use, int t, tn_recipe *out) {
    const tn_sample *s = &r->tuning.sample;
    double *log_p = malloc((size_t)(s->n * s->K) * sizeof *log_p + 1);
    if (!log_p)
        return tn_fail_memory((size_t)(s->n * s->K) * sizeof *log_p, "the rows to tune on: lower reduce.tune_rows");
    log_of_rows(r, out, t, log_p);
    tn_status st = tn_blend_offsets(s->n, s->K, log_p, s->label, weight, use, out->offset);
    free(log_p);
    return st;
}

static tn_status offsets_few(const tn_reduction *r, const double *weight, const uint8_t *use, tn_recipe *out) {
    const tn_sample *s = &r->tuning.sample;
    size_t n_bytes = (size_t)s->n * TN_PROW_FEW * sizeof(float);
    float *p = malloc(n_bytes + 1);
    if (!p) return tn_fail_memory(n_bytes, "the rows to tune on: lower reduce.tune_rows");
    for (int64_t i = 0; i < s->n; i++) combine(r, out, i, p + i * TN_PROW_FEW);
    tn_status st = tn_blend_offsets_few(s->n, s->K, p, s->label, weight, use, out->offset);
    free(p);
    return st;
}

/* One tuning, without the rows of fold t (-1: with all rows). */
static tn_status tune(const tn_reduction *r, const double *weight, int t, tn_recipe *out) {
    if (tn_stop_wanted()) return tn_fail(TN_EUNFINISHED, "reduce: stopped on request: run the same command again");
    const tn_sample *s = &r->tuning.sample;
    uint8_t *use = malloc((size_t)s->n + 1);
    tn_status st = use ? TN_OK : tn_fail_memory((size_t)s->n, "the rows to tune on: lower reduce.tune_rows");
    for (int64_t i = 0; use && i < s->n; i++) use[i] = s->fold[i] != t;
    if (st == TN_OK && r->cfg->reduce.method == TN_REDUCE_GREEDY) st = choose_members(r, weight, use, out->times);
    if (st == TN_OK && r->cfg->reduce.offsets)
        st = tn_prow_whole(s->K) ? offsets_whole(r, weight, use, t, out) : offsets_few(r, weight, use, out);
    free(use);
    return st;
}

static tn_status recipe_new(const tn_reduction *r, tn_recipe *out) {
    const tn_recipe *plain = &r->rounds.mean[r->rounds.chosen];
    size_t n_bytes = (size_t)r->members.n_groups * sizeof *out->times;
    *out = (tn_recipe){.kind = plain->kind, .tuned = true, .times = malloc(n_bytes)};
    if (!out->times) return tn_fail_memory(n_bytes, "the members");
    memcpy(out->times, plain->times, n_bytes);
    return TN_OK;
}

tn_status tn_reduce_tune(tn_run *run, tn_reduction *r) {
    int F = r->cfg->folds.count;
    double *weight = NULL;
    keep_judged(r, &r->tuning.sample);
    tn_status st = weights_of(r, &weight);
    for (int t = 0; st == TN_OK && t <= F; t++) st = recipe_new(r, t < F ? &r->tuning.nested[t] : &r->tuning.final);
    st = tn_agree(run, st);
    for (int t = 0; st == TN_OK && t <= F; t++)
        if (t % run->n_ranks == run->rank)
            st = tune(r, weight, t < F ? t : -1, t < F ? &r->tuning.nested[t] : &r->tuning.final);
    free(weight);
    TN_TRY(tn_agree(run, st));
    for (int t = 0; t <= F; t++) {
        tn_recipe *x = t < F ? &r->tuning.nested[t] : &r->tuning.final;
        MPI_Bcast(x->times, r->members.n_groups, MPI_INT, t % run->n_ranks, run->comm);
        MPI_Bcast(x->offset, TN_MAX_CLASSES, MPI_DOUBLE, t % run->n_ranks, run->comm);
    }
    return TN_OK;
}
