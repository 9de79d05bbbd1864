/*
 * pred.h - a predictions file: class probabilities of a set of rows by one model.     layer: learn, uses: base, data
 *
 * File predictions.h5, version 1: row i64 (n) ascending rows of the data set; p f32 (n,K); attributes: cell name, fold,
 *   round, size_px, seed, index digest (data set + fold map), model digest. fold = the fold the model did not see:
 *   rows of that fold are out-of-fold; rows with fold -1 no model saw.
 */
#ifndef TN_LEARN_PRED_H
#define TN_LEARN_PRED_H

#include "base/hash.h"
#include "learn/cell.h"

typedef struct {
    tn_cell cell;
    char index_digest[TN_HEX_BYTES], model_digest[TN_HEX_BYTES];
    int64_t n;
    int K;
} tn_pred_info;

tn_status tn_pred_write(const char *path, const tn_pred_info *info, const int64_t *row, const float *p); /* publishes */

/* Reading streams: rows [first, first+n) of the file. Local, main thread. */
typedef struct tn_pred tn_pred;
tn_status tn_pred_open(const char *path, tn_pred **out); /* TN_EIO, TN_EFORMAT */
void tn_pred_close(tn_pred **pr);
const tn_pred_info *tn_pred_info_of(const tn_pred *pr);
const int64_t *tn_pred_rows(const tn_pred *pr); /* (n) */
tn_status tn_pred_read(tn_pred *pr, int64_t first, int64_t n, float *p_out);

#endif
