/* job_record.c - see job_record.h. */
#include "run/job_record.h"

#include <stdio.h>
#include <string.h>

bool tn_job_record_read(const char *run_dir, const char *label, tn_job_record *out) {
    char path[TN_PATH_BYTES];
    *out = (tn_job_record){0};
    FILE *f = tn_path(path, "%s/slurm/%s", run_dir, label) == TN_OK ? fopen(path, "r") : NULL;
    if (!f) return false;
    int n = fscanf(f, "job %63s state %15s exit_code %d failures %*d restarts %*d memory_mib %d out_of_memory %d",
                   out->job, out->state, &out->exit_code, &out->memory_mib, &out->out_of_memory);
    fclose(f);
    return n >= 3;
}

int tn_job_record_memory(const char *run_dir, const char *label, int n_tasks) {
    int most = 0;
    for (int t = 0; t < (n_tasks ? n_tasks : 1); t++) {
        char name[64];
        tn_job_record r;
        snprintf(name, sizeof name, n_tasks ? "%s.%d" : "%s", label, t);
        if (!tn_job_record_read(run_dir, name, &r) || r.out_of_memory == 0) continue;
        int mib = strcmp(r.state, "failed") == 0 ? r.memory_mib + r.memory_mib / 2 : r.memory_mib;
        if (mib > most) most = mib;
    }
    return most;
}
