/*
 * local.h - executes a plan: each step by mpirun on this machine, one after another, or by the caller's own executor.
 *
 * A cell that fails does not stop the other cells of its round; steps that depend on it are not begun. Steps that are done
 * are not repeated. If steps failed, the error lists them and says how to go on.
 */
#ifndef TN_RUN_LOCAL_H
#define TN_RUN_LOCAL_H

#include "run/plan.h"
#include "store/lock.h"

typedef struct {
    int n_ranks; /* 0: as many as the cores allow with train.lane_threads threads each, at most train.lanes */
    tn_status (*report)(const tn_cfg *cfg, FILE *copy);
    /* Executes the steps [first, first + n), which do not depend on each other, and returns when none runs; NULL: one after
     * another by mpirun on this machine. */
    tn_status (*side_by_side)(void *context, const tn_cfg *cfg, tn_plan *plan, const tn_lock *lock, int first, int n);
    void *context;
} tn_run_how;

/* Execute all missing steps. Local.
 * Errors  those of tn_steps_missing; TN_EUNFINISHED stopped on request, or cells failed; otherwise the status of the step
 *         that failed. */
tn_status tn_run_plan(const tn_cfg *cfg, tn_plan *plan, const tn_run_how *how);

/* --- for executors ------------------------------------------------------------------------------------------------ */

enum { TN_MOST_ARGUMENTS = 120 };
typedef struct {
    char *at[TN_MOST_ARGUMENTS]; /* NULL at the end */
    int n;
    char text[8][64];
    int n_text;
} tn_arguments;

/* The argv of a step, without the program. The caller passes out zeroed; its strings belong to the plan or to out. */
tn_status tn_step_arguments(const tn_plan *plan, const tn_step *s, tn_arguments *out);
/* Append the start or the end of a step to its history (store/history.h), for the report. */
void tn_step_remember(const tn_plan *plan, const tn_step *s, int n_nodes);

#endif
