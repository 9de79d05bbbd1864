/*
 * course.h - how a run went, for its morning report: where the hours of its steps are.   layer: suite, uses: plan, sight
 *
 *   tn_course *c = NULL;
 *   TN_TRY(tn_course_of(cfg, plan, &c));        // of each step
 *   tn_course_print(cfg, plan, c, out);         // a section of markdown
 *   tn_course_free(&c);
 *
 * Read are <run>/history (base/history.h) and the journals of cells. Of a step:
 *   queued    from the time when it could have begun (submitted, and what it waits for ended) to its start; after each end that
 *             queued it again; and again for each later submission
 *   computed  cells: training and evaluation that counts, by the journal; other steps: all their starts
 *   lost      cells: what was computed behind the checkpoint that the next start went on from
 *   other     cells: the rest of their starts: beginning, reading, publishing, waiting for another rank; under Slurm the predictions
 *             and the filter of the same task
 * A start without an end (its node is gone) has no length that is known: it is counted, and said.
 * Where a task has several cells, the first has the times of the task.
 * The times were written by several hosts. They inform; whoever decides something does not ask here.
 */
#ifndef TN_SUITE_COURSE_H
#define TN_SUITE_COURSE_H

#include "base/history.h"
#include "suite/sight.h"

#include <jansson.h>

typedef struct {
    int n_lines; /* of history: starts and ends */
    tn_history_line *line;
    int n_starts, n_silent;                       /* silent: without an end, though something came after */
    int64_t end_at;                               /* 0: none */
    double queued_s, computed_s, lost_s, other_s; /* < 0: not known */
    double node_s;                                /* nodes times the length of its starts */
} tn_step_course;

typedef struct {
    int n;
    tn_step_course *step;
    double queued_s, computed_node_s, lost_node_s, other_node_s; /* of cells, all together */
} tn_course;

/* Errors TN_ENOMEM; those of tn_journal_read. Local. */
tn_status tn_course_of(const tn_cfg *cfg, const tn_plan *plan, tn_course **out);
void tn_course_free(tn_course **c);

/* "## How the run went": a line per step that began, the causes of its restarts, sums, what is missing and the next command. Nothing where
 * no step has a history. out: markdown of paragraphs and tables. */
void tn_course_print(const tn_plan *plan, const tn_course *c, FILE *out);
/* One step: queued_seconds, computed_seconds, lost_seconds, other_seconds (null: not known), starts. NULL: no memory. */
json_t *tn_course_json(const tn_step_course *s);

#endif
