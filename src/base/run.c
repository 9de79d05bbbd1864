/* run.c - begin and end of MPI, agreement on errors. */
#include "base/run.h"

#include "base/build.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "base/watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void know_ranks(tn_run *run) {
    MPI_Comm_rank(run->comm, &run->rank);
    MPI_Comm_size(run->comm, &run->n_ranks);
}

/* Write to the file that slurm/stage.sh and process/launch.c read. It exists once the launch has succeeded: a later death is not the
 * launcher's fault. A line "published" means progress; "ended N" is the status, because MPICH's mpirun can end with 0 although all
 * ranks ended with 6. */
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

void tn_run_begun(void) {
    mark("");
}

void tn_run_got_further(void) {
    mark("published\n");
}

static tn_status watch_each_other(tn_run *run) {
    MPI_Comm host = MPI_COMM_NULL;
    int n = 0;
    tn_watch_peer me = {.rank = run->rank, .pid = (int)getpid(), .fd = tn_watch_file()};
    MPI_Comm_split_type(run->comm, MPI_COMM_TYPE_SHARED, run->rank, MPI_INFO_NULL, &host);
    MPI_Comm_size(host, &n);
    tn_watch_peer *all = calloc((size_t)n, sizeof *all);
    tn_status st = tn_agree(run, all ? TN_OK : tn_fail_memory((size_t)n * sizeof *all, "the ranks of this host"));
    if (st == TN_OK) MPI_Allgather(&me, sizeof me, MPI_BYTE, all, sizeof me, MPI_BYTE, host);
    if (st == TN_OK) tn_watch_peers(n, all);
    MPI_Comm_free(&host);
    free(all);
    return st;
}

/* The value of the first of these variables that is set. Slurm's come last, because another launcher can run below srun. */
static const char *launcher_says(const char *const names[]) {
    const char *text = NULL;
    for (int i = 0; names[i] && !text; i++) text = getenv(names[i]);
    return text;
}

bool tn_is_first_rank(void) {
    static const char *const RANK[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK",    "PMI_RANK",
                                       "PALS_RANKID",          "SLURM_PROCID", NULL};
    const char *rank = launcher_says(RANK);
    return !rank || strcmp(rank, "0") == 0;
}

/* If the launcher belongs to another MPI, each process is a world of one rank, and all would write the same files. */
static tn_status check_ranks(const tn_run *run) {
    static const char *const SIZE[] = {"TENFOLD_RANKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", NULL};
    const char *started = launcher_says(SIZE);
    int apart = started && atoi(started) != run->n_ranks;
    MPI_Allreduce(MPI_IN_PLACE, &apart, 1, MPI_INT, MPI_MAX, run->comm);
    if (!apart) return TN_OK;
    MPI_Finalize();
    return tn_fail(
        TN_EARG,
        "the launcher started %s ranks, but MPI knows %d: the launcher does not belong to the MPI that this program "
        "runs with, %s. mpirun must be of the same MPI (which mpirun); srun needs --mpi=pmix for Open MPI, and often "
        "--mpi=pmi2 for others (see srun --mpi=list); both are set by TENFOLD_LAUNCHER in site.env",
        started ? started : "other", run->n_ranks, tn_build_mpi());
}

enum { START_S = 600 }; /* thousands of ranks take a minute or two */

tn_status tn_run_begin(tn_run *run) {
    int provided = 0;
    tn_status st = tn_stop_begin();   /* before MPI, which starts threads; starting many ranks takes a while */
    if (st != TN_OK) tn_fail_print(); /* without MPI the other ranks cannot be told */
    TN_TRY(st);
    tn_stop_starting(START_S);
    bool up = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) == MPI_SUCCESS;
    tn_stop_starting(0);
    if (!up || provided < MPI_THREAD_FUNNELED)
        return tn_fail(
            TN_EIO, "MPI does not start, or without thread support (MPI_THREAD_FUNNELED): check the MPI installation");
    run->comm = MPI_COMM_WORLD;
    know_ranks(run);
    TN_TRY(check_ranks(run));
    mark_begun(run);
    return watch_each_other(run);
}

/* Exit without MPI_Finalize. Launchers report this as a failure, with their own exit code. */
_Noreturn static void leave(tn_run *run, tn_status verdict) {
    if (verdict == TN_OK) {
        verdict = tn_fail(TN_EIO, "an HDF5 file that was read could not be closed: check its file system. Published "
                                  "files are complete: run again to continue from there");
        if (run->rank == 0) tn_fail_print();
        MPI_Barrier(run->comm);
    }
    fflush(NULL);
    _exit((int)verdict);
}

void tn_run_end(tn_run *run, tn_status verdict, bool broken) {
    int any_broken = broken;
    char ended[32];
    snprintf(ended, sizeof ended, "ended %d\n", (int)verdict);
    if (verdict != TN_OK && run->rank == 0) tn_fail_print();
    if (run->rank == 0) mark(ended);
    MPI_Allreduce(MPI_IN_PLACE, &any_broken, 1, MPI_INT, MPI_MAX, run->comm);
    if (any_broken) leave(run, verdict);
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

enum { PLACE_BYTES = 160 };

/* Rank 0 tells of itself and of the first rank that is elsewhere; its MPI_Abort ends the others. */
static void die_apart(tn_run *run, const char *here) {
    char *all = run->rank == 0 ? malloc((size_t)run->n_ranks * PLACE_BYTES) : NULL;
    if (run->rank == 0 && !all) tn_die(TN_ENOMEM, "ranks came to different collective calls");
    MPI_Gather(here, PLACE_BYTES, MPI_CHAR, all, PLACE_BYTES, MPI_CHAR, 0, run->comm);
    for (int r = 1; all && r < run->n_ranks; r++)
        if (strcmp(all + (size_t)r * PLACE_BYTES, here) != 0)
            tn_die(TN_EBUG, "ranks came to different collective calls: rank 0 to %s, rank %d to %s", here, r,
                   all + (size_t)r * PLACE_BYTES);
    MPI_Barrier(run->comm);
}

/* The least hash and the greatest are one where all ranks say the same. */
static void check_same(tn_run *run, const char *place, const char *call, int root, int64_t n) {
    if (!place || run->n_ranks == 1) return;
    char here[PLACE_BYTES] = "";
    snprintf(here, sizeof here, "%s (rank %d, %lld) at %s", call, root, (long long)n, place);
    uint64_t hash = tn_hash64(here, sizeof here), least[2] = {hash, ~hash};
    MPI_Allreduce(MPI_IN_PLACE, least, 2, MPI_UINT64_T, MPI_MIN, run->comm);
    if (least[0] != ~least[1]) die_apart(run, here);
}

tn_status tn_agree_at(tn_run *run, tn_status mine, const char *place) {
    struct {
        int st, rank;
    } in = {(int)mine, run->rank}, worst;
    tn_watch_wait("the verdict of all ranks");
    check_same(run, place, "tn_agree", 0, 0);
    MPI_Allreduce(&in, &worst, 1, MPI_2INT, MPI_MAXLOC, run->comm);
    tn_watch_go();
    if (worst.st == TN_OK) return TN_OK;
    char text[TN_MSG_BYTES];
    memcpy(text, tn_msg, sizeof text);
    MPI_Bcast(text, sizeof text, MPI_CHAR, worst.rank, run->comm);
    int best = (int)mine; /* if all ranks failed alike (a bad job file), the message does not name a rank */
    MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_INT, MPI_MIN, run->comm);
    if (best != worst.st && strncmp(text, "rank ", 5) != 0)
        return tn_fail((tn_status)worst.st, "rank %d: %s", worst.rank, text);
    return tn_fail((tn_status)worst.st, "%s", text);
}

void tn_bcast_at(tn_run *run, int root, void *data, size_t n_bytes, const char *place) {
    enum { PIECE = 1 << 30 };
    tn_watch_wait(run->rank == root ? "ranks that it sends to" : "a rank that sends");
    check_same(run, place, "tn_bcast", root, (int64_t)n_bytes);
    for (size_t at = 0; at < n_bytes; at += PIECE)
        MPI_Bcast((char *)data + at, (int)(n_bytes - at < PIECE ? n_bytes - at : PIECE), MPI_BYTE, root, run->comm);
    tn_watch_go();
}

void tn_sum_at(tn_run *run, int64_t n, int64_t *count, const char *place) {
    enum { PIECE = 1 << 24 };
    tn_watch_wait("counts of all ranks");
    check_same(run, place, "tn_sum", 0, n);
    for (int64_t at = 0; at < n; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, count + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_INT64_T, MPI_SUM,
                      run->comm);
    tn_watch_go();
}

tn_status(tn_agree)(tn_run *run, tn_status mine) {
    return tn_agree_at(run, mine, NULL);
}

void(tn_bcast)(tn_run *run, int root, void *data, size_t n_bytes) {
    tn_bcast_at(run, root, data, n_bytes, NULL);
}

void(tn_sum)(tn_run *run, int64_t n, int64_t *count) {
    tn_sum_at(run, n, count, NULL);
}

tn_status tn_bcast_text(tn_run *run, char **text_io, const char *what) {
    int64_t n = run->rank == 0 ? (int64_t)strlen(*text_io) + 1 : 0;
    tn_bcast(run, 0, &n, sizeof n);
    if (run->rank != 0) *text_io = malloc((size_t)n);
    TN_TRY(tn_agree(run, *text_io ? TN_OK : tn_fail_memory((size_t)n, what)));
    tn_bcast(run, 0, *text_io, (size_t)n);
    return TN_OK;
}

void tn_die(tn_status st, const char *fmt, ...) {
    char text[TN_MSG_BYTES], line[4 * TN_MSG_BYTES], host[256] = "?";
    int rank = 0, ready = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tn_utf8_printable(text, line, sizeof line);
    gethostname(host, sizeof host - 1);
    MPI_Initialized(&ready);
    if (ready) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fprintf(stderr, "tenfold: error: rank %d on %s: %s\n", rank, host, line);
    fflush(stderr);
    if (ready) MPI_Abort(MPI_COMM_WORLD, (int)st);
    _exit((int)st);
}
