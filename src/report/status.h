/* status.h - prints the state of all steps of a run, once or repeatedly.
 *
 * A running cell is alive if its heartbeat changes: the heartbeat is a count, and the observer uses its own clock. So a
 * single reading cannot tell, but --watch can. All functions are local. */
#ifndef TN_REPORT_STATUS_H
#define TN_REPORT_STATUS_H

#include "run/plan.h"

#include <stdio.h>

/* Print one line per step: state, images seen of all, images/s, time left, best score; below it why it waits or failed, and its
 * log. If squeue fails, a warning is printed and the table is made without it. Errors TN_EIO, TN_EFORMAT, TN_ENOMEM. */
tn_status tn_status_print(const tn_cfg *cfg, const tn_plan *plan, FILE *out);

/* Print the table and how the run went so far (run/course.h) as one JSON object: "tenfold status 1", docs/file-formats.md. */
tn_status tn_status_json(const tn_cfg *cfg, const tn_plan *plan, FILE *out);

/* Print every every_s seconds until no step waits or runs. every_s 0: 60 under Slurm, to spare its controller, else 5. On a
 * terminal the table is redrawn; in a file there is a line for every change of a state, and a summary every minute.
 * Errors  TN_EUNFINISHED it ended and something is missing. */
tn_status tn_status_watch(const tn_cfg *cfg, tn_plan *plan, int every_s, FILE *out);

#endif
