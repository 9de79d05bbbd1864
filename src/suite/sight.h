/*
 * sight.h - one look at a step of a run: what state is it in, how far, why not.      layer: suite, uses: plan, queue
 *
 *   TN_TRY(tn_queue_read(plan, &queue));
 *   for (int i = 0; i < plan->n; i++) TN_TRY(tn_sight_of(cfg, plan, queue, i, &sight));
 *
 * What is trusted, in this order: a valid DONE; Slurm's queue for who waits and runs; the record of a job that ended
 * (slurm/stage.sh); the manifest for runs on this machine. How far a cell is: its sign of life (base/progress.h) while
 * it runs, else its journal.
 */
#ifndef TN_SUITE_SIGHT_H
#define TN_SUITE_SIGHT_H

#include "suite/queue.h"

typedef enum {
    TN_SIGHT_WAITING, /* for another step, or for its turn on this machine */
    TN_SIGHT_QUEUED,  /* in Slurm's queue, for nodes */
    TN_SIGHT_RUNNING,
    TN_SIGHT_DONE,
    TN_SIGHT_FAILED,
    TN_SIGHT_STOPPED, /* asked to; goes on with `resume` */
    TN_SIGHT_SKIPPED, /* done: a round that is not needed */
    TN_SIGHT_FOREIGN, /* its folder was made with other settings */
    TN_SIGHT_STATES
} tn_sight_state;

typedef struct {
    tn_sight_state state;
    int64_t done, total; /* train: images; predict: cells; total 0 = not known */
    double per_s, score; /* score < 0: none yet */
    int trial;           /* of a search: which one; -1 = not known */
    int64_t sign;        /* count of the sign of life, -1 = none */
    double sign_every_s; /* how often a new one comes */
    char doing[96];      /* running, where it is not training itself: "evaluate r0-f3-..." */
    char why[512];       /* what it waits for, how it failed and its last words */
    char log[TN_PATH_BYTES];
} tn_sight;

const char *tn_sight_name(tn_sight_state state);
tn_status tn_sight_of(const tn_cfg *cfg, const tn_plan *plan, const tn_queue *queue, int step, tn_sight *out);

/* What the job of a step, whose number is in the plan, is called in names of records and logs: "train.r0.3", of the log
 * ".../train.r0-12_3.log" of job "12_3". */
enum { TN_JOB_LABEL_BYTES = 64 };
void tn_sight_label(const tn_step *step, char out[TN_JOB_LABEL_BYTES]);

#endif
