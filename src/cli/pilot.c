/* pilot.c - tenfold pilot: runs on the first node of the job that `tenfold submit --pilot` submits. */
#include "cli/args.h"

#include "report/report.h"
#include "slurm/pilot.h"

static tn_status verb_pilot(const tn_args *args) {
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    TN_TRY(tn_plan_read(args->word[0], false, &cfg, &plan));
    tn_status st = tn_pilot_run(cfg, plan, tn_report);
    tn_cfg_free(&cfg);
    tn_plan_free(&plan);
    return st;
}

const tn_verb tn_verb_pilot = {
    .name = "pilot",
    .words = "RUN",
    .least_words = 1,
    .most_words = 1,
    .options = 0,
    .internal = true,
    .summary = "the whole pipeline inside one job: called by submit --pilot",
    .help = "Executes the missing steps of RUN on the nodes of the surrounding Slurm job, as many cells at a time as\n"
            "fit. Only the job of `tenfold submit --pilot N` calls it.\n\n"
            "example: tenfold submit jobs/final.cfg --pilot 8",
    .run = verb_pilot,
};
