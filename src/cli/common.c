/* common.c - begin and end of a verb that works on a job file under MPI. */
#include "cli/common.h"

#include "base/done.h"
#include "base/h5.h"

tn_status tn_job_begin(const tn_args *args, tn_job *out) {
    *out = (tn_job){.cfg = NULL};
    TN_TRY(tn_run_begin(&out->run));
    tn_status st = tn_agree(&out->run, tn_args_cfg(args, &out->cfg));
    if (st != TN_OK) tn_job_end(out, st);
    return st;
}

static tn_status open_data(tn_job *job) {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES];
    tn_status st = tn_path(shards, "%s/shards", job->cfg->run_dir);
    if (st == TN_OK) st = tn_path(folds, "%s/folds", job->cfg->run_dir);
    st = tn_agree(&job->run, st);
    if (st == TN_OK) st = tn_index_open(&job->run, shards, folds, &job->index);
    if (st == TN_OK) st = tn_agree(&job->run, tn_shards_open(job->index, &job->shards));
    return st;
}

tn_status tn_job_stage(tn_job *job) {
    if (!*job->cfg->data.stage_folder) return TN_OK;
    tn_shards_close(&job->shards);
    TN_TRY(tn_staging_begin(&job->run, job->cfg->data.stage_folder, job->index, &job->stage));
    return tn_agree(&job->run, tn_shards_open(job->index, &job->shards));
}

void tn_job_end(tn_job *job, tn_status verdict) {
    tn_shards_close(&job->shards);
    tn_staging_end(&job->run, &job->stage);
    tn_index_free(&job->index);
    tn_cfg_free(&job->cfg);
    tn_done_leave();
    tn_run_end(&job->run, verdict, tn_h5_broken());
}

tn_status tn_job_run(const tn_args *args, tn_status (*work)(tn_job *job, const tn_args *args)) {
    tn_job job;
    TN_TRY(tn_job_begin(args, &job));
    tn_status st = open_data(&job);
    if (st == TN_OK) st = work(&job, args);
    tn_job_end(&job, st);
    return st;
}

static tn_status check_wanted(const tn_args *args, const tn_cfg *cfg) {
    for (int i = 0; i < args->n_folds; i++)
        if (args->fold[i] >= cfg->folds.count)
            return tn_fail(TN_EARG, "--folds names fold %d; folds.count = %d, so give 0 to %d", args->fold[i],
                           cfg->folds.count, cfg->folds.count - 1);
    return TN_OK;
}

static bool wanted(const tn_args *args, const tn_cell *c) {
    bool fold = args->n_folds == 0;
    for (int i = 0; i < args->n_folds; i++) fold |= args->fold[i] == c->fold;
    return fold && (args->size_px == 0 || args->size_px == c->size_px) && (args->seed < 0 || args->seed == c->seed);
}

void tn_part(int n, int part, int n_parts, int *first_out, int *end_out) {
    *first_out = (int)((int64_t)n * part / n_parts);
    *end_out = (int)((int64_t)n * (part + 1) / n_parts);
}

tn_status tn_cells_wanted(const tn_args *args, const tn_cfg *cfg, int round, tn_cell *out, int *n_out) {
    TN_TRY(check_wanted(args, cfg));
    int n = 0;
    tn_cell_list(cfg, round, out);
    int all = tn_cell_count(cfg), first = 0, end = all;
    if (args->n_parts) tn_part(all, args->part, args->n_parts, &first, &end);
    for (int i = first; i < end; i++)
        if (wanted(args, &out[i])) out[n++] = out[i];
    if (n == 0)
        return tn_fail(TN_EARG, "no cell fits the options: the round has %d = %d folds x %d sizes x %d seeds", all,
                       cfg->folds.count, cfg->train.n_sizes, cfg->train.n_seeds);
    *n_out = n;
    return TN_OK;
}
