/*
 * soft.h - soft targets: rows that are trained on with a probability of each class, instead of the label alone. All functions are local.
 *
 *   TN_TRY(tn_soft_make(N, K, verdict, q, &s));         // filter
 *   TN_TRY(tn_soft_write(file, &s));                    // into the overlay
 *   TN_TRY(tn_overlay_soft(cfg, &cell, N, K, &s));      // training (overlay.h)
 *   const float *target = tn_soft_of(&s, row);
 *
 * File     in overlays that have such rows: target_row i64 (n), ascending; target f32 (n,K)
 * Memory   4 K + 8 bytes for each such row, on rank 0 of the filter and on every rank of training; hence only up to
 *          TN_WHOLE_CLASSES classes (cfg_check.c refuses more)
 */
#ifndef TN_DATA_SOFT_H
#define TN_DATA_SOFT_H

#include "store/h5.h"

typedef struct {
    int K;
    int64_t n, *row; /* (n), ascending */
    float *target;   /* (n,K) */
} tn_soft;

/* The targets of all judged rows. verdict (N), q (N,K). The caller frees *out. Errors TN_ENOMEM. */
tn_status tn_soft_make(int64_t N, int K, const uint8_t *verdict, const float *q, tn_soft *out);
void tn_soft_free(tn_soft *s);

/* The target (K) of a row; NULL: it is trained on with its label. */
const float *tn_soft_of(const tn_soft *s, int64_t row);

tn_status tn_soft_write(tn_h5 *f, const tn_soft *s);
/* Read the targets of a data set of N rows and K classes; none in the file: n = 0. The caller frees *out.
 * Errors TN_EFORMAT names the file and the row: rows are not ascending or out of range, a target is no probability. */
tn_status tn_soft_read(tn_h5 *f, const char *path, int64_t N, int K, tn_soft *out);

#endif
