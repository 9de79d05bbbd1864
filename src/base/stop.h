/*
 * stop.h - receives stop signals in a thread of their own, and prints messages for crashes. All functions are local.
 *
 *   TN_TRY(tn_stop_begin());                     // first of all: before any other thread and before MPI_Init
 *   while (work is left && !tn_stop_wanted()) one_piece(...);
 *   if (fork() == 0) { tn_stop_child(); execvp(...); }
 *
 * Why a thread: compiled code of a library may let the stack pointer point into a buffer on the heap, as oneDNN's float32 product
 * does. A signal handled at that time writes its frame, 3 KiB or more, over memory below that buffer: other threads' data, malloc's
 * lists, weights. So no computing thread may run a handler. All threads, also those of libraries, block every signal that can wait;
 * they inherit this from the main thread.
 *
 * Stop       SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU: sites send different ones before a time limit.
 *            A signal that was ignored when the process began (nohup, a shell's `&`) stays ignored.
 * Ignored    SIGCHLD, SIGALRM, SIGPROF and other signals that can wait.
 * Unchanged  SIGQUIT, SIGPIPE and job control (Ctrl-Z), which have no handler here.
 * Crash      SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, which cannot wait: a message with rank, operation and frames, printed on a
 *            separate stack (tn_stop_thread); then the default action. Open MPI keeps existing handlers.
 */
#ifndef TN_BASE_STOP_H
#define TN_BASE_STOP_H

#include "base/status.h"

#include <stdbool.h>

/* Begin to count stop signals; a second call does nothing. Errors TN_ENOMEM no thread can be made. */
tn_status tn_stop_begin(void);

/* Has this process been asked to stop? Each call counts as progress (watch.h). The result holds for this rank only: agree on it (the step
 * loop puts it into the gradient sum). */
bool tn_stop_wanted(void);
/* How often it was asked. */
int tn_stop_count(void);

/* Limit the start of a library that may hang (MPI_Init, if the disk below TMPDIR is full): after limit_s, or ten seconds after a stop
 * request, the process ends with exit code 6; no work can be lost yet. limit_s 0: the start is over. */
void tn_stop_starting(int limit_s);

/* In a forked child: restore the signal settings that this process was started with. */
void tn_stop_child(void);

/* In each computing thread: allocate a stack for the message of a crash, which is freed when the thread ends. Without memory for it a
 * crash has no message. */
void tn_stop_thread(void);

#endif
