/* trial.c - tenfold trial and tenfold rank: the two kinds of steps of a search. */
#include "cli/common.h"

#include "search/rung.h"

#include <stdlib.h>

static tn_status need_space(const tn_cfg *cfg) {
    if (tn_is_search(cfg)) return TN_OK;
    return tn_fail(TN_EARG, "%s: search.space is empty: give the keys to search and their values", cfg->file);
}

static tn_status check_rung(const tn_args *args, const tn_cfg *cfg) {
    TN_TRY(need_space(cfg));
    if (args->rung < 0 || args->rung > cfg->search.n_rungs)
        return tn_fail(TN_EARG, "give --rung 0 to %d (%d is the final comparison)", cfg->search.n_rungs,
                       cfg->search.n_rungs);
    return TN_OK;
}

static bool wanted(const tn_args *args, const tn_slot *at) {
    bool fold = args->n_folds == 0;
    for (int i = 0; i < args->n_folds; i++) fold |= args->fold[i] == at->fold;
    return fold && (args->slot < 0 || args->slot == at->slot);
}

/* The slots x folds of the rung that the options select. all: room for n_all. */
static tn_status slots_wanted(const tn_args *args, const tn_cfg *cfg, int n_all, tn_slot *all, int *n_out) {
    int n = 0;
    if (args->slot < 0 && args->n_parts == 0)
        return tn_fail(TN_EARG, "rung %d: give --slot 0 to %d, or --part", args->rung,
                       tn_rung_slots(cfg, args->rung) - 1);
    for (int i = 0; i < n_all; i++) {
        tn_slot at = tn_rung_slot(cfg, args->rung, i);
        if (tn_in_part(args, i) && wanted(args, &at)) all[n++] = at;
    }
    *n_out = n;
    return n ? TN_OK
             : tn_fail(TN_EARG, "the options select no cell of rung %d: it has %d = %d slots x folds", args->rung,
                       n_all, tn_rung_slots(cfg, args->rung));
}

static tn_status train_slots(tn_job *job, const tn_args *args) {
    int n_all = tn_rung_count(job->cfg, args->rung), n = 0;
    tn_slot *at = calloc((size_t)n_all, sizeof *at);
    tn_status st = at ? slots_wanted(args, job->cfg, n_all, at, &n)
                      : tn_fail_memory((size_t)n_all * sizeof *at, "the slots of a rung");
    st = tn_agree(&job->run, st);
    if (st == TN_OK) st = tn_job_stage(job);
    for (int i = 0; i < n && st == TN_OK; i++) st = tn_slot_train(&job->run, job->cfg, job->index, job->shards, &at[i]);
    free(at);
    return st;
}

static tn_status train(tn_job *job, const tn_args *args) {
    tn_status st = tn_agree(&job->run, check_rung(args, job->cfg));
    return st == TN_OK ? train_slots(job, args) : st;
}

static tn_status trial(const tn_args *args) {
    return tn_job_run(args, train);
}

const tn_verb tn_verb_trial = {
    .name = "trial",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RUNG | TN_OPT_SLOT,
    .mpi = true,
    .internal = true,
    .summary = "train one slot of a rung of a search                    (MPI)",
    .help =
        "One step of a search (`tenfold run` of a job file with a search.space): trains the trial of a slot, on all\n"
        "folds of the rung or on --folds. In rung 0 the slot is the trial's number; later it is the trial's rank in\n"
        "the rung before. In the final comparison slot 0 is the job file as it stands and slot 1 the best trial; if\n"
        "these are the same, slot 1 has nothing to do. --part I/N counts slots x folds, slot slowest.\n"
        "reads   RUN/shards, RUN/folds, RUN/search/rung<N-1>\n"
        "writes  RUN/search/t<trial>-i<images>\n\n"
        "example: mpirun -n 2 tenfold trial jobs/search.cfg --rung 0 --slot 3\n"
        "         mpirun -n 2 tenfold trial jobs/search.cfg --rung 1 --part 0/8",
    .run = trial,
};

static tn_status end_rung(tn_job *job, const tn_args *args) {
    tn_status st = tn_agree(&job->run, check_rung(args, job->cfg));
    if (st != TN_OK) return st;
    return args->if_complete ? tn_rung_end_if_complete(&job->run, job->cfg, job->index, args->rung)
                             : tn_rung_end(&job->run, job->cfg, job->index, args->rung);
}

static tn_status rank(const tn_args *args) {
    return tn_job_run(args, end_rung);
}

const tn_verb tn_verb_rank = {
    .name = "rank",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RUNG | TN_OPT_COMPLETE,
    .mpi = true,
    .internal = true,
    .summary = "end a rung of a search: rank its trials, or compare the best (MPI)",
    .help = "One step of a search: when all slots of a rung are trained, ranks their trials by mean validation score.\n"
            "In the final comparison it compares the best trial with the job file as it stands.\n"
            "writes  RUN/search/rung<N>/ranking.json or RUN/search/judge/judge.json\n\n"
            "example: tenfold rank jobs/search.cfg --rung 0",
    .run = rank,
};
