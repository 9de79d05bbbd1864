/* submit.c - tenfold submit: the whole pipeline as Slurm jobs. */
#include "cli/common.h"

#include "slurm/submit.h"

static tn_status verb_submit(const tn_args *args) {
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
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_DRY | TN_OPT_PILOT,
    .summary = "run the whole pipeline as Slurm jobs, or continue a run",
    .help =
        "Submits the missing steps as jobs that wait for each other: preprocess, an array of train tasks for each\n"
        "round (one task per cell), and a last job for reduce and report. A task also predicts with the model that\n"
        "it trained, and the last task of a round runs the filter. Jobs that reach their time limit or lose a node\n"
        "are requeued and continue. If Slurm refuses a job, all others are cancelled. `tenfold submit RUN` reads the\n"
        "job file again and submits what is still missing; it is refused while jobs of the run wait or run.\n"
        "A job file with a search.space is a search (`tenfold run --help`), with an array per rung.\n"
        "--pilot N submits one job on N whole nodes, which runs the cells side by side.\n"
        "reads   the job file (group slurm); site.env beside stage.sh, or the file in TENFOLD_SITE_ENV\n"
        "writes  RUN/plan.json, RUN/job.cfg (a copy: later edits do not affect these jobs), RUN/log, RUN/slurm\n\n"
        "example: tenfold submit jobs/final.cfg --dry-run\n"
        "         tenfold submit results/final",
    .run = verb_submit,
};
