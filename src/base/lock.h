/*
 * lock.h - one process at a time in a folder.                           layer: base, uses: status
 *
 *   int lock = -1;
 *   TN_TRY(tn_lock_take("RUN/.run.lock", "RUN", &lock));  ...  tn_lock_drop(&lock);
 *
 * An flock on an empty file that stays: it ends with the process, however that ends, and is not handed down to the
 * programs that the process starts. Where the file system has no locks, or the file cannot be made, nothing is locked:
 * whoever writes there next says why it cannot.
 */
#ifndef TN_BASE_LOCK_H
#define TN_BASE_LOCK_H

#include "base/status.h"

/* Waits a few seconds, because the ranks of a run that was just killed live on for a moment.
 * what    for the message: what is in use
 * Errors  TN_EIO another process holds it. */
tn_status tn_lock_take(const char *path, const char *what, int *lock_out);
void tn_lock_drop(int *lock);

#endif
