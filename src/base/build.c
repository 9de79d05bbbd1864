/* build.c - versions of tenfold and of MPI. */
#include "base/build.h"

#include "commit.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *tn_build_version(void) {
    return TENFOLD_VERSION;
}
const char *tn_build_commit(void) {
    return TENFOLD_COMMIT;
}

/* Open MPI says "Open MPI v4.1.4, package: ...", MPICH "MPICH Version:\t4.0.2\n..." and so does Cray's in front of its own name. */
const char *tn_build_mpi(void) {
    static char text[64];
    char all[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    size_t n = 0;
    if (*text) return text;
    MPI_Get_library_version(all, &length);
    all[strcspn(all, ",\n")] = 0;
    char *version = strstr(all, " Version");
    if (version) memmove(version, version + 8, strlen(version + 8) + 1);
    for (const char *at = all; *at && n < sizeof text - 1; at++) {
        bool blank = strchr(" \t:", *at);
        if (!blank || (n > 0 && text[n - 1] != ' ')) text[n++] = blank ? ' ' : *at;
    }
    text[n] = 0;
    return text;
}
