/*
 * outer.h - removes variables of a surrounding batch job or MPI launcher from the environment. All functions are local.
 *
 * A shell inside a job, or a rank, has variables with its nodes, cores and ranks. If they were passed on, a new mpirun would start its
 * ranks on other nodes or wait for the outer one, and new jobs would get the limits and the binding of this one. So every launch and
 * every command of Slurm removes them. Variables that a user or site sets are kept: SBATCH_*, SQUEUE_*, OMPI_MCA_* (except those that
 * mpirun sets for its ranks), and those of Slurm that tell how to reach it (SLURM_CONF, ...).
 */
#ifndef TN_PROCESS_OUTER_H
#define TN_PROCESS_OUTER_H

#include <stdbool.h>
#include <stdio.h>

/* Is it the name of such a variable? */
bool tn_outer_is(const char *name);

/* Remove them from this process's environment: in a child, before exec. */
void tn_outer_forget(void);

/* Print the line of bash that does it, "unset A B"; nothing if there are none. */
void tn_outer_print(FILE *out);

#endif
