/* quarantine.c - a table of images that could not be used, by reason. */
#include "explore/explore_priv.h"

#include "store/csv.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_REASONS = 20 };

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef struct {
    const char *text;
    int64_t n;
} reason;

static int more_rows_first(const void *a, const void *b) {
    const reason *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* Count equal reasons. word: (n > 0), is sorted; out: (n). Returns the number of different reasons. */
static int64_t count_reasons(const char **word, int64_t n, reason *out) {
    int64_t n_reasons = 0;
    qsort(word, (size_t)n, sizeof *word, by_text);
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(word[i], word[i - 1]) != 0) out[n_reasons++] = (reason){word[i], 0};
        out[n_reasons - 1].n++;
    }
    qsort(out, (size_t)n_reasons, sizeof *out, more_rows_first);
    return n_reasons;
}

static void put_reasons(const reason *r, int64_t n, FILE *out) {
    int64_t others = 0;
    fputs("\n| reason | rows |\n| --- | ---: |\n", out);
    for (int64_t i = 0; i < n && i < MOST_REASONS; i++) {
        tn_explore_cell(out, r[i].text);
        fprintf(out, "| %lld |\n", (long long)r[i].n);
    }
    for (int64_t i = MOST_REASONS; i < n; i++) others += r[i].n;
    if (others) fprintf(out, "| (%lld others) | %lld |\n", (long long)(n - MOST_REASONS), (long long)others);
}

static tn_status put_table(const tn_csv *t, const char *path, int64_t n, FILE *out) {
    int column = tn_csv_column(t, "reason");
    if (column < 0 || tn_csv_rows(t) != n)
        return tn_fail(
            TN_EFORMAT,
            "%s: has %lld rows, but dataset.h5 beside it has %lld quarantined ones: delete the folder shards and "
            "preprocess again",
            path, (long long)tn_csv_rows(t), (long long)n);
    const char **word = malloc((size_t)n * sizeof *word);
    reason *r = malloc((size_t)n * sizeof *r);
    tn_status st = word && r ? TN_OK : tn_fail_memory((size_t)n * 24, "the reasons");
    for (int64_t i = 0; st == TN_OK && i < n; i++) word[i] = tn_csv_at(t, i, column);
    if (st == TN_OK) put_reasons(r, count_reasons(word, n, r), out);
    free(r);
    free(word);
    return st;
}

tn_status tn_explore_quarantine(const tn_index *ix, const char *path, FILE *out) {
    int64_t n = 0;
    tn_csv *t = NULL;
    for (int64_t i = 0; i < ix->n; i++) n += tn_row_kind_of(ix, i) == TN_ROW_QUARANTINED;
    fprintf(out, "\n## Quarantined images\n");
    if (n == 0) {
        fputs("\nNone.\n", out);
        return TN_OK;
    }
    TN_TRY(tn_csv_read(path, &t));
    tn_status st = put_table(t, path, n, out);
    tn_csv_free(&t);
    return st;
}
