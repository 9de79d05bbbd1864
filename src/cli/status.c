/* status.c - tenfold status: prints the state of a run. */
#include "cli/args.h"

#include "report/status.h"

static tn_status verb_status(const tn_args *args) {
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    if (args->every_s && !args->watch) return tn_fail(TN_EARG, "--every needs --watch: give both");
    if (args->json && args->watch)
        return tn_fail(TN_EARG, "give --json or --watch: one is for programs, one for people");
    TN_TRY(tn_plan_read(args->word[0], false, &cfg, &plan));
    tn_status st = args->json    ? tn_status_json(cfg, plan, stdout)
                   : args->watch ? tn_status_watch(cfg, plan, args->every_s, stdout)
                                 : tn_status_print(cfg, plan, stdout);
    tn_cfg_free(&cfg);
    tn_plan_free(&plan);
    return st;
}

const tn_verb tn_verb_status = {
    .name = "status",
    .words = "RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_WATCH | TN_OPT_JSON,
    .summary = "table of a run's cells: progress, score, what failed and where its log is",
    .help =
        "Reads DONE files, journals, plan.json and, if the run has jobs, Slurm's queue. Changes nothing and needs\n"
        "no accounting database. If `tenfold run` was killed on this machine, its last step still shows as `running`:\n"
        "`tenfold run RUN` continues it. --watch ends when the run ends: exit code 0 if all steps are done, else 6.\n\n"
        "example: tenfold status results/quickstart --watch",
    .run = verb_status,
};
