/*
 * sampler.h - which sample stands at which place of the endless training stream.   layer: data, uses: base (rng)
 *
 * The stream is a pure function position -> row. It is cut into epochs: natural: each training row once, in a Philox
 * permutation of (seed, TN_STREAM_SAMPLER, epoch); balanced-down: an epoch is K x n rows, n = smallest class,
 * n rows drawn anew without replacement from each class, then permuted together (catalyst BalanceClassSampler
 * 'downsampling'). Rows without a label (-1): natural: like all others; balanced-down: an epoch has n_u of them
 * besides, as many for each labelled row as there are in all: n_u = U K n / (rows with label), rounded down. Only the
 * current epoch is held; going back or forth is allowed (resume).
 */
#ifndef TN_DATA_SAMPLER_H
#define TN_DATA_SAMPLER_H

#include "base/cfg.h"
#include "base/status.h"

typedef struct tn_sampler tn_sampler;

/* rows (n) the training rows, ascending; label (n_total) indexed by row, -1 = none. Copies what it needs.
 * Errors TN_EARG: no rows; a class without rows for balanced-down (named). */
tn_status tn_sampler_new(tn_sampler_kind kind, uint64_t seed, int n_classes, char *const *class_name,
                         const int64_t *rows, int64_t n, const int32_t *label, tn_sampler **out);
void tn_sampler_free(tn_sampler **s);
int64_t tn_sampler_epoch_rows(const tn_sampler *s);
int64_t tn_sampler_at(tn_sampler *s, int64_t position); /* row */

#endif
