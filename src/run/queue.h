/*
 * queue.h - the waiting and running Slurm jobs of a run, as squeue lists them; no accounting database is needed.
 *
 *   tn_queue *q = NULL;
 *   TN_TRY(tn_queue_read(plan, &q));
 *   const tn_queued *task = tn_queue_find(q, "12_3");          // NULL: neither waiting nor running
 *
 * Slurm forgets a finished job after minutes and reuses job ids after months. So the queue tells only which jobs wait or run, and
 * a job belongs to the run if both its id and its name match. All functions are local.
 */
#ifndef TN_RUN_QUEUE_H
#define TN_RUN_QUEUE_H

#include "run/plan.h"

typedef struct {
    char id[32]; /* "12", "12_3" */
    char state[24], reason[64];
    bool running; /* else it waits */
} tn_queued;

typedef struct {
    int n;
    tn_queued *at;
} tn_queue;

/* Ask squeue. A run without jobs has an empty queue and needs no squeue. The caller frees *out.
 * Errors TN_EIO squeue is not installed or fails; TN_ENOMEM. */
tn_status tn_queue_read(const tn_plan *plan, tn_queue **out);
void tn_queue_free(tn_queue **q);

/* Parse the output of squeue --format="%F|%K|%T|%j|%r", one task per line. Jobs whose name does not begin with `name.` are left
 * out. */
tn_status tn_queue_parse(const char *text, const char *name, tn_queue **out);

/* Find a job by its id: "12_3" is a task, "12" a job or the first task of an array. NULL: neither waiting nor running. */
const tn_queued *tn_queue_find(const tn_queue *q, const char *id);

/* The name of a run's jobs: the last part of its folder. */
const char *tn_run_name(const tn_plan *plan);

/* Errors TN_EARG jobs of the run still wait or run: the message lists their ids. */
tn_status tn_queue_check_empty(const tn_plan *plan);

#endif
