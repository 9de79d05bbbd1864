/* report.c - tenfold report: scores, and the labels that the filter flags. */
#include "cli/args.h"

#include "base/run.h"
#include "report/report.h"

static tn_status verb_report(const tn_args *args) {
    tn_cfg *cfg = NULL;
    tn_run_begun(); /* to the launcher that waits for it under Slurm: here there is no MPI that would say so */
    TN_TRY(tn_args_cfg(args, &cfg));
    tn_status st = tn_report(cfg, stdout);
    tn_cfg_free(&cfg);
    return st;
}

const tn_verb tn_verb_report = {
    .name = "report",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET,
    .summary = "score table, suspicious labels, images seen: text and CSV",
    .help = "Prints the report of a run whose `reduce` is done.\n"
            "reads   RUN/metrics.json, RUN/filter/*/ledger.csv, RUN/train/*/journal.jsonl, RUN/history/*\n"
            "writes  RUN/report/report.md, RUN/report/scores.csv, and RUN/report/report.html: a page with curves and\n"
            "        the images with the most suspicious labels\n"
            "For a search (the job file has a search.space) it writes RUN/search/search.md, trials.csv, best*.cfg "
            "instead.\n\n"
            "example: tenfold report jobs/quickstart.cfg",
    .run = verb_report,
};
