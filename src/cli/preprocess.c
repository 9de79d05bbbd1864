/* preprocess.c - tenfold preprocess: images and metadata.csv -> shards/ and folds/. */
#include "cli/common.h"

#include "preprocess/preprocess.h"

static tn_status run(const tn_args *args) {
    tn_job job;
    TN_TRY(tn_job_begin(args, &job));
    tn_status st = tn_preprocess(&job.run, job.cfg);
    tn_job_end(&job, st);
    return st;
}

const tn_verb tn_verb_preprocess = {
    .name = "preprocess",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET,
    .mpi = true,
    .summary = "images and metadata.csv -> sharded HDF5 and the fold map   (MPI)",
    .help =
        "Decodes every image of data.metadata, scales it down, stores it in shards, and deals the rows into folds.\n"
        "reads   data.metadata, data.images\n"
        "writes  RUN/shards (dataset.h5, shard-NNNNN.h5, quarantine.csv), RUN/folds (folds.h5, certificate.txt)\n\n"
        "A bad image is quarantined with its reason; more than data.max_bad_fraction of them is an error. The files\n"
        "are the same for any number of ranks.\n\n"
        "example: mpirun -n 4 tenfold preprocess jobs/baseline.cfg",
    .run = run,
};
