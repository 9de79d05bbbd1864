/* explore.c - tenfold explore: tables about the data set. */
#include "cli/common.h"

#include "explore/explore.h"

static tn_status verb_explore(const tn_args *args) {
    tn_job job;
    TN_TRY(tn_job_begin(args, &job));
    tn_status st = tn_explore(&job.run, job.cfg);
    tn_job_end(&job, st);
    return st;
}

const tn_verb tn_verb_explore = {
    .name = "explore",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET,
    .mpi = true,
    .summary = "tables of classes, sizes, categories, duplicates          (MPI)",
    .help =
        "Prints what `preprocess` found in the data set: rows by class and fold, image sizes, the most frequent\n"
        "categories, duplicate images, images that could not be used; and how well the categories alone predict the\n"
        "labels of other folds, for 0 to 4 levels, with a number for model.metadata_levels: the fewest levels whose "
        "log\n"
        "loss is at most one standard error above the lowest. No other step depends on it: if it fails, the run goes\n"
        "on. Rank 0 does the work.\n"
        "reads   RUN/shards (dataset.h5, quarantine.csv), RUN/folds/folds.h5\n"
        "writes  RUN/explore/explore.md\n\n"
        "example: tenfold explore jobs/quickstart.cfg",
    .run = verb_explore,
};
