/*
 * drill.h - a rehearsal: disturbs small runs at random points, and compares their results bitwise with an undisturbed run. All functions
 * are local.
 *
 *   TN_TRY(tn_drill_shrink(cfg));                          // the small job, from the user's own
 *   TN_TRY(tn_drill(cfg, &(tn_drill_how){.n_runs = 100, .seed = 1}));
 *
 * Writes   RUN/drill.md, RUN/drill.csv after every run; RUN/drill.cfg and RUN/table (the small job); RUN/undisturbed;
 *          RUN/<number> of runs that did not end in the same bits, with their log
 * A run    one stage (preprocess, train of one fold, or predict) on 1, 2 or 4 ranks. It is disturbed at a random point; then the
 *          same command is given again with another number of ranks, perhaps disturbed again, until it ends with exit code 0.
 *          Point, kind and ranks are drawn from Philox(seed, number of the run).
 * Kinds    kill-rank      SIGKILL of one rank
 *          kill-node      SIGKILL of the launcher and of all ranks at once, as in the crash of a node
 *          kill-launcher  SIGKILL of mpirun alone
 *          stop-all       SIGUSR1 through mpirun to all ranks
 *          stop-one       SIGTERM to one rank
 *          stop-storm     30 stop signals to one rank, one every 2 ms
 *          twin           a second process with the same command is started while the first one runs
 * Slurm    Whole runs are submitted, and all folds and the ensemble are compared with a run on this machine. One running task of
 *          each run is disturbed: requeue (scontrol), time-limit (SIGUSR1 to its script), term (SIGTERM to all of it), cancel, or
 *          node (node_command with the name of its node). When the queue is empty, missing steps are submitted again. After a stop
 *          request the remaining jobs are cancelled. Kind and time are drawn from the seed; the task depends on the cluster.
 */
#ifndef TN_DRILL_DRILL_H
#define TN_DRILL_DRILL_H

#include "cfg/cfg.h"

typedef struct {
    int n_runs;
    uint64_t seed;
    const char
        *node_command; /* Slurm: a program that crashes the node named by its argument, and restarts it; NULL: none */
} tn_drill_how;

/* Make the job small, print how, and write RUN/table/metadata.csv and RUN/drill.cfg. Errors TN_EARG, TN_EIO. */
tn_status tn_drill_shrink(tn_cfg *cfg);

/* Run the drill on this machine.
 * Errors  TN_EBUG runs did not end, or have other bits; TN_EUNFINISHED asked to stop; those of the undisturbed run */
tn_status tn_drill(const tn_cfg *cfg, const tn_drill_how *how);

/* Rehearse a run under Slurm; RUN/drill.md and drill.csv have other columns. Errors also TN_EIO of Slurm's programs. */
tn_status tn_drill_slurm(const tn_cfg *cfg, const tn_drill_how *how);

#endif
