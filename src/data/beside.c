/* beside.c - see beside.h. */
#include "data/beside.h"

#include <stdlib.h>

enum { BLOCK = 65536, WORD = 64 };

static void set(uint64_t *bits, int32_t i) {
    bits[i / WORD] |= 1ULL << (i % WORD);
}

static bool has(const uint64_t *bits, int32_t i) {
    return (bits[i / WORD] >> (i % WORD) & 1) != 0;
}

/* Mark the components of the block's training rows, and of its labelled test rows. */
static void mark(const tn_rows *rows, uint64_t *trained, uint64_t *tested) {
    for (int64_t i = 0; i < rows->n; i++) {
        if (rows->fold[i] >= 0) set(trained, rows->component[i]);
        if (rows->fold[i] == TN_FOLD_NONE && rows->is_test[i] && rows->label[i] >= 0) set(tested, rows->component[i]);
    }
}

/* Read this rank's blocks: mark their components or, if they are marked, count training rows beside test rows. */
static tn_status read_blocks(tn_run *run, tn_table *t, tn_beside *b, tn_rows *rows, uint64_t *tested, bool marked) {
    for (int64_t first = (int64_t)run->rank * BLOCK; first < t->n; first += (int64_t)run->n_ranks * BLOCK) {
        int64_t n = t->n - first < BLOCK ? t->n - first : BLOCK;
        TN_TRY(tn_table_read(t, TN_COLUMN_LABEL | TN_COLUMN_COMPONENT, first, n, rows));
        for (int64_t i = 0; i < n; i++)
            if (rows->component[i] < 0 || rows->component[i] >= t->n)
                return tn_fail(TN_EFORMAT,
                               "folds.h5: damaged: the component of row %lld: run `tenfold preprocess` again",
                               (long long)(first + i));
        if (!marked) mark(rows, b->trained, tested);
        for (int64_t i = 0; marked && i < n; i++) b->n += rows->fold[i] >= 0 && has(tested, rows->component[i]);
    }
    return TN_OK;
}

static void join(tn_run *run, int64_t n_words, uint64_t *bits) {
    enum { MOST = 1 << 20 };
    for (int64_t at = 0; at < n_words; at += MOST)
        MPI_Allreduce(MPI_IN_PLACE, bits + at, (int)(n_words - at < MOST ? n_words - at : MOST), MPI_UINT64_T, MPI_BOR,
                      run->comm);
}

/* n_words: of each set of components. */
static tn_status find(tn_run *run, tn_table *t, int64_t n_words, tn_rows *rows, uint64_t *tested, tn_beside *b) {
    TN_TRY(tn_agree(run, read_blocks(run, t, b, rows, tested, false)));
    join(run, n_words, b->trained);
    join(run, n_words, tested);
    TN_TRY(tn_agree(run, read_blocks(run, t, b, rows, tested, true)));
    tn_sum(run, 1, &b->n);
    return TN_OK;
}

tn_status tn_beside_find(tn_run *run, tn_table *t, tn_beside *out) {
    *out = (tn_beside){.n = 0};
    if (t->n_folds == 0) return TN_OK;
    int64_t n_words = t->n / WORD + 1;
    uint64_t *tested = calloc((size_t)n_words, sizeof *tested);
    tn_rows rows = {.room = 0};
    out->trained = calloc((size_t)n_words, sizeof *out->trained);
    tn_status st =
        tested && out->trained ? tn_rows_new(t, BLOCK, &rows) : tn_fail_memory((size_t)n_words * 16, "the test rows");
    st = tn_agree(run, st);
    if (st == TN_OK) st = find(run, t, n_words, &rows, tested, out);
    tn_rows_free(&rows);
    free(tested);
    return st;
}

void tn_beside_free(tn_beside *b) {
    free(b->trained);
    *b = (tn_beside){.n = 0};
}

bool tn_is_beside(const tn_beside *b, int32_t component) {
    return b->trained && has(b->trained, component);
}
