/* run.c - MPI begin and end, agreement, stop signals. */
#include "base/run.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_wanted;
static void on_stop(int signal_number) {
    (void)signal_number;
    stop_wanted = 1;
}

bool tn_stop_wanted(void) {
    return stop_wanted != 0;
}

void tn_stop_install(void) {
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

static void know_ranks(tn_run *run) {
    MPI_Comm_rank(run->comm, &run->rank);
    MPI_Comm_size(run->comm, &run->n_ranks);
}

/* The file that slurm/stage.sh looks at: it is there when the launch has succeeded, so that a death is not the
 * launcher's; a line of it is something published. */
static void mark(const char *text) {
    const char *path = getenv("TENFOLD_BEGUN");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

static void mark_begun(const tn_run *run) {
    MPI_Barrier(run->comm);
    if (run->rank == 0) mark("");
}

void tn_run_got_further(void) {
    mark("published\n");
}

tn_status tn_run_begin(tn_run *run) {
    int provided = 0;
    tn_stop_install(); /* before MPI begins: starting many ranks takes a while */
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS || provided < MPI_THREAD_FUNNELED)
        return tn_fail(
            TN_EIO, "MPI does not start, or without thread support (MPI_THREAD_FUNNELED): check the MPI installation");
    run->comm = MPI_COMM_WORLD;
    know_ranks(run);
    mark_begun(run);
    return TN_OK;
}

void tn_run_end(tn_run *run, tn_status verdict, bool broken) {
    int any_broken = broken;
    if (verdict != TN_OK && run->rank == 0) tn_fail_print();
    MPI_Allreduce(MPI_IN_PLACE, &any_broken, 1, MPI_INT, MPI_MAX, run->comm);
    if (any_broken) {
        fflush(NULL);
        _exit((int)verdict);
    }
    run->comm = MPI_COMM_NULL;
    MPI_Finalize();
}

tn_status tn_run_split(tn_run *run, int colour, tn_run *out) {
    MPI_Comm_split(run->comm, colour, run->rank, &out->comm);
    know_ranks(out);
    return TN_OK;
}

void tn_run_leave(tn_run *part) {
    MPI_Comm_free(&part->comm);
}

tn_status tn_agree(tn_run *run, tn_status mine) {
    struct {
        int st, rank;
    } in = {(int)mine, run->rank}, worst;
    MPI_Allreduce(&in, &worst, 1, MPI_2INT, MPI_MAXLOC, run->comm);
    if (worst.st == TN_OK) return TN_OK;
    char text[TN_MSG_BYTES];
    memcpy(text, tn_msg, sizeof text);
    MPI_Bcast(text, sizeof text, MPI_CHAR, worst.rank, run->comm);
    int best = (int)mine; /* where all ranks failed alike (a bad job file), the rank says nothing */
    MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_INT, MPI_MIN, run->comm);
    if (best != worst.st && strncmp(text, "rank ", 5) != 0)
        return tn_fail((tn_status)worst.st, "rank %d: %s", worst.rank, text);
    return tn_fail((tn_status)worst.st, "%s", text);
}

void tn_bcast(tn_run *run, int root, void *data, size_t n_bytes) {
    enum { PIECE = 1 << 30 };
    for (size_t at = 0; at < n_bytes; at += PIECE)
        MPI_Bcast((char *)data + at, (int)(n_bytes - at < PIECE ? n_bytes - at : PIECE), MPI_BYTE, root, run->comm);
}

void tn_die(tn_status st, const char *fmt, ...) {
    char text[TN_MSG_BYTES], host[256] = "?";
    int rank = 0, ready = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    gethostname(host, sizeof host - 1);
    MPI_Initialized(&ready);
    if (ready) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fprintf(stderr, "tenfold: error: rank %d on %s: %s\n", rank, host, text);
    fflush(stderr);
    if (ready) MPI_Abort(MPI_COMM_WORLD, (int)st);
    _exit((int)st);
}
