/*
 * drill.h - a rehearsal: a small run is disturbed at random points, and must end in the bits of one that was not.
 *
 *
 *   TN_TRY(tn_drill_shrink(cfg));                          // the small job, from the user's own
 *   TN_TRY(tn_drill(cfg, &(tn_drill_how){.n_runs = 100, .seed = 1}));
 *
 * Writes   RUN/drill.md, RUN/drill.csv after every run; RUN/drill.cfg and RUN/table (the small job); RUN/undisturbed;
 *          RUN/<number> of runs that did not end in the same bits, with their log
 * A run    one stage (preprocess, train of one fold, or predict) on 1, 2 or 4 ranks. At a random point it is disturbed;
 *          then the same command is given again, on another number of ranks, perhaps disturbed once more, until it ends
 *          by itself. Point, kind and ranks are Philox(seed, number of the run).
 * Kinds    kill-rank      SIGKILL of one rank
 *          kill-node      SIGKILL of the launcher and of all ranks at once: what the crash of a node leaves
 *          kill-launcher  SIGKILL of mpirun alone
 *          stop-all       SIGUSR1 through mpirun to all ranks
 *          stop-one       SIGTERM to one rank
 *          stop-storm     30 stop signals to one rank, one every 2 ms
 *          twin           a second copy is started beside the first, which lives
 * Slurm    Whole runs, submitted, and compared with one on this machine, all folds and the ensemble. A running task,
 *          any of them, is hit once: requeue (scontrol), time-limit (SIGUSR1 to its script), term (SIGTERM to all of
 *          it), cancel, node (node_command with the name of its node, then the run is waited for). What is missing when
 *          the queue is empty is resumed. Asked to stop, it cancels the jobs that are left. Which task it is depends on
 *          the cluster: kind and time are drawn from the seed.
 */
#ifndef TN_DRILL_DRILL_H
#define TN_DRILL_DRILL_H

#include "cfg/cfg.h"

typedef struct {
    int n_runs;
    uint64_t seed;
    const char
        *node_command; /* Slurm: a program that crashes the node it is told, and sees to its return; NULL: none */
} tn_drill_how;

/* Makes the job small, says how, and writes RUN/table/metadata.csv and RUN/drill.cfg. */
tn_status tn_drill_shrink(tn_cfg *cfg);

/* Errors  TN_EBUG a run did not end, or in other bits: the message names them; TN_EUNFINISHED asked to stop; those of
 *         the undisturbed run */
tn_status tn_drill(const tn_cfg *cfg, const tn_drill_how *how);

/* The same through Slurm: RUN/drill.md and drill.csv with other columns. Errors also TN_EIO of Slurm's programs. */
tn_status tn_drill_slurm(const tn_cfg *cfg, const tn_drill_how *how);

#endif
