/*
 * step_status.h - the present state of a step: its condition, its progress, and why it waits or failed.
 *
 *   TN_TRY(tn_queue_read(plan, &queue));
 *   for (int i = 0; i < plan->n; i++) TN_TRY(tn_step_status_of(cfg, plan, queue, i, &status));
 *
 * Sources in order of precedence: a valid DONE; Slurm's queue for waiting and running jobs; the record of a job that ended
 * (written by slurm/stage.sh); plan.json for runs on this machine. All functions are local.
 */
#ifndef TN_RUN_STEP_STATUS_H
#define TN_RUN_STEP_STATUS_H

#include "run/queue.h"

typedef enum {
    TN_IS_WAITING, /* for a step that it depends on, or for earlier steps on this machine */
    TN_IS_QUEUED,  /* in Slurm's queue, waiting for nodes */
    TN_IS_RUNNING,
    TN_IS_DONE,
    TN_IS_FAILED,
    TN_IS_STOPPED, /* on request; the same command continues it */
    TN_IS_SKIPPED, /* done without work: a round that is not needed */
    TN_IS_FOREIGN, /* its folder was made with other settings */
    TN_CONDITIONS
} tn_condition;

typedef struct {
    tn_condition condition;
    tn_step_progress progress;
    char why[512]; /* what it waits for, how it failed and its last line */
    char log[TN_PATH_BYTES];
} tn_step_status;

const char *tn_condition_name(tn_condition condition);
/* The status of plan->step[step]. Errors TN_EIO, TN_ENOMEM; other settings are no error but TN_IS_FOREIGN. */
tn_status tn_step_status_of(const tn_cfg *cfg, const tn_plan *plan, const tn_queue *queue, int step,
                            tn_step_status *out);

/* The label of the Slurm job of a step, as in the names of its record and log. The log ".../train.r0-12_3.log" of job "12_3" gives
 * "train.r0.3". The step must have a job. */
enum { TN_JOB_LABEL_BYTES = 64 };
void tn_job_label(const tn_step *step, char out[TN_JOB_LABEL_BYTES]);

#endif
