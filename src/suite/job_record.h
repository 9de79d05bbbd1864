/*
 * job_record.h - what slurm/stage.sh wrote down about a job: <run>/slurm/<label>[.<task>].    layer: suite, uses: base
 *
 *   tn_job_record r;
 *   if (tn_job_record_read(run_dir, "train.r0.3", &r) && strcmp(r.job, "12_3") == 0) ...
 */
#ifndef TN_SUITE_JOB_RECORD_H
#define TN_SUITE_JOB_RECORD_H

#include "base/fs.h"

typedef struct {
    char job[64], state[16]; /* "12_3"; running, requeued, done, failed, ended */
    int exit_code;
    int memory_mib; /* on each node, of this start, or of the next where it was queued again; 0 = Slurm gave no number */
    int out_of_memory; /* how many of its starts ended for lack of it */
} tn_job_record;

/* False: there is none, or it says nothing. Local. */
bool tn_job_record_read(const char *run_dir, const char *label, tn_job_record *out);

/* MiB on each node that a job of this label must ask for, after what the records of its tasks say: what was enough in the
 * end, or half as much again as what was not. n_tasks: of the array, 0 = none. 0: no start ran out of memory. Local. */
int tn_job_record_memory(const char *run_dir, const char *label, int n_tasks);

#endif
