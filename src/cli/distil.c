/* distil.c - tenfold distil: trains one model on the predictions of the ensemble. */
#include "cli/common.h"

#include "distil/distil.h"

static tn_status distil(tn_job *job, const tn_args *args) {
    TN_TRY(tn_job_stage(job));
    return tn_distil(&job->run, job->cfg, job->index, job->shards, args->allow_other_bits);
}

static tn_status verb_distil(const tn_args *args) {
    return tn_job_run(args, distil);
}

const tn_verb tn_verb_distil = {
    .name = "distil",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_OTHER_BITS,
    .mpi = true,
    .summary = "train one model on what the ensemble predicts             (MPI)",
    .help = "With distil.student = true: trains one model, the student, on the probabilities that the ensemble gives "
            "each row,\n"
            "by the models that never saw the row. It predicts new images at the cost of one model:\n"
            "tenfold predict RUN --data DIR --student, then tenfold reduce RUN --data DIR --student.\n"
            "reads   RUN/shards, RUN/folds, RUN/reduce/ensemble.json, RUN/predict\n"
            "writes  RUN/train/student-s<size>-x<seed> (the model), RUN/distil (targets, predictions of test and "
            "unlabelled\n"
            "        rows, submission.csv, metrics.json with its score beside the ensemble's, ensemble.json)\n\n"
            "An interrupted student continues from its checkpoint; the result is bitwise the same for any number of "
            "ranks up\n"
            "to train.lanes.\n\n"
            "example: mpirun -n 2 tenfold distil jobs/baseline.cfg --set distil.student=true",
    .run = verb_distil,
};
