/*
 * stop_broadcast.h - what makes one rank stop in long work without collectives stops all of them.
 *
 *   tn_stop_broadcast halt;
 *   tn_stop_broadcast_begin(run, &halt);
 *   while (st == TN_OK && work is left && !tn_stop_broadcast_wanted(&halt)) st = one_piece(...);
 *   if (st == TN_OK && halt.called) st = tn_fail(TN_EUNFINISHED, ...);
 *   tn_stop_broadcast_end(run, &halt, st);
 *   st = tn_agree(run, st);
 *
 * Between begin and end each rank works at its own pace. A rank that was asked to stop (tn_stop_wanted) or failed sends
 * one empty message to each other rank; all leave with their next piece, in the time that one piece takes. The rank
 * that called has the reason; those that heard it are fine, so that tn_agree finds the reason.
 * Invariant  after tn_stop_broadcast_end no message is on its way.
 * Cost       one MPI_Test per piece; R messages of 0 bytes per rank that calls.
 */
#ifndef TN_BASE_STOP_BROADCAST_H
#define TN_BASE_STOP_BROADCAST_H

#include "base/run.h"

typedef struct {
    tn_run *run;
    MPI_Request incoming;
    bool called, heard; /* this rank told the others; another rank told this one */
} tn_stop_broadcast;

void tn_stop_broadcast_begin(tn_run *run, tn_stop_broadcast *h); /* collective */

/* Has any rank been asked to stop, or failed, as far as is known here? Between begin and end only; main thread. */
bool tn_stop_broadcast_wanted(tn_stop_broadcast *h);

/* mine: other than TN_OK tells the others, unless they know. Collective; run: that of begin. */
void tn_stop_broadcast_end(tn_run *run, tn_stop_broadcast *h, tn_status mine);

#endif
