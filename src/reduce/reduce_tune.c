/*
 * reduce_tune.c - tunes weights of members, decisions and temperatures: for each fold on the other folds, and on all folds.
 *
 * Nested cross-fitting: the values applied to fold f were tuned without its rows, and the prior of categories is computed
 * without its labels. (The class shares of tau are those of all training labels: folds are stratified, so leaving one out would not
 * change them.) The F + 1 tunings of each candidate are distributed over ranks; all ranks have the same rows in the same order.
 */
#include "reduce/reduce_priv.h"

#include "score/blend.h"
#include "score/combine.h"
#include "score/true_class.h"

#include <stdlib.h>
#include <string.h>

/* One tuning of a candidate. */
typedef struct {
    const tn_reduction *r;
    const tn_candidate *c;
    const double *weight; /* (n) */
    bool weights;
    int left_out; /* fold, or -1 */
    uint8_t *use; /* (n) */
    float *p;     /* n rows: combined, and changed by the prior */
    tn_recipe *out;
} tuning;

/* The weight of a row: rows of its class that get a score / rows of its class in the sample. Only rows of folds that the candidate has
 * members of get a score. n_out: how many these are. */
static tn_status weights_of(const tn_reduction *r, const tn_candidate *c, int64_t *n_out, double **out) {
    const tn_sample *s = &r->tuning.sample;
    const int64_t *all = r->rounds.blend[c->at].pooled.n + s->K; /* rows by label */
    int64_t taken[TN_MAX_CLASSES] = {0};
    double *weight = malloc((size_t)s->n * sizeof *weight + 1);
    if (!weight) return tn_fail_memory((size_t)s->n * sizeof *weight, "the rows to tune on: lower reduce.tune_rows");
    *n_out = 0;
    for (int64_t i = 0; i < s->n; i++) {
        bool has = tn_has_fold(r, c->at, s->fold[i]);
        taken[s->label[i]] += has;
        *n_out += has;
    }
    for (int64_t i = 0; i < s->n; i++)
        weight[i] = taken[s->label[i]] ? (double)all[s->label[i]] / (double)taken[s->label[i]] : 0;
    *out = weight;
    return TN_OK;
}

/* Member groups that have every fold that gets a score. With a fold missing, greedy selection would compare different rows. */
static void usable_columns(const tn_reduction *r, const tn_candidate *c, uint8_t *usable) {
    for (int g = 0; g < r->members.n_groups; g++) {
        usable[g] = 1;
        for (int f = 0; f < r->cfg->folds.count; f++)
            usable[g] &= !tn_has_fold(r, c->at, f) || r->members.group[g].there[f];
    }
}

static tn_status choose_members(const tuning *t) {
    const tn_reduction *r = t->r;
    const tn_sample *s = &r->tuning.sample;
    int n = r->members.n_groups, n_usable = 0;
    uint8_t *usable = malloc((size_t)n);
    if (!usable) return tn_fail_memory(4096, "the members");
    usable_columns(r, t->c, usable);
    for (int c = 0; c < n; c++) n_usable += usable[c];
    tn_blend_rows rows = {.n = s->n, .K = s->K, .M = n, .label = s->label, .weight = t->weight, .p = s->p};
    tn_status st = n_usable > 0
                       ? tn_blend_greedy(&rows, t->use, usable, t->out->times)
                       : tn_fail(TN_EUNFINISHED, "reduce.method = greedy: no combination of size, seed and round has "
                                                 "predictions for all folds of the chosen round: finish them "
                                                 "(tenfold run)");
    free(usable);
    return st;
}

/* --- combined rows ------------------------------------------------------------------------------------------------ */

/* The combined prediction of row i of the sample. */
static void combine(const tuning *t, int64_t i, float *p_out) {
    const tn_sample *s = &t->r->tuning.sample;
    double sum[TN_PROW_MOST] = {0};
    int n = 0;
    for (int c = 0; c < s->n_groups; c++) {
        if (t->out->times[c] == 0 || !t->r->members.group[c].there[s->fold[i]]) continue;
        tn_combine_add(t->out->kind, t->out->times[c], 1, s->K, s->p + (i * s->n_groups + c) * tn_prow_width(s->K),
                       sum);
        n += t->out->times[c];
    }
    tn_combine_end(t->out->kind, n, 1, s->K, sum, p_out);
}

/* The prior is computed without the labels of the row's fold and of the fold that is left out. */
static void combine_all(const tuning *t) {
    const tn_sample *s = &t->r->tuning.sample;
    const tn_prior *prior = &t->r->counts.prior;
    for (int64_t i = 0; i < s->n; i++) {
        float *p = t->p + i * tn_prow_width(s->K);
        if (!t->use[i]) continue;
        combine(t, i, p);
        if (t->out->prior && prior->level)
            tn_prior_apply(prior, t->r->cfg->folds.count, s->K, s->value[i], s->fold[i], t->left_out, p);
    }
}

/* --- decision and temperature ------------------------------------------------------------------------------------- */

static tn_status offsets_whole(const tuning *t) {
    const tn_sample *s = &t->r->tuning.sample;
    int64_t n = s->n * s->K;
    double *log_p = calloc((size_t)n + 1, sizeof *log_p);
    if (!log_p) return tn_fail_memory((size_t)n * sizeof *log_p, "the rows to tune on: lower reduce.tune_rows");
    for (int64_t i = 0; i < n; i++)
        if (t->use[i / s->K]) log_p[i] = tn_log_p(t->p[i]);
    tn_status st = tn_blend_offsets(s->n, s->K, log_p, s->label, t->weight, t->use, t->out->offset);
    free(log_p);
    return st;
}

/* A fold's rows that are not used are zeros: no list of classes. tn_blend_offsets_few reads only rows in use. */
static tn_status decision(const tuning *t) {
    const tn_reduction *r = t->r;
    const tn_sample *s = &r->tuning.sample;
    if (r->cfg->reduce.decision == TN_DECISION_OFFSETS)
        return tn_prow_whole(s->K)
                   ? offsets_whole(t)
                   : tn_blend_offsets_few(s->n, s->K, t->p, s->label, t->weight, t->use, t->out->offset);
    TN_TRY(tn_blend_tau(s->n, s->K, t->p, s->label, t->weight, t->use, r->counts.log_share, &t->out->tau));
    for (int k = 0; k < s->K; k++) t->out->offset[k] = t->out->tau > 0 ? -t->out->tau * r->counts.log_share[k] : 0;
    return TN_OK;
}

/* Wrong labels make every model look too sure: so the temperature is fitted together with a noise matrix, where there are rows enough for its
 * K^2 entries. */
static tn_status temperature(tuning *t) {
    const tn_sample *s = &t->r->tuning.sample;
    tn_true_class m;
    if (s->K > TN_TRUE_CLASS_MOST) {
        t->out->temperature = tn_temperature(s->n, s->K, t->p, s->label, t->weight, t->use);
        return TN_OK;
    }
    TN_TRY(tn_true_class_fit(s->n, s->K, t->p, s->label, t->weight, t->use, &m));
    t->out->temperature = m.temperature;
    tn_true_class_free(&m);
    return TN_OK;
}

static tn_status tune_with(tuning *t) {
    const tn_sample *s = &t->r->tuning.sample;
    for (int64_t i = 0; i < s->n; i++) t->use[i] = s->fold[i] != t->left_out && tn_has_fold(t->r, t->c->at, s->fold[i]);
    if (t->weights && t->r->cfg->reduce.method == TN_REDUCE_GREEDY) TN_TRY(choose_members(t));
    combine_all(t);
    TN_TRY(temperature(t));
    return t->out->offset ? decision(t) : TN_OK;
}

static tn_status tune(const tn_reduction *r, const tn_candidate *c, const double *weight, bool weights, int left_out,
                      tn_recipe *out) {
    if (tn_stop_wanted()) return tn_fail(TN_EUNFINISHED, "reduce: stopped on request: run the same command again");
    size_t n = (size_t)r->tuning.sample.n, floats = n * (size_t)tn_prow_width(r->tuning.sample.K);
    tuning t = {.r = r, .c = c, .weight = weight, .weights = weights, .left_out = left_out, .out = out};
    t.use = malloc(n + 1);
    t.p = calloc(floats + 1, sizeof *t.p);
    tn_status st = t.use && t.p ? tune_with(&t)
                                : tn_fail_memory(floats * sizeof *t.p, "the rows to tune on: lower reduce.tune_rows");
    free(t.use);
    free(t.p);
    return st;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static tn_status recipe_new(const tn_reduction *r, const tn_candidate *c, bool weights, tn_recipe *out) {
    const tn_recipe *plain = &r->rounds.mean[c->at];
    size_t n_bytes = (size_t)r->members.n_groups * sizeof *out->times;
    *out = (tn_recipe){.kind = plain->kind, .prior = weights, .times = malloc(n_bytes)};
    if (!out->times) return tn_fail_memory(n_bytes, "the members");
    memcpy(out->times, plain->times, n_bytes);
    if (r->cfg->reduce.decision == TN_DECISION_ARGMAX) return TN_OK;
    out->offset = calloc((size_t)r->table->n_classes, sizeof *out->offset);
    return out->offset ? TN_OK : tn_fail_memory((size_t)r->table->n_classes * 8, "the decision");
}

static tn_recipe *recipe_of(tn_candidate *c, int n_folds, int t) {
    return t < n_folds ? &c->nested[t] : &c->final;
}

static void share(tn_run *run, const tn_reduction *r, int from, tn_recipe *x) {
    MPI_Bcast(x->times, r->members.n_groups, MPI_INT, from, run->comm);
    if (x->offset) MPI_Bcast(x->offset, r->table->n_classes, MPI_DOUBLE, from, run->comm);
    MPI_Bcast(&x->tau, 1, MPI_DOUBLE, from, run->comm);
    MPI_Bcast(&x->temperature, 1, MPI_DOUBLE, from, run->comm);
}

static tn_status tune_candidate(tn_run *run, tn_reduction *r, tn_candidate *c, bool weights) {
    int F = r->cfg->folds.count;
    double *weight = NULL;
    tn_status st = weights_of(r, c, &c->n_rows, &weight);
    for (int t = 0; st == TN_OK && t <= F; t++) st = recipe_new(r, c, weights, recipe_of(c, F, t));
    st = tn_agree(run, st);
    for (int t = 0; st == TN_OK && t <= F; t++)
        if (t % run->n_ranks == run->rank) st = tune(r, c, weight, weights, t < F ? t : -1, recipe_of(c, F, t));
    free(weight);
    TN_TRY(tn_agree(run, st));
    for (int t = 0; t <= F; t++) share(run, r, t % run->n_ranks, recipe_of(c, F, t));
    return TN_OK;
}

tn_status tn_reduce_tune(tn_run *run, tn_reduction *r, int n, tn_candidate *candidate, bool weights) {
    for (int i = 0; i < n; i++) TN_TRY(tune_candidate(run, r, &candidate[i], weights));
    return TN_OK;
}
