/*
 * job_record.h - reads the record that slurm/stage.sh writes about a job: <run>/slurm/<label>[.<task>].
 *
 *   tn_job_record r;
 *   if (tn_job_record_read(run_dir, "train.r0.3", &r) && strcmp(r.job, "12_3") == 0) ...
 */
#ifndef TN_RUN_JOB_RECORD_H
#define TN_RUN_JOB_RECORD_H

#include "base/fs.h"

typedef struct {
    char job[64], state[16]; /* "12_3"; running, requeued, done, failed, ended */
    int exit_code;
    int memory_mib;    /* per node, of this start, or of the next one after a requeue; 0 = Slurm gave no number */
    int out_of_memory; /* how many of its starts ran out of memory */
} tn_job_record;

/* False: there is no record, or it cannot be read. Local. */
bool tn_job_record_read(const char *run_dir, const char *label, tn_job_record *out);

/* MiB per node that a job of this label must request, learned from the records of its tasks: the amount that was enough in the
 * end, or 1.5 times the amount that was not. n_tasks: of the array, 0 = no array. Returns 0 if no start ran out of memory. Local. */
int tn_job_record_memory(const char *run_dir, const char *label, int n_tasks);

#endif
