/* reduce_blend.c - the scores of a blend, and their sums over ranks. */
#include "reduce/reduce_priv.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_blend_new(int n_folds, int K, int n_resamples, uint64_t seed, tn_blend *out) {
    *out = (tn_blend){.own = calloc((size_t)n_folds, sizeof *out->own),
                      .test = calloc((size_t)n_folds, sizeof *out->test)};
    if (!out->own || !out->test) return tn_fail_memory((size_t)n_folds * sizeof *out->own, "the scores");
    for (int f = 0; f < n_folds; f++) {
        TN_TRY(tn_counts_new(K, &out->own[f]));
        TN_TRY(tn_counts_new(K, &out->test[f]));
    }
    TN_TRY(tn_counts_new(K, &out->pooled));
    TN_TRY(tn_counts_new(K, &out->pooled_truth));
    TN_TRY(tn_counts_new(K, &out->whole_test));
    TN_TRY(tn_counts_new(K, &out->apart));
    TN_TRY(tn_confusion_new(K, &out->own_pairs));
    TN_TRY(tn_confusion_new(K, &out->test_pairs));
    TN_TRY(tn_bootstrap_new(K, n_resamples, seed, &out->own_spread));
    return tn_bootstrap_new(K, n_resamples, seed, &out->test_spread);
}

void tn_blend_free(tn_blend *b, int n_folds) {
    for (int f = 0; b->own && b->test && f < n_folds; f++) {
        tn_counts_free(&b->own[f]);
        tn_counts_free(&b->test[f]);
    }
    tn_counts_free(&b->pooled);
    tn_counts_free(&b->pooled_truth);
    tn_counts_free(&b->whole_test);
    tn_counts_free(&b->apart);
    tn_confusion_free(&b->own_pairs);
    tn_confusion_free(&b->test_pairs);
    free(b->own);
    free(b->test);
    tn_bootstrap_free(&b->match);
    tn_bootstrap_free(&b->own_spread);
    tn_bootstrap_free(&b->test_spread);
}

/* --- over ranks --------------------------------------------------------------------------------------------------- */

static void add_counts(tn_run *run, tn_counts *c) {
    tn_sum(run, 3 * (int64_t)c->K, c->n);
}

static void add_calibration(tn_run *run, tn_calibration *c) {
    tn_sum(run, TN_CALIBRATION_BINS, c->n);
    tn_sum(run, TN_CALIBRATION_BINS, c->right);
    tn_sum(run, TN_CALIBRATION_BINS, c->confidence);
    tn_sum(run, 1, &c->nll);
}

/* n_of (R): the length of each rank's list. */
static tn_status gather_lists(tn_run *run, const int64_t *n_of, const void *list, size_t size, const char *what,
                              int64_t *n_all_out, void **all_out) {
    int64_t n_all = 0;
    for (int r = 0; r < run->n_ranks; r++) n_all += n_of[r];
    char *all = malloc((size_t)n_all * size + 1);
    tn_status st = tn_agree(run, all ? TN_OK : tn_fail_memory((size_t)n_all * size, what));
    if (st != TN_OK) {
        free(all);
        return st;
    }
    size_t done = 0;
    for (int r = 0; r < run->n_ranks; r++) {
        size_t n_bytes = (size_t)n_of[r] * size;
        if (r == run->rank && n_bytes) memcpy(all + done, list, n_bytes);
        tn_bcast(run, r, all + done, n_bytes);
        done += n_bytes;
    }
    *n_all_out = n_all;
    *all_out = all;
    return TN_OK;
}

tn_status tn_reduce_gather(tn_run *run, int64_t n, const void *list, size_t size, const char *what, int64_t *n_all_out,
                           void **all_out) {
    int64_t *n_of = malloc((size_t)run->n_ranks * sizeof *n_of);
    tn_status st = tn_agree(run, n_of ? TN_OK : tn_fail_memory(4096, what));
    if (st == TN_OK) {
        MPI_Allgather(&n, 1, MPI_INT64_T, n_of, 1, MPI_INT64_T, run->comm);
        st = gather_lists(run, n_of, list, size, what, n_all_out, all_out);
    }
    free(n_of);
    return st;
}

static tn_status add_pairs(tn_run *run, tn_confusion *c) {
    void *all = NULL;
    int64_t n = 0;
    if (tn_prow_whole(c->K)) {
        tn_sum(run, (int64_t)c->K * c->K, c->n);
        return TN_OK;
    }
    tn_confusion_sort(c);
    TN_TRY(tn_reduce_gather(run, c->n_listed, c->listed, sizeof *c->listed, "the scores", &n, &all));
    c->n_listed = 0;
    tn_status st = tn_confusion_list(c, n, all);
    tn_confusion_sort(c);
    free(all);
    return tn_agree(run, st);
}

/* for_all: will all ranks ask for intervals? Else only rank 0, which writes them, keeps the rows that are listed. */
static tn_status add_spread(tn_run *run, tn_bootstrap *b, bool for_all) {
    void *all = NULL;
    int64_t n = 0;
    if (tn_prow_whole(b->K)) {
        tn_sum(run, 3 * (int64_t)b->K * b->n, b->count);
        return TN_OK;
    }
    TN_TRY(tn_reduce_gather(run, b->n_listed, b->listed, sizeof *b->listed, "the scores", &n, &all));
    b->n_listed = 0;
    bool wanted = for_all || run->rank == 0;
    tn_status st = wanted ? tn_bootstrap_list(b, n, all) : TN_OK;
    free(all);
    if (st == TN_OK && n > 0 && wanted) st = tn_bootstrap_end(b);
    return tn_agree(run, st);
}

tn_status tn_blend_sum(tn_run *run, int n_folds, tn_blend *b) {
    for (int f = 0; f < n_folds; f++) {
        add_counts(run, &b->own[f]);
        add_counts(run, &b->test[f]);
    }
    add_counts(run, &b->pooled);
    add_counts(run, &b->pooled_truth);
    add_counts(run, &b->whole_test);
    add_counts(run, &b->apart);
    for (int i = 0; i < 2; i++) {
        add_calibration(run, &b->own_calibration[i]);
        add_calibration(run, &b->test_calibration[i]);
    }
    TN_TRY(add_pairs(run, &b->own_pairs));
    TN_TRY(add_pairs(run, &b->test_pairs));
    TN_TRY(add_spread(run, &b->match, true));
    TN_TRY(add_spread(run, &b->own_spread, false));
    return add_spread(run, &b->test_spread, false);
}
