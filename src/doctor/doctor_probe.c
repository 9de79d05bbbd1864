/* doctor_probe.c - what ranks find out together: where they are, what they may use, what the folder can do. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "doctor/doctor.h"

#include "base/progress.h"
#include "base/run.h"
#include "dev/dev.h"
#include "store/h5.h"
#include "store/visible.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifdef OPEN_MPI
#define BUILT_VERSION OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION
static const char *const BUILT = "Open MPI v%d.%d.%d";
#endif

/* "Open MPI v4.1.4", "MPICH 4.0.2"; "" for an MPI that is not told apart. */
static void built_with(char out[64]) {
#ifdef OPEN_MPI
    snprintf(out, 64, BUILT, BUILT_VERSION);
#elif defined(MPICH_VERSION)
    snprintf(out, 64, "MPICH %s", MPICH_VERSION);
#else
    out[0] = 0;
#endif
}

/* What each rank tells. */
typedef struct {
    char host[64];
    int cores, isa, locked; /* locked: rank 0's lock was seen: 1, not seen: 0, no locks here: -1 */
    double shm_mib;
} found;

static double free_mib(const char *folder) {
    struct statvfs s;
    return statvfs(folder, &s) == 0 ? (double)s.f_bavail * (double)s.f_frsize / 0x1p20 : -1;
}

/* Rank 0 holds a lock, all others try to take it. */
static int try_lock(tn_run *run, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), seen = -1;
    if (run->rank == 0) seen = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? 1 : -1;
    MPI_Barrier(run->comm);
    if (run->rank > 0 && fd >= 0) {
        bool got = flock(fd, LOCK_EX | LOCK_NB) == 0;
        seen = got ? 0 : errno == EWOULDBLOCK ? 1 : -1;
        if (got) flock(fd, LOCK_UN); /* for the next one that looks */
    }
    MPI_Barrier(run->comm);
    if (fd >= 0) close(fd);
    return seen;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Milliseconds to write and fsync 4 KiB: median and most. */
static void time_fsync(const char *path, double out[2]) {
    enum { TIMES = 15 };
    double ms[TIMES];
    static const char page[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    out[0] = out[1] = -1;
    for (int i = 0; i < TIMES; i++) {
        double begin_s = tn_now_s();
        if (fd < 0 || write(fd, page, sizeof page) != sizeof page || fsync(fd) != 0) {
            if (fd >= 0) close(fd);
            return;
        }
        ms[i] = 1e3 * (tn_now_s() - begin_s);
    }
    close(fd);
    qsort(ms, TIMES, sizeof *ms, ascending);
    out[0] = ms[TIMES / 2];
    out[1] = ms[TIMES - 1];
}

static tn_status try_h5(const char *path) {
    float in[64], out[64];
    tn_h5 *f = NULL;
    for (int i = 0; i < 64; i++) in[i] = (float)i / 3;
    TN_TRY(tn_h5_create(path, &f));
    tn_status st = tn_h5_write(f, "x", TN_H5_F32, 1, (int64_t[]){64}, in), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st == TN_OK) st = tn_h5_open(path, &f);
    if (st == TN_OK) st = tn_h5_read_rows(f, "x", TN_H5_F32, 0, 64, out);
    tn_h5_close(&f);
    if (st == TN_OK && memcmp(in, out, sizeof in) != 0)
        st = tn_fail(TN_EIO, "%s: was read back as other numbers", path);
    return st;
}

static json_t *ranks_json(const found *all, int n) {
    json_t *ranks = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(ranks,
                              json_pack("{s:s,s:i,s:s,s:i,s:f}", "host", all[i].host, "cores", all[i].cores, "isa",
                                        tn_isa_words[all[i].isa], "locked", all[i].locked, "shm_mib", all[i].shm_mib));
    return ranks;
}

static tn_status publish_probe(const char *folder, const found *all, int n, const char *h5, bool seen) {
    char path[TN_PATH_BYTES], library[MPI_MAX_LIBRARY_VERSION_STRING] = "", built[64];
    int length;
    double fsync_ms[2];
    built_with(built);
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = 0;
    TN_TRY(tn_path(path, "%s/fsync", folder));
    time_fsync(path, fsync_ms);
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:b,s:f,s:f,s:o}", "library", library, "built", built, "hdf5",
                          tn_h5_library(), "hdf5_error", h5, "seen", seen, "fsync_ms", fsync_ms[0], "fsync_most_ms",
                          fsync_ms[1], "ranks", ranks_json(all, n));
    char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
    json_decref(j);
    tn_status st = text ? tn_path(path, "%s/probe.json", folder) : tn_fail_memory(4096, "the findings");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}

static tn_status look(tn_run *run, const char *folder) {
    char path[TN_PATH_BYTES], h5[256] = "";
    cpu_set_t set;
    found mine = {.isa = (int)tn_isa_best(), .shm_mib = free_mib("/dev/shm")};
    found *all = calloc((size_t)run->n_ranks, sizeof *all);
    tn_status st = tn_agree(run, all ? TN_OK : tn_fail_memory((size_t)run->n_ranks * sizeof *all, "the findings"));
    if (st != TN_OK) {
        free(all);
        return st;
    }
    gethostname(mine.host, sizeof mine.host - 1);
    mine.cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    st = tn_agree(run, tn_path(path, "%s/lock", folder));
    if (st == TN_OK) mine.locked = try_lock(run, path);
    MPI_Gather(&mine, (int)sizeof mine, MPI_BYTE, all, (int)sizeof mine, MPI_BYTE, 0, run->comm);
    if (st == TN_OK) st = tn_path(path, "%s/probe.h5", folder);
    if (run->rank == 0 && st == TN_OK && try_h5(path) != TN_OK) snprintf(h5, sizeof h5, "%s", tn_msg);
    int there = run->rank == 0 && !*h5;
    MPI_Bcast(&there, 1, MPI_INT, 0, run->comm);
    bool seen = there && tn_wait_visible(run, path, NULL) == TN_OK;
    if (run->rank == 0 && st == TN_OK) st = publish_probe(folder, all, run->n_ranks, h5, seen);
    free(all);
    return tn_agree(run, st);
}

tn_status tn_doctor_probe(const char *folder) {
    tn_run run;
    TN_TRY(tn_run_begin(&run));
    tn_status st = look(&run, folder);
    tn_run_end(&run, st, tn_h5_broken());
    return st;
}
