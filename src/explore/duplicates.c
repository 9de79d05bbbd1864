/* duplicates.c - a table of groups of rows with equal or similar images, or a common given group. */
#include "explore/explore_priv.h"

#include "data/fold.h"

#include <stdlib.h>

enum { LABEL_NONE = -1, LABEL_SEVERAL = -2 };

/* Counts of a component, stored at its lowest row. */
typedef struct {
    int64_t n;
    int32_t label; /* the common label of its labelled rows; or one of LABEL_... */
    bool train, test;
} component;

static void add_row(const tn_index *ix, int64_t i, component *c) {
    if (c->n++ == 0) c->label = LABEL_NONE;
    if (c->label == LABEL_NONE)
        c->label = ix->label[i];
    else if (ix->label[i] >= 0 && ix->label[i] != c->label)
        c->label = LABEL_SEVERAL;
    tn_row_kind kind = tn_row_kind_of(ix, i);
    c->train |= kind == TN_ROW_TRAIN;
    c->test |= kind == TN_ROW_TEST;
}

/* Print one line about the components with more than one row. of: (N) each row's component; c: (N), all 0. */
static void put_line(const tn_index *ix, const char *name, const int32_t *of, component *c, FILE *out) {
    int64_t groups = 0, rows = 0, largest = 0, torn = 0, leaks = 0;
    for (int64_t i = 0; i < ix->n; i++) add_row(ix, i, &c[of[i]]);
    for (int64_t i = 0; i < ix->n; i++) {
        if (c[i].n < 2) continue;
        groups++;
        rows += c[i].n;
        if (c[i].n > largest) largest = c[i].n;
        torn += c[i].label == LABEL_SEVERAL;
        leaks += c[i].train && c[i].test;
    }
    fprintf(out, "| %s | %lld | %lld | %lld | %lld | %lld |\n", name, (long long)groups, (long long)rows,
            (long long)largest, (long long)torn, (long long)leaks);
}

static tn_status put_relation(const tn_cfg *cfg, const tn_index *ix, const char *name, unsigned same, FILE *out) {
    int32_t *of = malloc((size_t)ix->n * sizeof *of + 1);
    component *c = calloc((size_t)ix->n + 1, sizeof *c);
    tn_status st = of && c ? TN_OK : tn_fail_memory((size_t)ix->n * (sizeof *of + sizeof *c), "the duplicates");
    if (st == TN_OK) st = tn_components_find(cfg, ix, same, of);
    if (st == TN_OK) put_line(ix, name, of, c, out);
    free(c);
    free(of);
    return st;
}

/* The last line counts the components of the fold map; for rows to train on they are those of folds/certificate.txt. */
tn_status tn_explore_duplicates(const tn_cfg *cfg, const tn_index *ix, FILE *out) {
    component *c = calloc((size_t)ix->n + 1, sizeof *c);
    if (!c) return tn_fail_memory((size_t)ix->n * sizeof *c, "the duplicates");
    fprintf(out,
            "\n## Duplicates\n\nImages look alike if at most folds.duplicate_bits = %d of the 64 bits of their "
            "perceptual hashes differ.\n"
            "All rows of a group are in one fold.\n\n"
            "| rows with the same | groups | rows in them | largest | with different labels | in train and test |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: |\n",
            cfg->folds.duplicate_bits);
    tn_status st = put_relation(cfg, ix, "bytes", TN_SAME_CONTENT, out);
    if (st == TN_OK) st = put_relation(cfg, ix, "bytes or look", TN_SAME_CONTENT | TN_SAME_LOOK, out);
    if (st == TN_OK) st = put_relation(cfg, ix, "given group", TN_SAME_GROUP, out);
    if (st == TN_OK) put_line(ix, "any of these", ix->component, c, out);
    free(c);
    return st;
}
