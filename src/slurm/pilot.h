/*
 * pilot.h - the executor inside a pilot job (`submit --pilot`): runs as many cells at a time as fit on the nodes of the job.
 *
 * The largest cells start first. A cell that is killed is started again; a cell that fails does not stop the others. A stop request
 * is passed on to all running cells.
 */
#ifndef TN_SLURM_PILOT_H
#define TN_SLURM_PILOT_H

#include "run/plan.h"

/* Execute all missing steps. Called in the first process of the job. Local. report: as in run/local.h.
 * Errors those of tn_run_plan and tn_crew_open. */
tn_status tn_pilot_run(const tn_cfg *cfg, tn_plan *plan, tn_status (*report)(const tn_cfg *cfg, FILE *copy));

#endif
