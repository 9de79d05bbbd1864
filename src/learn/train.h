/*
 * train.h - train one cell: one fold, size, seed and round, by all ranks of run.     layer: learn, uses: net, data
 *
 *   TN_TRY(tn_train_cell(run, cfg, index, shards, &cell));
 *
 * Reads      shards/, folds/, for round >= 1 filter/r<round>/overlay-f<fold>.h5
 * Labels     those of the overlay: given, suggested, none. With self.consistency_weight the averaged weights are a
 *            teacher (evaluation mode, on the lane before CutMix) for every row of the lane (net/consistency.h).
 * Writes     train/<cell>/ (cell.h), DONE last. Done already: says so and returns. Interrupted: goes on from
 *            checkpoint.safetensors, to the same bits. DONE makes that file superfluous: it is removed behind DONE, or
 *            by the next start that finds the cell done.
 * Judged     by the validation slice (fold.h), by the original labels of its rows in every round. Kept is the latest
 *            evaluation point that is not shown to be worse (rounds.h) than the one that scores highest
 *            (tn_score_better): docs/decisions/kept-point.md.
 *
 * Invariant  The bits of every output depend on the settings and the data, never on the number of ranks, on loader
 *            threads, or on where the run was killed.
 */
#ifndef TN_LEARN_TRAIN_H
#define TN_LEARN_TRAIN_H

#include "base/hash.h"
#include "base/run.h"
#include "data/index.h"
#include "data/shard.h"
#include "learn/cell.h"

typedef struct {
    bool allow_other_bits; /* go on although the instruction set or a library differs from the first start */
    bool profile;          /* rank 0 prints where the time went (tn_exec_profile) on stderr */
    bool *
        diverged_out; /* set when the cell fails because a loss, gradient or prediction is no number; NULL: not asked */
} tn_train_how;

/* Collective over run. A cell of a round whose filter was skipped is published as skipped.
 * Errors  TN_EARG more ranks than train.lanes, other settings in the folder; TN_EUNFINISHED after SIGTERM or SIGUSR1,
 *         with a checkpoint; TN_EFORMAT a loss or gradient that is not finite (names step, images seen, layer). */
tn_status tn_train_cell(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                        const tn_cell *cell, const tn_train_how *how);

/* Is the cell done, with the settings and inputs of now? Local. TN_EARG: the folder was made with other settings. */
tn_status tn_train_done(const tn_cfg *cfg, const tn_cell *cell, bool *out);
/* The digest of a cell that must be done; TN_EARG names the cell and `tenfold train` where it is not. Local. */
tn_status tn_train_digest(const tn_cfg *cfg, const tn_cell *cell, char hex_out[TN_HEX_BYTES]);

#endif
