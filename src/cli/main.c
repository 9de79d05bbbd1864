/*
 * main.c - `tenfold VERB ...`: finds the verb, parses its arguments, calls it, turns its status into the exit code. verbs.c has the
 * tables of both.
 */
#include "cli/args.h"

#include "base/progress.h"
#include "base/run.h"
#include "store/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A verb without MPI runs on rank 0 only; other ranks of a launcher exit here. A shell that only inherited the launcher's variable
 * is told why nothing happens. */
static int pass(const char *verb) {
    tn_say("%s: nothing to do, because a launcher's variable (OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK, PALS_RANKID, "
           "SLURM_PROCID) says that this is not rank 0; if no launcher started this process, unset it",
           verb);
    return 0;
}

/* All ranks come here with the same status; only the first prints the message. */
static int fail(tn_status st) {
    if (tn_is_first_rank()) tn_fail_print();
    return (int)st;
}

/* If a file could not be closed, HDF5 tries it again at exit and crashes. Then the process ends without exit handlers. This is for
 * verbs without MPI; tn_run_end does the same for the others. */
static int leave(int code) {
    if (!tn_h5_broken()) return code;
    fflush(NULL);
    _exit(code);
}

/* A service may start this process with stdin, stdout or stderr closed. Then the next file opened would get their number, and
 * messages would be written into it. */
static void open_standard_files(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

/* Arrays of a number per class (21,999 x 8 bytes) lie on the stack of this thread. Linux grows it up to the limit that is in force
 * when it grows, so that a small one can be raised here. Threads that come later keep the size they were given at the start. */
static tn_status make_stack_room(void) {
    enum { NEEDED_KIB = 2048 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= NEEDED_KIB * 1024) return TN_OK;
    rlim_t most = limit.rlim_max;
    limit.rlim_cur = NEEDED_KIB * 1024;
    if (limit.rlim_cur <= most && setrlimit(RLIMIT_STACK, &limit) == 0) return TN_OK;
    return tn_fail(TN_EARG, "the stack may have %llu KiB and needs %d: set `ulimit -Hs` and `ulimit -s` to %d or more",
                   (unsigned long long)most / 1024, NEEDED_KIB, NEEDED_KIB);
}

/* Report a failed write to stdout: a digest or a --dry-run script that was cut off would look complete. EPIPE is no error: the
 * reader, such as `head`, stopped on purpose. */
static tn_status end_output(void) {
    errno = 0;
    bool whole = fflush(stdout) == 0 && !ferror(stdout);
    if (whole || errno == EPIPE) return TN_OK;
    return tn_fail(TN_EIO, "the standard output cannot be written and is incomplete: %s",
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
        tn_print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? TN_EARG : 0;
    }
    const tn_verb *verb = tn_verb_find(argv[1]);
    if (!verb) return fail(tn_verb_unknown(argv[1]));
    tn_args args;
    tn_status st = make_stack_room();
    if (st == TN_OK) st = tn_args_parse(verb, argc - 2, argv + 2, &args);
    if (st != TN_OK) return fail(st);
    if (!verb->mpi && !tn_is_first_rank()) return pass(verb->name);
    return run_verb(verb, &args);
}
