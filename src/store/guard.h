/*
 * guard.h - runs a function in a child process, because a library may crash or hang in it.
 *
 *   TN_TRY(tn_guard(import_file, &arg, 60, path));
 *
 * Used for HDF5 files of unknown origin: libhdf5 loops or crashes on some damaged ones (tests/fuzz found both). Output and
 * published files of the work are kept; its memory is lost, except memory mapped as shared. The child is forked: under MPI the work
 * must not call MPI, nor touch memory that MPI is sending or receiving.
 */
#ifndef TN_STORE_GUARD_H
#define TN_STORE_GUARD_H

#include "base/status.h"

/* Returns the status and message of work(arg). Local.
 * limit_s  limit of CPU time; waiting for disks does not count
 * what     name of the file, for messages
 * Errors   those of work; TN_EFORMAT it crashed or exceeded limit_s; TN_ENOMEM it was killed from outside; TN_EIO */
tn_status tn_guard(tn_status (*work)(void *arg), void *arg, unsigned limit_s, const char *what);

#endif
