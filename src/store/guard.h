/*
 * guard.h - work that a library may crash or hang in, in a process of its own.
 *
 *   TN_TRY(tn_guard(import_file, &arg, 60, path));
 *
 * For HDF5 files of strangers: libhdf5 loops or crashes on some that are damaged (tests/fuzz found both). What the work
 * prints and publishes counts; what it leaves in memory is lost, but for what is mapped as shared. It forks: under MPI
 * the work calls nothing of MPI, and touches no memory that MPI is sending or receiving.
 */
#ifndef TN_STORE_GUARD_H
#define TN_STORE_GUARD_H

#include "base/status.h"

/* The status and message of work(arg); TN_EFORMAT, "WHAT: ...", when it crashed or computed (waiting for disks does not
 * count) for more than limit_s; TN_ENOMEM when it was killed before. */
tn_status tn_guard(tn_status (*work)(void *arg), void *arg, unsigned limit_s, const char *what);

#endif
