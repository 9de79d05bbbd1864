/*
 * submit.h - submits the missing steps of a run as Slurm jobs.
 *
 * All or nothing: if sbatch refuses a job, the jobs submitted before it are cancelled. The jobs read their settings from the run
 * folder (plan.json, job.cfg) and record how they ended in <run>/slurm/<label>[.<task>] (run/job_record.h).
 */
#ifndef TN_SLURM_SUBMIT_H
#define TN_SLURM_SUBMIT_H

#include "run/plan.h"

/* Local.
 * cfg          slurm keys that the job file does not set are filled from site.env
 * pilot_nodes  > 0: one pilot job on so many nodes
 * dry_run      only prints the commands as a bash script
 * Errors       TN_EARG jobs of the run still wait or run (lists them), settings differ from those of done steps, no GPU is asked for
 *              where one is needed (gpus.h); TN_EIO sbatch
 *              refuses a job: the message has its output. */
tn_status tn_submit(tn_cfg *cfg, tn_plan *plan, int pilot_nodes, bool dry_run);

#endif
