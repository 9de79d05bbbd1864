/*
 * launch.h - runs a verb in R processes under mpirun, with its output in a log and on the terminal. All functions are local.
 *
 *
 *   TN_TRY(tn_launch_begin());
 *   tn_launch_end end;
 *   TN_TRY(tn_launch(argv, &(tn_launch_how){.n_ranks = 2, .log_path = log}, &end));
 *
 * The child has its own process group. If this process is asked to stop (base/stop.h), the ranks get SIGUSR1: they publish a
 * checkpoint and exit with code 6. At a second request they are killed. They also end if this process dies.
 */
#ifndef TN_PROCESS_LAUNCH_H
#define TN_PROCESS_LAUNCH_H

#include "base/fs.h"

#include <sys/types.h>

/* Call tn_stop_begin, and ignore SIGPIPE, so that a reader of the output that goes away stops nothing. Call it before any other thread
 * is started. */
tn_status tn_launch_begin(void);

typedef struct {
    int n_ranks;
    const char *log_path;
    bool quiet;            /* no copy to stderr */
    bool sparse;           /* to stderr only progress, warnings and errors (relay.h) */
    char *const *launcher; /* argv of the launcher, inside a Slurm job; NULL: mpirun, all ranks on this machine */
    void (*tick)(void *context,
                 pid_t launcher); /* called about 50 times a second while it runs (drill.h); NULL: none */
    void *context;
} tn_launch_how;

typedef struct {
    int exit_code;       /* of the verb; 128 + signal if it was killed; TN_EIO if it crashed before MPI had started */
    bool further;        /* something was published */
    char last_line[256]; /* why it failed (relay.h) */
    char result[128];    /* tn_result of the verb; "" = none */
} tn_launch_end;

/* Run a verb of this program and wait for its end.
 * argv    verb and arguments, NULL at the end
 * how     without a launcher all ranks run on this machine, even inside a batch job (outer.h); the log is appended to, without
 *         progress bars
 * Errors  TN_EIO mpirun cannot be started (names the package if it is absent), or the log cannot be written */
tn_status tn_launch(char *const *argv, const tn_launch_how *how, tn_launch_end *out);

/* Several launches at a time: open each, pump all of them until each has ended, close. pump passes on output and stop requests, waits
 * at most wait_ms for output, and returns false at its end. */
typedef struct tn_launched tn_launched;
tn_status tn_launch_open(char *const *argv, const tn_launch_how *how, tn_launched **out);
bool tn_launch_pump(tn_launched *l, int wait_ms);
void tn_launch_close(tn_launched **l, tn_launch_end *out);

/* Start a process group without waiting; its output goes to the descriptor out. Returns its pid; -1: no process can be made. */
pid_t tn_launch_start(char *const *argv, int n_ranks, int out);

/* The status that an exit code of tn_launch means for the run: our own codes as they are; killed (out of memory, or by somebody):
 * unfinished; crashed: a bug, except SIGBUS (no memory behind a mapped file) and SIGILL (an instruction is missing); other codes are
 * those of an mpirun that could not start the ranks. how_out: the same in words, for messages. */
tn_status tn_exit_status(int exit_code, char *how_out, size_t n_bytes);

#endif
