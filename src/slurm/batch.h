/*
 * batch.h - turns the missing steps of a run into sbatch commands: arrays, dependencies, resources. All functions are local.
 *
 *   tn_batches *b = NULL;
 *   TN_TRY(tn_batches_make(cfg, plan, missing, &b));
 *   for (int i = 0; i < b->n; i++) { TN_TRY(tn_batch_argv(&about, b, i, &argv)); ... b->at[i].id = job id from sbatch }
 *
 *   preprocess --afterok--> train r0 (array) --afterany--> train r1 (array) --afterany--> finish (reduce, report)
 *   preprocess --afterok--> probe --afterok--> train r0 ...                                                  with self.probe
 *   ... --afterany--> finish (reduce) --afterok--> distil (distil, report)                              with distil.student
 *   preprocess --afterok--> trial q0 (array) --afterany--> trial q1 (array) --afterany--> ... --> finish (report)
 *
 * A task runs several commands in sequence, taken from the table of stages (run/step.h). A task of r0 runs train, predict, filter
 * --if-complete; of r1: filter, train, predict; of q1: rank of q0, trial, rank --if-complete.
 *
 * afterany   used between arrays: one dead fold must not block the others for ever. The next stage reads the DONE files,
 *            decides whether enough cells are done, and names those that are missing.
 * afterok    used only after a single job that all others need; Slurm cancels the waiting jobs if it fails. Before Slurm 23.02
 *            a forgotten job counts as successful, and the stage itself finds what is missing; since then sbatch refuses such a
 *            dependency, and the submission is cancelled (docs/slurm.md).
 * filter,    are no jobs of their own: such a job would wait in the queue again, for seconds of work. The task that finishes
 * rank       its round or rung runs them; the other tasks do not wait (--if-complete), and the next turn begins when all tasks
 *            have ended. If that task died, the first task of the next turn runs them; the others find the lock taken and are
 *            requeued.
 * predict    runs after train in the same task, for the same reason.
 * Slots      the number of slots of a later rung is known at submission, the trials in them are not. A task gets slots and reads
 *            their trials from the ranking.
 * Sizes      with slurm.size_nodes each image size has an array of its own, largest first, because all tasks of an array
 *            request the same resources.
 * Packing    with slurm.max_jobs a task takes several cells, as few as fit the limit. reduce and report are always one job:
 *            the report takes a second, waiting in the queue may take hours.
 */
#ifndef TN_SLURM_BATCH_H
#define TN_SLURM_BATCH_H

#include "process/command.h"
#include "run/plan.h"
#include "slurm/memory.h"
#include "slurm/site.h"

typedef enum { TN_DEPEND_OK, TN_DEPEND_ANY } tn_dependency;

enum { TN_MAX_DEPENDENCIES = 170, /* 21 rounds x 8 sizes, and one */ TN_MAX_COMMANDS = 8 };

typedef struct {
    const tn_stage *stage;   /* gives partition, time, nodes and options: the first stage that the job does */
    char label[32];          /* "train.r0", "train.r0.s272", "trial.q0": in names of jobs, logs and records */
    int turn;                /* round or rung of an array */
    int pilot_nodes;         /* nodes of a pilot job, which executes all steps; 0 = not a pilot job */
    int size_px;             /* image size of its cells; 0 = all sizes */
    int first_cell, n_cells; /* its cells, numbered as by tn_cell_nth in a round, as by tn_rung_slot in a rung */
    int n_tasks;             /* tasks of the whole array, 0 = no array: task t has the cells i with tn_task_of(i) = t */
    int n_wanted;
    int *wanted; /* tasks to submit, ascending */
    int n_after;
    struct {
        int batch;
        tn_dependency kind;
    } after[TN_MAX_DEPENDENCIES];
    int n_commands;
    char command[TN_MAX_COMMANDS][64]; /* arguments of tenfold; @ stands for the task number */
    int n_does;
    struct {
        int step, task; /* step: index in the plan; task: the one that executes it, -1: any task */
    } * does;
    int learned_mib; /* tn_job_record_memory of earlier jobs of this label; 0 = nothing learned */
    char id[32];     /* job id, set by the caller */
} tn_batch;

typedef struct {
    int n, n_jobs; /* commands; jobs and array tasks */
    tn_batch *at;
} tn_batches;

/* missing: (plan->n), from tn_steps_missing. The caller frees *out.
 * Errors TN_EARG slurm.max_jobs is too small even if cells are packed as tightly as possible. */
tn_status tn_batches_make(const tn_cfg *cfg, const tn_plan *plan, const bool *missing, tn_batches **out);
/* One job on n_nodes whole nodes, which starts the cells itself (pilot.h); no job if nothing is missing. */
tn_status tn_batches_pilot(const tn_plan *plan, const bool *missing, int n_nodes, tn_batches **out);
void tn_batches_free(tn_batches **b);

/* The task that trains the i-th cell of an array (largest first) or of a rung: i mod n_tasks, so that tasks of several cells take
 * about equally long. */
int tn_task_of(int i, int n_tasks);

typedef struct {
    const tn_cfg *cfg;
    const tn_plan *plan;
    const tn_site *site;
    const char *program;     /* this tenfold, absolute */
    const tn_memory *memory; /* requested if slurm.memory_gib = 0 */
} tn_batch_about;

/* The sbatch command of job i. Its dependencies use the ids of earlier jobs in b. The caller frees out with tn_argv_free. */
tn_status tn_batch_argv(const tn_batch_about *about, const tn_batches *b, int i, tn_argv *out);

/* Print all sbatch commands as a bash script: `train_r0=$(sbatch ...)`. */
tn_status tn_batches_print(const tn_batch_about *about, tn_batches *b, FILE *out);

#endif
