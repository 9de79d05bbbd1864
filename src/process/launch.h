/*
 * launch.h - run one verb in R processes under mpirun, with its output in a log and on the terminal.
 *
 *
 *   TN_TRY(tn_launch_begin());
 *   tn_launch_end end;
 *   TN_TRY(tn_launch(argv, &(tn_launch_how){.n_ranks = 2, .log_path = log}, &end));
 *
 * The child gets a process group of its own. When this process is asked to stop (base/stop.h), the ranks get
 * SIGUSR1: they publish a checkpoint and exit with 6; asked a second time, they are ended. A parent that dies takes
 * them along.
 */
#ifndef TN_PROCESS_LAUNCH_H
#define TN_PROCESS_LAUNCH_H

#include "base/fs.h"

#include <sys/types.h>

/* tn_stop_begin; and a reader of our output that goes away (SIGPIPE) stops nothing. Before any other thread. */
tn_status tn_launch_begin(void);

typedef struct {
    int n_ranks;
    const char *log_path;
    bool quiet;            /* not to stderr */
    bool sparse;           /* to stderr only progress, warnings and errors (relay.h) */
    char *const *launcher; /* its argv, in a job around us; NULL: mpirun, all ranks on this machine */
    void (*tick)(void *context, pid_t launcher); /* some 50 times a second while it runs (drill.h); NULL: none */
    void *context;
} tn_launch_how;

typedef struct {
    int exit_code;       /* of the verb; 128 + signal when killed; TN_EIO when it crashed before MPI was up */
    bool further;        /* something was published */
    char last_line[256]; /* why it failed (relay.h) */
    char result[128];    /* tn_result of the verb; "" = none */
} tn_launch_end;

/* argv: verb and arguments, NULL at the end; the program is this one. Without how.launcher all ranks are processes of this machine,
 * whatever batch system or launcher is around (outer.h). Output is appended to the log (progress bars left out) and copied to stderr.
 * Errors  TN_EIO cannot start (mpirun absent: names the package), log not writable. */
tn_status tn_launch(char *const *argv, const tn_launch_how *how, tn_launch_end *out);

/* Several at a time: start; pump them all until each has ended; close. pump passes output and stop requests on, waits at
 * most wait_ms for the first, and says false at the end of the output. */
typedef struct tn_launched tn_launched;
tn_status tn_launch_open(char *const *argv, const tn_launch_how *how, tn_launched **out);
bool tn_launch_pump(tn_launched *l, int wait_ms);
void tn_launch_close(tn_launched **l, tn_launch_end *out);

/* Starts a process group and does not wait: output to the descriptor out. -1: no process can be made. */
pid_t tn_launch_start(char *const *argv, int n_ranks, int out);

/* What an exit code of tn_launch means for the whole run: our own codes as they are; a verb that was killed, by the
 * kernel for its memory or by someone, is unfinished; one that crashed is a bug, unless memory behind a mapped file could not be had (SIGBUS) or
 * an instruction is not there (SIGILL); another code is mpirun's own, which could not start it. how_out: in words, for a message. */
tn_status tn_exit_status(int exit_code, char *how_out, size_t n_bytes);

#endif
