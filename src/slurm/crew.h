/*
 * crew.h - the nodes of a pilot job (`submit --pilot`), which starts cells itself: their free cores, memory and GPUs, and the command
 * that starts a step on some of them. All functions are local.
 *
 *   TN_TRY(tn_crew_open(cfg, &crew));                      // reads the nodes of the surrounding job from Slurm
 *   tn_seats at;
 *   if (tn_crew_take(crew, tn_crew_want(crew, cfg, step), &at)) { tn_crew_argv(crew, &at, &words) ... tn_crew_give(crew, &at) }
 *
 * Seats     what a running step occupies: nodes, and on each of them ranks, cores, memory and GPUs. A step takes the fullest nodes that
 *           still have enough room: small cells fill up nodes, and empty nodes stay free for wide cells.
 * GPUs      A cell takes all slurm.gpus_per_node of its nodes: the ranks of two cells would not know of each other, and begin with
 *           the same GPU.
 * Launcher  TENFOLD_LAUNCHER, as in slurm/stage.sh: mpirun with --host, or srun --exact.
 */
#ifndef TN_SLURM_CREW_H
#define TN_SLURM_CREW_H

#include "process/command.h"
#include "run/plan.h"

enum { TN_MOST_SEATS = 64 }; /* nodes of a step */

typedef struct tn_crew tn_crew;

typedef struct {
    int n_nodes, ranks; /* on each node */
    int cores, mib;     /* on each node */
    int gpus;           /* on each node */
} tn_want;

typedef struct {
    tn_want want;
    int node[TN_MOST_SEATS];
} tn_seats;

/* Errors TN_EARG not inside a Slurm job; TN_EIO Slurm's variables or scontrol's output cannot be parsed. */
tn_status tn_crew_open(const tn_cfg *cfg, tn_crew **out);
void tn_crew_close(tn_crew **crew);
int tn_crew_nodes(const tn_crew *crew);

/* The nodes, ranks, cores and memory that a step wants. A cell: slurm.nodes or size_nodes, ranks_per_node; preprocess: all nodes
 * and cores; other steps: one rank. Never more than the job has. */
tn_want tn_crew_want(const tn_crew *crew, const tn_cfg *cfg, const tn_step *s);
/* Reserve seats. False: not enough is free now. */
bool tn_crew_take(tn_crew *crew, tn_want want, tn_seats *out);
void tn_crew_give(tn_crew *crew, const tn_seats *seats);
/* Append the launcher and its options, which go before the program. */
tn_status tn_crew_argv(const tn_crew *crew, const tn_seats *seats, tn_argv *out);

/* Cores per node from SLURM_JOB_CPUS_PER_NODE: "4(x2),8" gives 4, 4, 8. Public for tests. Errors TN_EIO not such a list, or not of
 * n nodes. */
tn_status tn_crew_cores(const char *text, int n, int *out);

#endif
