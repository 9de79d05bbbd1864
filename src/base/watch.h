/*
 * watch.h - detects hangs: records what each rank is doing, and ends ranks that make no progress. All functions are local.
 *
 *   tn_watch_at("train r0-f3-s240-x1", images_seen);     // before each piece of work; cheap
 *   tn_watch_wait("the sum over lanes");  MPI_...;  tn_watch_go();
 *
 * Each rank counts its pieces of work in memory that the other ranks of its host can read. The thread that waits for signals
 * (stop.h) checks these counts twice a second. If no rank of this host has counted for train.hang_seconds, it prints what each of
 * them is doing, and the process ends with exit code 6: the launcher ends the other ranks, and the next start continues from the
 * last checkpoint.
 *
 * Checks are counted instead of seconds of a clock, so that a job that was suspended and continued is not ended.
 * Limit  Ranks of other hosts are not checked. If one rank works alone for longer than train.hang_seconds while all ranks of another
 *        host wait for it, these report a hang.
 */
#ifndef TN_BASE_WATCH_H
#define TN_BASE_WATCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { TN_WATCH_EVERY_MS = 500, TN_WATCH_TEXT_BYTES = 256 };

/* This process begins piece `number` of the work `doing`. Counts as progress. Main thread. */
void tn_watch_at(const char *doing, int64_t number);
/* This process begins to wait for `what` / has ended the wait. Counts as progress. Main thread. */
void tn_watch_wait(const char *what);
void tn_watch_go(void);
/* This process begins (or ends) to wait for ranks that may be busy for hours, and that watch themselves. A host whose ranks all rest does
 * not hang. Main thread. */
void tn_watch_rest(bool rests);

/* Set the time without progress after which the process ends; 0, and before the first call: never. */
void tn_watch_limit(double seconds);

/* Tell which ranks are on this host (n): rank, pid, and fd, the descriptor from its tn_watch_file(). Those that cannot be opened are
 * left out. */
typedef struct {
    int rank, pid, fd;
} tn_watch_peer;
void tn_watch_peers(int n, const tn_watch_peer *peer);
/* A descriptor of the memory with this process's counts, for its peers; -1: none can be made. */
int tn_watch_file(void);

/* Make one check; called by the thread of stop.h. */
void tn_watch_look(void);

/* "rank 2, process 4711: in train r0-f3-s240-x1 at 1280, waits for the sum over lanes" */
void tn_watch_text(char out[TN_WATCH_TEXT_BYTES]);

#endif
