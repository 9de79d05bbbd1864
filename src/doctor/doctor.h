/*
 * doctor.h - is this machine, this folder, this cluster fit for a run? A table of findings, and what mends them.
 *
 *
 *   tn_findings f = {.n = 0};
 *   TN_TRY(tn_doctor_here(folder, n_ranks, &f));        // mpirun starts ranks here, which look at the folder
 *   TN_TRY(tn_doctor_slurm(folder, n_nodes, n_ranks, &f));
 *   tn_findings_print(&f, stdout);
 *
 * What ranks find they find together: tn_doctor_probe is what each of them runs, on all nodes that the launcher gives it. Rank 0 publishes it
 * as <folder>/probe.json. Everything happens in a folder of its own below `folder`, which is removed.
 */
#ifndef TN_DOCTOR_DOCTOR_H
#define TN_DOCTOR_DOCTOR_H

#include "base/fs.h"

typedef enum { TN_GOOD, TN_DOUBTFUL, TN_BAD } tn_health;

typedef struct {
    tn_health health;
    char name[24], what[320], remedy[320]; /* remedy: "" where there is nothing to mend */
} tn_finding;

enum { TN_MAX_FINDINGS = 48, TN_MAX_SITE_LINES = 8 };
typedef struct {
    int n, n_site;
    tn_finding at[TN_MAX_FINDINGS];
    char site[TN_MAX_SITE_LINES][160]; /* lines for site.env: "TENFOLD_PARTITION=batch" */
} tn_findings;

void tn_finding_add(tn_findings *f, tn_health health, const char *name, const char *what, const char *remedy);

/* Ranks by mpirun, /dev/shm, TMPDIR, memory, and the folder as ranks see it. Errors TN_EIO the folder cannot be made. */
tn_status tn_doctor_here(const char *folder, int n_ranks, tn_findings *f);
/* What scontrol, sbatch and srun say; ranks by srun on n_nodes nodes, where they come within a minute. Errors as above. */
tn_status tn_doctor_slurm(const char *folder, int n_nodes, int n_ranks, tn_findings *f);

/* A rank of it. Errors TN_EIO probe.json cannot be published. */
tn_status tn_doctor_probe(const char *folder);
/* What probe.json of the folder says. launcher: in names of findings. */
tn_status tn_doctor_read_probe(const char *folder, const char *launcher, double start_s, tn_findings *f);

void tn_findings_print(const tn_findings *f, FILE *out);
/* How many are TN_BAD. */
int tn_findings_bad(const tn_findings *f);
/* The advised lines into the user's own site.env. Errors TN_EARG it is there already: shows the lines; TN_EIO. */
tn_status tn_doctor_write_site(const tn_findings *f);

#endif
