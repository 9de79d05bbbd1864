/* common.h - code shared by the verbs: opening job file, communicator and data set, and selecting cells. */
#ifndef TN_CLI_COMMON_H
#define TN_CLI_COMMON_H

#include "base/run.h"
#include "cli/args.h"
#include "data/index.h"
#include "data/shard.h"
#include "data/staging.h"
#include "predict/ensemble_spec.h"

typedef struct {
    tn_run run;
    tn_cfg *cfg;
    tn_spec chosen;  /* with --data: the ensemble to apply */
    tn_index *index; /* NULL after tn_job_begin alone */
    tn_shards *shards;
    tn_staging *stage;
} tn_job;

/* Check that dir is not the models' own run folder, but one for new images. Local. Errors TN_EARG. */
tn_status tn_data_folder(const tn_cfg *cfg, const char *dir);

/* Run a verb: begin, open index and shards of the run folder (or of --data), call work, end. Collective: starts MPI.
 * Errors those of opening and of work. */
tn_status tn_job_run(const tn_args *args, tn_status (*work)(tn_job *job, const tn_args *args));

/* If data.stage_folder is set, copy the shards to that local folder and read them there from now on: for verbs that read many
 * images. Collective. */
tn_status tn_job_stage(tn_job *job);

/* Start MPI; rank 0 reads the job file and sends the settings to the others. On error everything is undone. Collective. */
tn_status tn_job_begin(const tn_args *args, tn_job *out);
void tn_job_end(tn_job *job, tn_status verdict); /* collective; verdict: as in tn_run_end */

/* The plan of a job file or run folder, with the states of steps from an earlier start. make_folder: make the run folder. The
 * caller frees both. Local. Errors those of tn_args_plan. */
tn_status tn_plan_open(const tn_args *args, bool make_folder, tn_cfg **cfg_out, tn_plan **out);

/* Is the i-th cell in --part (tn_task_of)? Without the option every cell is. */
bool tn_in_part(const tn_args *args, int i);

/* The cells of a round that the options select, in the order of tn_cell_nth. out: caller's array of tn_cell_count(cfg). Local.
 * Errors  TN_EARG a fold that the job file does not have, or no cell is selected. */
tn_status tn_cells_wanted(const tn_args *args, const tn_cfg *cfg, int round, tn_cell *out, int *n_out);
/* Which of a list of n cells are selected? take_out (n): is the cell selected? Local. */
tn_status tn_cells_pick(const tn_args *args, const tn_cfg *cfg, int n, const tn_cell *cell, bool *take_out);

#endif
