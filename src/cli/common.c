/* common.c - begin and end of a verb under MPI, and the cells that its options select. */
#include "cli/common.h"

#include "base/watch.h"
#include "cfg/student.h"
#include "data/fold.h"
#include "slurm/batch.h"
#include "store/done.h"
#include "store/h5.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Only rank 0 reads the job file, so that errors are printed once. If each rank read it, an edit in between could make ranks train
 * one model with different settings. */
static tn_status read_settings(tn_run *run, const tn_args *args, tn_cfg **cfg) {
    int verdict = run->rank == 0 ? (int)tn_args_cfg(args, cfg) : TN_OK;
    MPI_Bcast(&verdict, 1, MPI_INT, 0, run->comm);
    TN_TRY(tn_agree(run, (tn_status)verdict));
    if (run->rank > 0) *cfg = malloc(sizeof **cfg);
    TN_TRY(tn_agree(run, *cfg ? TN_OK : tn_fail_memory(sizeof **cfg, "the settings")));
    tn_bcast(run, 0, *cfg, sizeof **cfg);
    return TN_OK;
}

/* With --student, predict and reduce work with the student's settings on its ensemble of one. */
static tn_status turn_to_student(const tn_args *args, tn_cfg *cfg) {
    if (!args->data)
        return tn_fail(TN_EARG, "--student: belongs to --data; the run's own rows are predicted by `tenfold distil`");
    if (!cfg->distil.student) return tn_fail(TN_EARG, "--student: the run has none: distil.student is false");
    tn_cfg_student(cfg);
    return TN_OK;
}

tn_status tn_job_begin(const tn_args *args, tn_job *out) {
    *out = (tn_job){.cfg = NULL};
    TN_TRY(tn_run_begin(&out->run));
    tn_status st = read_settings(&out->run, args, &out->cfg);
    if (st == TN_OK && args->student) st = tn_agree(&out->run, turn_to_student(args, out->cfg));
    if (st == TN_OK) tn_watch_limit(out->cfg->train.hang_seconds);
    if (st != TN_OK) tn_job_end(out, st);
    return st;
}

tn_status tn_data_folder(const tn_cfg *cfg, const char *dir) {
    struct stat own, other;
    bool same = stat(cfg->run_dir, &own) == 0 && stat(dir, &other) == 0 && own.st_dev == other.st_dev &&
                own.st_ino == other.st_ino;
    return same ? tn_fail(TN_EARG, "--data %s: is the run folder of the models: give new images a folder of their own",
                          dir)
                : TN_OK;
}

/* New images must not be stored smaller than the training images, or they would be enlarged. */
static tn_status check_size(const tn_job *job, const char *dir) {
    int have = tn_shards_size_px(job->shards), want = job->cfg->preprocess.size_px;
    return have >= want ? TN_OK
                        : tn_fail(TN_EARG,
                                  "%s/shards: images are stored with a short side of %d px, but the models of %s were "
                                  "trained with %d px: preprocess the images for these models, into another folder",
                                  dir, have, job->cfg->run_dir, want);
}

static tn_status open_new(tn_job *job, const char *dir) {
    TN_TRY(tn_agree(&job->run, tn_data_folder(job->cfg, dir)));
    TN_TRY(tn_spec_open(&job->run, job->cfg, &job->chosen));
    TN_TRY(tn_spec_index(&job->run, job->cfg, &job->chosen, dir, &job->index));
    TN_TRY(tn_shards_open(&job->run, job->index, &job->shards));
    return tn_agree(&job->run, check_size(job, dir));
}

static tn_status open_data(tn_job *job) {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES];
    tn_status st = tn_path(shards, "%s/shards", job->cfg->run_dir);
    if (st == TN_OK) st = tn_path(folds, "%s/folds", job->cfg->run_dir);
    st = tn_agree(&job->run, st);
    if (st == TN_OK) st = tn_index_open(&job->run, shards, folds, &job->index);
    if (st == TN_OK) st = tn_agree(&job->run, tn_fold_check(job->cfg, job->index->n_folds));
    if (st == TN_OK) st = tn_shards_open(&job->run, job->index, &job->shards);
    return st;
}

tn_status tn_job_stage(tn_job *job) {
    if (!*job->cfg->data.stage_folder) return TN_OK;
    tn_shards_close(&job->shards);
    TN_TRY(tn_staging_begin(&job->run, job->cfg->data.stage_folder, job->index, &job->stage));
    return tn_shards_open(&job->run, job->index, &job->shards);
}

void tn_job_end(tn_job *job, tn_status verdict) {
    tn_shards_close(&job->shards);
    tn_staging_end(&job->run, &job->stage);
    tn_index_free(&job->index);
    tn_spec_close(&job->chosen);
    tn_cfg_free(&job->cfg);
    tn_done_leave();
    tn_run_end(&job->run, verdict, tn_h5_broken());
}

tn_status tn_job_run(const tn_args *args, tn_status (*work)(tn_job *job, const tn_args *args)) {
    tn_job job;
    TN_TRY(tn_job_begin(args, &job));
    tn_status st = args->data ? open_new(&job, args->data) : open_data(&job);
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
    return fold && (args->round < 0 || args->round == c->round) &&
           (args->size_px == 0 || args->size_px == c->size_px) && (args->seed < 0 || args->seed == c->seed);
}

bool tn_in_part(const tn_args *args, int i) {
    return args->n_parts == 0 || tn_task_of(i, args->n_parts) == args->part;
}

tn_status tn_cells_pick(const tn_args *args, const tn_cfg *cfg, int n, const tn_cell *cell, bool *take_out) {
    int n_named = 0, n_taken = 0;
    TN_TRY(check_wanted(args, cfg));
    for (int i = 0; i < n; i++) {
        take_out[i] = wanted(args, &cell[i]) && tn_in_part(args, n_named++);
        n_taken += take_out[i];
    }
    return n_taken > 0
               ? TN_OK
               : tn_fail(TN_EARG,
                         "the options select none of the %d cells (tenfold check lists folds, sizes and seeds)", n);
}

tn_status tn_cells_wanted(const tn_args *args, const tn_cfg *cfg, int round, tn_cell *out, int *n_out) {
    int all = tn_cell_count(cfg), n = 0;
    bool *take = calloc((size_t)all, sizeof *take);
    for (int i = 0; i < all; i++) out[i] = tn_cell_nth(cfg, round, i);
    tn_status st = take ? tn_cells_pick(args, cfg, all, out, take) : tn_fail_memory(4096, "the cells");
    for (int i = 0; st == TN_OK && i < all; i++)
        if (take[i]) out[n++] = out[i];
    free(take);
    *n_out = n;
    return st;
}
