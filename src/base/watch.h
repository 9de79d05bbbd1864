/*
 * watch.h - what each rank is doing, and an end to ranks that make no progress.
 *
 *   tn_watch_at("train r0-f3-s240-x1", images_seen);     // before each piece of work; cheap
 *   tn_watch_wait("the sum over lanes");  MPI_...;  tn_watch_go();
 *
 * Each rank counts its pieces where the other ranks of its host can read the count. The thread that waits for signals
 * (stop.h) looks twice a second. When no rank of this host has counted for train.hang_seconds, what each of them is
 * doing is printed, and the process ends with exit code 6: the launcher ends the other ranks, and the next start goes
 * on from the last checkpoint.
 *
 * Looks are counted, not seconds of a clock: a job that was suspended as a whole and goes on is not ended.
 * Limit  The ranks of other hosts are not seen. One rank that works alone for longer than train.hang_seconds, while all
 *        ranks of another host wait for it, looks to them like a hang.
 */
#ifndef TN_BASE_WATCH_H
#define TN_BASE_WATCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { TN_WATCH_EVERY_MS = 500, TN_WATCH_TEXT_BYTES = 256 };

/* This process works on `doing`, at piece `number` of it. Counts as progress. Main thread. */
void tn_watch_at(const char *doing, int64_t number);
/* It waits for the other ranks / a piece is done: progress too. Main thread. */
void tn_watch_wait(const char *what);
void tn_watch_go(void);

/* Without progress for so long the process ends; 0: never. Before the first call: never. */
void tn_watch_limit(double seconds);

/* The ranks of this host, seen from each other. n: their number; rank, pid, fd: (n) of each, fd being its
 * tn_watch_file(). Those that cannot be opened are left out. Local. */
typedef struct {
    int rank, pid, fd;
} tn_watch_peer;
void tn_watch_peers(int n, const tn_watch_peer *peer);
/* A descriptor of this process's own counts, for its peers; -1: none can be made. */
int tn_watch_file(void);

/* One look: called by the thread of stop.h. */
void tn_watch_look(void);

/* "rank 2, process 4711: in train r0-f3-s240-x1 at 1280, waits for the sum over lanes" */
void tn_watch_text(char out[TN_WATCH_TEXT_BYTES]);

#endif
