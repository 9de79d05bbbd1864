/* groups.c - distributes cells to groups of ranks. */
#include "train/groups.h"

#include "base/progress.h"
#include "base/watch.h"

#include <time.h>

static tn_status train_group(tn_run *group, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards, int n,
                             const tn_cell *cell, int first, int stride, const tn_train_how *how) {
    tn_status worst = TN_OK;
    for (int i = first; i < n; i += stride) {
        tn_status st = tn_train_cell(group, cfg, index, shards, &cell[i], how);
        if (st == TN_OK) continue;
        if (st == TN_EUNFINISHED) return st; /* a stop request holds for the other cells, too */
        char name[TN_CELL_NAME_BYTES];
        tn_cell_name(&cell[i], name);
        if (group->rank == 0 && n > 1) tn_warn("%s failed, the other cells go on: %s", name, tn_msg);
        if (st > worst) worst = st;
    }
    return worst;
}

/* Groups end hours apart: that is no hang of a host whose groups have all ended. */
static void wait_for_groups(const tn_run *run) {
    MPI_Request all;
    int ended = 0;
    tn_watch_rest(true);
    MPI_Ibarrier(run->comm, &all);
    for (MPI_Test(&all, &ended, MPI_STATUS_IGNORE); !ended; MPI_Test(&all, &ended, MPI_STATUS_IGNORE))
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    tn_watch_rest(false);
}

tn_status tn_train_cells(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards, int n,
                         const tn_cell *cell, int ranks_per_fold, const tn_train_how *how) {
    int per_fold = ranks_per_fold > 0 ? ranks_per_fold : run->n_ranks;
    if (run->n_ranks % per_fold != 0)
        return tn_fail(TN_EARG, "%d ranks cannot be split into groups of --ranks-per-fold %d", run->n_ranks, per_fold);
    tn_run group;
    TN_TRY(tn_agree(run, tn_run_split(run, run->rank / per_fold, &group)));
    tn_status st = train_group(&group, cfg, index, shards, n, cell, run->rank / per_fold, run->n_ranks / per_fold, how);
    tn_run_leave(&group);
    wait_for_groups(run);
    return tn_agree(run, st);
}
