/* libraries.c - versions of MPI, HDF5, jansson and xxHash. */
#include "store/libraries.h"

#include "base/build.h"
#include "store/h5.h"

#include <jansson.h>
#include <stdio.h>
#include <xxhash.h>

const char *tn_libraries(void) {
    static char text[256];
    if (!*text)
        snprintf(text, sizeof text, "%s, HDF5 %s, jansson %s, xxHash %u", tn_build_mpi(), tn_h5_library(),
                 JANSSON_VERSION, XXH_versionNumber());
    return text;
}
