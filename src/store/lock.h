/*
 * lock.h - one process at a time in a folder, on one host or on several.
 *
 *   tn_lock *lock = NULL;
 *   TN_TRY(tn_lock_take("RUN/.run.lock", "RUN", &lock));
 *   ...  TN_TRY(tn_lock_check(lock));  publish  ...
 *   tn_lock_drop(&lock);
 *
 * Two means, because neither is enough alone:
 *   flock      ends with its process, however that ends; but some shared file systems have no locks, keep them to one
 *              host, or keep those of a host that died.
 *   heartbeat  the file holds one line, `KERNEL HOST PID TOKEN EVERY_S COUNT`, whose COUNT a thread of the holder raises
 *              every EVERY_S seconds: 2, of a job (tn_is_job) 10. Empty: nobody's, or given up in good order.
 * An observer counts how often it looked and saw the same line, on its own monotonic clock: time stamps of two hosts
 * are never compared, and a file system that stands still for everybody does not make a holder look dead.
 *
 *   flock free, line empty or of this kernel, where flock tells the truth          taken at once
 *   line unchanged for 30 s of looking, and for six EVERY_S, and not locked by a
 *   process of this kernel                                                          its holder is dead: taken over
 *   line changed twice, or locked by a process of this kernel                       TN_EBUSY after 10 s
 *
 * A line that cannot be read for a moment (ESTALE, EMFILE, EIO) says nothing about its holder: such a look does not count,
 * and the holder's heartbeat goes on.
 *
 * A holder that was only held up (a stopped process, a healed network) finds another's token at its next tn_lock_check
 * and leaves.
 */
#ifndef TN_STORE_LOCK_H
#define TN_STORE_LOCK_H

#include "base/status.h"

#include <stdbool.h>

typedef struct tn_lock tn_lock;

/* what    for the message: what is in use
 * Errors  TN_EBUSY another process holds it: the message names host and process. TN_EIO it cannot be made, or not be read
 *         for 10 s. */
tn_status tn_lock_take(const char *path, const char *what, tn_lock **lock_out);

/* Is it still this process's? NULL: yes. Call it before publishing.
 * Errors  TN_EBUSY another one took it over; TN_EIO it could not be read for 3 s. */
tn_status tn_lock_check(const tn_lock *lock);

/* Empties the line, so that the next one, wherever it runs, need not wait. */
void tn_lock_drop(tn_lock **lock);

/* Does a process of this host hold it now? Changes nothing. True, too, where nobody can tell. */
bool tn_lock_is_held(const char *path);

#endif
