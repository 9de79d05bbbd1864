/* run.c - tenfold run: the whole pipeline on this machine. */
#include "cli/common.h"

#include "suite/local.h"

tn_status tn_run_plan(const tn_args *args, bool tune) {
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    tn_start start = {.tune = tune};
    TN_TRY(tn_cfg_read(args->word[0], args->n_set, (char **)args->set, args->run_dir, &cfg));
    tn_status st = tune ? tn_rungs_check(cfg) : TN_OK;
    if (st == TN_OK) st = tn_args_start(args, cfg, true, &start);
    if (st == TN_OK) st = tn_plan_make(cfg, &start, &plan);
    if (st == TN_OK) st = tn_plan_recall(plan);
    if (st == TN_OK) st = tn_local_run(cfg, plan, args->ranks);
    tn_plan_free(&plan);
    tn_cfg_free(&cfg);
    return st;
}

static tn_status run(const tn_args *args) {
    return tn_run_plan(args, false);
}

const tn_verb tn_verb_run = {
    .name = "run",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RANKS,
    .summary = "the whole pipeline on this machine, through mpirun",
    .help =
        "preprocess, then per round train and filter, then predict, reduce and report: each step in its own processes, "
        "with\n"
        "its log in RUN/log. What is done already is not repeated, so the same command goes on after an interruption.\n"
        "Ctrl-C: a checkpoint, then exit code 6; `tenfold resume RUN` goes on.\n\n"
        "example: tenfold run jobs/quickstart.cfg --set train.images=5000 --run results/short",
    .run = run,
};
