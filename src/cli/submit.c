/* submit.c - tenfold submit: the whole pipeline as jobs of Slurm. */
#include "cli/common.h"

#include "suite/submit.h"

static tn_status run(const tn_args *args) {
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    tn_status st = tn_plan_open(args, !args->dry_run, &cfg, &plan);
    if (st == TN_OK) st = tn_submit(cfg, plan, args->pilot, args->dry_run);
    tn_plan_free(&plan);
    tn_cfg_free(&cfg);
    return st;
}

const tn_verb tn_verb_submit = {
    .name = "submit",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_DRY | TN_OPT_PILOT,
    .summary = "the whole pipeline as jobs of Slurm",
    .help =
        "Submits what is not done as arrays of jobs that wait for each other: preprocess, train (a task per cell), "
        "filter,\n"
        "train again, and a last job for reduce and report; a task predicts with what it trained, and the last one of "
        "a round\n"
        "filters it. Jobs that are stopped by their time limit or lose "
        "a\n"
        "node go on by themselves. All or nothing: where Slurm refuses a job, the others are cancelled.\n"
        "Where the job file has a tune.space, it is a search: an array per rung, a job that ranks behind each.\n"
        "With --pilot N it is one job on N whole nodes, which starts the cells side by side on their cores, as `run` "
        "would.\n"
        "reads   the job file, whose slurm group says how; site.env beside stage.sh, or where TENFOLD_SITE_ENV says\n"
        "writes  RUN/plan.json, RUN/job.cfg (a copy: later edits do not reach this run), RUN/log, RUN/slurm\n\n"
        "example: tenfold submit jobs/final.cfg --dry-run",
    .run = run,
};
