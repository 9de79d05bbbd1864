/* ledger_diff.c - compares two ledgers. */
#include "filter/ledger.h"

#include "base/progress.h"
#include "store/csv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PATH, LABEL, SUGGESTED, MARGIN, VERDICT, COLUMNS };
static const char *const NAME[COLUMNS] = {"path", "label", "suggested", "margin", "verdict"};

typedef struct {
    const char *file;
    tn_csv *t;
    int at[COLUMNS];
} side;

static tn_status side_open(const char *file, side *s) {
    s->file = file;
    TN_TRY(tn_csv_read(file, &s->t));
    for (int c = 0; c < COLUMNS; c++)
        if ((s->at[c] = tn_csv_column(s->t, NAME[c])) < 0)
            return tn_fail(TN_EARG, "%s: has no column %s: it is not a ledger.csv", file, NAME[c]);
    return TN_OK;
}

static const char *at(const side *s, int64_t row, int column) {
    return tn_csv_at(s->t, row, s->at[column]);
}

static tn_status check_same(const side *a, const side *b) {
    int64_t n = tn_csv_rows(a->t), m = tn_csv_rows(b->t);
    for (int64_t i = 0; i < n && i < m; i++) {
        if (strcmp(at(a, i, PATH), at(b, i, PATH)) != 0)
            return tn_fail(TN_EARG, "%s:%" PRId64 ": %s, but %s there: the ledgers are of different data sets", b->file,
                           tn_csv_line(b->t, i), at(b, i, PATH), at(a, i, PATH));
        if (strcmp(at(a, i, LABEL), at(b, i, LABEL)) != 0)
            return tn_fail(TN_EARG,
                           "%s:%" PRId64 ": %s is given as %s, but as %s in %s: the ledgers are of different tables",
                           b->file, tn_csv_line(b->t, i), at(b, i, PATH), at(b, i, LABEL), at(a, i, LABEL), a->file);
    }
    return n == m
               ? TN_OK
               : tn_fail(TN_EARG, "%s has %" PRId64 " rows, %s has %" PRId64 ": the ledgers are of different data sets",
                         a->file, n, b->file, m);
}

/* The change of a row's verdict. */
typedef struct {
    const char *label, *from, *to;
} change;

static int by_words(const void *x, const void *y) {
    const change *a = x, *b = y;
    int d = strcmp(a->label, b->label);
    if (d == 0) d = strcmp(a->from, b->from);
    return d ? d : strcmp(a->to, b->to);
}

static void put_counts(int64_t n, change *c, FILE *out) {
    int64_t n_changed = 0;
    qsort(c, (size_t)n, sizeof *c, by_words);
    fputs("| class | verdict before | verdict after | rows |\n| --- | --- | --- | ---: |\n", out);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && by_words(&c[i], &c[end]) == 0;) end++;
        tn_print(out, "| %s | %s | %s | %" PRId64 " |\n", c[i].label, c[i].from, c[i].to, end - i);
        if (strcmp(c[i].from, c[i].to) != 0) n_changed += end - i;
    }
    fprintf(out, "\n%" PRId64 " of %" PRId64 " verdicts changed\n", n_changed, n);
}

static void put_row(const side *a, const side *b, int64_t i, FILE *out) {
    tn_csv_put(out, "", at(a, i, PATH));
    tn_csv_put(out, ",", at(a, i, LABEL));
    fprintf(out, ",%s,%s", at(a, i, VERDICT), at(b, i, VERDICT));
    tn_csv_put(out, ",", at(a, i, SUGGESTED));
    tn_csv_put(out, ",", at(b, i, SUGGESTED));
    fprintf(out, ",%s,%s\n", at(a, i, MARGIN), at(b, i, MARGIN));
}

static tn_status compare(const side *a, const side *b, FILE *counts, FILE *rows) {
    TN_TRY(check_same(a, b));
    int64_t n = tn_csv_rows(a->t);
    change *c = malloc((size_t)n * sizeof *c + 1);
    if (!c) return tn_fail_memory((size_t)n * sizeof *c, "the comparison");
    fputs("path,label,verdict_a,verdict_b,suggested_a,suggested_b,margin_a,margin_b\n", rows);
    for (int64_t i = 0; i < n; i++) {
        c[i] = (change){at(a, i, LABEL), at(a, i, VERDICT), at(b, i, VERDICT)};
        if (strcmp(c[i].from, c[i].to) != 0) put_row(a, b, i, rows);
    }
    put_counts(n, c, counts);
    free(c);
    return fflush(rows) == 0 && !ferror(rows)
               ? TN_OK
               : tn_fail(TN_EIO, "the rows whose verdict changed could not be written: %s", strerror(errno));
}

tn_status tn_ledger_diff(const char *path_a, const char *path_b, FILE *counts, FILE *rows) {
    side a = {.t = NULL}, b = {.t = NULL};
    tn_status st = side_open(path_a, &a);
    if (st == TN_OK) st = side_open(path_b, &b);
    if (st == TN_OK) st = compare(&a, &b, counts, rows);
    tn_csv_free(&a.t);
    tn_csv_free(&b.t);
    return st;
}
