/* pilot.c - tenfold pilot: the one job of `tenfold submit --pilot`, on its first node. */
#include "cli/args.h"

#include "suite/local.h"

static tn_status run(const tn_args *args) {
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    TN_TRY(tn_plan_read(args->word[0], false, &cfg, &plan));
    tn_status st = tn_pilot_run(cfg, plan);
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
    .summary = "(called by submit --pilot) the whole pipeline on a job's nodes",
    .help = "Does what is missing of RUN on the nodes of the Slurm job around it: as many cells at a time as have "
            "room, each as a\n"
            "step of its own. `tenfold submit --pilot N` submits it; there is no other use.\n\n"
            "example: tenfold submit jobs/final.cfg --pilot 8",
    .run = run,
};
