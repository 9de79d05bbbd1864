/*
 * course.h - how the time of a run was spent, step by step.
 *
 *   tn_course *c = NULL;
 *   TN_TRY(tn_course_of(cfg, plan, &c));        // times of each step
 *   tn_course_print(cfg, plan, c, out);         // a section of markdown
 *   tn_course_free(&c);
 *
 * Sources: <run>/history (store/history.h) and the journals of cells. The times of a step, in seconds:
 *   queued    waiting before each start. The wait begins when the step is submitted and all its dependencies have ended; or, after
 *             a requeue, at the end of the start before
 *   computed  cells: training and evaluation that were kept, by the journal; other steps: all their starts
 *   lost      cells: work after the last checkpoint, which the next start had to repeat
 *   other     cells: the rest of their starts: launching, reading, publishing, waiting for other ranks; under Slurm also the
 *             prediction and filter steps that ran in the same task
 * A start without an end (its node died) has no known length: it is counted and printed.
 * Where a Slurm task has several cells, the first cell gets the times of the whole task.
 * The times were written by several hosts, whose clocks may differ. They are for display only.
 */
#ifndef TN_RUN_COURSE_H
#define TN_RUN_COURSE_H

#include "run/step_status.h"
#include "store/history.h"

#include <string.h>

struct json_t; /* of the library jansson */

typedef struct {
    int n_lines; /* lines of its history: starts and ends */
    tn_history_line *line;
    int n_starts, n_silent; /* silent: starts without an end that were followed by another start */
    int64_t end_at;         /* its last end, seconds since 1970; 0: none */
    double queued_s, computed_s, lost_s, other_s; /* < 0: not known */
} tn_step_course;

typedef struct {
    int n;
    tn_step_course *step;
    double queued_s, computed_node_s, lost_node_s, other_node_s; /* sums over all cells */
} tn_course;

/* Is the step a training cell, with a journal in <run>/train? */
static inline bool tn_course_is_cell(const tn_step *s) {
    return s->stage->per == TN_PER_CELL && s->stage->progress;
}
/* Has the line of a history this state ("running", "done", "requeued", ...)? */
static inline bool tn_history_is(const tn_history_line *l, const char *state) {
    return strcmp(l->state, state) == 0;
}

/* The caller frees *out. Local. Errors TN_ENOMEM and those of tn_journal_read. */
tn_status tn_course_of(const tn_cfg *cfg, const tn_plan *plan, tn_course **out);
void tn_course_free(tn_course **c);

/* Print the section "## How the run went" as markdown: a line per step that began, the causes of its restarts, sums, what is
 * missing and the next command. Prints nothing if no step has a history. */
void tn_course_print(const tn_plan *plan, const tn_course *c, FILE *out);
/* One step as JSON: queued_seconds, computed_seconds, lost_seconds, other_seconds (null: not known), starts. The caller owns the
 * result; NULL: no memory. */
struct json_t *tn_course_json(const tn_step_course *s);

#endif
