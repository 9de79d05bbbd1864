/* run.c - tenfold run: the whole pipeline on this machine. */
#include "cli/common.h"

#include "data/fold.h"
#include "learn/cost.h"
#include "suite/local.h"

tn_status tn_plan_open(const tn_args *args, bool make_folder, tn_cfg **cfg_out, tn_plan **out) {
    tn_start start = {.n_set = 0};
    TN_TRY(tn_cfg_read(args->word[0], args->n_set, (char **)args->set, args->run_dir, cfg_out));
    TN_TRY(tn_is_search(*cfg_out) ? tn_rungs_check(*cfg_out, NULL) : tn_train_check(*cfg_out));
    TN_TRY(tn_table_check(*cfg_out));
    TN_TRY(tn_args_start(args, *cfg_out, make_folder, &start));
    TN_TRY(tn_plan_make(*cfg_out, &start, out));
    return tn_plan_recall(*out);
}

static tn_status run(const tn_args *args) {
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    tn_status st = tn_plan_open(args, true, &cfg, &plan);
    if (st == TN_OK) st = tn_local_run(cfg, plan, args->ranks);
    tn_plan_free(&plan);
    tn_cfg_free(&cfg);
    return st;
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
        "Ctrl-C: a checkpoint, then exit code 6; `tenfold resume RUN` goes on.\n"
        "Where the job file has a tune.space, it is a search: see `tenfold tune --help`.\n\n"
        "example: tenfold run jobs/quickstart.cfg --set train.images=5000 --run results/short",
    .run = run,
};
