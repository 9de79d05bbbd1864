/* filter.c - tenfold filter: makes the label overlay of round r+1 from the posteriors of round r. */
#include "cli/common.h"

#include "base/progress.h"
#include "filter/filter.h"

#include <stdlib.h>
#include <unistd.h>

static tn_status filter(tn_job *job, const tn_args *args) {
    int round = args->round < 0 ? 0 : args->round;
    if (args->if_complete && args->posteriors)
        return tn_fail(TN_EARG,
                       "--if-complete waits for the cells of a round, but --posteriors uses none: give one of them");
    return args->if_complete ? tn_filter_if_complete(&job->run, job->cfg, job->index, round)
                             : tn_filter(&job->run, job->cfg, job->index, round, args->posteriors);
}

/* Into a file or pipe the rows are written byte for byte. On a terminal control characters in paths are made harmless (tn_print). */
static tn_status diff(const char *a, const char *b) {
    if (!isatty(STDOUT_FILENO)) return tn_ledger_diff(a, b, stderr, stdout);
    char *text = NULL;
    size_t n = 0;
    FILE *rows = open_memstream(&text, &n);
    tn_status st = tn_text_end(rows, rows ? tn_ledger_diff(a, b, stderr, rows) : TN_OK, "the comparison");
    if (st == TN_OK) tn_print(stdout, "%s", text);
    free(text);
    return st;
}

static tn_status verb_filter(const tn_args *args) {
    if (!args->diff && args->n_words > 1)
        return tn_fail(TN_EARG, "one word too many: %s; usage: tenfold filter JOB.cfg, or tenfold filter --diff A B",
                       args->word[1]);
    if (!args->diff) return tn_job_run(args, filter);
    if (args->n_words < 2) return tn_fail(TN_EARG, "--diff needs two ledgers: tenfold filter --diff A.csv B.csv");
    return diff(args->word[0], args->word[1]);
}

const tn_verb tn_verb_filter = {
    .name = "filter",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 2,
    .options = TN_OPT_SET | TN_OPT_ROUND | TN_OPT_FILTER | TN_OPT_COMPLETE,
    .mpi = true,
    .summary = "find suspicious labels with a round's posteriors          (MPI)",
    .help =
        "Keeps a label if the posteriors support it (self.method); self.dropped says what happens to the other "
        "labels.\n"
        "After a round that did not improve the validation score, the next round is skipped.\n"
        "reads   RUN/train/r<round>-*/posteriors.h5; with --posteriors a FILE of models trained elsewhere: run and\n"
        "        submit filter with the run's own models and refuse such a run folder\n"
        "writes  RUN/filter/r<round+1> (one overlay per fold, ledger.csv, ledger.h5, filter.json, posteriors.h5)\n"
        "memory  on rank 0: 8 bytes per row and class, 85 bytes per row, and the table: 2 GB for 10^7 rows, 5 classes\n"
        "--diff  compares two ledger.csv: rows whose verdict changed as CSV on stdout, counts on stderr\n\n"
        "example: tenfold filter jobs/self.cfg --round 0\n"
        "example: tenfold filter --diff results/a/ledger.csv results/b/ledger.csv >changed.csv",
    .run = verb_filter,
};
