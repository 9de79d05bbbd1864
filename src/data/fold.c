/* fold.c - assigns components to folds; validation slices. */
#include "data/fold_priv.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* A component with trainable rows. */
typedef struct {
    int32_t root;
    int32_t n;     /* trainable rows */
    int32_t order; /* index in the Philox permutation */
    int32_t first; /* index of its first row in member */
} component;

typedef struct {
    int64_t n;
    component *part; /* (n) */
    int32_t *member; /* trainable rows, sorted by component */
} component_list;

static void component_free(component_list *k) {
    free(k->part);
    free(k->member);
}

/* List the components of the rows with take != 0; their order is a permutation drawn from r. */
static tn_status component_new(const tn_index *ix, const uint8_t *take, tn_rng *r, component_list *out) {
    int32_t *count = calloc((size_t)ix->n + 1, sizeof *count), *place = malloc((size_t)ix->n * sizeof *place + 1);
    *out = (component_list){.part = malloc((size_t)ix->n * sizeof(component) + 1),
                            .member = malloc((size_t)ix->n * sizeof(int32_t) + 1)};
    int64_t *permutation = malloc((size_t)ix->n * sizeof *permutation + 1);
    tn_status st = TN_OK;
    if (!count || !place || !out->part || !out->member || !permutation) {
        st = tn_fail_memory((size_t)ix->n * 32, "the fold map");
    } else {
        int32_t first = 0;
        for (int64_t i = 0; i < ix->n; i++) count[ix->component[i]] += take[i];
        for (int64_t i = 0; i < ix->n; i++) {
            if (count[i] == 0) continue;
            place[i] = (int32_t)out->n;
            out->part[out->n++] = (component){.root = (int32_t)i, .first = first};
            first += count[i];
        }
        for (int64_t i = 0; i < ix->n; i++) {
            if (!take[i]) continue;
            component *k = &out->part[place[ix->component[i]]];
            out->member[k->first + k->n++] = (int32_t)i;
        }
        for (int64_t i = 0; i < out->n; i++) permutation[i] = i;
        tn_rng_shuffle(r, out->n, permutation);
        for (int64_t i = 0; i < out->n; i++) out->part[i].order = (int32_t)permutation[i];
    }
    free(count);
    free(place);
    free(permutation);
    if (st != TN_OK) component_free(out);
    return st;
}

/* The classes of a component's rows. All fields are 0 before the first use. */
typedef struct {
    int n;
    int32_t class[TN_MAX_CLASSES]; /* (n): the classes that occur */
    int64_t count[TN_MAX_CLASSES]; /* rows by class, 0 for all others */
} class_counts;

/* Costs time by rows, not by classes: most components are single rows. */
static void classes_of(const tn_index *ix, const component_list *list, const component *k, class_counts *out) {
    for (int i = 0; i < out->n; i++) out->count[out->class[i]] = 0;
    out->n = 0;
    for (int32_t i = 0; i < k->n; i++) {
        int32_t label = ix->label[list->member[k->first + i]];
        if (out->count[label]++ == 0) out->class[out->n++] = label;
    }
}

/* --- assigning folds ---------------------------------------------------------------------------------------------- */

static int larger_first(const void *a, const void *b) {
    const component *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* The fold where adding the component increases the sum of squared class counts least. This also minimises the squared distances to
 * N_class / F, because both sums differ by a constant. */
static int choose_fold(const int64_t *in_fold, const int64_t *size, int F, int K, const class_counts *c) {
    int best = 0;
    int64_t least = 0;
    for (int f = 0; f < F; f++) {
        int64_t increase = 0;
        for (int i = 0; i < c->n; i++)
            increase += c->count[c->class[i]] * (2 * in_fold[f * K + c->class[i]] + c->count[c->class[i]]);
        if (f == 0 || increase < least || (increase == least && size[f] < size[best])) {
            best = f;
            least = increase;
        }
    }
    return best;
}

static tn_status deal(tn_index *ix, const component_list *list, int F) {
    int K = ix->n_classes;
    int64_t size[TN_MAX_FOLDS] = {0}, *in_fold = calloc((size_t)F * (size_t)K, sizeof *in_fold); /* (F,K) */
    class_counts c = {.n = 0};
    if (!in_fold) return tn_fail_memory((size_t)F * (size_t)K * sizeof *in_fold, "the fold map");
    for (int64_t i = 0; i < list->n; i++) {
        const component *k = &list->part[i];
        classes_of(ix, list, k, &c);
        int f = choose_fold(in_fold, size, F, K, &c);
        for (int32_t j = 0; j < k->n; j++) ix->fold[list->member[k->first + j]] = f;
        for (int j = 0; j < c.n; j++) in_fold[f * K + c.class[j]] += c.count[c.class[j]];
        size[f] += k->n;
    }
    free(in_fold);
    return TN_OK;
}

static tn_status check_class(const tn_cfg *cfg, const char *name, int64_t n_rows, int64_t n_parts) {
    const char *file = cfg->data.metadata;
    if (n_parts >= cfg->folds.count) return TN_OK;
    if (n_rows == 0)
        return tn_fail(TN_EARG, "%s: class %s has no row to train on: give rows of it, or take it out of data.classes",
                       file, name);
    return tn_fail(TN_EARG,
                   "%s: class %s has %lld labelled rows in %lld group%s, fewer than folds.count = %d: every fold needs "
                   "one; %sgive more rows of it, or take it out of data.classes",
                   file, name, (long long)n_rows, (long long)n_parts, n_parts == 1 ? "" : "s", cfg->folds.count,
                   n_parts >= 3 ? "lower folds.count, " : "");
}

static tn_status enough_of_each(const tn_cfg *cfg, const tn_index *ix, const component_list *list) {
    int64_t rows[TN_MAX_CLASSES] = {0}, parts[TN_MAX_CLASSES] = {0};
    class_counts c = {.n = 0};
    for (int64_t i = 0; i < list->n; i++) {
        classes_of(ix, list, &list->part[i], &c);
        for (int j = 0; j < c.n; j++) {
            rows[c.class[j]] += c.count[c.class[j]];
            parts[c.class[j]]++;
        }
    }
    for (int k = 0; k < ix->n_classes; k++) TN_TRY(check_class(cfg, ix->class_name[k], rows[k], parts[k]));
    return TN_OK;
}

/* The rows of a class, and its groups; counting stops at the number of folds. */
typedef struct {
    int64_t n_rows;
    int n_parts, n_groups;
    const char *group[TN_MAX_FOLDS];
} class_groups;

static void count_row(class_groups *c, const char *group, int n_folds) {
    c->n_rows++;
    if (c->n_parts == n_folds) return;
    for (int i = 0; i < c->n_groups && *group; i++)
        if (strcmp(c->group[i], group) == 0) return;
    if (*group) c->group[c->n_groups++] = group;
    c->n_parts++;
}

static tn_status no_row(const tn_cfg *cfg, const tn_meta *m) {
    bool column = tn_csv_column(m->table, "label") >= 0;
    return tn_fail(TN_EARG, "%s: no row can be trained on: %s", cfg->data.metadata,
                   column ? "each has an empty label or the split `test`" : "the header names no column `label`");
}

tn_status tn_fold_foresee(const tn_cfg *cfg, const tn_meta *m) {
    class_groups *of = calloc((size_t)cfg->data.n_classes, sizeof *of);
    if (!of) return tn_fail_memory((size_t)cfg->data.n_classes * sizeof *of, "the groups");
    int64_t n = 0;
    for (int64_t i = 0; i < m->n; i++) {
        if (m->label[i] < 0 || m->is_test[i]) continue;
        count_row(&of[m->label[i]], m->group ? m->group[i] : "", cfg->folds.count);
        n++;
    }
    tn_status st = n > 0 ? TN_OK : no_row(cfg, m);
    for (int k = 0; k < cfg->data.n_classes && st == TN_OK; k++)
        st = check_class(cfg, cfg->data.classes[k], of[k].n_rows, of[k].n_parts);
    free(of);
    return st;
}

tn_status tn_table_check(const tn_cfg *cfg) {
    tn_meta *m = NULL;
    TN_TRY(tn_meta_read(cfg, &m));
    tn_status st = tn_fold_foresee(cfg, m);
    tn_meta_free(&m);
    return st;
}

static void find_largest(const component_list *list, tn_fold_certificate *c) {
    int64_t n_rows = 0;
    const component *largest = NULL;
    for (int64_t i = 0; i < list->n; i++) n_rows += list->part[i].n;
    for (int64_t i = 0; i < list->n; i++) {
        if (!largest || list->part[i].n > largest->n) largest = &list->part[i];
        c->n_large += list->part[i].n > 1 && list->part[i].n > n_rows / 100;
    }
    c->n_components = list->n;
    c->largest_component = largest ? largest->n : 0;
    c->largest_row = largest ? largest->root : -1;
}

tn_status tn_fold_assign(const tn_cfg *cfg, tn_index *ix, tn_fold_certificate *cert_out) {
    *cert_out = (tn_fold_certificate){.n_components = 0};
    if (cfg->folds.count < 3) return tn_fail(TN_EARG, "folds.count = %d: give 3 or more", cfg->folds.count);
    TN_TRY(tn_components_find(cfg, ix, TN_SAME_ANY, ix->component));
    ix->n_folds = cfg->folds.count;
    uint8_t *take = calloc((size_t)ix->n + 1, 1);
    if (!take) return tn_fail_memory((size_t)ix->n, "the fold map");
    for (int64_t i = 0; i < ix->n; i++) {
        take[i] = tn_trainable(ix, i);
        ix->fold[i] = ix->state[i] ? TN_FOLD_QUARANTINED : TN_FOLD_NONE;
    }
    component_list list = {.n = 0};
    tn_rng r = tn_rng_at((uint64_t)cfg->folds.seed, TN_STREAM_FOLD, 0, 0);
    tn_status st = component_new(ix, take, &r, &list);
    free(take);
    if (st != TN_OK) return st;
    st = enough_of_each(cfg, ix, &list);
    if (st == TN_OK) {
        qsort(list.part, (size_t)list.n, sizeof *list.part, larger_first);
        st = deal(ix, &list, cfg->folds.count);
        find_largest(&list, cert_out);
        if (st == TN_OK) st = tn_leakage_count(cfg, ix, cert_out);
    }
    component_free(&list);
    return st;
}

tn_status tn_fold_check(const tn_cfg *cfg, int n_folds) {
    return n_folds == cfg->folds.count
               ? TN_OK
               : tn_fail(TN_EARG,
                         "%s/folds: was made with %d folds, but folds.count = %d: set folds.count = %d, or use another "
                         "folder (--run DIR)",
                         cfg->run_dir, n_folds, cfg->folds.count, n_folds);
}

/* --- validation slice --------------------------------------------------------------------------------------------- */

static int permutation_order(const void *a, const void *b) {
    const component *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

/* Add component k to the slice, and subtract its rows from what is still wanted of each class. */
static void take_component(const component_list *list, const component *k, const class_counts *c, int64_t *wanted,
                           uint8_t *is_validation) {
    for (int32_t j = 0; j < k->n; j++) is_validation[list->member[k->first + j]] = 1;
    for (int i = 0; i < c->n; i++) wanted[c->class[i]] -= c->count[c->class[i]];
}

/* How many of the rows are still wanted. */
static int64_t useful_rows(const class_counts *c, const int64_t *wanted) {
    int64_t n = 0;
    for (int i = 0; i < c->n; i++) {
        int64_t count = c->count[c->class[i]], left = wanted[c->class[i]];
        n += left <= 0 ? 0 : count < left ? count : left;
    }
    return n;
}

static void fill_slice(const tn_index *ix, component_list *list, double share, uint8_t *is_validation) {
    int K = ix->n_classes;
    int64_t wanted[TN_MAX_CLASSES] = {0};
    class_counts c = {.n = 0};
    for (int64_t i = 0; i < list->n; i++)
        for (int32_t j = 0; j < list->part[i].n; j++) wanted[ix->label[list->member[list->part[i].first + j]]]++;
    for (int k = 0; k < K; k++) {
        int64_t all = wanted[k];
        wanted[k] = (int64_t)(share * (double)all + 0.5);
        if (wanted[k] == 0 && all > 1) wanted[k] = 1;
    }
    qsort(list->part, (size_t)list->n, sizeof *list->part, permutation_order);
    for (int64_t i = 0; i < list->n; i++) { /* take a component if at least half of its rows are still wanted */
        const component *k = &list->part[i];
        classes_of(ix, list, k, &c);
        int64_t useful = useful_rows(&c, wanted);
        if (2 * useful >= k->n && useful > 0) take_component(list, k, &c, wanted, is_validation);
    }
}

tn_status tn_validation_draw(const tn_cfg *cfg, const tn_index *ix, int f, uint8_t *is_validation) {
    memset(is_validation, 0, (size_t)ix->n);
    if (cfg->folds.validation == TN_VALIDATION_HELD_OUT) {
        for (int64_t i = 0; i < ix->n; i++) is_validation[i] = ix->fold[i] == f;
        return TN_OK;
    }
    uint8_t *take = calloc((size_t)ix->n + 1, 1);
    if (!take) return tn_fail_memory((size_t)ix->n, "the validation slice");
    for (int64_t i = 0; i < ix->n; i++) take[i] = ix->fold[i] >= 0 && ix->fold[i] != f;
    component_list list = {.n = 0};
    tn_rng r = tn_rng_at((uint64_t)cfg->folds.seed, TN_STREAM_VALIDATION, (uint64_t)f, 0);
    tn_status st = component_new(ix, take, &r, &list);
    free(take);
    if (st != TN_OK) return st;
    fill_slice(ix, &list, cfg->folds.validation_share, is_validation);
    component_free(&list);
    return TN_OK;
}
