/*
 * sampler.h - the endless stream of training rows: which row is at which position. All functions are local.
 *
 * The stream is a pure function position -> row. It consists of epochs.
 * natural        an epoch has each training row once, in a Philox permutation of (seed, TN_STREAM_SAMPLER, epoch)
 * balanced-down  an epoch has K x n rows, where n is the size of the smallest class: n rows of each class, drawn for each epoch
 *                without replacement, then permuted together (as catalyst's BalanceClassSampler 'downsampling'). Rows without
 *                label are added in the proportion of the data set: n_u = U K n / (rows with label), rounded down, where U is
 *                their number.
 * Only one epoch is in memory; positions may be asked for in any order.
 */
#ifndef TN_DATA_SAMPLER_H
#define TN_DATA_SAMPLER_H

#include "base/status.h"
#include "cfg/cfg.h"

typedef struct tn_sampler tn_sampler;

/* rows (n): the training rows, ascending; label: by row of the data set, -1 = none. Both are copied. The caller frees *out.
 * Errors TN_EARG no rows, or a class without rows for balanced-down (named); TN_ENOMEM. */
tn_status tn_sampler_new(tn_sampler_kind kind, uint64_t seed, int n_classes, char *const *class_name,
                         const int64_t *rows, int64_t n, const int32_t *label, tn_sampler **out);
void tn_sampler_free(tn_sampler **s);
int64_t tn_sampler_epoch_rows(const tn_sampler *s);
int64_t tn_sampler_at(tn_sampler *s, int64_t position); /* row */

#endif
