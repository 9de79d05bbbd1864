/* build.h - versions of tenfold and MPI, for records. */
#ifndef TN_BASE_BUILD_H
#define TN_BASE_BUILD_H

const char *tn_build_version(void); /* "0.1.0"                                  */
const char *tn_build_commit(void);  /* source commit at build time, or "unknown" */
const char *tn_build_mpi(void);     /* "Open MPI v4.1.4", "MPICH 4.0.2"          */

#endif
