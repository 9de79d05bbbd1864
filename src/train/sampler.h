/*
 * sampler.h - the endless stream of training rows: which row is at which position. All functions are local.
 *
 *   TN_TRY(tn_sampler_new(&spec, seed, K, class_name, rows, n, label, &s));
 *   row = tn_sampler_at(s, position);
 *
 * The stream is a pure function position -> row. It consists of epochs. With S_k the training rows of class k, an epoch has
 * natural        each training row once
 * balanced_down  min S rows of each class (as catalyst's BalanceClassSampler "downsampling")
 * balanced_up    max S rows of each class ("upsampling")
 * n_per_class    train.rows_per_class rows of each class
 * square_root    of class k the share sqrt(S_k) / sum_j sqrt(S_j) of as many rows as have a label: halfway between
 *                natural and balanced (Mahajan et al. 2018, "Exploring the limits of weakly supervised pretraining")
 * The rows of a class come in permutations, drawn for each epoch: the whole class as often as it fits, then a part of it. So
 * two rows of a class differ by at most one in how often an epoch has them. Rows without label are added in the proportion of the
 * data set: n_u = U n / (rows with label), rounded down, where U is their number and n the rows with label in the epoch. Then
 * all rows of the epoch are permuted together. Random numbers: Philox (seed, TN_STREAM_SAMPLER, epoch, class).
 * Only one epoch is in memory; positions may be asked for in any order.
 */
#ifndef TN_TRAIN_SAMPLER_H
#define TN_TRAIN_SAMPLER_H

#include "base/status.h"
#include "cfg/cfg.h"

typedef struct {
    tn_sampler_kind kind;
    int64_t rows_per_class; /* n_per_class */
} tn_sampler_spec;

typedef struct tn_sampler tn_sampler;

/* rows (n): the training rows, ascending; label: by row of the data set, -1 = none. Both are copied. The caller frees *out.
 * Errors TN_EARG no rows, or those of tn_sampler_count; TN_ENOMEM. */
tn_status tn_sampler_new(const tn_sampler_spec *spec, uint64_t seed, int n_classes, char *const *class_name,
                         const int64_t *rows, int64_t n, const int32_t *label, tn_sampler **out);
void tn_sampler_free(tn_sampler **s);
int64_t tn_sampler_epoch_rows(const tn_sampler *s);
const int64_t *tn_sampler_counts(const tn_sampler *s);  /* (K) rows of each class in an epoch */
int64_t tn_sampler_at(tn_sampler *s, int64_t position); /* row */

/* The rows of each class in an epoch. size (K): training rows of each class. count_out (K).
 * Errors TN_EARG a class without rows for any sampler but natural (named). */
tn_status tn_sampler_count(const tn_sampler_spec *spec, int n_classes, char *const *class_name, const int64_t *size,
                           int64_t *count_out);

#endif
