/* reduce_sample.c - the sample of out-of-fold rows to tune on: all rows of rare classes, some rows of the others. */
#include "reduce/reduce_priv.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* The most rows per class: the largest q with sum over classes of min(n_k, q) <= n_wanted. */
static int64_t quota(const tn_table_counts *counts, int K, int64_t n_wanted) {
    int64_t low = 0, high = n_wanted;
    while (low < high) {
        int64_t q = low + (high - low + 1) / 2, n = 0;
        for (int k = 0; k < K; k++) n += counts->trainable[k] < q ? counts->trainable[k] : q;
        if (n <= n_wanted)
            low = q;
        else
            high = q - 1;
    }
    return low;
}

void tn_sample_begin(const tn_table_counts *counts, int n_groups, int K, int64_t n_wanted, tn_sample *out) {
    int64_t q = quota(counts, K, n_wanted);
    *out = (tn_sample){.n_groups = n_groups, .K = K};
    for (int k = 0; k < K; k++)
        out->share[k] = counts->trainable[k] <= q ? 1 : (double)q / (double)counts->trainable[k];
}

bool tn_sample_wants(const tn_sample *s, uint64_t seed, int64_t row, int32_t label) {
    if (s->share[label] >= 1) return true;
    tn_rng rng = tn_rng_at(seed, TN_STREAM_TUNE, (uint64_t)row, 0);
    return tn_rng_uniform(&rng) < s->share[label];
}

static bool resize(void *at, size_t n, size_t size) {
    void *old, *more;
    memcpy(&old, at, sizeof old);
    more = realloc(old, n * size + 1);
    if (more) memcpy(at, &more, sizeof more);
    return more != NULL;
}

tn_status tn_sample_add(tn_sample *s, int64_t row, int32_t label, int fold, int32_t value, float **p_out) {
    size_t floats = (size_t)s->n_groups * (size_t)tn_prow_width(s->K);
    if (s->n == s->room) {
        size_t room = s->room ? 2 * (size_t)s->room : 1024;
        bool ok = resize(&s->row, room, sizeof *s->row) && resize(&s->label, room, sizeof *s->label) &&
                  resize(&s->fold, room, sizeof *s->fold) && resize(&s->value, room, sizeof *s->value) &&
                  resize(&s->p, room * floats, sizeof *s->p);
        if (!ok) return tn_fail_memory(room * floats * sizeof *s->p, "the rows to tune on: lower reduce.tune_rows");
        s->room = (int64_t)room;
    }
    s->row[s->n] = row;
    s->label[s->n] = label;
    s->fold[s->n] = fold;
    s->value[s->n] = value;
    *p_out = s->p + (size_t)s->n * floats;
    memset(*p_out, 0, floats * sizeof **p_out);
    s->n++;
    return TN_OK;
}

void tn_sample_free(tn_sample *s) {
    void *all[] = {s->row, s->label, s->fold, s->value, s->p};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *s = (tn_sample){.n = 0};
}

/* --- over ranks --------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t row, from;
} place;

static int by_row(const void *a, const void *b) {
    int64_t x = ((const place *)a)->row, y = ((const place *)b)->row;
    return (x > y) - (x < y);
}

static const char *const WHAT = "the rows to tune on: lower reduce.tune_rows";

/* Replace an array of this rank's n rows by that of all ranks' rows, rank by rank. at: pointer to the array. Collective. */
static tn_status gather(tn_run *run, void *at, int64_t n, size_t size, int64_t *n_all_out) {
    void *mine, *all = NULL;
    memcpy(&mine, at, sizeof mine);
    TN_TRY(tn_reduce_gather(run, n, mine, size, WHAT, n_all_out, &all));
    free(mine);
    memcpy(at, &all, sizeof all);
    return TN_OK;
}

/* This does the same in this order. Collective. */
static tn_status gather_by(tn_run *run, void *at, int64_t n, size_t size, const place *order) {
    int64_t n_all = 0;
    TN_TRY(gather(run, at, n, size, &n_all));
    char *all, *sorted = malloc((size_t)n_all * size + 1);
    TN_TRY(tn_agree(run, sorted ? TN_OK : tn_fail_memory((size_t)n_all * size, WHAT)));
    memcpy(&all, at, sizeof all);
    for (int64_t i = 0; i < n_all; i++) memcpy(sorted + (size_t)i * size, all + (size_t)order[i].from * size, size);
    free(all);
    memcpy(at, &sorted, sizeof sorted);
    return TN_OK;
}

static tn_status gather_all(tn_run *run, tn_sample *s, int64_t n_all, place *order) {
    for (int64_t i = 0; i < n_all; i++) order[i] = (place){s->row[i], i};
    qsort(order, (size_t)n_all, sizeof *order, by_row);
    for (int64_t i = 0; i < n_all; i++) s->row[i] = order[i].row;
    TN_TRY(gather_by(run, &s->label, s->n, sizeof *s->label, order));
    TN_TRY(gather_by(run, &s->fold, s->n, sizeof *s->fold, order));
    TN_TRY(gather_by(run, &s->value, s->n, sizeof *s->value, order));
    TN_TRY(gather_by(run, &s->p, s->n, (size_t)s->n_groups * (size_t)tn_prow_width(s->K) * sizeof *s->p, order));
    s->n = s->room = n_all;
    return TN_OK;
}

tn_status tn_sample_gather(tn_run *run, tn_sample *s) {
    int64_t n_all = 0;
    TN_TRY(gather(run, &s->row, s->n, sizeof *s->row, &n_all));
    place *order = malloc((size_t)n_all * sizeof *order + 1);
    tn_status st = tn_agree(run, order ? TN_OK : tn_fail_memory((size_t)n_all * sizeof *order, WHAT));
    if (st == TN_OK) st = gather_all(run, s, n_all, order);
    free(order);
    return st;
}
