/* verbs.c - the table of verbs and that of exit codes: `tenfold --help`, the manual page and the shell completion are made of them. */
#include "cli/args.h"

#include <string.h>

const tn_verb *const tn_verbs[] = {&tn_verb_check,   &tn_verb_run,        &tn_verb_submit,
                                   &tn_verb_status,  &tn_verb_preprocess, &tn_verb_explore,
                                   &tn_verb_probe,   &tn_verb_train,      &tn_verb_filter,
                                   &tn_verb_predict, &tn_verb_reduce,     &tn_verb_distil,
                                   &tn_verb_report,  &tn_verb_show,       &tn_verb_weights,
                                   &tn_verb_doctor,  &tn_verb_drill,      &tn_verb_trial,
                                   &tn_verb_rank,    &tn_verb_pilot,      NULL};

const tn_exit_code tn_exit_codes[] = {{TN_OK, "done"},
                                      {TN_EARG, "a mistake in settings or tables"},
                                      {TN_EIO, "input or output failed"},
                                      {TN_EFORMAT, "a file is damaged or has another format"},
                                      {TN_ENOMEM, "out of memory"},
                                      {TN_EUNFINISHED, "unfinished: run it again"},
                                      {TN_EBUSY, "another process is making the same folder: leave it alone"},
                                      {TN_ENODE, "this node lacks the instruction set; another one can do it"},
                                      {TN_EDIVERGED, "a loss, a gradient or a prediction is not a number"},
                                      {TN_EBUG, "a bug in tenfold"},
                                      {0, NULL}};

void tn_print_help(FILE *out) {
    fputs("tenfold turns a folder of images and a table with noisy labels into a final ensemble prediction.\n\n"
          "usage: tenfold VERB JOB.cfg [options]\n"
          "       tenfold VERB RUN [options]      with the settings of that run folder; run and submit continue it\n\n",
          out);
    for (const tn_verb *const *v = tn_verbs; *v; v++)
        if (!(*v)->internal) fprintf(out, "  %-11s %s\n", (*v)->name, (*v)->summary);
    fputs("\n  tenfold VERB --help        what a verb reads and writes, and its options\n"
          "  tenfold check --reference  all keys of the job file\n\n"
          "example: tenfold run jobs/quickstart.cfg\n",
          out);
}

/* Verbs that no longer exist. */
static const char *const GONE[][2] = {
    {"resume", "`tenfold run RUN` continues a run here, `tenfold submit RUN` under Slurm"},
    {"search", "`tenfold run JOB.cfg` searches if the job file has a search.space"}};

tn_status tn_verb_unknown(const char *name) {
    for (size_t i = 0; i < sizeof GONE / sizeof *GONE; i++)
        if (strcmp(GONE[i][0], name) == 0) return tn_fail(TN_EARG, "the verb `%s` is gone: %s", name, GONE[i][1]);
    return tn_fail(TN_EARG, "no verb `%s`; tenfold --help lists them", name);
}

const tn_verb *tn_verb_find(const char *name) {
    for (const tn_verb *const *v = tn_verbs; *v; v++)
        if (strcmp((*v)->name, name) == 0) return *v;
    return NULL;
}
