/*
 * train.h - trains one cell (one round, fold, image size and seed) with all ranks of run.
 *
 *   TN_TRY(tn_train_cell(run, cfg, index, shards, &cell));
 *
 * Reads      shards/, folds/, for round >= 1 filter/r<round>/overlay-f<fold>.h5
 * Lane       a micro-batch of train.lane_images images, computed from start to end on one rank; it is one batch-norm group.
 *            An optimiser step has train.lanes lanes, distributed over ranks.
 * Labels     those of the round's overlay: given, suggested or none. With self.consistency_weight > 0 the averaged weights
 *            are a teacher for every row of the lane (in evaluation mode, on images before mixing; net/consistency.h).
 * Writes     train/<cell>/ (cell.h), DONE last. A cell that is done is only reported. An interrupted cell continues from
 *            checkpoint.safetensors and ends with the same bits. That file is removed after DONE was written, or by the next
 *            start that finds the cell done.
 * Kept model validation scores are computed on the validation slice (fold.h), with the original labels in every round.
 *            The model of the latest evaluation that is not significantly worse (match.h) than the highest-scoring one
 *            (tn_score_better) is kept: docs/decisions/kept-point.md.
 * z          prediction ensemble of the filter, written with the kept evaluation's p: over the evaluations after the first 30 %
 *            of the training length, z_t = (sum over s = 1..t of alpha^(t-s) p_s) / (sum over s of alpha^(t-s)), with alpha = self.alpha.
 *            That is z_t = alpha z_{t-1} + (1 - alpha) p_t from z_0 = 0, divided by 1 - alpha^t, as in Laine and Aila 2017 and
 *            Adam. Computed as z_t = z_{t-1} + (p_t - z_{t-1}) / S_t with S_t = 1 + alpha S_{t-1}, so that a resumed
 *            cell needs no state but z and the number of evaluations. Of an earlier evaluation that is kept, z = p.
 *
 * Invariant  The bits of every output depend only on settings and data, not on the number of ranks or loader threads, nor on
 *            where the run was interrupted.
 */
#ifndef TN_TRAIN_TRAIN_H
#define TN_TRAIN_TRAIN_H

#include "base/hash.h"
#include "base/run.h"
#include "cfg/cell.h"
#include "data/index.h"
#include "data/shard.h"

typedef struct {
    bool allow_other_bits; /* go on although the instruction set or a library differs from the first start */
    bool profile;          /* rank 0 prints where the time went (tn_exec_profile) on stderr */
} tn_train_how;

/* Train the cell. If the filter of its round was skipped, the cell is published as skipped. Collective.
 * Errors  TN_EARG more ranks than train.lanes, the folder was made with other settings; TN_EUNFINISHED stopped by SIGTERM or
 *         SIGUSR1, a checkpoint is published; TN_EDIVERGED loss or gradient is not finite (names step, images seen, layer). */
tn_status tn_train_cell(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                        const tn_cell *cell, const tn_train_how *how);

/* Is the cell done, with the present settings and inputs? Local. Errors TN_EARG the folder was made with other settings. */
tn_status tn_train_done(const tn_cfg *cfg, const tn_cell *cell, bool *out);
/* The digest of a done cell. Local. Errors TN_EARG it is not done: names the cell and `tenfold train`. */
tn_status tn_train_digest(const tn_cfg *cfg, const tn_cell *cell, char hex_out[TN_HEX_BYTES]);

#endif
