/* tune.c - tenfold tune: search settings; and what its plan consists of, trial and rank. */
#include "cli/common.h"

#include "suite/rung.h"

#include <stdlib.h>

static tn_status need_space(const tn_cfg *cfg) {
    if (tn_is_search(cfg)) return TN_OK;
    return tn_fail(TN_EARG, "%s: tune.space is empty: give the keys to search and their values", cfg->file);
}

/* What `run` does with such a job file. */
static tn_status tune(const tn_args *args) {
    tn_cfg *cfg = NULL;
    TN_TRY(tn_cfg_read(args->word[0], args->n_set, (char **)args->set, args->run_dir, &cfg));
    tn_status st = need_space(cfg);
    tn_cfg_free(&cfg);
    return st == TN_OK ? tn_verb_run.run(args) : st;
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
        "one with the job file as it stands on folds that the search has not used. A job file with a tune.space is a\n"
        "search: `run` means the same, `submit` does it through Slurm, `status` and `resume` work on its folder.\n"
        "writes  RUN/tune: tune.md, trials.csv, best.cfg (a complete job file), best-2.cfg, ... (of the others in the\n"
        "        last rung), one run folder per trial and budget\n\n"
        "example: tenfold tune jobs/tune.cfg --run results/tune",
    .run = tune,
};

static tn_status check_rung(const tn_args *args, const tn_cfg *cfg) {
    TN_TRY(need_space(cfg));
    if (args->rung < 0 || args->rung > cfg->tune.n_rungs)
        return tn_fail(TN_EARG, "give --rung 0 to %d (%d is the judgement)", cfg->tune.n_rungs, cfg->tune.n_rungs);
    return TN_OK;
}

static bool wanted(const tn_args *args, const tn_place *at) {
    bool fold = args->n_folds == 0;
    for (int i = 0; i < args->n_folds; i++) fold |= args->fold[i] == at->fold;
    return fold && (args->place < 0 || args->place == at->place);
}

/* What the options ask for, of the rung's places x folds; all: as many as those. */
static tn_status places_wanted(const tn_args *args, const tn_cfg *cfg, int n_all, tn_place *all, int *n_out) {
    int n = 0;
    if (args->place < 0 && args->n_parts == 0)
        return tn_fail(TN_EARG, "rung %d: give --place 0 to %d, or --part", args->rung,
                       tn_rung_places(cfg, args->rung) - 1);
    tn_rung_list(cfg, args->rung, all);
    for (int i = 0; i < n_all; i++)
        if (tn_in_part(args, i) && wanted(args, &all[i])) all[n++] = all[i];
    *n_out = n;
    return n ? TN_OK
             : tn_fail(TN_EARG, "no cell of rung %d fits the options: it has %d = %d places x folds", args->rung, n_all,
                       tn_rung_places(cfg, args->rung));
}

static tn_status train_places(tn_job *job, const tn_args *args) {
    int n_all = tn_rung_list(job->cfg, args->rung, NULL), n = 0;
    tn_place *at = calloc((size_t)n_all, sizeof *at);
    tn_status st = at ? places_wanted(args, job->cfg, n_all, at, &n)
                      : tn_fail_memory((size_t)n_all * sizeof *at, "the places of a rung");
    st = tn_agree(&job->run, st);
    if (st == TN_OK) st = tn_job_stage(job);
    for (int i = 0; i < n && st == TN_OK; i++)
        st = tn_place_train(&job->run, job->cfg, job->index, job->shards, &at[i]);
    free(at);
    return st;
}

static tn_status train(tn_job *job, const tn_args *args) {
    tn_status st = tn_agree(&job->run, check_rung(args, job->cfg));
    return st == TN_OK ? train_places(job, args) : st;
}

static tn_status trial(const tn_args *args) {
    return tn_job_run(args, train);
}

const tn_verb tn_verb_trial = {
    .name = "trial",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RUNG | TN_OPT_PLACE,
    .mpi = true,
    .summary = "train one place of a rung of a search                    (MPI)",
    .help = "One step of `tenfold tune`: trains the trial that stands at a place of a rung, on all folds of the rung "
            "or on\n"
            "--folds. In rung 0 place and trial are the same; later the place is the rank in the rung before. In the\n"
            "judgement place 0 is the job file as it stands, place 1 the best trial; where these are the same, place 1 "
            "has\n"
            "nothing to do. --part I/N: of the rung's places x folds, the folds of a place one after the other.\n"
            "reads   RUN/shards, RUN/folds, RUN/tune/rung<N-1>\n"
            "writes  RUN/tune/t<trial>-i<images>\n\n"
            "example: mpirun -n 2 tenfold trial jobs/tune.cfg --rung 0 --place 3\n"
            "         mpirun -n 2 tenfold trial jobs/tune.cfg --rung 1 --part 0/8",
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
    .words = "JOB.cfg|RUN",
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
