/*
 * plan.h - the plan of a run: its list of steps, and plan.json, the file that records how they went. All functions are local.
 *
 *   tn_plan *plan = NULL;
 *   TN_TRY(tn_plan_make(cfg, &start, &plan));
 *   for (int i = 0; i < plan->n; i++) ... plan->step[i] ...
 *   TN_TRY(tn_plan_publish(plan));                      // <run>/plan.json
 *
 * File     <run>/plan.json: how the run was started (job file, --set, folder), and per step: state, exit code, last
 *          line of its log, seconds, Slurm job. It is only a record: DONE files alone decide what is done (store/done.h).
 * Job file <run>/job.cfg: a copy of the job file, made when the run was started or last continued. `tenfold VERB RUN` and
 *          the run's jobs read this copy, so that later edits of the job file do not change a job that still waits.
 */
#ifndef TN_RUN_PLAN_H
#define TN_RUN_PLAN_H

#include "run/step.h"

/* How a run was started: enough to continue it from any working folder. */
typedef struct {
    char job_file[TN_PATH_BYTES]; /* absolute */
    char folder[TN_PATH_BYTES];   /* working folder, for relative paths in --set */
    char run_dir[TN_PATH_BYTES];  /* absolute */
    int n_set;
    char **set;
} tn_start;

typedef struct {
    tn_start start;
    char pilot[32]; /* job id of the one Slurm job that executes all steps (`submit --pilot`); "" = none */
    int n;
    tn_step *step;
} tn_plan;

const char *tn_step_state_name(tn_step_state state); /* "running" */

/* Make the list of steps; start is copied. Errors TN_EARG the path of the run folder is too long; TN_ENOMEM. */
tn_status tn_plan_make(const tn_cfg *cfg, const tn_start *start, tn_plan **out);
/* Write <run>/plan.json. Errors TN_EIO, TN_ENOMEM. */
tn_status tn_plan_publish(const tn_plan *plan);
/* Read settings and plan of a run folder. edited: from the job file as it is now; otherwise from the run's copy. The process
 * changes into the working folder in which the run was started. The caller frees both.
 * Errors  TN_EARG there is no plan.json: the message names the folder and `tenfold run`; TN_EFORMAT damaged. */
tn_status tn_plan_read(const char *run_dir, bool edited, tn_cfg **cfg_out, tn_plan **out);
/* Take over the states of the steps from plan.json of the run folder, if there is one. */
tn_status tn_plan_recall(tn_plan *plan);
/* Copy the job file to <run>/job.cfg. */
tn_status tn_plan_keep_job_file(const tn_plan *plan);
void tn_plan_free(tn_plan **plan);

#endif
