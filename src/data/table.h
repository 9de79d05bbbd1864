/*
 * table.h - the data set's columns read in blocks of rows: for what must not grow with N.   layer: data, uses: base
 *
 *   tn_table *t = NULL;  tn_rows rows = {.room = 0};
 *   TN_TRY(tn_table_open(run, shards_dir, folds_dir, &t));  TN_TRY(tn_rows_new(t, 65536, &rows));
 *   TN_TRY(tn_table_read(t, TN_COLUMN_LABEL | TN_COLUMN_PATH, first, n, &rows));
 *   tn_rows_free(&rows);  tn_table_close(&t);
 *
 * The same files as index.h reads whole; every rank opens them for itself. Without folds_dir (new pictures to predict):
 * fold TN_FOLD_NONE, is_test 1, since nobody was trained on them; component = the given group, else the row alone.
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
    int32_t *map[TN_MAX_LEVELS]; /* (n_values) what values of a level are read as (vocabulary.h); NULL: as they are */
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

/* Collective: rank 0 compares the files' bytes with what DONE says, then every rank opens them. TN_EARG no DONE. */
tn_status tn_table_open(tn_run *run, const char *shards_dir, const char *folds_dir, tn_table **out);
void tn_table_close(tn_table **t);

/* Names of the values of a level (0..): one block, caller frees. TN_EFORMAT. Local. */
tn_status tn_table_values(tn_table *t, int level, char ***name_out);

tn_status tn_rows_new(const tn_table *t, int64_t room, tn_rows *out); /* TN_ENOMEM */
void tn_rows_free(tn_rows *rows);

/* Rows [first, first + n), n <= room: `columns` (of tn_columns) are filled, the others untouched. Local. TN_EFORMAT,
 * TN_EIO. */
tn_status tn_table_read(tn_table *t, unsigned columns, int64_t first, int64_t n, tn_rows *rows);

#endif
