/* common.h - what the verbs share: job file, communicator, data set.                layer: cli, uses: suite */
#ifndef TN_CLI_COMMON_H
#define TN_CLI_COMMON_H

#include "base/run.h"
#include "cli/args.h"
#include "data/index.h"
#include "data/shard.h"
#include "data/staging.h"
#include "learn/chosen.h"

typedef struct {
    tn_run run;
    tn_cfg *cfg;
    tn_chosen chosen; /* with --data: the ensemble that shall be applied */
    tn_index *index;  /* NULL in tn_job_begin */
    tn_shards *shards;
    tn_staging *stage;
} tn_job;

/* Is dir a folder for new pictures? Local. TN_EARG: it is the models' own run folder. */
tn_status tn_data_folder(const tn_cfg *cfg, const char *dir);

/* Begin, index and shards of the run folder, or of --data, the verb's own work, end. Collective. */
tn_status tn_job_run(const tn_args *args, tn_status (*work)(tn_job *job, const tn_args *args));

/* For verbs that read many images: the shards of data.stage_folder from here on, where that is set. Collective. */
tn_status tn_job_stage(tn_job *job);

/* MPI begins; rank 0 reads the job file, the others receive the settings. On error everything is undone. Collective. */
tn_status tn_job_begin(const tn_args *args, tn_job *out);
void tn_job_end(tn_job *job, tn_status verdict); /* verdict: as in tn_run_end */

/* The plan of a job file, and how its steps went where it was begun before. make_folder: of the run. */
tn_status tn_plan_open(const tn_args *args, bool make_folder, tn_cfg **cfg_out, tn_plan **out);

/* Is the i-th cell in --part (tn_task_of)? Without the option each is. */
bool tn_in_part(const tn_args *args, int i);

/* The cells of a round that the options name, largest first (tn_cell_order); out: caller's array of tn_cell_count(cfg).
 * Errors  TN_EARG a fold, size or seed that the job file does not have. */
tn_status tn_cells_wanted(const tn_args *args, const tn_cfg *cfg, int round, tn_cell *out, int *n_out);
/* The same of a list of cells. take_out (n): which of them. */
tn_status tn_cells_pick(const tn_args *args, const tn_cfg *cfg, int n, const tn_cell *cell, bool *take_out);

#endif
