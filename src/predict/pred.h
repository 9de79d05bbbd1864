/*
 * pred.h - a predictions file: class probabilities of a set of rows by one model. All functions are local.
 *
 *   TN_TRY(tn_pred_create(path, &info, &w));  while (...) TN_TRY(tn_pred_append(w, n, row, p));
 *   TN_TRY(tn_pred_finish(&w, digest));                                              // published
 *   TN_TRY(tn_pred_open(path, &pr));  TN_TRY(tn_pred_read(pr, first, n, row, p));  tn_pred_close(&pr);
 *
 * File predictions.h5, version 2: row i64 (n) ascending rows of the data set; p f32 (n,W), rows as in score/prow.h, without
 *   label; attributes: number of classes (if more than TN_WHOLE_CLASSES), cell name, fold,
 *   round, size_px, seed, classes, shards digest, index digest (data set + fold map), model digest. The model was not trained
 *   on its fold: rows of that fold are out-of-fold. No model was trained on rows with fold -1.
 * Invariants 1. Writing and reading use blocks: memory does not grow with n.
 *            2. Every row that is written or read is checked to be probabilities (probability.h).
 *            The hash of the file is in DONE (store/done.h).
 */
#ifndef TN_PREDICT_PRED_H
#define TN_PREDICT_PRED_H

#include "base/hash.h"
#include "cfg/cell.h"
#include "score/prow.h"

enum { TN_PRED_VERSION = 2 };

typedef struct {
    tn_cell cell;
    char shards_digest[TN_HEX_BYTES], index_digest[TN_HEX_BYTES], model_digest[TN_HEX_BYTES];
    const char *classes; /* names in order, one per line; the writer copies them, the reader owns its own */
    int64_t n;
    int K;
} tn_pred_info;

/* Join class names, one per line. The caller frees *out. Errors TN_ENOMEM. */
tn_status tn_pred_classes(int K, char *const *name, char **out);

/* Say for a message where two such texts first differ: in each the class at that place, and how many there are. */
enum { TN_CLASS_TEXT_BYTES = 160 };
void tn_pred_difference(const char *classes_a, const char *classes_b, char a_out[TN_CLASS_TEXT_BYTES],
                        char b_out[TN_CLASS_TEXT_BYTES]);

/* Writing, by one process. append: n rows, p: n rows; errors TN_EFORMAT a row is not probabilities. finish publishes the file after
 * info->n rows. If finish fails, and after drop, no file is left. */
typedef struct tn_pred_writer tn_pred_writer;
tn_status tn_pred_create(const char *path, const tn_pred_info *info, tn_pred_writer **out);
tn_status tn_pred_append(tn_pred_writer *w, int64_t n, const int64_t *row, const float *p);
tn_status tn_pred_finish(tn_pred_writer **w, char digest_out[TN_HEX_BYTES]);
void tn_pred_drop(tn_pred_writer **w);

/* Reading, in the main thread only. */
typedef struct tn_pred tn_pred;
tn_status tn_pred_open(const char *path, tn_pred **out); /* TN_EIO, TN_EFORMAT */
void tn_pred_close(tn_pred **pr);
const tn_pred_info *tn_pred_info_of(const tn_pred *pr);
/* Read rows [first, first+n) of the file: row_out (n), p_out: n rows. Errors TN_EFORMAT there are no such rows, rows are not in
 * ascending order, a row is not probabilities. */
tn_status tn_pred_read(tn_pred *pr, int64_t first, int64_t n, int64_t *row_out, float *p_out);

#endif
