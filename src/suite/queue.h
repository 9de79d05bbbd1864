/*
 * queue.h - what Slurm says about the jobs of a run, by squeue alone: no database.  layer: suite, uses: plan, command
 *
 *   tn_queue *q = NULL;
 *   TN_TRY(tn_queue_read(plan, &q));
 *   const tn_queued *task = tn_queue_find(q, "12_3");          // NULL: neither waiting nor running
 *
 * Slurm forgets a finished job after minutes and gives numbers out again after months: what is asked here is only who
 * waits or runs, and a job counts as the run's when number and name are.
 */
#ifndef TN_SUITE_QUEUE_H
#define TN_SUITE_QUEUE_H

#include "suite/plan.h"

typedef struct {
    char id[32]; /* "12", "12_3" */
    char state[24], reason[64];
    bool running; /* else it waits */
} tn_queued;

typedef struct {
    int n;
    tn_queued *at;
} tn_queue;

/* A run without jobs has an empty queue, and needs no squeue. Errors TN_EIO squeue is not there or fails. */
tn_status tn_queue_read(const tn_plan *plan, tn_queue **out);
void tn_queue_free(tn_queue **q);

/* Of squeue --format="%F|%K|%T|%j|%r", one task per line; jobs whose name does not begin with `name.` are left out. */
tn_status tn_queue_parse(const char *text, const char *name, tn_queue **out);

/* id "12_3" or "12"; "12" finds the first of its tasks too. */
const tn_queued *tn_queue_find(const tn_queue *q, const char *id);

/* The name of a run's jobs: the last part of its folder. */
const char *tn_run_name(const tn_plan *plan);

/* TN_EARG, with their numbers, while jobs of the run wait or run. */
tn_status tn_queue_check_empty(const tn_plan *plan);

#endif
