/*
 * lock.h - a lock that lets one process at a time work in a folder, on one host or several. All functions are local.
 *
 *   tn_lock *lock = NULL;
 *   TN_TRY(tn_lock_take("RUN/.run.lock", "RUN", &lock));
 *   ...  TN_TRY(tn_lock_check(lock));  publish  ...
 *   tn_lock_drop(&lock);
 *
 * It uses two methods, because neither is enough alone:
 *   flock      ends with its process in any case; but some shared file systems have no locks, restrict them to one host, or
 *              keep those of a dead host.
 *   heartbeat  the file has one line, `KERNEL HOST PID TOKEN EVERY_S COUNT`. A thread of the holder raises COUNT every EVERY_S
 *              seconds: 2, in a job (tn_is_job) 10. An empty file has no holder.
 * An observer counts on its own monotonic clock how often it reads the same line. Time stamps of two hosts are never compared, and
 * a file system that hangs for everybody does not make a holder look dead.
 *
 *   flock free, and line empty or of this kernel, for which flock is reliable       taken at once
 *   line unchanged in 30 s of reading, and for six EVERY_S, and not locked by a
 *   process of this kernel                                                          its holder is dead: taken over
 *   line changed twice, or locked by a process of this kernel                       TN_EBUSY after 10 s
 *
 * If the line cannot be read for a moment (ESTALE, EMFILE, EIO), this reading does not count, and a holder's heartbeat goes on.
 *
 * A holder that was only delayed (a stopped process, a network failure) finds another process's token at its next tn_lock_check,
 * and gives up.
 */
#ifndef TN_STORE_LOCK_H
#define TN_STORE_LOCK_H

#include "base/status.h"

#include <stdbool.h>

typedef struct tn_lock tn_lock;

/* Take the lock. what: name of the locked thing, for messages.
 * Errors  TN_EBUSY another process holds it: the message names host and process; TN_EIO it cannot be made, or not be read
 *         for 10 s. */
tn_status tn_lock_take(const char *path, const char *what, tn_lock **lock_out);

/* Check that this process still holds the lock; call it before publishing. lock NULL: TN_OK.
 * Errors  TN_EBUSY another process took it over; TN_EIO it could not be read for 3 s. */
tn_status tn_lock_check(const tn_lock *lock);

/* Release the lock and empty its line, so that the next process on any host need not wait. */
void tn_lock_drop(tn_lock **lock);

/* Does a process of this host hold the lock now? True also if that cannot be found out. Changes nothing. */
bool tn_lock_is_held(const char *path);

#endif
