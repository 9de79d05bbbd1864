/* report.c - tenfold report: the score table and what the filter found. */
#include "cli/args.h"

#include "suite/report.h"
#include "suite/search.h"
#include "suite/tune_report.h"

static tn_status run(const tn_args *args) {
    tn_cfg *cfg = NULL;
    TN_TRY(tn_args_cfg(args, &cfg));
    tn_status st = tn_is_search(cfg) ? tn_tune_report(cfg) : tn_report(cfg);
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
    .help = "Prints the report of a run that `reduce` has finished.\n"
            "reads   RUN/metrics.json, RUN/filter/*/ledger.csv, RUN/train/*/journal.jsonl, RUN/history/*\n"
            "writes  RUN/report/report.md, RUN/report/scores.csv, and RUN/report/report.html: one page with curves and "
            "the\n"
            "        pictures whose labels are believed least\n"
            "of a search, where the job file has a tune.space: RUN/tune/tune.md, trials.csv, best*.cfg\n\n"
            "example: tenfold report jobs/quickstart.cfg",
    .run = run,
};
