/*
 * fold_kin.c - rows that must not be torn apart: same group, same content, same or nearly the same look.
 *
 * Equal keys are found by sorting. Hashes that differ in at most d of 64 bits agree in at least one of d + 1 bands of
 * bits (pigeonhole), so that only rows of one band value are compared (Norouzi, Punjani & Fleet 2012).
 */
#include "data/fold_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t key;
    int64_t row;
} keyed;

typedef enum { BY_GROUP, BY_CONTENT, BY_LOOK, N_RELATIONS } relation;

static bool key_of(const tn_index *ix, relation by, int64_t i, uint64_t *out) {
    if (by == BY_GROUP) {
        *out = (uint64_t)ix->group[i];
        return ix->group[i] >= 0;
    }
    *out = by == BY_CONTENT ? ix->content_hash[i] : ix->perceptual_hash[i];
    return ix->state[i] == 0 && (by == BY_CONTENT || *out != 0); /* the look of a constant image says nothing */
}

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Rows that have the key, sorted by it; returns how many. out: (N). */
static int64_t sorted_by(const tn_index *ix, relation by, keyed *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < ix->n; i++) {
        uint64_t key;
        if (key_of(ix, by, i, &key)) out[n++] = (keyed){key, i};
    }
    qsort(out, (size_t)n, sizeof *out, by_key);
    return n;
}

static int64_t run_end(const keyed *a, int64_t n, int64_t from) {
    int64_t to = from + 1;
    while (to < n && a[to].key == a[from].key) to++;
    return to;
}

/* Calls visit for every pair of rows whose looks differ in 1 to `bits` bits (a pair may come twice). band: (N). */
typedef void (*pair_visit)(void *context, int64_t a, int64_t b);
static void near_pairs(const tn_index *ix, int bits, const keyed *look, int64_t n, keyed *band, pair_visit visit,
                       void *context) {
    int n_bands = bits + 1;
    for (int b = 0; bits > 0 && b < n_bands; b++) {
        int first = 64 * b / n_bands, width = 64 * (b + 1) / n_bands - first;
        for (int64_t i = 0; i < n; i++) band[i] = (keyed){look[i].key >> first & ((1ULL << width) - 1), look[i].row};
        qsort(band, (size_t)n, sizeof *band, by_key);
        for (int64_t from = 0, to; from < n; from = to) {
            to = run_end(band, n, from);
            for (int64_t i = from; i < to; i++)
                for (int64_t j = i + 1; j < to; j++) {
                    uint64_t x = ix->perceptual_hash[band[i].row] ^ ix->perceptual_hash[band[j].row];
                    if (x && __builtin_popcountll(x) <= bits) visit(context, band[i].row, band[j].row);
                }
        }
    }
}

/* --- components: union-find with the lowest row as root ----------------------------------------------------------- */

static int32_t root_of(int32_t *parent, int32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static void join(void *context, int64_t a, int64_t b) {
    int32_t *parent = context;
    int32_t x = root_of(parent, (int32_t)a), y = root_of(parent, (int32_t)b);
    if (x < y)
        parent[y] = x;
    else
        parent[x] = y;
}

tn_status tn_components_find(const tn_cfg *cfg, tn_index *ix) {
    keyed *a = malloc((size_t)ix->n * sizeof *a + 1), *band = malloc((size_t)ix->n * sizeof *band + 1);
    tn_status st = a && band ? TN_OK : tn_fail_memory((size_t)ix->n * 32, "the fold map");
    for (int64_t i = 0; i < ix->n; i++) ix->component[i] = (int32_t)i;
    for (int by = 0; st == TN_OK && by < N_RELATIONS; by++) {
        int64_t n = sorted_by(ix, (relation)by, a);
        for (int64_t i = 1; i < n; i++)
            if (a[i].key == a[i - 1].key) join(ix->component, a[i - 1].row, a[i].row);
        if (by == BY_LOOK) near_pairs(ix, cfg->folds.duplicate_bits, a, n, band, join, ix->component);
    }
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) ix->component[i] = root_of(ix->component, (int32_t)i);
    free(a);
    free(band);
    return st;
}

/* --- leakage ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const tn_index *ix;
    int64_t across;
    uint8_t *beside_test; /* (N) trainable rows with a test row as kin */
} leakage;

static void look_at_pair(void *context, int64_t a, int64_t b) {
    leakage *l = context;
    bool ta = tn_trainable(l->ix, a), tb = tn_trainable(l->ix, b);
    if (ta && tb && l->ix->fold[a] != l->ix->fold[b]) l->across++;
    if (ta && l->ix->is_test[b]) l->beside_test[a] = 1;
    if (tb && l->ix->is_test[a]) l->beside_test[b] = 1;
}

/* Rows of one run of equal keys that lie in another fold than its first trainable row. */
static int64_t look_at_run(leakage *l, const keyed *a, int64_t from, int64_t to) {
    int64_t first = -1, across = 0;
    bool has_test = false;
    for (int64_t i = from; i < to; i++) has_test |= l->ix->is_test[a[i].row] != 0;
    for (int64_t i = from; i < to; i++) {
        int64_t row = a[i].row;
        if (!tn_trainable(l->ix, row)) continue;
        if (first < 0) first = row;
        across += l->ix->fold[row] != l->ix->fold[first];
        if (has_test) l->beside_test[row] = 1;
    }
    return across;
}

tn_status tn_leakage_count(const tn_cfg *cfg, const tn_index *ix, tn_fold_certificate *cert) {
    keyed *a = malloc((size_t)ix->n * sizeof *a + 1), *band = malloc((size_t)ix->n * sizeof *band + 1);
    leakage l = {.ix = ix, .beside_test = calloc((size_t)ix->n + 1, 1)};
    tn_status st = a && band && l.beside_test ? TN_OK : tn_fail_memory((size_t)ix->n * 33, "the fold map");
    cert->groups_across = cert->duplicates_across = cert->test_duplicates = 0;
    for (int by = 0; st == TN_OK && by < N_RELATIONS; by++) {
        int64_t n = sorted_by(ix, (relation)by, a),
                *count = by == BY_GROUP ? &cert->groups_across : &cert->duplicates_across;
        for (int64_t from = 0, to; from < n; from = to) {
            to = run_end(a, n, from);
            *count += look_at_run(&l, a, from, to);
        }
        if (by == BY_LOOK) near_pairs(ix, cfg->folds.duplicate_bits, a, n, band, look_at_pair, &l);
    }
    cert->duplicates_across += l.across;
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) cert->test_duplicates += l.beside_test[i];
    free(a);
    free(band);
    free(l.beside_test);
    return st;
}
