/* resume.c - tenfold resume: go on with a run, from its folder alone. */
#include "cli/args.h"

#include "data/fold.h"
#include "suite/local.h"
#include "suite/submit.h"

static tn_status run(const tn_args *args) {
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    if (args->slurm && args->ranks)
        return tn_fail(TN_EARG, "--ranks is for this machine; under Slurm the job file's slurm group says how many");
    if (args->dry_run && !args->slurm) return tn_fail(TN_EARG, "--dry-run goes with --slurm");
    if (args->pilot && !args->slurm) return tn_fail(TN_EARG, "--pilot goes with --slurm");
    TN_TRY(tn_plan_read(args->word[0], true, &cfg, &plan));
    tn_status st = tn_table_check(cfg);
    if (st == TN_OK)
        st = args->slurm ? tn_submit(cfg, plan, args->pilot, args->dry_run) : tn_local_run(cfg, plan, args->ranks);
    tn_cfg_free(&cfg);
    tn_plan_free(&plan);
    return st;
}

const tn_verb tn_verb_resume = {
    .name = "resume",
    .words = "RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_RANKS | TN_OPT_SLURM | TN_OPT_DRY | TN_OPT_PILOT,
    .summary = "go on with an interrupted run: only what is missing",
    .help =
        "Reads RUN/plan.json, which says how the run was started, and does what is not done. An interrupted cell "
        "goes on\n"
        "from its checkpoint to the same bits as if nothing had happened. The job file is read as it is now; what was\n"
        "made with other settings is refused. Refused, too, while jobs of the run still wait or run.\n\n"
        "example: tenfold resume results/quickstart\n"
        "         tenfold resume results/final --slurm",
    .run = run,
};
