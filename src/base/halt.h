/*
 * halt.h - what makes one rank stop in long work without collectives stops all of them.   layer: base, uses: run
 *
 *   tn_halt halt;
 *   tn_halt_begin(run, &halt);
 *   while (st == TN_OK && work is left && !tn_halt_wanted(&halt)) st = one_piece(...);
 *   if (st == TN_OK && halt.called) st = tn_fail(TN_EUNFINISHED, ...);
 *   tn_halt_end(&halt, st);
 *   st = tn_agree(run, st);
 *
 * Between begin and end each rank works at its own pace. A rank that was asked to stop (tn_stop_wanted) or failed sends
 * one empty message to each other rank; all leave with their next piece, in the time that one piece takes. The rank
 * that called has the reason; those that heard it are fine, so that tn_agree finds the reason.
 * Invariant  after tn_halt_end no message is on its way.
 * Cost       one MPI_Test per piece; R messages of 0 bytes per rank that calls.
 */
#ifndef TN_BASE_HALT_H
#define TN_BASE_HALT_H

#include "base/run.h"

typedef struct {
    tn_run *run;
    MPI_Request incoming;
    bool called, heard; /* this rank told the others; another rank told this one */
} tn_halt;

void tn_halt_begin(tn_run *run, tn_halt *h); /* collective */

/* Has any rank been asked to stop, or failed, as far as is known here? Between begin and end only; main thread. */
bool tn_halt_wanted(tn_halt *h);

/* mine: other than TN_OK tells the others, unless they know. Collective over the ranks of begin. */
void tn_halt_end(tn_halt *h, tn_status mine);

#endif
