/*
 * doctor.h - checks whether machine, folder and cluster are fit for a run; a table of findings and remedies. All functions are local,
 * except where noted.
 *
 *   tn_findings f = {.n = 0};
 *   TN_TRY(tn_doctor_here(folder, n_ranks, &f));        // mpirun starts ranks here, which check the folder
 *   TN_TRY(tn_doctor_slurm(folder, n_nodes, n_ranks, &f));
 *   tn_findings_print(&f, stdout);
 *
 * Some checks need several ranks: each of them runs tn_doctor_probe, on all nodes that the launcher uses, and rank 0 publishes the
 * results as <folder>/probe.json. All files are in a temporary folder below `folder`, which is removed.
 */
#ifndef TN_DOCTOR_DOCTOR_H
#define TN_DOCTOR_DOCTOR_H

#include "base/fs.h"

typedef enum { TN_GOOD, TN_DOUBTFUL, TN_BAD } tn_health;

typedef struct {
    tn_health health;
    char name[24], what[320], remedy[320]; /* remedy: "" if the finding is good */
} tn_finding;

enum { TN_MAX_FINDINGS = 48, TN_MAX_SITE_LINES = 8 };
typedef struct {
    int n, n_site;
    tn_finding at[TN_MAX_FINDINGS];
    char site[TN_MAX_SITE_LINES][160]; /* lines for site.env: "TENFOLD_PARTITION=batch" */
} tn_findings;

void tn_finding_add(tn_findings *f, tn_health health, const char *name, const char *what, const char *remedy);

/* Check mpirun, /dev/shm, TMPDIR, memory, and the folder from several ranks. Errors TN_EIO the folder cannot be made. */
tn_status tn_doctor_here(const char *folder, int n_ranks, tn_findings *f);
/* Check scontrol, sbatch and srun, and ranks by srun on n_nodes nodes, if they are granted within a minute. Errors as above. */
tn_status tn_doctor_slurm(const char *folder, int n_nodes, int n_ranks, tn_findings *f);

/* The work of each rank; starts MPI and ends it. Errors TN_EIO probe.json cannot be published. */
tn_status tn_doctor_probe(const char *folder);
/* Add the findings from probe.json of the folder. launcher: used in names of findings. Errors TN_EFORMAT. */
tn_status tn_doctor_read_probe(const char *folder, const char *launcher, double start_s, tn_findings *f);

void tn_findings_print(const tn_findings *f, FILE *out);
/* The number of findings that are TN_BAD. */
int tn_findings_bad(const tn_findings *f);
/* Write the advised lines to the user's own site.env. Errors TN_EARG it exists already: the message shows the lines; TN_EIO. */
tn_status tn_doctor_write_site(const tn_findings *f);

#endif
