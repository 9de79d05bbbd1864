/* libraries.h - the libraries that shape results, for the records of every artefact. */
#ifndef TN_STORE_LIBRARIES_H
#define TN_STORE_LIBRARIES_H

const char *tn_libraries(void); /* "Open MPI v4.1.4, HDF5 1.10.8, ..." */

#endif
