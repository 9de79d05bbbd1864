/*
 * submit.h - the executor for a cluster: what is missing becomes jobs of Slurm.     layer: suite, uses: plan, batch
 *
 * All or nothing: where sbatch refuses a job, those submitted before it are cancelled. The jobs find their settings in
 * the run folder (plan.json, job.cfg); what each of them ended with lies in <run>/slurm/<label>[.<task>] (record.h).
 */
#ifndef TN_SUITE_SUBMIT_H
#define TN_SUITE_SUBMIT_H

#include "suite/plan.h"

/* dry_run: prints the commands as a script and touches nothing. cfg: what its slurm group leaves open is filled from
 * site.env.
 * Errors  TN_EARG jobs of the run still wait or run (names them), settings differ from what is done; TN_EIO Slurm
 *         refuses, with its words. */
tn_status tn_submit(tn_cfg *cfg, tn_plan *plan, int pilot_nodes, bool dry_run);

#endif
