/*
 * eval.h - computes the class probabilities of a set of rows by one model, distributed over ranks.
 *
 *   TN_TRY(tn_eval_rows(run, ex, &spec, n, rows, own, NULL, p));
 *
 * The rows are cut into blocks of lane_images; each rank takes a contiguous run of blocks; the last block is padded with black
 * images. So the bits of a row's result do not depend on the number of ranks.
 */
#ifndef TN_TRAIN_EVAL_H
#define TN_TRAIN_EVAL_H

#include "base/run.h"
#include "data/loader.h"
#include "net/net.h"
#include "score/prow.h"

/* The first row and the number of rows that a rank computes. Local. */
void tn_eval_share(int64_t n, int block, int n_ranks, int rank, int64_t *first_out, int64_t *n_out);

/* Collective.
 * ex      its weights are set, and its batch is B = spec->lane_images
 * spec    with training = false
 * own     (N) by row of the data set: the label that a kept row knows (prow.h), and p_out has kept rows; NULL: it has all K values
 * label   for the progress bar on rank 0; NULL: no bar
 * p_out   (n,K), or n kept rows: all rows, on every rank
 * Errors  TN_EUNFINISHED a rank was asked to stop (checked after each block); those of the loader. */
tn_status tn_eval_rows(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, int64_t n, const int64_t *rows,
                       const int32_t *own, const char *label, float *p_out);

/* The logits instead of probabilities: out (n,K) with the K of ex's net, whatever the classes of the data set. Collective. */
tn_status tn_eval_logits(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, int K, int64_t n, const int64_t *rows,
                         float *out);

#endif
