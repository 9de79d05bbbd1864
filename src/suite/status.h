/* status.h - the table of a run's steps, for people.                                layer: suite, uses: sight
 *
 * Whether a running cell lives is told by its sign of life alone: a count that an observer sees change, on its own
 * clock. One look cannot tell; --watch can. */
#ifndef TN_SUITE_STATUS_H
#define TN_SUITE_STATUS_H

#include "suite/plan.h"

#include <stdio.h>

/* One line per step: state; images seen of all, images/s, time left, best score; below it why it waits or failed, and
 * the log. A queue that cannot be asked is said, and the table printed without it. */
tn_status tn_status_print(const tn_cfg *cfg, const tn_plan *plan, FILE *out);

/* All that is seen, and how the run went so far (course.h), as one JSON object: "tenfold status 1", docs/file-formats.md. */
tn_status tn_status_json(const tn_cfg *cfg, const tn_plan *plan, FILE *out);

/* Looks every every_s seconds until nothing waits or runs any more; 0: every 60 where the run has jobs of Slurm, whose
 * controller answers squeue for everybody, else every 5. On a terminal the table is drawn anew; else a line for
 * every change of a state, and a summary every minute.
 * Errors  TN_EUNFINISHED it ended and something is missing. */
tn_status tn_status_watch(const tn_cfg *cfg, tn_plan *plan, int every_s, FILE *out);

#endif
