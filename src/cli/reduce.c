/* reduce.c - tenfold reduce: predictions -> ensemble, submission, scores. */
#include "cli/common.h"

#include "learn/ensemble.h"

static tn_status reduce_new(tn_job *job, const tn_args *args) {
    TN_TRY(tn_agree(&job->run, tn_data_folder(job->cfg, args->data)));
    return tn_reduce_new(&job->run, job->cfg, args->data, args->allow_missing);
}

/* Without the index and the shards of other verbs: what it needs of the data set is read in blocks. */
static tn_status run(const tn_args *args) {
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
    .help = "Combines the predictions of all folds, sizes and seeds, and scores what may honestly be scored.\n"
            "reads   RUN/predict/*/predictions.h5, RUN/filter/*/ledger.{csv,h5}\n"
            "writes  RUN/ensemble.h5, RUN/submission.csv, RUN/metrics.json, RUN/ledger.csv, RUN/reduce/chosen.json\n\n"
            "With --data: the same ensemble of DIR/predict, for new pictures, with the members, weights, offsets and\n"
            "priors that this run decided on (RUN/reduce/chosen.json). Writes ensemble.h5, submission.csv and\n"
            "metrics.json into DIR. Labels of new pictures, where there are any, only judge.\n\n"
            "example: tenfold reduce jobs/baseline.cfg --allow-missing\n"
            "         tenfold reduce results/baseline --data results/new",
    .run = run,
};
