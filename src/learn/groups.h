/*
 * groups.h - many cells by many ranks: fold groups.                                  layer: learn, uses: train
 *
 * The ranks are split into groups of ranks_per_fold (0: one group of all); group g trains cells g, g + G, ... A cell
 * that fails is reported and does not stop the other cells. A crash is another matter: MPI ends all ranks with the one
 * that died; each group goes on from its last checkpoint when the job runs again. A stop signal ends the groups of the
 * ranks that it reaches: launchers send it to all.
 */
#ifndef TN_LEARN_GROUPS_H
#define TN_LEARN_GROUPS_H

#include "learn/train.h"

/* Collective. Errors TN_EARG n_ranks not a multiple of ranks_per_fold; the worst status of all cells. */
tn_status tn_train_cells(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards, int n,
                         const tn_cell *cell, int ranks_per_fold, const tn_train_how *how);

#endif
