/* submit.c - tenfold submit: the whole pipeline as jobs of Slurm. */
#include "cli/args.h"

#include "suite/submit.h"

static tn_status run(const tn_args *args) {
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    tn_start start = {.n_set = 0};
    TN_TRY(tn_cfg_read(args->word[0], args->n_set, (char **)args->set, args->run_dir, &cfg));
    tn_status st = tn_args_start(args, cfg, !args->dry_run, &start);
    if (st == TN_OK) st = tn_plan_make(cfg, &start, &plan);
    if (st == TN_OK) st = tn_plan_recall(plan);
    if (st == TN_OK) st = tn_submit(cfg, plan, args->dry_run);
    tn_plan_free(&plan);
    tn_cfg_free(&cfg);
    return st;
}

const tn_verb tn_verb_submit = {
    .name = "submit",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_DRY,
    .summary = "the whole pipeline as jobs of Slurm",
    .help =
        "Submits what is not done as arrays of jobs that wait for each other: preprocess, train (a task per cell), "
        "filter,\n"
        "train again, predict, and a last job for reduce and report. Jobs that are stopped by their time limit or lose "
        "a\n"
        "node go on by themselves. All or nothing: where Slurm refuses a job, the others are cancelled.\n"
        "reads   the job file, whose slurm group says how; site.env beside stage.sh, or where TENFOLD_SITE_ENV says\n"
        "writes  RUN/plan.json, RUN/job.cfg (a copy: later edits do not reach this run), RUN/log, RUN/slurm\n\n"
        "example: tenfold submit jobs/final.cfg --dry-run",
    .run = run,
};
