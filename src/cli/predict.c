/* predict.c - tenfold predict: class probabilities of out-of-fold, test and unlabelled rows by the kept models. */
#include "cli/common.h"

#include "base/progress.h"
#include "predict/predict.h"
#include "train/train.h"

#include <stdlib.h>

static tn_status stop_wanted(void) {
    return tn_stop_wanted()
               ? tn_fail(TN_EUNFINISHED, "predict: stopped on request; finished cells are published: to continue, run "
                                         "the same command again")
               : TN_OK;
}

/* Cells that are not trained are skipped (`reduce` counts the missing ones). If --folds or --part names them, that is an error. */
static tn_status predict_round(tn_job *job, const tn_args *args, int round, tn_cell *cell, int *n_done,
                               int *n_missing) {
    int n = 0;
    TN_TRY(tn_agree(&job->run, tn_cells_wanted(args, job->cfg, round, cell, &n)));
    for (int i = 0; i < n; i++) {
        bool done = false;
        TN_TRY(tn_agree(&job->run, stop_wanted()));
        bool looks = job->run.rank == 0; /* on a shared file system other ranks may see a new DONE later */
        TN_TRY(tn_agree(&job->run, looks ? tn_train_done(job->cfg, &cell[i], &done) : TN_OK));
        int wanted = done || args->n_folds > 0 || args->n_parts > 0;
        MPI_Bcast(&wanted, 1, MPI_INT, 0, job->run.comm);
        if (wanted) TN_TRY(tn_predict(&job->run, job->cfg, job->index, job->shards, &cell[i]));
        *(wanted ? n_done : n_missing) += 1;
    }
    return TN_OK;
}

static tn_status predict(tn_job *job, const tn_args *args) {
    tn_cell *cell = calloc((size_t)tn_cell_count(job->cfg), sizeof *cell);
    int n_done = 0, n_missing = 0, first = args->round < 0 ? 0 : args->round,
        last = args->round < 0 ? job->cfg->self.max_rounds : first;
    tn_status st = tn_agree(&job->run, cell ? TN_OK : tn_fail_memory(sizeof *cell, "the cells"));
    if (st == TN_OK) st = tn_job_stage(job);
    for (int round = first; st == TN_OK && round <= last; round++)
        st = predict_round(job, args, round, cell, &n_done, &n_missing);
    free(cell);
    if (st == TN_OK && n_done == 0)
        return tn_fail(TN_EUNFINISHED, "no cell is trained in %s: run `tenfold train` first", job->cfg->run_dir);
    if (st == TN_OK && n_missing && job->run.rank == 0)
        tn_warn("%d of %d cells are not trained yet and were skipped", n_missing, n_done + n_missing);
    return st;
}

/* Predict new images with the selected members of the run's ensemble. */
static tn_status predict_picked(tn_job *job, const char *data_dir, const bool *take) {
    for (int i = 0; i < job->chosen.n_members; i++) {
        if (!take[i]) continue;
        TN_TRY(tn_agree(&job->run, stop_wanted()));
        TN_TRY(tn_predict_new(&job->run, job->cfg, data_dir, job->index, job->shards, &job->chosen.member[i]));
    }
    return TN_OK;
}

static tn_status predict_new(tn_job *job, const tn_args *args) {
    int n = job->chosen.n_members;
    tn_cell *cell = calloc((size_t)n, sizeof *cell);
    bool *take = calloc((size_t)n, sizeof *take);
    tn_status st = cell && take ? TN_OK : tn_fail_memory((size_t)n * sizeof *cell, "the cells");
    for (int i = 0; st == TN_OK && i < n; i++) cell[i] = job->chosen.member[i].cell;
    st = tn_agree(&job->run, st == TN_OK ? tn_cells_pick(args, job->cfg, n, cell, take) : st);
    if (st == TN_OK) st = tn_job_stage(job);
    if (st == TN_OK) st = predict_picked(job, args->data, take);
    free(cell);
    free(take);
    return st;
}

static tn_status verb_predict(const tn_args *args) {
    return tn_job_run(args, args->data ? predict_new : predict);
}

const tn_verb tn_verb_predict = {
    .name = "predict",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_CELLS | TN_OPT_DATA,
    .mpi = true,
    .summary = "kept models -> class probabilities                        (MPI)",
    .help =
        "Runs each trained cell's kept model over its own fold (out-of-fold rows) and over test and unlabelled rows.\n"
        "reads   RUN/train/*/best.safetensors, RUN/shards\n"
        "writes  RUN/predict/<cell>/predictions.h5\n\n"
        "Without --round: the cells of all rounds. Cells that are not trained yet are skipped; if --folds or --part\n"
        "names one, that is an error.\n\n"
        "With --data: runs the models of the ensemble that `tenfold reduce` chose over all new images in DIR/shards\n"
        "(made by `tenfold preprocess RUN --data DIR --set data.metadata=FILE`) and writes DIR/predict. The run\n"
        "folder is not changed. With --student, too: the run's student alone (tenfold distil).\n\n"
        "example: mpirun -n 2 tenfold predict jobs/baseline.cfg\n"
        "         tenfold predict results/baseline --data results/new",
    .run = verb_predict,
};
