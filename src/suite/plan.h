/*
 * plan.h - the plan of a run: which steps there are, and the manifest that remembers how they went.
 *                                                                                   layer: suite, uses: learn
 *
 *   tn_plan *plan = NULL;
 *   TN_TRY(tn_plan_make(cfg, &plan));
 *   for (int i = 0; i < plan->n; i++) ... plan->step[i] ...
 *   TN_TRY(tn_plan_publish(plan));                      // <run>/plan.json
 *
 * Order    preprocess; per round: train cells (fold slowest), filter into the next round; predict; reduce; report.
 *          A train cell depends on preprocess and on the filter step of its round; the other steps on all before them.
 * Search   preprocess; per rung: trials (place slowest), rank; the last rung is the judgement (rung.h); report.
 * Manifest <run>/plan.json: how the run was started (job file, --set, folder), and per step: state, exit code, last
 * line of its log, seconds. It is a record: what is done is decided by DONE files alone (base/done.h).
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
    tn_cell cell;            /* train: all of it; filter: round = the round it judges */
    tn_place at;             /* trial: all of it; rank: rung */
    char name[96];           /* "train r0-f3-s64-x1" */
    char log[TN_PATH_BYTES]; /* <run>/log/train-r0-f3-s64-x1.log */
    tn_step_state state;
    int exit_code;
    char last_line[256]; /* of the log, when it failed */
    double seconds;
} tn_step;

/* How a run was started: enough to go on with it from anywhere. */
typedef struct {
    char job_file[TN_PATH_BYTES]; /* absolute */
    char folder[TN_PATH_BYTES];   /* working folder, for relative paths in --set */
    char run_dir[TN_PATH_BYTES];  /* absolute */
    int n_set;
    char **set;
    bool tune; /* the search of `tenfold tune`, not the pipeline */
} tn_start;

typedef struct {
    tn_start start;
    int n;
    tn_step *step;
} tn_plan;

const char *tn_step_verb(tn_step_kind kind);         /* "train" */
const char *tn_step_state_name(tn_step_state state); /* "running" */

tn_status tn_plan_make(const tn_cfg *cfg, const tn_start *start, tn_plan **out); /* copies start */
tn_status tn_plan_publish(const tn_plan *plan);
/* The plan of a run folder, from its manifest. Errors TN_EARG no manifest: names the folder and `tenfold run`. */
tn_status tn_plan_read(const char *run_dir, tn_plan **out);
void tn_plan_free(tn_plan **plan);

#endif
