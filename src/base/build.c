/* build.c - versions of ourselves and of the libraries that shape results. */
#include "base/build.h"

#include "base/h5.h"
#include "commit.h"

#include <jansson.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

const char *tn_build_version(void) {
    return TENFOLD_VERSION;
}
const char *tn_build_commit(void) {
    return TENFOLD_COMMIT;
}

const char *tn_build_libraries(void) {
    static char text[256];
    if (*text) return text;
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;
    MPI_Get_library_version(mpi, &n);
    mpi[strcspn(mpi, ",")] = 0;
    snprintf(text, sizeof text, "%.100s, HDF5 %s, jansson %s, xxHash %u", mpi, tn_h5_library(), JANSSON_VERSION,
             XXH_versionNumber());
    return text;
}
