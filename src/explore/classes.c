/* classes.c - tables of rows by class, fold and kind, by value of each category column, and of how many levels help. */
#include "explore/explore_priv.h"

#include "cfg/shown.h"
#include "explore/levels.h"

#include <stdlib.h>

/* End the header line, and print the rule below it. */
static void put_rule(FILE *out, int n_numbers) {
    fputs("|\n| --- |", out);
    for (int i = 0; i < n_numbers; i++) fputs(" ---: |", out);
    fputc('\n', out);
}

/* --- classes ------------------------------------------------------------------------------------------------------ */

/* The column where a row is counted: its fold, or its kind. */
static int column_of(const tn_index *ix, int64_t row) {
    tn_row_kind kind = tn_row_kind_of(ix, row);
    return kind == TN_ROW_TRAIN ? ix->fold[row] : ix->n_folds + (int)kind - 1;
}

static void put_class(const tn_index *ix, const char *name, const int64_t *count, int64_t all_train, FILE *out) {
    int F = ix->n_folds, n = F + TN_ROW_KINDS - 1;
    int64_t rows = 0, train = 0;
    for (int c = 0; c < n; c++) {
        rows += count[c];
        train += c < F ? count[c] : 0;
    }
    tn_explore_cell(out, name);
    fprintf(out, "| %lld | %lld ", (long long)rows, (long long)train);
    tn_explore_share(out, train, all_train);
    for (int c = 0; c < n; c++) fprintf(out, "| %lld ", (long long)count[c]);
    fputs("|\n", out);
}

tn_status tn_explore_classes(const tn_index *ix, FILE *out) {
    int K = ix->n_classes, F = ix->n_folds, n = F + TN_ROW_KINDS - 1; /* lines: K classes, no label, all */
    int64_t train = 0, *count = calloc((size_t)(K + 2) * (size_t)n, sizeof *count);
    if (!count) return tn_fail_memory((size_t)(K + 2) * (size_t)n * sizeof *count, "the classes");
    for (int64_t i = 0; i < ix->n; i++) {
        int line = ix->label[i] < 0 ? K : ix->label[i], column = column_of(ix, i);
        count[line * n + column]++;
        count[(K + 1) * n + column]++;
        train += column < F;
    }
    fputs("\n## Classes\n\n| class | rows | to train on | share ", out);
    for (int f = 0; f < F; f++) fprintf(out, "| fold %d ", f);
    fputs("| test | unlabelled | quarantined ", out);
    put_rule(out, n + 3);
    for (int k = 0; k < K; k++) put_class(ix, ix->class_name[k], count + k * n, train, out);
    put_class(ix, "(no label)", count + K * n, train, out);
    put_class(ix, "(all)", count + (K + 1) * n, train, out);
    free(count);
    return TN_OK;
}

/* --- categories --------------------------------------------------------------------------------------------------- */

enum { MOST_VALUES = 10 };

typedef struct {
    int32_t value;
    int64_t n; /* rows to train on */
} value_count;

static int more_rows_first(const void *a, const void *b) {
    const value_count *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

/* The classes that have columns. */
typedef struct {
    int n, class[TN_MOST_SHOWN];
} columns;

/* Those with the most rows to train on. */
static columns choose_columns(const tn_index *ix) {
    double key[TN_MAX_CLASSES] = {0};
    columns c = {.n = 0};
    for (int64_t i = 0; i < ix->n; i++)
        if (tn_row_kind_of(ix, i) == TN_ROW_TRAIN) key[ix->label[i]]++;
    c.n = tn_shown(ix->n_classes, key, c.class);
    return c;
}

/* The column of a class; -1: it has none. */
static int column_of_class(const columns *c, int32_t class) {
    int at = c->n - 1;
    while (at >= 0 && c->class[at] != class) at--;
    return at;
}

static void put_value(const columns *c, const char *name, const value_count *v, const int64_t *by_class, FILE *out) {
    tn_explore_cell(out, name);
    fprintf(out, "| %lld ", (long long)v->n);
    for (int i = 0; i < c->n; i++) tn_explore_share(out, by_class[(int64_t)v->value * c->n + i], v->n);
    fputs("|\n", out);
}

/* Print the most frequent values. v: (V) in the order of the vocabulary, where value 0 means unknown; by_class: (V, columns). */
static void put_values(const tn_index *ix, int m, const columns *c, value_count *v, const int64_t *by_class,
                       FILE *out) {
    int n = ix->n_values[m] - 1, shown = n < MOST_VALUES ? n : MOST_VALUES;
    int64_t others = 0;
    qsort(v + 1, (size_t)n, sizeof *v, more_rows_first);
    fprintf(out, "\n### cat%d: %d values\n\n", m + 1, n);
    if (c->n < ix->n_classes) fprintf(out, "The %d of %d classes with the most rows:\n\n", c->n, ix->n_classes);
    fputs("| value | to train on ", out);
    for (int i = 0; i < c->n; i++) tn_explore_cell(out, ix->class_name[c->class[i]]);
    put_rule(out, c->n + 1);
    for (int i = 1; i <= shown; i++) put_value(c, ix->value_name[m][v[i].value], &v[i], by_class, out);
    for (int i = shown + 1; i <= n; i++) others += v[i].n;
    if (n > shown) {
        fprintf(out, "| (%d others) | %lld ", n - shown, (long long)others);
        for (int i = 0; i < c->n; i++) fputs("| ", out);
        fputs("|\n", out);
    }
    put_value(c, "(unknown)", &v[0], by_class, out);
}

static tn_status put_level(const tn_index *ix, int m, const columns *c, FILE *out) {
    size_t n_columns = (size_t)c->n, n = (size_t)ix->n_values[m];
    value_count *v = calloc(n + 1, sizeof *v);
    int64_t *by_class = calloc(n * n_columns + 1, sizeof *by_class);
    tn_status st = v && by_class ? TN_OK : tn_fail_memory(n * (n_columns + 2) * sizeof *by_class, "the categories");
    for (int32_t i = 0; st == TN_OK && i < ix->n_values[m]; i++) v[i].value = i;
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) {
        if (tn_row_kind_of(ix, i) != TN_ROW_TRAIN) continue;
        size_t value = (size_t)ix->cat[i * ix->n_levels + m];
        v[value].n++;
        int column = column_of_class(c, ix->label[i]);
        if (column >= 0) by_class[value * n_columns + (size_t)column]++;
    }
    if (st == TN_OK) put_values(ix, m, c, v, by_class, out);
    free(by_class);
    free(v);
    return st;
}

/* --- how many levels help ----------------------------------------------------------------------------------------- */

static void put_line(const tn_index *ix, const tn_levels *l, int m, FILE *out) {
    const tn_level_score *at = &l->level[m];
    fprintf(out, "| %d ", m);
    if (m == 0) {
        fputs("| | | ", out);
    } else {
        fprintf(out, "| %d | %lld ", ix->n_values[m - 1] - 1, (long long)at->n_combinations);
        tn_explore_share(out, at->n_unseen, l->n_rows);
    }
    fprintf(out, "| %.4f | %.4f ± %.4f | %.4f | %.4f | %.4f |\n", at->log_loss, at->above, at->above_se,
            at->score.accuracy, at->score.macro, at->score.gmean);
}

static tn_status put_levels(const tn_cfg *cfg, const tn_index *ix, FILE *out) {
    tn_levels l;
    TN_TRY(tn_levels_score(ix, cfg->reduce.prior_count, &l));
    if (l.n_rows == 0) return TN_OK;
    fprintf(
        out,
        "\n### How many levels help\n\nThe label of each row to train on, predicted from its categories alone, without "
        "its image: by the class shares of\nthe rows in other folds that have the same values of cat1 up to this "
        "level, smoothed by %g rows with the\nshares of one level less (reduce.prior_count). Level 0: the shares of "
        "all rows.\n\n",
        cfg->reduce.prior_count);
    fputs("| levels | values | combinations | rows not seen in other folds | log loss | above the lowest | accuracy "
          "| macro F1 | geometric mean F1 ",
          out);
    put_rule(out, 8);
    for (int m = 0; m <= l.n_levels; m++) put_line(ix, &l, m, out);
    fprintf(out,
            "\nRecommended: model.metadata_levels = %d, the fewest levels whose log loss is at most one standard error "
            "(after ±; paired, by group) above the lowest.\n",
            l.fewest);
    return TN_OK;
}

tn_status tn_explore_categories(const tn_cfg *cfg, const tn_index *ix, FILE *out) {
    fputs("\n## Categories\n", out);
    if (ix->n_levels == 0) {
        fputs("\nThe table has no category column (cat1 to cat4).\n", out);
        return TN_OK;
    }
    columns c = choose_columns(ix);
    for (int m = 0; m < ix->n_levels; m++) TN_TRY(put_level(ix, m, &c, out));
    return put_levels(cfg, ix, out);
}
