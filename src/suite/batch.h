/*
 * batch.h - what is missing of a run, as sbatch commands: arrays, dependencies, resources.
 *                                                                                   layer: suite, uses: missing, site
 *   tn_batches *b = NULL;
 *   TN_TRY(tn_batches_make(cfg, missing, &b));
 *   for (int i = 0; i < b->n; i++) { TN_TRY(tn_batch_words(&about, b, i, &words)); ... b->at[i].id = what sbatch said }
 *
 *   preprocess --afterok--> train r0 (array) --afterany--> train r1 (array) --afterany--> finish (reduce, report)
 *
 *   A task of r0: train, predict, filter --if-complete. Of r1: filter, train, predict.
 *
 *   a search:  preprocess --afterok--> trial q0 (array) --afterany--> rank q0 --afterok--> trial q1 (array) --> ...
 *              --afterok--> trial judge (array) --afterany--> finish (rank, report). Who stands at a place of a later
 *              rung is not known now; how many do is. A task has places, and asks the ranking who that is.
 *
 * afterany   where many become one: a dead fold must not hold up the others for ever. Whether enough is there the stage
 *            itself finds out from the DONE files, and says what is missing.
 * afterok    only behind a single job without which nothing can be done; what waits is cancelled with it. A job that
 *            Slurm has forgotten counts as done well before 23.02, and the stage finds out by itself; since then sbatch
 *            refuses to wait for it, and the submission is cancelled (docs/slurm.md).
 * filter     a job of its own would wait in the queue once more, for seconds of work. The task that finishes its round
 *            filters; the others do not wait for it (filter --if-complete), and the next round begins when all have
 *            ended. Where that task died, the first task of the next round filters; the others find the lock taken and are
 *            queued again.
 * predict    behind train, in the same task, for the same reason.
 * Sizes      with slurm.size_nodes each size has an array of its own, the largest first: of an array all tasks ask for the
 *            same.
 * Packing    with slurm.max_jobs a task takes several cells, the fewest that fit. reduce and report are always one job:
 *            the report takes a second, a place in the queue hours.
 */
#ifndef TN_SUITE_BATCH_H
#define TN_SUITE_BATCH_H

#include "suite/command.h"
#include "suite/memory.h"
#include "suite/missing.h"
#include "suite/plan.h"
#include "suite/site.h"

typedef enum { TN_AFTER_OK, TN_AFTER_ANY } tn_after;

enum { TN_MAX_AFTER = 170, /* 21 rounds x 8 sizes, and one */ TN_MAX_COMMANDS = 4 };

typedef struct {
    tn_step_kind kind;       /* REDUCE: the last job */
    int round;               /* of a search: the rung */
    char label[32];          /* "train.r0", "train.r0.s272", "trial.q0": in names of jobs, logs and records */
    int pilot_nodes;         /* of the one job that does all; else 0 */
    int size_px;             /* of all its cells; 0 = of all sizes */
    int first_cell, n_cells; /* its cells: of the round in the order of tn_cell_order, or of the rung */
    int n_tasks;             /* of the whole array, 0 = no array: task t has its cells i with tn_task_of(i) = t */
    int n_wanted;
    int *wanted; /* tasks to submit, ascending */
    int n_after;
    struct {
        int batch;
        tn_after kind;
    } after[TN_MAX_AFTER];
    int n_commands;
    char command[TN_MAX_COMMANDS][64]; /* words of tenfold; @ stands for the task */
    int learned_mib;                   /* tn_job_record_memory of the jobs before; 0 = nothing */
    char id[32];                       /* what sbatch said */
} tn_batch;

typedef struct {
    int n, n_jobs; /* commands; jobs and array tasks */
    tn_batch *at;
} tn_batches;

/* Errors TN_EARG slurm.max_jobs is less than the run needs when packed as tightly as can be. */
tn_status tn_batches_make(const tn_cfg *cfg, const tn_missing *missing, tn_batches **out);
/* One job on so many whole nodes, which starts the cells itself (local.h: tn_pilot_run); none where nothing is missing. */
tn_status tn_batches_pilot(const tn_missing *missing, int n_nodes, tn_batches **out);
void tn_batches_free(tn_batches **b);

/* Which task has the i-th cell of an array, largest first, or of a rung: they are dealt out like cards, so
 * that tasks of several cells are equally long. */
int tn_task_of(int i, int n_tasks);

typedef struct {
    const tn_cfg *cfg;
    const tn_plan *plan;
    const tn_site *site;
    const char *program;     /* this tenfold, absolute */
    const tn_memory *memory; /* what is asked for where slurm.memory_gib = 0 */
} tn_batch_about;

/* The words of sbatch; ids of earlier ones are taken from b. */
tn_status tn_batch_words(const tn_batch_about *about, const tn_batches *b, int i, tn_words *out);

/* All of them as a script that bash can run: `train_r0=$(sbatch ...)`. */
tn_status tn_batches_print(const tn_batch_about *about, tn_batches *b, FILE *out);

#endif
