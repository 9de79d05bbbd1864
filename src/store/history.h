/*
 * history.h - what became of the starts of a run's jobs and steps, for its report.
 *
 *   tn_history_add(run_dir, "train-r0-f0-s48-x1", &(tn_history_line){.state = "done", .at = time(NULL), .job = "-"});
 *   TN_TRY(tn_history_read(run_dir, label, &n, &line));  ...  free(line);
 *
 * File <run>/history/<label>, a line is `STATE AT JOB RESTART NODES EXIT_CODE WHY`, appended in one piece:
 *   <label>[.<task>]   by slurm/stage.sh, label as of its record: running, then requeued, done, failed or ended
 *   <verb>-<cell>      by `tenfold run`, for its steps: running, then done, failed or stopped; JOB -
 *   <cell>             by train, where a start had got further than the checkpoint it left: lost; EXIT_CODE 0, WHY `IMAGES SECONDS`
 *   submitted          by `tenfold submit`: submitted
 * AT is seconds since 1970 on the clock of whoever writes. It informs, and no decision is made by it: clocks of nodes may
 * differ. A history that cannot be written or read harms nothing but the report.
 */
#ifndef TN_STORE_HISTORY_H
#define TN_STORE_HISTORY_H

#include "base/status.h"

#include <stdint.h>

typedef struct {
    char state[16], job[64], why[256];
    int64_t at;
    int restart, nodes, exit_code;
} tn_history_line;

/* job and why may be empty. Local. */
void tn_history_add(const char *run_dir, const char *label, const tn_history_line *line);
/* out: malloc'd, caller frees; no lines where there is no such file. Lines that are none are passed over. TN_ENOMEM. Local. */
tn_status tn_history_read(const char *run_dir, const char *label, int *n_out, tn_history_line **out);

#endif
