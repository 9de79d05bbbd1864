/*
 * run.h - the MPI communicator, and agreement on errors over ranks.
 *
 *   tn_run run;
 *   TN_TRY(tn_run_begin(&run));  ...  st = tn_agree(&run, st);  ...  tn_run_end(&run, st, false);
 *
 * Rule: a function is collective if and only if its first parameter is `tn_run *run`. Between two collectives no rank may return on a
 * condition that holds only on that rank.
 */
#ifndef TN_BASE_RUN_H
#define TN_BASE_RUN_H

#include "base/status.h"
#include "base/stop.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tn_run {
    MPI_Comm comm;
    int rank, n_ranks;
} tn_run;

/* Is this rank 0 by the launcher's variables? For use before or without MPI; true without a launcher. Local. */
bool tn_is_first_rank(void);

/* Call tn_stop_begin and MPI_Init_thread(FUNNELED); MPI errors become fatal; the ranks of a host watch each other (watch.h). Collective
 * over all ranks.
 * Errors  TN_EIO MPI does not start; TN_EARG the launcher belongs to another MPI: it started another number of ranks than MPI knows. */
tn_status tn_run_begin(tn_run *run);

/* Record that something was published from which the next start continues: slurm/stage.sh requeues a job while its starts make
 * progress. Local. */
void tn_run_got_further(void);

/* Record in the same file that this process, which does not use MPI, has begun. Local. */
void tn_run_begun(void);

/* MPI_Finalize. Collective.
 * verdict  the same on every rank; rank 0 prints an error before any rank leaves, because launchers kill the others as soon as one
 *          exits with an error
 * broken   on this rank a library would crash at exit (tn_h5_broken): then all ranks exit at once with the verdict as exit code; TN_OK
 *          becomes TN_EIO */
void tn_run_end(tn_run *run, tn_status verdict, bool broken);

/* Split run: ranks with the same colour get a common communicator. Collective over run. End it with tn_run_leave. */
tn_status tn_run_split(tn_run *run, int colour, tn_run *out);
void tn_run_leave(tn_run *part);

/* Returns the worst status of all ranks, on every rank, and copies its message to every rank's tn_msg (with "rank R: " in front, if
 * there are several ranks). Prints nothing. Collective. */
tn_status tn_agree(tn_run *run, tn_status mine);

/* MPI_Bcast of any length (MPI counts are int). Collective. */
void tn_bcast(tn_run *run, int root, void *data, size_t n_bytes);

/* Give every rank the text of rank 0. *text_io: NULL on the others; the caller frees it on all. what: for the message. Collective.
 * Errors TN_ENOMEM. */
tn_status tn_bcast_text(tn_run *run, char **text_io, const char *what);

/* Sum n counts over the ranks, on every rank, for any n. Collective. */
void tn_sum(tn_run *run, int64_t n, int64_t *count);

/* The three above first compare on all ranks where they are called from, and what with. Ranks that came to different calls would
 * hang, or take one's bytes for the other's: the program ends instead, and names both places. With place NULL nothing is
 * compared; with TN_CHECK_COLLECTIVES (presets dev, clang, asan, tsan) place is where each of the three is called. Cost: an
 * MPI_Allreduce of 16 bytes. Collective. */
tn_status tn_agree_at(tn_run *run, tn_status mine, const char *place);
void tn_bcast_at(tn_run *run, int root, void *data, size_t n_bytes, const char *place);
void tn_sum_at(tn_run *run, int64_t n, int64_t *count, const char *place);
#ifdef TN_CHECK_COLLECTIVES
#define TN_LINE_TEXT(line)                 #line
#define TN_LINE(line)                      TN_LINE_TEXT(line)
#define TN_PLACE                           __FILE__ ":" TN_LINE(__LINE__)
#define tn_agree(run, mine)                tn_agree_at(run, mine, TN_PLACE)
#define tn_bcast(run, root, data, n_bytes) tn_bcast_at(run, root, data, n_bytes, TN_PLACE)
#define tn_sum(run, n, count)              tn_sum_at(run, n, count, TN_PLACE)
#endif

#ifdef __clang_analyzer__ /* as in status.h: the verdict of all is TN_OK only where mine is */
static inline tn_status tn_agree_known(tn_run *run, tn_status mine) {
    tn_status all = tn_agree(run, mine);
    if (all == TN_OK && mine != TN_OK) __builtin_unreachable();
    return all;
}
#undef tn_agree
#define tn_agree(run, mine) tn_agree_known(run, mine)
#endif

/* For a failure while other ranks may be inside a collective: print rank, host and text, and call MPI_Abort with st as exit code. */
_Noreturn void tn_die(tn_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
