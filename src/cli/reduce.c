/* reduce.c - tenfold reduce: combines predictions into an ensemble and a submission, and computes scores. */
#include "cli/common.h"

#include "reduce/reduce.h"

static tn_status reduce_new(tn_job *job, const tn_args *args) {
    TN_TRY(tn_agree(&job->run, tn_data_folder(job->cfg, args->data)));
    return tn_reduce_new(&job->run, job->cfg, args->data, args->allow_missing);
}

/* Unlike other verbs, reduce opens no index and no shards: it reads the data set in blocks. */
static tn_status verb_reduce(const tn_args *args) {
    tn_job job;
    TN_TRY(tn_job_begin(args, &job));
    tn_status st = args->data ? reduce_new(&job, args) : tn_reduce(&job.run, job.cfg, args->allow_missing);
    tn_job_end(&job, st);
    return st;
}

const tn_verb tn_verb_reduce = {
    .name = "reduce",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_MISSING | TN_OPT_DATA,
    .mpi = true,
    .summary = "all predictions -> ensemble, submission.csv, metrics.json  (MPI)",
    .help =
        "Combines the predictions of all folds, sizes and seeds. Scores are computed on out-of-fold and test rows.\n"
        "reads   RUN/predict/*/predictions.h5, RUN/filter/*/ledger.{csv,h5}\n"
        "writes  RUN/ensemble.h5, RUN/submission.csv, RUN/metrics.json, RUN/ledger.csv, RUN/reduce/ensemble.json\n\n"
        "With --data: combines DIR/predict with the members, weights, decision and temperature that this run chose\n"
        "(RUN/reduce/ensemble.json). Writes ensemble.h5, submission.csv and metrics.json into DIR. Labels of new\n"
        "images, if any, are used only for scoring. With --student, too: DIR/predict of the run's student alone.\n\n"
        "example: tenfold reduce jobs/baseline.cfg --allow-missing\n"
        "         tenfold reduce results/baseline --data results/new",
    .run = verb_reduce,
};
