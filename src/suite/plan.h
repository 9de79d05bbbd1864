/*
 * plan.h - the plan of a run: which steps there are, and the manifest that remembers how they went.
 *                                                                                   layer: suite, uses: learn
 *
 *   tn_plan *plan = NULL;
 *   TN_TRY(tn_plan_make(cfg, &start, &plan));
 *   for (int i = 0; i < plan->n; i++) ... plan->step[i] ...
 *   TN_TRY(tn_plan_publish(plan));                      // <run>/plan.json
 *
 * Order    preprocess; per round: train cells (largest first), filter into the next round; per round: predict; reduce;
 *          report.
 *          A train cell depends on preprocess and on the filter step of its round; the other steps on all before them.
 * Search   where the job file has a search space: preprocess; per rung: trials (place slowest), rank; the last rung is
 *          the judgement (rung.h); report.
 * Manifest <run>/plan.json: how the run was started (job file, --set, folder), and per step: state, exit code, last
 *          line of its log, seconds, Slurm job. It is a record: what is done is decided by DONE files alone
 *          (base/done.h).
 * Job file <run>/job.cfg: a copy from when the run was started, or last gone on with. Whatever belongs to the run reads
 *          it (`tenfold VERB RUN`), so that a job that starts hours later does what was submitted, however the job file
 *          was edited since.
 */
#ifndef TN_SUITE_PLAN_H
#define TN_SUITE_PLAN_H

#include "learn/cell.h"
#include "suite/rung.h"

typedef enum {
    TN_STEP_PREPROCESS,
    TN_STEP_TRAIN,
    TN_STEP_FILTER,
    TN_STEP_PREDICT,
    TN_STEP_REDUCE,
    TN_STEP_TRIAL, /* of a search: one place of a rung, for one fold */
    TN_STEP_RANK,  /* the end of a rung */
    TN_STEP_REPORT
} tn_step_kind;
typedef enum { TN_STEP_WAITING, TN_STEP_RUNNING, TN_STEP_DONE, TN_STEP_FAILED, TN_STEP_STOPPED } tn_step_state;

typedef struct {
    tn_step_kind kind;
    tn_cell cell;            /* train: all of it; filter: round = the round it judges; predict: round */
    tn_place at;             /* trial: all of it; rank: rung */
    char name[96];           /* "train r0-f3-s64-x1" */
    char log[TN_PATH_BYTES]; /* <run>/log/train-r0-f3-s64-x1.log */
    tn_step_state state;
    int exit_code;
    char last_line[256]; /* of the log, when it failed */
    double seconds;
    char job[128]; /* Slurm's: "12", "12_3"; filter, predict: of the round's arrays, "14,15"; "" = none */
} tn_step;

/* How a run was started: enough to go on with it from anywhere. */
typedef struct {
    char job_file[TN_PATH_BYTES]; /* absolute */
    char folder[TN_PATH_BYTES];   /* working folder, for relative paths in --set */
    char run_dir[TN_PATH_BYTES];  /* absolute */
    int n_set;
    char **set;
} tn_start;

typedef struct {
    tn_start start;
    char pilot[32]; /* Slurm's number of the job that does all steps; "" = none */
    int n;
    tn_step *step;
} tn_plan;

const char *tn_step_verb(tn_step_kind kind);         /* "train" */
const char *tn_step_state_name(tn_step_state state); /* "running" */

/* "train-r0-f3-s64-x1", as its log and its history are called on this machine. */
enum { TN_STEP_LABEL_BYTES = 96 };
void tn_step_label(const tn_step *step, char out[TN_STEP_LABEL_BYTES]);

tn_status tn_plan_make(const tn_cfg *cfg, const tn_start *start, tn_plan **out); /* copies start */
tn_status tn_plan_publish(const tn_plan *plan);
/* Settings and plan of a run folder. edited: by the job file as it is now, else by the run's copy of it. The working
 * folder becomes that in which the run was started.
 * Errors  TN_EARG no manifest: names the folder and `tenfold run`. */
tn_status tn_plan_read(const char *run_dir, bool edited, tn_cfg **cfg_out, tn_plan **out);
/* How its steps went, as the manifest of its run folder says, where there is one. */
tn_status tn_plan_recall(tn_plan *plan);
/* Publish <run>/job.cfg. */
tn_status tn_plan_keep_job_file(const tn_plan *plan);
void tn_plan_free(tn_plan **plan);

#endif
