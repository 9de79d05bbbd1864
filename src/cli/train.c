/* train.c - tenfold train: trains one cell per fold, size and seed. */
#include "cli/common.h"

#include "train/groups.h"

#include <stdlib.h>

static tn_status train(tn_job *job, const tn_args *args) {
    tn_cell *cell = calloc((size_t)tn_cell_count(job->cfg), sizeof *cell);
    int n = 0;
    tn_status st = cell ? tn_cells_wanted(args, job->cfg, args->round < 0 ? 0 : args->round, cell, &n)
                        : tn_fail_memory((size_t)tn_cell_count(job->cfg) * sizeof *cell, "the cells");
    st = tn_agree(&job->run, st);
    if (st == TN_OK) st = tn_job_stage(job);
    if (st == TN_OK)
        st = tn_train_cells(&job->run, job->cfg, job->index, job->shards, n, cell, args->ranks_per_fold,
                            &(tn_train_how){.allow_other_bits = args->allow_other_bits, .profile = args->profile});
    free(cell);
    return st;
}

static tn_status verb_train(const tn_args *args) {
    return tn_job_run(args, train);
}

const tn_verb tn_verb_train = {
    .name = "train",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_CELLS | TN_OPT_GROUPS,
    .mpi = true,
    .summary = "train the folds of one round                              (MPI)",
    .help =
        "Trains one EfficientNet per fold, image size and seed. Each is trained on the other folds, and its\n"
        "checkpoint is selected on a validation slice of their rows.\n"
        "reads   RUN/shards, RUN/folds, for --round 1 and later RUN/filter/r<round>\n"
        "writes  RUN/train/r<round>-f<fold>-s<size>-x<seed> (checkpoint, kept model, posteriors, journal)\n\n"
        "A cell that is done is skipped; an interrupted one continues from its checkpoint. The result is bitwise the\n"
        "same for any number of ranks up to train.lanes. SIGTERM or SIGUSR1: checkpoint, then exit code 6.\n\n"
        "example: mpirun -n 2 tenfold train jobs/baseline.cfg --folds 0,3-5\n"
        "         srun -n 40 --mpi=pmix tenfold train jobs/baseline.cfg --ranks-per-fold 4",
    .run = verb_train,
};
