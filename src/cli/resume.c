/* resume.c - tenfold resume: go on with a run, from its folder alone. */
#include "cli/args.h"

#include "suite/local.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static tn_status run(const tn_args *args) {
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    TN_TRY(tn_plan_read(args->word[0], &plan));
    tn_status st = TN_OK;
    if (chdir(plan->start.folder) != 0)
        st = tn_fail(TN_EIO, "%s, where the run was started: %s", plan->start.folder, strerror(errno));
    if (st == TN_OK)
        st = tn_cfg_read(plan->start.job_file, plan->start.n_set, plan->start.set, plan->start.run_dir, &cfg);
    if (st == TN_OK) st = tn_local_run(cfg, plan, args->ranks);
    tn_cfg_free(&cfg);
    tn_plan_free(&plan);
    return st;
}

const tn_verb tn_verb_resume = {
    .name = "resume",
    .words = "RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_RANKS,
    .summary = "go on with an interrupted run: only what is missing",
    .help = "Reads RUN/plan.json, which says how the run was started, and does what is not done. An interrupted cell "
            "goes on\n"
            "from its checkpoint to the same bits as if nothing had happened.\n\n"
            "example: tenfold resume results/quickstart",
    .run = run,
};
