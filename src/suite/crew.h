/*
 * crew.h - the nodes of a job that starts cells itself (`submit --pilot`): what is free on each, and how a step starts there.
 *                                                                                   layer: suite, uses: command, memory
 *
 *   TN_TRY(tn_crew_open(cfg, &crew));                      // what Slurm says of the job around us
 *   tn_seats at;
 *   if (tn_crew_take(crew, tn_crew_want(crew, cfg, step), &at)) { tn_crew_words(crew, &at, &words) ... tn_crew_give(crew, &at) }
 *
 * Seats     of a step: so many ranks on each of its nodes, with their cores and memory. A step takes the nodes that have the
 *           least room left and enough: small cells fill up whole nodes, and the empty ones stay for wide cells.
 * Launcher  TENFOLD_LAUNCHER, as in slurm/stage.sh: mpirun with --host, or srun --exact.
 */
#ifndef TN_SUITE_CREW_H
#define TN_SUITE_CREW_H

#include "suite/command.h"
#include "suite/plan.h"

enum { TN_MOST_SEATS = 64 }; /* nodes of a step */

typedef struct tn_crew tn_crew;

typedef struct {
    int n_nodes, ranks; /* on each node */
    int cores, mib;     /* on each node */
} tn_want;

typedef struct {
    tn_want want;
    int node[TN_MOST_SEATS];
} tn_seats;

/* Errors TN_EARG not in a job of Slurm; TN_EIO what Slurm says cannot be read. */
tn_status tn_crew_open(const tn_cfg *cfg, tn_crew **out);
void tn_crew_close(tn_crew **crew);
int tn_crew_nodes(const tn_crew *crew);

/* A cell: slurm.nodes or size_nodes, ranks_per_node; preprocess and predict: all there is; the others: one rank. Never more than
 * there is. */
tn_want tn_crew_want(const tn_crew *crew, const tn_cfg *cfg, const tn_step *s);
/* False: not now. */
bool tn_crew_take(tn_crew *crew, tn_want want, tn_seats *out);
void tn_crew_give(tn_crew *crew, const tn_seats *seats);
/* What stands before the program. */
tn_status tn_crew_words(const tn_crew *crew, const tn_seats *seats, tn_words *out);

/* For tests: "4(x2),8" per node. Errors TN_EIO it is none, or of other than n nodes. */
tn_status tn_crew_cores(const char *text, int n, int *out);

#endif
