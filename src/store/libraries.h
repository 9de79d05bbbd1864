/* libraries.h - versions of the libraries that results depend on, for records. */
#ifndef TN_STORE_LIBRARIES_H
#define TN_STORE_LIBRARIES_H

const char *tn_libraries(void); /* "Open MPI v4.1.4, HDF5 1.10.8, ..." */

#endif
