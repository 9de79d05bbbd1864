/*
 * table.h - reads the data set's columns in blocks of rows, so that memory does not grow with N.
 *
 *   tn_table *t = NULL;  tn_rows rows = {.room = 0};
 *   TN_TRY(tn_table_open(run, shards_dir, folds_dir, &t));  TN_TRY(tn_rows_new(t, 65536, &rows));
 *   TN_TRY(tn_table_read(t, TN_COLUMN_LABEL | TN_COLUMN_PATH, first, n, &rows));
 *   tn_rows_free(&rows);  tn_table_close(&t);
 *
 * The files are those that index.h reads as a whole; every rank opens them. Without folds_dir (new images to predict) fold is
 * TN_FOLD_NONE and is_test is 1, because no model was trained on them; component is the given group, or the row itself.
 */
#ifndef TN_DATA_TABLE_H
#define TN_DATA_TABLE_H

#include "base/hash.h"
#include "data/index.h"

typedef struct tn_table {
    int64_t n;
    int n_classes, n_levels, n_folds; /* n_folds 0: no fold map */
    int32_t n_values[TN_MAX_LEVELS];
    char **class_name;                                      /* (K) */
    char digest[TN_HEX_BYTES], shards_digest[TN_HEX_BYTES]; /* as tn_index's */
    int32_t *map[TN_MAX_LEVELS]; /* (n_values) translation of category values when reading (vocabulary.h); NULL: none */
    struct tn_h5 *dataset, *folds;
} tn_table;

typedef enum {
    TN_COLUMN_LABEL = 1, /* label, fold, is_test, state */
    TN_COLUMN_TRUTH = 2,
    TN_COLUMN_COMPONENT = 4,
    TN_COLUMN_CAT = 8,
    TN_COLUMN_PATH = 16
} tn_columns;

typedef struct {
    int64_t first, n, room;
    int32_t *label, *truth, *fold, *component; /* (room) */
    int32_t *cat;                              /* (room, n_levels) */
    uint8_t *is_test, *state;                  /* (room) */
    char *text;                                /* the paths, each with its 0 byte */
    int64_t *path_at;                          /* (room + 1): path of row first + i is text + path_at[i] */
    size_t text_room;
} tn_rows;

/* Rank 0 compares the files' hashes with DONE, then every rank opens them. The caller closes *out. Collective. Errors TN_EARG no DONE;
 * TN_EIO, TN_EFORMAT. */
tn_status tn_table_open(tn_run *run, const char *shards_dir, const char *folds_dir, tn_table **out);
void tn_table_close(tn_table **t);

/* The names of the values of a category column (level, from 0): one block, which the caller frees. Local. Errors TN_EFORMAT. */
tn_status tn_table_values(tn_table *t, int level, char ***name_out);

tn_status tn_rows_new(const tn_table *t, int64_t room, tn_rows *out); /* TN_ENOMEM */
void tn_rows_free(tn_rows *rows);

/* Read rows [first, first + n), n <= room. columns: bits of tn_columns; other columns are not changed. Local. Errors TN_EFORMAT,
 * TN_EIO. */
tn_status tn_table_read(tn_table *t, unsigned columns, int64_t first, int64_t n, tn_rows *rows);

#endif
