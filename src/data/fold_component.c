/*
 * fold_component.c - finds components: rows with equal group, equal content, or equal or similar perceptual hash ("look").
 *
 * Equal keys are found by sorting; a run of equal perceptual hashes is treated as one. If two 64-bit hashes differ in at most d
 * bits, they differ in at most d / 3 bits in one of three bands (pigeonhole). So for each hash all band values within d / 3 bits
 * are looked up in a table of the hashes by that band: multi-index hashing, Norouzi, Punjani & Fleet 2012.
 */
#include "data/fold_priv.h"

#include "base/stop.h"
#include "base/watch.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t key;
    int64_t row;
} keyed;

typedef enum { BY_GROUP, BY_CONTENT, BY_LOOK, N_RELATIONS } relation;
_Static_assert(TN_SAME_GROUP == 1 << BY_GROUP && TN_SAME_CONTENT == 1 << BY_CONTENT && TN_SAME_LOOK == 1 << BY_LOOK,
               "bits");

static bool key_of(const tn_index *ix, relation by, int64_t i, uint64_t *out) {
    if (by == BY_GROUP) {
        *out = (uint64_t)ix->group[i];
        return ix->group[i] >= 0;
    }
    *out = by == BY_CONTENT ? ix->content_hash[i] : ix->perceptual_hash[i];
    return ix->state[i] == 0 && (by == BY_CONTENT || *out != 0); /* 0: a constant image, which is similar to nothing */
}

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* List the rows that have the key, sorted by it. Returns their number. out: (N). */
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

/* --- similar perceptual hashes ------------------------------------------------------------------------------------ */

enum { BANDS = 3, MOST_BITS = 8, BAND_BITS = 22, MOST_MASKS = 1 + BAND_BITS + BAND_BITS * (BAND_BITS - 1) / 2 };

/* The runs of equal hashes in a sorted list: run i is a[start[i]] .. a[start[i + 1] - 1]. */
typedef struct {
    const keyed *a;
    int64_t n;
    int64_t *start; /* (n + 1) */
} look_runs;

static uint64_t look_of(const look_runs *l, int64_t i) {
    return l->a[l->start[i]].key;
}

/* Hashes and the numbers of their runs, sorted by one band: those with value v are look[first[v]] .. look[first[v + 1] - 1], in
 * ascending order of runs. */
typedef struct {
    int shift, width;
    keyed *look;    /* (n runs) */
    int64_t *first; /* (2^BAND_BITS + 1) */
} band_table;

static uint64_t band_of(const band_table *t, uint64_t look) {
    return look >> t->shift & ((1ULL << t->width) - 1);
}

static void table_fill(const look_runs *l, band_table *t) {
    int64_t n_values = (int64_t)1 << t->width;
    memset(t->first, 0, (size_t)(n_values + 1) * sizeof *t->first);
    for (int64_t i = 0; i < l->n; i++) t->first[band_of(t, look_of(l, i)) + 1]++;
    for (int64_t v = 0; v < n_values; v++) t->first[v + 1] += t->first[v];
    for (int64_t i = l->n; i-- > 0;) /* from the end, after which first[v + 1] is the beginning of v */
        t->look[--t->first[band_of(t, look_of(l, i)) + 1]] = (keyed){look_of(l, i), i};
    memmove(t->first, t->first + 1, (size_t)n_values * sizeof *t->first);
    t->first[n_values] = l->n;
}

/* List all masks of `width` bits with at most `most` bits set, most <= 2. Returns their number. */
static int masks_of(int width, int most, uint32_t mask[MOST_MASKS]) {
    int n = 0;
    mask[n++] = 0;
    for (int i = 0; most > 0 && i < width; i++) {
        mask[n++] = 1U << i;
        for (int j = 0; most > 1 && j < i; j++) mask[n++] = 1U << i | 1U << j;
    }
    return n;
}

/* Called for a pair of runs a < b. */
typedef void (*pair_visit)(void *context, const look_runs *l, int64_t a, int64_t b);

static void look_around(const look_runs *l, const band_table *t, int n_masks, const uint32_t *mask, int bits, int64_t i,
                        pair_visit visit, void *context) {
    uint64_t look = look_of(l, i), value = band_of(t, look);
    for (int m = 0; m < n_masks; m++)
        for (int64_t at = t->first[value ^ mask[m]], end = t->first[(value ^ mask[m]) + 1]; at < end; at++)
            if (t->look[at].row > i && __builtin_popcountll(look ^ t->look[at].key) <= bits)
                visit(context, l, i, t->look[at].row);
}

static tn_status visit_bands(const look_runs *l, int bits, band_table *t, pair_visit visit, void *context) {
    uint32_t mask[MOST_MASKS];
    int enough = 64 - __builtin_clzll((uint64_t)l->n | 1); /* 2^enough > n: table size of about one entry per run */
    for (int b = 0; b < BANDS; b++) {
        int most = bits / BANDS - (b > bits % BANDS); /* the sum over bands of most + 1 is bits + 1 */
        if (most < 0) continue;
        t->shift = 64 * b / BANDS;
        t->width = 64 * (b + 1) / BANDS - t->shift;
        if (t->width > enough) t->width = enough;
        table_fill(l, t);
        int n_masks = masks_of(t->width, most, mask);
        for (int64_t i = 0; i < l->n; i++) {
            if (tn_stop_wanted())
                return tn_fail(TN_EUNFINISHED, "the fold map: stopped on request: run the same command again");
            if (i % 1024 == 0) tn_watch_at("pairs of similar images", i);
            look_around(l, t, n_masks, mask, bits, i, visit, context);
        }
    }
    return TN_OK;
}

/* Call visit for every pair of runs whose hashes differ in 1 to `bits` bits; a pair may be visited more than once. a: (n), sorted by
 * hash. Errors TN_ENOMEM, TN_EUNFINISHED. */
static tn_status near_pairs(int bits, const keyed *a, int64_t n, pair_visit visit, void *context) {
    _Static_assert(MOST_BITS / BANDS <= 2, "masks_of lists masks of at most two bits");
    if (bits == 0) return TN_OK;
    TN_ASSERT(bits <= MOST_BITS);
    look_runs l = {.a = a, .start = malloc((size_t)(n + 1) * sizeof *l.start)};
    band_table t = {.look = malloc((size_t)n * sizeof *t.look + 1),
                    .first = malloc((((size_t)1 << BAND_BITS) + 1) * sizeof *t.first)};
    tn_status st = l.start && t.look && t.first ? TN_OK : tn_fail_memory((size_t)n * 24, "the fold map");
    for (int64_t from = 0; st == TN_OK && from < n; from = run_end(a, n, from)) l.start[l.n++] = from;
    if (st == TN_OK) {
        l.start[l.n] = n;
        st = visit_bands(&l, bits, &t, visit, context);
    }
    free(l.start);
    free(t.look);
    free(t.first);
    return st;
}

/* --- components: union-find with the lowest row as root ----------------------------------------------------------- */

static int32_t root_of(int32_t *parent, int32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static void join(int32_t *parent, int64_t a, int64_t b) {
    int32_t x = root_of(parent, (int32_t)a), y = root_of(parent, (int32_t)b);
    if (x < y)
        parent[y] = x;
    else
        parent[x] = y;
}

static void join_runs(void *parent, const look_runs *l, int64_t a, int64_t b) {
    join(parent, l->a[l->start[a]].row, l->a[l->start[b]].row);
}

tn_status tn_components_find(const tn_cfg *cfg, const tn_index *ix, unsigned same, int32_t *out) {
    keyed *a = malloc((size_t)ix->n * sizeof *a + 1);
    tn_status st = a ? TN_OK : tn_fail_memory((size_t)ix->n * sizeof *a, "the fold map");
    for (int64_t i = 0; i < ix->n; i++) out[i] = (int32_t)i;
    for (int by = 0; st == TN_OK && by < N_RELATIONS; by++) {
        if (!(same >> by & 1)) continue;
        int64_t n = sorted_by(ix, (relation)by, a);
        for (int64_t i = 1; i < n; i++)
            if (a[i].key == a[i - 1].key) join(out, a[i - 1].row, a[i].row);
        if (by == BY_LOOK) st = near_pairs(cfg->folds.duplicate_bits, a, n, join_runs, out);
    }
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) out[i] = root_of(out, (int32_t)i);
    free(a);
    return st;
}

/* --- leakage ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const tn_index *ix;
    int64_t across;
    uint8_t *beside_test; /* (N) 0/1: trainable rows in a component with a test row */
} leakage;

/* The first trainable row among a[from .. to - 1], which have one key; -1: none. */
static int64_t first_trainable(const leakage *l, const keyed *a, int64_t from, int64_t to) {
    while (from < to && !tn_trainable(l->ix, a[from].row)) from++;
    return from < to ? a[from].row : -1;
}

static bool has_test(const leakage *l, const keyed *a, int64_t from, int64_t to) {
    while (from < to && !l->ix->is_test[a[from].row]) from++;
    return from < to;
}

static void mark_beside_test(leakage *l, const keyed *a, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++)
        if (tn_trainable(l->ix, a[i].row)) l->beside_test[a[i].row] = 1;
}

/* Count the rows of a run that are in another fold than its first trainable row. */
static void look_at_run(leakage *l, const keyed *a, int64_t from, int64_t to, int64_t *count) {
    int64_t first = first_trainable(l, a, from, to);
    for (int64_t i = from; i < to; i++)
        *count += tn_trainable(l->ix, a[i].row) && l->ix->fold[a[i].row] != l->ix->fold[first];
    if (has_test(l, a, from, to)) mark_beside_test(l, a, from, to);
}

/* Two runs with similar hashes: compare their first trainable rows; look_at_run compares the others with these. */
static void look_at_runs(void *context, const look_runs *runs, int64_t x, int64_t y) {
    leakage *l = context;
    const keyed *a = runs->a;
    const int64_t *start = runs->start;
    int64_t row_x = first_trainable(l, a, start[x], start[x + 1]),
            row_y = first_trainable(l, a, start[y], start[y + 1]);
    if (row_x >= 0 && row_y >= 0 && l->ix->fold[row_x] != l->ix->fold[row_y]) l->across++;
    if (has_test(l, a, start[x], start[x + 1])) mark_beside_test(l, a, start[y], start[y + 1]);
    if (has_test(l, a, start[y], start[y + 1])) mark_beside_test(l, a, start[x], start[x + 1]);
}

tn_status tn_leakage_count(const tn_cfg *cfg, const tn_index *ix, tn_fold_certificate *cert) {
    keyed *a = malloc((size_t)ix->n * sizeof *a + 1);
    leakage l = {.ix = ix, .beside_test = calloc((size_t)ix->n + 1, 1)};
    tn_status st = a && l.beside_test ? TN_OK : tn_fail_memory((size_t)ix->n * (sizeof *a + 1), "the fold map");
    cert->groups_across = cert->duplicates_across = cert->test_duplicates = 0;
    for (int by = 0; st == TN_OK && by < N_RELATIONS; by++) {
        int64_t n = sorted_by(ix, (relation)by, a);
        for (int64_t from = 0, to; from < n; from = to) {
            to = run_end(a, n, from);
            look_at_run(&l, a, from, to, by == BY_GROUP ? &cert->groups_across : &cert->duplicates_across);
        }
        if (by == BY_LOOK) st = near_pairs(cfg->folds.duplicate_bits, a, n, look_at_runs, &l);
    }
    cert->duplicates_across += l.across;
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) cert->test_duplicates += l.beside_test[i];
    free(a);
    free(l.beside_test);
    return st;
}
