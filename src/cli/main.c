/*
 * main.c - `tenfold VERB ...`: finds the verb, parses its words, turns its status into the exit code.
 *
 * Exit codes: 0 done, 2 settings or input tables, 3 input/output, 4 file format, 5 memory, 6 unfinished (run again),
 * 7 another process is at it, 8 this node cannot, 70 a bug (base/status.h).
 */
#include "cli/args.h"

#include "base/h5.h"
#include "base/progress.h"
#include "base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const tn_verb *const VERB[] = {&tn_verb_run,        &tn_verb_submit, &tn_verb_tune,   &tn_verb_trial,
                                      &tn_verb_rank,       &tn_verb_status, &tn_verb_resume, &tn_verb_check,
                                      &tn_verb_preprocess, &tn_verb_train,  &tn_verb_filter, &tn_verb_predict,
                                      &tn_verb_reduce,     &tn_verb_report, &tn_verb_drill,  &tn_verb_weights,
                                      &tn_verb_show,       &tn_verb_doctor, &tn_verb_pilot};
enum { N_VERBS = sizeof VERB / sizeof *VERB };

static void print_help(FILE *out) {
    fputs("tenfold turns a folder of images and a table with noisy labels into a final ensemble prediction.\n\n"
          "usage: tenfold VERB JOB.cfg [options]\n"
          "       tenfold VERB RUN [options]      as that run was started (not run, submit, tune, drill, show,\n"
          "                                       doctor, weights)\n\n",
          out);
    for (int i = 0; i < N_VERBS; i++) fprintf(out, "  %-11s %s\n", VERB[i]->name, VERB[i]->summary);
    fputs("\n  tenfold VERB --help      what a verb reads and writes, and its options\n"
          "  tenfold check --reference  all keys of the job file\n\n"
          "example: tenfold run jobs/quickstart.cfg\n",
          out);
}

static const tn_verb *find(const char *name) {
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(VERB[i]->name, name) == 0) return VERB[i];
    return NULL;
}

/* A launcher's other ranks have nothing to do for a verb without MPI. A shell that has only inherited the variable must hear why
 * nothing happened. */
static int pass(const char *verb) {
    tn_say("%s: nothing to do, since a launcher's variable (OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK, PALS_RANKID, "
           "SLURM_PROCID) says "
           "that this is not rank 0; unset it where no launcher started this",
           verb);
    return 0;
}

/* Every rank comes here with the same verdict; one of them speaks. */
static int fail(tn_status st) {
    if (tn_is_first_rank()) tn_fail_print();
    return st;
}

/* HDF5 tries once more to close what it could not, when the process ends, and crashes there. Verbs without MPI come to this. */
static int leave(int code) {
    if (!tn_h5_broken()) return code;
    fflush(NULL);
    _exit(code);
}

/* Where a service closed them, the next file that is opened, the lock of a run even, would get what is printed. */
static void open_standard_files(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

/* A table of differences, a digest or the commands of a --dry-run that were cut off look whole. A reader that left, as
 * `head` does, has had enough. */
static tn_status end_output(void) {
    errno = 0;
    bool whole = fflush(stdout) == 0 && !ferror(stdout);
    if (whole || errno == EPIPE) return TN_OK;
    return tn_fail(TN_EIO, "the standard output cannot be written, and is not whole: %s",
                   errno ? strerror(errno) : "is its disk full?");
}

static int run_verb(const tn_verb *verb, const tn_args *args) {
    tn_status st = TN_OK;
    if (args->help)
        tn_verb_print_help(verb, stdout);
    else
        st = verb->run(args);
    if (st == TN_OK) st = end_output();
    return leave(st == TN_OK ? 0 : fail(st));
}

int main(int argc, char **argv) {
    open_standard_files();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? TN_EARG : 0;
    }
    const tn_verb *verb = find(argv[1]);
    if (!verb) return fail(tn_fail(TN_EARG, "no verb `%s`; tenfold --help lists them", argv[1]));
    tn_args args;
    tn_status st = tn_args_parse(verb, argc - 2, argv + 2, &args);
    if (st != TN_OK) return fail(st);
    if (!verb->mpi && !tn_is_first_rank()) return pass(verb->name);
    return run_verb(verb, &args);
}
