/*
 * history.h - records the starts and ends of a run's jobs and steps, for its report. All functions are local.
 *
 *   tn_history_add(run_dir, "train-r0-f0-s48-x1", &(tn_history_line){.state = "done", .at = time(NULL), .job = "-"});
 *   TN_TRY(tn_history_read(run_dir, label, &n, &line));  ...  free(line);
 *
 * File <run>/history/<label>: lines `STATE AT JOB RESTART NODES EXIT_CODE WHY`, each appended by one write. Labels and states:
 *   <label>[.<task>]   by slurm/stage.sh, with the label of its record: running, then requeued, done, failed or ended
 *   <verb>-<cell>      by `tenfold run` for its steps: running, then done, failed or stopped; JOB is -
 *   <cell>             by train, if an earlier start did work after its last checkpoint: lost; EXIT_CODE 0, WHY `IMAGES SECONDS`
 *   submitted          by `tenfold submit`: submitted
 * AT is seconds since 1970 on the clock of the writer. Clocks of nodes may differ, so no decision depends on it. If a history cannot
 * be written or read, only the report is incomplete.
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

/* Append a line; job and why may be empty. Failures are ignored. */
void tn_history_add(const char *run_dir, const char *label, const tn_history_line *line);
/* Read all lines into malloc'd memory, which the caller frees. No file gives no lines; invalid lines are skipped. Errors TN_ENOMEM. */
tn_status tn_history_read(const char *run_dir, const char *label, int *n_out, tn_history_line **out);

#endif
