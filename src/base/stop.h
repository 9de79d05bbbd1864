/*
 * stop.h - stop signals, received by one thread of their own; messages of crashes.
 *
 *   TN_TRY(tn_stop_begin());                     // first of all: before any other thread and before MPI_Init
 *   while (work is left && !tn_stop_wanted()) one_piece(...);
 *   if (fork() == 0) { tn_stop_child(); execvp(...); }
 *
 * Why a thread: compiled code of a library may let the stack pointer point into a buffer on the heap while it runs, as
 * oneDNN's float32 product does. A signal that is handled then writes its frame, 3 KiB or more, over whatever lies below that buffer: another thread's
 * data, malloc's lists, weights. So no thread that computes may ever run a handler. All threads block every signal that
 * can wait; they inherit that from the main thread, and so do the threads of libraries.
 *
 * Stop       SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU: sites differ in which one comes before a time limit.
 *            A signal that was ignored when the process began (nohup, a shell's `&`) stays ignored.
 * Nothing    SIGCHLD, SIGALRM, SIGPROF and the others that can wait: swallowed.
 * Unchanged  SIGQUIT, SIGPIPE and job control (Ctrl-Z), which have no handler here.
 * Crash      SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, which cannot wait: a message with rank, operation and frames, on
 *            a stack of its own (tn_stop_thread); then the signal's own end. Open MPI leaves handlers that it finds.
 */
#ifndef TN_BASE_STOP_H
#define TN_BASE_STOP_H

#include "base/status.h"

#include <stdbool.h>

/* From here on stop signals are counted. Local; a second call does nothing. Errors TN_ENOMEM no thread can be made. */
tn_status tn_stop_begin(void);

/* Has this process been asked to stop? Who asks has done a piece of work: it counts as progress (watch.h). Local: agree
 * on it (the step loop puts it into the gradient sum). */
bool tn_stop_wanted(void);
/* How often it was asked. */
int tn_stop_count(void);

/* While a library starts, which may never come back (MPI_Init, on a full disk below TMPDIR): after the limit, or ten
 * seconds after a stop, the process ends with exit code 6; nothing can be lost yet. limit_s 0: the start is over. */
void tn_stop_starting(int limit_s);

/* In a forked child: signals as this process was started with them. */
void tn_stop_child(void);

/* In each thread that computes: a stack for the message of a crash, freed when the thread ends. Where there is no
 * memory for one, a crash has no message. */
void tn_stop_thread(void);

#endif
