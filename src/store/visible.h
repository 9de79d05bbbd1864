/*
 * visible.h - a file that rank 0 sees, seen in the same state by all ranks.
 *
 *   if (there) st = tn_wait_visible(run, path, NULL);    // there: as rank 0 found, and told the others
 *   if (st == TN_OK) st = tn_agree(run, read(path));    // now every rank reads the same bytes
 *
 * Network file systems may show another host a file late, or the one that was renamed over. Hence only rank 0 decides
 * whether a file is there, and the others wait until they see what it sees.
 */
#ifndef TN_STORE_VISIBLE_H
#define TN_STORE_VISIBLE_H

#include "base/hash.h"
#include "base/run.h"

/* Rank 0 hashes path; each other rank opens it anew until it has the same bytes, for 90 s at most, and says so when it
 * has to wait. A rank of rank 0's host sees it at once. Collective.
 * hex_out  the hash of these bytes, on every rank; may be NULL
 * Errors   rank 0's of reading; TN_EIO a rank never saw it: names file and host
 * Cost     every rank reads the file once */
tn_status tn_wait_visible(tn_run *run, const char *path, char hex_out[TN_HEX_BYTES]);
/* For large files of which each version differs from the others at its ends: only size, first and last MiB are read. */
tn_status tn_wait_visible_ends(tn_run *run, const char *path);

/* The same without a peer to compare with: waits until path is there, because another file says so. Local. */
tn_status tn_wait_visible_here(const char *path);

#endif
