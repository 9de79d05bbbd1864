/*
 * outer.h - what batch systems and MPI launchers left in the environment.
 *
 * A shell inside a job, or a rank, has variables that say which nodes, cores and ranks it is part of. Handed on, they make a new
 * mpirun start its ranks on other nodes or wait for the outer one, and give new jobs the limits and the binding of this one. So every
 * launch and every command of Slurm forgets them. What a user or a site sets stays: SBATCH_*, SQUEUE_*, OMPI_MCA_* but for those
 * that mpirun itself sets for its ranks, and of Slurm's the few that say where it is and how it talks (SLURM_CONF, ...).
 */
#ifndef TN_PROCESS_OUTER_H
#define TN_PROCESS_OUTER_H

#include <stdbool.h>
#include <stdio.h>

bool tn_outer_is(const char *name);

/* Takes them out of this process's environment: in a child, before its exec. */
void tn_outer_forget(void);

/* The line of bash that does it, "unset A B"; nothing where there are none. */
void tn_outer_print(FILE *out);

#endif
