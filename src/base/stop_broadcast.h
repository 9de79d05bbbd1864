/*
 * stop_broadcast.h - stops all ranks when one must stop during long work without collectives.
 *
 *   tn_stop_broadcast halt;
 *   tn_stop_broadcast_begin(run, &halt);
 *   while (st == TN_OK && work is left && !tn_stop_broadcast_wanted(&halt)) st = one_piece(...);
 *   if (st == TN_OK && halt.called) st = tn_fail(TN_EUNFINISHED, ...);
 *   tn_stop_broadcast_end(run, &halt, st);
 *   st = tn_agree(run, st);
 *
 * Between begin and end each rank works at its own pace. A rank that was asked to stop (tn_stop_wanted) or failed sends an empty
 * message to every other rank; all leave after their present piece of work. The sending rank returns the error and the others TN_OK, so
 * that tn_agree finds the reason.
 * Invariant  after tn_stop_broadcast_end no message is in flight.
 * Cost       one MPI_Test per piece; R messages of 0 bytes per sending rank.
 */
#ifndef TN_BASE_STOP_BROADCAST_H
#define TN_BASE_STOP_BROADCAST_H

#include "base/run.h"

typedef struct {
    tn_run *run;
    MPI_Request incoming;
    bool called, heard; /* this rank has sent the message; this rank has received one */
} tn_stop_broadcast;

void tn_stop_broadcast_begin(tn_run *run, tn_stop_broadcast *h); /* collective */

/* Is it known here that a rank was asked to stop, or failed? Between begin and end only; main thread. Local. */
bool tn_stop_broadcast_wanted(tn_stop_broadcast *h);

/* mine: this rank's status; if it is an error, the other ranks are told. run: that of begin. Collective. */
void tn_stop_broadcast_end(tn_run *run, tn_stop_broadcast *h, tn_status mine);

#endif
