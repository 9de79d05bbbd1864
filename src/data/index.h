/*
 * index.h - the data set's index: all rows of the table and what preprocess found out about them, in memory.
 *
 *   tn_index *ix = NULL;
 *   TN_TRY(tn_index_open(run, shards_dir, folds_dir, &ix));        // collective: rank 0 reads, broadcasts
 *   tn_index_free(&ix);
 *
 * File shards/dataset.h5, version 1. Datasets, N rows in the table's order:
 *   path (strings)  label i32 (-1 none)  truth i32 (-1 none)  is_test u8  cat i32 (N,M) value id per level
 *   state u8 (0 good, 1 quarantined)  width height u16 stored size  content_hash u64 (xxh3 of the source bytes)
 *   perceptual_hash u64  group i32 (-1 none; connected components are made later: fold.h)  shard i32  offset i64
 *   length i32  checksum u64 (xxh3 of the stored bytes)
 *   classes (strings)  levels (category columns): cat_values_<m> (strings), value 0 = "unknown" (empty or not in training)
 * File folds/folds.h5, version 1: fold i32 (N): 0..F-1; -1 test or unlabelled; -2 quarantined. component i32 (N).
 * Invariant  the vocabulary of a category column has the values of labelled rows that are not test rows (for new images: of all
 *            rows), in order of first appearance.
 */
#ifndef TN_DATA_INDEX_H
#define TN_DATA_INDEX_H

#include "base/hash.h"
#include "base/run.h"
#include "cfg/cfg.h"

enum { TN_FOLD_NONE = -1, TN_FOLD_QUARANTINED = -2 };

typedef struct tn_index {
    int64_t n;
    int n_classes, n_levels, n_folds;
    char **class_name;               /* (K) */
    int32_t n_values[TN_MAX_LEVELS]; /* vocabulary sizes, including "unknown" */
    char **value_name[TN_MAX_LEVELS];
    char **path;              /* (N) */
    int32_t *label, *truth;   /* (N) */
    uint8_t *is_test, *state; /* (N) */
    int32_t *cat;             /* (N, n_levels) */
    uint16_t *width, *height; /* (N) */
    uint64_t *content_hash, *perceptual_hash;
    int32_t *group;            /* (N) */
    int32_t *shard, *length;   /* (N) */
    int64_t *offset;           /* (N) bytes from the start of the shard's payload */
    uint64_t *checksum;        /* (N) */
    int32_t *fold, *component; /* (N); without folds_dir: TN_FOLD_NONE, and the row itself */
    char shards_dir[TN_PATH_BYTES];
    char shards_digest[TN_HEX_BYTES];
    char digest[TN_HEX_BYTES]; /* of shards and folds, for the identity of predictions and checkpoints */
} tn_index;

/* The stage named in the DONE of shards/ of new images (tn_preprocess_new); for a run's own data it is "preprocess". */
#define TN_NEW_DATA "new data"

/* Rank 0 reads the index and sends it to all. folds_dir NULL: new images, without folds. The caller frees *out. Collective.
 * Errors TN_EARG a folder has no DONE; TN_EIO, TN_EFORMAT. */
tn_status tn_index_open(tn_run *run, const char *shards_dir, const char *folds_dir, tn_index **out);
tn_status tn_index_read(const char *shards_dir, const char *folds_dir, tn_index **out); /* the same for one process */
/* tn_index.digest, computed from the DONE files alone. Local. */
tn_status tn_index_digest(const char *shards_dir, const char *folds_dir, char hex_out[TN_HEX_BYTES]);
void tn_index_free(tn_index **ix);

/* Write dataset.h5; write folds.h5 (fold, component). Local; one process writes. */
tn_status tn_index_write(const tn_index *ix, const char *path);
tn_status tn_index_write_folds(const tn_index *ix, const char *path);

/* The columns that preprocess finds out for each image (state, size, hashes, location of the stored bytes), of rows [first, first+n).
 * They are written into each shard, so that an interrupted preprocess can continue; read fills ix from them, clear zeroes them.
 * Local. Errors of reading TN_EFORMAT; the rows are zero then. */
struct tn_h5;
tn_status tn_index_write_found(const tn_index *ix, int64_t first, int64_t n, struct tn_h5 *f);
tn_status tn_index_read_found(tn_index *ix, int64_t first, int64_t n, struct tn_h5 *f);
void tn_index_clear_found(tn_index *ix, int64_t first, int64_t n);

/* Allocate all columns for n rows, zeroed. Local. Errors TN_ENOMEM. */
tn_status tn_index_new(int64_t n, int n_levels, tn_index **out);

#endif
