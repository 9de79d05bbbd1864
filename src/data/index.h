/*
 * index.h - the data set's index in memory: one row per metadata row.        layer: data, uses: base (h5, done)
 *
 *   tn_index *ix = NULL;
 *   TN_TRY(tn_index_open(run, shards_dir, folds_dir, &ix));        // collective: rank 0 reads, broadcasts
 *   tn_index_free(&ix);
 *
 * File shards/dataset.h5, version 1. Datasets, N rows in metadata order:
 *   path (strings)  label i32 (-1 none)  truth i32 (-1 none)  is_test u8  cat i32 (N,M) value id per level
 *   state u8 (0 good, 1 quarantined)  width height u16 stored size  content_hash u64 (xxh3 of the source bytes)
 *   perceptual_hash u64  group i32 (-1 none; connected components are made later: fold.h)  shard i32  offset i64
 *   length i32  checksum u64 (xxh3 of the stored bytes)
 *   classes (strings)  levels: cat_values_<m> (strings), value 0 = "unknown" (empty or unseen in training)
 * File folds/folds.h5, version 1: fold i32 (N): 0..F-1; -1 test or unlabelled; -2 quarantined. component i32 (N).
 * Invariant  the category vocabulary holds values of labelled, non-test rows only (of new pictures to predict: of all
 *            rows), in order of first appearance.
 */
#ifndef TN_DATA_INDEX_H
#define TN_DATA_INDEX_H

#include "base/cfg.h"
#include "base/run.h"

enum { TN_FOLD_NONE = -1, TN_FOLD_QUARANTINED = -2 };

typedef struct tn_index {
    int64_t n;
    int n_classes, n_levels, n_folds;
    char **class_name;               /* (K) */
    int32_t n_values[TN_MAX_LEVELS]; /* vocabulary sizes, "unknown" included */
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
    int32_t *fold, *component; /* (N); all TN_FOLD_NONE and own row when folds_dir is NULL */
    char shards_dir[TN_PATH_BYTES];
    char shards_digest[33];
    char digest[33]; /* of shards and folds, for the identity of predictions and checkpoints */
} tn_index;

/* Stage in the DONE of shards/ that a finished run predicts (tn_preprocess_new); of a run's own it is "preprocess". */
#define TN_NEW_DATA "new data"

/* Collective. folds_dir may be NULL (a data set to predict). TN_EARG when either folder has no DONE. */
tn_status tn_index_open(tn_run *run, const char *shards_dir, const char *folds_dir, tn_index **out);
tn_status tn_index_read(const char *shards_dir, const char *folds_dir, tn_index **out); /* the same for one process */
void tn_index_free(tn_index **ix);

/* Write dataset.h5 / folds.h5 (local; the one writer). fold/component are not in dataset.h5. */
tn_status tn_index_write(const tn_index *ix, const char *path);
tn_status tn_index_write_folds(const tn_index *ix, const char *path);

/* What preprocessing finds out image by image (state, size, hashes, place of the stored bytes), rows [first, first+n):
 * written beside the images of a shard, and read again where an interrupted preprocess goes on. Local.
 * Errors of reading TN_EFORMAT; the rows are zero then. */
struct tn_h5;
tn_status tn_index_write_found(const tn_index *ix, int64_t first, int64_t n, struct tn_h5 *f);
tn_status tn_index_read_found(tn_index *ix, int64_t first, int64_t n, struct tn_h5 *f);
void tn_index_clear_found(tn_index *ix, int64_t first, int64_t n);

/* Allocate all columns for n rows, zeroed (local). */
tn_status tn_index_new(int64_t n, int n_levels, tn_index **out);

#endif
