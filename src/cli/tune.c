/* tune.c - tenfold tune: search settings on this machine; and what its plan consists of, trial and rank. */
#include "cli/common.h"

#include "suite/rung.h"

static tn_status tune(const tn_args *args) {
    return tn_run_plan(args, true);
}

const tn_verb tn_verb_tune = {
    .name = "tune",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RANKS,
    .summary = "search settings: trials by successive halving, judged on other folds",
    .help =
        "Trains tune.trials settings of tune.space for few images, goes on with the best for more, and compares the "
        "last\n"
        "one with the job file as it stands on folds that the search has not used. On this machine, through mpirun;\n"
        "`resume` and `status` work on its folder as on any other.\n"
        "writes  RUN/tune: tune.md, trials.csv, best.cfg (a complete job file), one run folder per trial and budget\n\n"
        "example: tenfold tune jobs/tune.cfg --run results/tune",
    .run = tune,
};

static tn_status check_rung(const tn_args *args, const tn_cfg *cfg) {
    if (cfg->tune.n_space == 0)
        return tn_fail(TN_EARG, "%s: tune.space is empty: give the keys to search and their values", cfg->file);
    if (args->rung < 0 || args->rung > cfg->tune.n_rungs)
        return tn_fail(TN_EARG, "give --rung 0 to %d (%d is the judgement)", cfg->tune.n_rungs, cfg->tune.n_rungs);
    return TN_OK;
}

/* The folds of the rung that are asked for. */
static tn_status folds_wanted(const tn_args *args, const tn_cfg *cfg, int *n_out, int out[TN_MAX_FOLDS]) {
    int all[TN_MAX_FOLDS], n = 0;
    TN_TRY(check_rung(args, cfg));
    if (args->place < 0 || args->place >= tn_rung_places(cfg, args->rung))
        return tn_fail(TN_EARG, "rung %d: give --place 0 to %d", args->rung, tn_rung_places(cfg, args->rung) - 1);
    for (int i = 0, n_all = tn_rung_folds(cfg, args->rung, all); i < n_all; i++) {
        bool wanted = args->n_folds == 0;
        for (int k = 0; k < args->n_folds; k++) wanted |= args->fold[k] == all[i];
        if (wanted) out[n++] = all[i];
    }
    *n_out = n;
    return n ? TN_OK : tn_fail(TN_EARG, "--folds names none of the folds of rung %d", args->rung);
}

static tn_status train(tn_job *job, const tn_args *args) {
    int fold[TN_MAX_FOLDS], n = 0;
    tn_status st = tn_agree(&job->run, folds_wanted(args, job->cfg, &n, fold));
    for (int i = 0; i < n && st == TN_OK; i++)
        st =
            tn_place_train(&job->run, job->cfg, job->index, job->shards, &(tn_place){args->rung, args->place, fold[i]});
    return st;
}

static tn_status trial(const tn_args *args) {
    return tn_job_run(args, train);
}

const tn_verb tn_verb_trial = {
    .name = "trial",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RUNG | TN_OPT_PLACE,
    .mpi = true,
    .summary = "train one place of a rung of a search                    (MPI)",
    .help =
        "One step of `tenfold tune`: trains the trial that stands at a place of a rung, on all folds of the rung "
        "or on\n"
        "--folds. In rung 0 place and trial are the same; later the place is the rank in the rung before. In the\n"
        "judgement place 0 is the job file as it stands, place 1 the best trial.\n"
        "reads   RUN/shards, RUN/folds, RUN/tune/rung<N-1>\n"
        "writes  RUN/tune/t<trial>-i<images>\n\n"
        "example: mpirun -n 2 tenfold trial jobs/tune.cfg --rung 0 --place 3\n"
        "         sbatch --array=0-11 --wrap 'srun tenfold trial jobs/tune.cfg --rung 0 --place $SLURM_ARRAY_TASK_ID'",
    .run = trial,
};

static tn_status end_rung(tn_job *job, const tn_args *args) {
    tn_status st = tn_agree(&job->run, check_rung(args, job->cfg));
    return st == TN_OK ? tn_rung_end(&job->run, job->cfg, job->index, args->rung) : st;
}

static tn_status rank(const tn_args *args) {
    return tn_job_run(args, end_rung);
}

const tn_verb tn_verb_rank = {
    .name = "rank",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RUNG,
    .mpi = true,
    .summary = "end a rung of a search: rank its trials, or judge the best (MPI)",
    .help = "One step of `tenfold tune`: when all places of a rung are trained, ranks them by their mean validation "
            "score;\n"
            "in the judgement compares the best trial with the job file as it stands.\n"
            "writes  RUN/tune/rung<N>/ranking.json or RUN/tune/judge/judge.json\n\n"
            "example: tenfold rank jobs/tune.cfg --rung 0",
    .run = rank,
};
