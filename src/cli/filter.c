/* filter.c - tenfold filter: posteriors of round r -> label overlay of round r+1. */
#include "cli/common.h"

#include "learn/self.h"

static tn_status filter(tn_job *job, const tn_args *args) {
    return tn_filter(&job->run, job->cfg, job->index, args->round < 0 ? 0 : args->round);
}

static tn_status run(const tn_args *args) {
    return tn_job_run(args, filter);
}

const tn_verb tn_verb_filter = {
    .name = "filter",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_ROUND,
    .mpi = true,
    .summary = "SELF: judge the given labels by a round's posteriors      (MPI)",
    .help = "Keeps a label where the prediction ensemble agrees with it; the rest are dropped from the next round's "
            "training.\n"
            "reads   RUN/train/r<round>-*/posteriors.h5\n"
            "writes  RUN/filter/r<round+1> (one overlay per fold, ledger.csv)\n\n"
            "example: tenfold filter jobs/self.cfg --round 0",
    .run = run,
};
