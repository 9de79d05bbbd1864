/* reduce.c - tenfold reduce: predictions -> ensemble, submission, scores. */
#include "cli/common.h"

#include "learn/ensemble.h"

static tn_status reduce(tn_job *job, const tn_args *args) {
    return tn_reduce(&job->run, job->cfg, job->index, args->allow_missing);
}

static tn_status run(const tn_args *args) {
    return tn_job_run(args, reduce);
}

const tn_verb tn_verb_reduce = {
    .name = "reduce",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_MISSING,
    .mpi = true,
    .summary = "all predictions -> ensemble, submission.csv, metrics.json  (MPI)",
    .help = "Combines the predictions of all folds, sizes and seeds, and scores what may honestly be scored.\n"
            "reads   RUN/predict/*/predictions.h5, RUN/filter/*/ledger.csv\n"
            "writes  RUN/ensemble.h5, RUN/submission.csv, RUN/metrics.json, RUN/ledger.csv\n\n"
            "example: tenfold reduce jobs/baseline.cfg --allow-missing",
    .run = run,
};
