/*
 * eval.h - class probabilities of a set of rows by one model, shared out over ranks.   layer: learn, uses: net, data
 *
 *   TN_TRY(tn_eval_rows(run, ex, &spec, n, rows, p));
 *
 * The rows are cut into blocks of lane_images from the beginning; ranks take contiguous runs of blocks; a short last
 * block is filled up with zero images. So a row's bits do not depend on the number of ranks.
 */
#ifndef TN_LEARN_EVAL_H
#define TN_LEARN_EVAL_H

#include "base/run.h"
#include "data/batch.h"
#include "net/net.h"

/* First and number of rows that this rank computes. Local. */
void tn_eval_share(int64_t n, int block, int n_ranks, int rank, int64_t *first_out, int64_t *n_out);

/* Collective. ex: weights set, B = spec->lane_images; spec->training false. p_out (n,K): all rows, on every rank.
 * label (for the progress bar on rank 0) NULL = silent.
 * Errors  TN_EUNFINISHED, within the time of a block, when a rank is asked to stop. */
tn_status tn_eval_rows(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, int64_t n, const int64_t *rows,
                       const char *label, float *p_out);

#endif
