/*
 * step.h - the table of stages (train, filter, ...), and the steps of a run: single runs of a stage, such as `train` of one cell.
 *
 * Everything that works on a whole run (plan, executors here and under Slurm, status, report) loops over steps and looks up the
 * row of their stage. A new stage is a folder with its code, a verb, and a row in stages.c (docs/extending.md).
 *
 * Order    that of the rows. Stages with the same loop number alternate: round by round (train, filter), rung by rung (trial,
 *          rank). A turn is one pass through such a loop: a round or a rung.
 * Missing  a step without a valid DONE, and every step that depends on a missing one.
 *
 * All functions are local.
 */
#ifndef TN_RUN_STEP_H
#define TN_RUN_STEP_H

#include "cfg/cell.h"

typedef struct tn_step tn_step;

/* How many steps a stage has: one; one per round, cell, rung or slot. The options that select a step, in this order: none; --round;
 * --round --folds --size --seed; --rung; --rung --slot --folds. */
typedef enum { TN_PER_RUN, TN_PER_ROUND, TN_PER_CELL, TN_PER_RUNG, TN_PER_SLOT } tn_per;

/* Number of ranks of a step: none, a plain process without MPI; one; at most train.lanes, under Slurm slurm.ranks_per_node on each
 * node of the cell; one per core. */
typedef enum { TN_RANKS_NONE, TN_RANKS_ONE, TN_RANKS_OF_CELL, TN_RANKS_OF_CORES } tn_ranks;

/* Which Slurm job executes a step: one before all others; a second one, before all arrays; a task of its turn's array; one after all
 * arrays; one after that, for the student, which also does what comes after it. */
typedef enum { TN_JOB_FIRST, TN_JOB_SECOND, TN_JOB_TASK, TN_JOB_LAST, TN_JOB_STUDENT } tn_job_kind;

/* Which steps of another stage a step depends on: all; those of the same turn; those of the turn before; the one of the same cell. */
typedef enum { TN_AFTER_ALL = 1, TN_AFTER_TURN, TN_AFTER_TURN_BEFORE, TN_AFTER_CELL } tn_after;

enum { TN_IN_PIPELINE = 1, TN_IN_SEARCH = 2, TN_IN_BOTH = 3, TN_MAX_AFTER_STAGES = 3 };

/* The progress of a cell, for `status`. */
typedef struct {
    int64_t done, total; /* images */
    double per_s, score; /* score < 0: none yet */
    int trial;           /* of a search: the number of the trial; -1 = not known */
    int64_t heartbeat;   /* the count in its heartbeat (base/progress.h), -1 = none */
    double heartbeat_every_s;
    char doing[96]; /* what it does when it is not training: "evaluate r0-f3-..." */
    char why[512];  /* "diverged: ..." */
} tn_step_progress;

typedef struct {
    const char *verb; /* `tenfold VERB` executes it; also the first word of its steps' names */
    tn_per per;
    unsigned runs; /* TN_IN_PIPELINE, TN_IN_SEARCH or both */
    int loop;      /* stages with the same number alternate; 0: none */
    tn_ranks ranks;
    tn_job_kind job;
    bool (*wanted)(const tn_cfg *cfg);                 /* NULL: every run of its kind has it */
    bool optional;                                     /* no step depends on it, and a run goes on if it fails */
    const tn_slurm_stage *(*slurm)(const tn_cfg *cfg); /* partition, memory, minutes and options of its job */
    struct {
        const char *verb;
        tn_after which;
    } after[TN_MAX_AFTER_STAGES];
    tn_status (*folder)(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]);
    /* Is the step done? NULL: it is if its folder has a DONE. inputs: the steps that it depends on are done; if false, only what can
     * be checked without them is checked.
     * Errors  TN_EARG it was made with other settings: names the keys */
    tn_status (*done)(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out);
    tn_status (*progress)(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out); /* NULL: none */
} tn_stage;

typedef enum { TN_STEP_WAITING, TN_STEP_RUNNING, TN_STEP_DONE, TN_STEP_FAILED, TN_STEP_STOPPED } tn_step_state;

struct tn_step {
    const tn_stage *stage;
    tn_cell cell;            /* steps per cell: all fields; per round: only round */
    tn_slot slot;            /* steps per slot: all fields; per rung: only rung */
    char name[96];           /* "train r0-f3-s64-x1" */
    char log[TN_PATH_BYTES]; /* <run>/log/train-r0-f3-s64-x1.log */
    tn_step_state state;
    int exit_code;
    char last_line[256]; /* of its log, if it failed */
    double seconds;
    char job
        [128]; /* Slurm job id: "12", "12_3"; all arrays "14,15" if any of their tasks may execute the step; "" = none */
};

extern const tn_stage tn_stages[];
extern const int tn_n_stages;

/* The row of a verb; NULL: there is none. */
const tn_stage *tn_stage_find(const char *verb);

/* Is the step one of many that are independent of each other (per cell or per slot)? */
bool tn_step_is_cell(const tn_step *s);
/* Its round or rung; 0: it has none. */
int tn_step_turn(const tn_step *s);
/* "train-r0-f3-s64-x1": the name of its log and its history on this machine. */
enum { TN_STEP_LABEL_BYTES = 96 };
void tn_step_label(const tn_step *s, char out[TN_STEP_LABEL_BYTES]);

/* Write the steps of a run to out, in order, without the paths of their logs. Returns their number. out: NULL (only count), or an
 * array of that many. */
int tn_steps_list(const tn_cfg *cfg, tn_step *out);

/* Does `step` depend on `before` directly? */
bool tn_step_after(const tn_cfg *cfg, const tn_step *step, const tn_step *before);

/* Which of the n steps of tn_steps_list are missing. Reads published files only.
 * missing_out (n) bool
 * Errors      TN_EARG a step was made with other settings: names the keys. */
tn_status tn_steps_missing(const tn_cfg *cfg, int n, const tn_step *step, bool *missing_out);

/* Is one step done, if the steps that it depends on are? Errors as above. */
tn_status tn_step_done(const tn_cfg *cfg, const tn_step *s, bool *out);

#endif
