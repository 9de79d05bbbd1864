/*
 * visible.h - waits until all ranks see a file in the same state as rank 0.
 *
 *   if (there) st = tn_wait_visible(run, path, NULL);    // there: found by rank 0 and sent to the others
 *   if (st == TN_OK) st = tn_agree(run, read(path));    // now every rank reads the same bytes
 *
 * On a network file system another host may see a new file late, or still see the old one. So only rank 0 decides whether a file
 * exists, and the other ranks wait until they see the same file.
 */
#ifndef TN_STORE_VISIBLE_H
#define TN_STORE_VISIBLE_H

#include "base/hash.h"
#include "base/run.h"

/* Rank 0 hashes the file; the other ranks open it again and again until they get the same hash, for 90 s at most. A rank that has to
 * wait prints a message. Collective.
 * hex_out  NULL, or gets the hash on every rank
 * Errors   those of reading on rank 0; TN_EIO a rank does not see the file: names file and host
 * Cost     every rank reads the file once */
tn_status tn_wait_visible(tn_run *run, const char *path, char hex_out[TN_HEX_BYTES]);
/* The same for large files, comparing only size, first and last MiB; versions of the file must differ there. Collective. */
tn_status tn_wait_visible_ends(tn_run *run, const char *path);

/* Wait until path exists, if another file says that it does. Local. Errors TN_EIO. */
tn_status tn_wait_visible_here(const char *path);

#endif
