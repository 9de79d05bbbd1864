/* status.c - tenfold status: where a run stands. */
#include "cli/args.h"

#include "suite/status.h"

static tn_status run(const tn_args *args) {
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    TN_TRY(tn_plan_read(args->word[0], &plan));
    tn_status st = tn_cfg_read(plan->start.job_file, plan->start.n_set, plan->start.set, plan->start.run_dir, &cfg);
    if (st == TN_OK) st = tn_status_print(cfg, plan, stdout);
    tn_cfg_free(&cfg);
    tn_plan_free(&plan);
    return st;
}

const tn_verb tn_verb_status = {
    .name = "status",
    .words = "RUN",
    .least_words = 1,
    .most_words = 1,
    .options = 0,
    .summary = "table of a run's cells: progress, score, what failed and where its log is",
    .help = "Looks at DONE files, journals and the manifest of a run folder; changes nothing. A step that says "
            "`running` may\n"
            "also have been killed together with `tenfold run`: `tenfold resume RUN` goes on with it.\n\n"
            "example: tenfold status results/quickstart",
    .run = run,
};
