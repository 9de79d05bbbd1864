/*
 * groups.h - trains several cells at the same time, each by a group of ranks.
 *
 * The ranks are split into G groups of ranks_per_fold (0: one group of all ranks); group g trains cells g, g + G, ... A cell
 * that fails is reported and does not stop the other cells. If a rank crashes, MPI ends all ranks; the next start continues
 * each group's cell from its last checkpoint. A stop signal stops the groups of the ranks that receive it; launchers send
 * it to all ranks.
 */
#ifndef TN_TRAIN_GROUPS_H
#define TN_TRAIN_GROUPS_H

#include "train/train.h"

/* Collective. cell (n). Errors TN_EARG the number of ranks is no multiple of ranks_per_fold; otherwise the worst status of all
 * cells. */
tn_status tn_train_cells(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards, int n,
                         const tn_cell *cell, int ranks_per_fold, const tn_train_how *how);

#endif
