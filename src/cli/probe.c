/* probe.c - tenfold probe: filters the labels before round 0 by a classifier on the features of a pretrained net. */
#include "cli/common.h"

#include "probe/probe.h"

static tn_status probe(tn_job *job, const tn_args *args) {
    (void)args;
    TN_TRY(tn_job_stage(job));
    return tn_probe(&job->run, job->cfg, job->index, job->shards);
}

static tn_status verb_probe(const tn_args *args) {
    return tn_job_run(args, probe);
}

const tn_verb tn_verb_probe = {
    .name = "probe",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET,
    .mpi = true,
    .summary = "filter labels before round 0, by pretrained features      (MPI)",
    .help = "With self.probe = true: computes the features of all images by the net of model.pretrained as it is, and "
            "judges\n"
            "each label by a linear classifier on the features of other folds, in minutes where a round takes hours. "
            "The cells\n"
            "of round 0 then train without the labels that it flags, or as self.dropped says.\n"
            "reads   RUN/shards, RUN/folds, model.pretrained\n"
            "writes  RUN/probe (features.h5, posteriors.h5), RUN/filter/r0\n"
            "memory  on rank 0: 8 bytes x (parts + 4) x features x (features + classes) and 4 x parts x features x "
            "classes;\n"
            "        parts: folds x ceil(12 / folds). For ten folds and the 1280 features of B0: 315 MB\n\n"
            "example: mpirun -n 4 tenfold probe jobs/final.cfg",
    .run = verb_probe,
};
