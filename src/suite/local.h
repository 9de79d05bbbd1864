/*
 * local.h - the executor for one machine: every step of the plan by mpirun, one after another.
 *                                                                                   layer: suite, uses: plan, launch
 *
 * A train cell that fails does not stop the other cells of its round; what depends on it is not begun. Steps whose
 * outputs are there are not repeated. Ends with the report on stdout, or with the list of what failed and how to go on.
 */
#ifndef TN_SUITE_LOCAL_H
#define TN_SUITE_LOCAL_H

#include "suite/plan.h"

/* n_ranks 0: as many as the cores allow with train.lane_threads threads each, at most train.lanes.
 * Errors  as tn_filter_own; TN_EUNFINISHED stopped on request, or train cells failed; otherwise the status of the step
 *         that failed. */
tn_status tn_local_run(const tn_cfg *cfg, tn_plan *plan, int n_ranks);

/* Runs the plan on the nodes of the job that this process is the first command of (`submit --pilot`): as many cells at a time as have room,
 * the largest first. One that is killed begins again, one that fails keeps nobody else from going on. Stop requests reach all. */
tn_status tn_pilot_run(const tn_cfg *cfg, tn_plan *plan);

#endif
