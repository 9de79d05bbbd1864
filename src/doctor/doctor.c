/* doctor.c - checks of this machine and a folder; prints findings. */
#include "doctor/doctor.h"

#include "base/progress.h"
#include "base/run.h"
#include "process/cores.h"
#include "process/launch.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void tn_finding_add(tn_findings *f, tn_health health, const char *name, const char *what, const char *remedy) {
    if (f->n == TN_MAX_FINDINGS) return;
    tn_finding *one = &f->at[f->n++];
    one->health = health;
    snprintf(one->name, sizeof one->name, "%s", name);
    snprintf(one->what, sizeof one->what, "%s", what);
    snprintf(one->remedy, sizeof one->remedy, "%s", health == TN_GOOD ? "" : remedy);
}

/* --- what ranks found --------------------------------------------------------------------------------------------- */

static const char *word(const json_t *j, const char *key) {
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

/* Is the MPI at run time the one of the build? Compares name and version: "MPICH 4.0.2" and "MPICH Version:      4.0.2". */
static bool same_mpi(const char *built, const char *library) {
    const char *version = strrchr(built, ' ');
    return version && strncmp(built, library, (size_t)(version - built)) == 0 && strstr(library, version + 1);
}

static void add_mpi(const json_t *j, const char *launcher, double start_s, tn_findings *f) {
    char what[320], name[24];
    size_t n = json_array_size(json_object_get(j, "ranks"));
    const char *library = word(j, "library"), *built = word(j, "built");
    snprintf(name, sizeof name, "MPI by %s", launcher);
    snprintf(what, sizeof what, "%s, %zu ranks in %.1f s", library, n, start_s);
    tn_finding_add(f, start_s < 30 ? TN_GOOD : TN_DOUBTFUL, name, what,
                   "a start that takes half a minute is taken again by every job: ask the administrators why");
    snprintf(what, sizeof what, "built with %s, runs with %s", *built ? built : "an unknown MPI", library);
    tn_finding_add(f, !*built || same_mpi(built, library) ? TN_GOOD : TN_DOUBTFUL, "MPI version", what,
                   "build and run with the same module: `module load` of it belongs into site.env");
}

/* Add where ranks run: "2 ranks on node1, 2 on node2". Launchers place ranks host by host. */
static void add_ranks(const json_t *ranks, tn_findings *f) {
    char what[320] = "";
    size_t i, at = 0, n = json_array_size(ranks);
    const json_t *r;
    double shm = 1e300;
    int cores = 1 << 30;
    bool same = true;
    for (size_t from = 0; from < n;) {
        size_t to = from;
        const char *host = word(json_array_get(ranks, from), "host");
        while (to < n && strcmp(word(json_array_get(ranks, to), "host"), host) == 0) to++;
        if (at < sizeof what)
            at +=
                (size_t)snprintf(what + at, sizeof what - at, "%s%zu on %s", from ? ", " : "ranks: ", to - from, host);
        from = to;
    }
    tn_finding_add(f, TN_GOOD, "ranks on nodes", what, "");
    json_array_foreach((json_t *)(uintptr_t)ranks, i, r) {
        int c = (int)json_integer_value(json_object_get(r, "cores"));
        double s = json_number_value(json_object_get(r, "shm_mib"));
        if (c < cores) cores = c;
        if (s < shm) shm = s;
        same = same && strcmp(word(r, "isa"), word(json_array_get(ranks, 0), "isa")) == 0;
    }
    snprintf(what, sizeof what, "a rank may use %d cores", cores);
    tn_finding_add(f, cores > 1 ? TN_GOOD : TN_DOUBTFUL, "binding", what,
                   "a rank computes and loads images at the same time: bind it to 2 cores or more "
                   "(slurm.cpus_per_rank), or to none");
    snprintf(what, sizeof what, "%s%s", word(json_array_get(ranks, 0), "isa"), same ? "" : " and others");
    tn_finding_add(f, same ? TN_GOOD : TN_DOUBTFUL, "instruction set", what,
                   "cells keep the least of their first start: name one kind of node, by partition or constraint");
    snprintf(what, sizeof what, "/dev/shm has %.0f MiB free", shm);
    tn_finding_add(f, shm >= 64 ? TN_GOOD : TN_BAD, "shared memory", what,
                   "ranks of a node talk through it: docker run --shm-size=1g, or empty it");
}

static void add_folder(const json_t *j, tn_findings *f) {
    char what[320];
    const json_t *r, *ranks = json_object_get(j, "ranks");
    size_t i;
    int least = 1;
    double ms = json_number_value(json_object_get(j, "fsync_ms")),
           most = json_number_value(json_object_get(j, "fsync_most_ms"));
    json_array_foreach((json_t *)(uintptr_t)ranks, i, r) {
        int locked = (int)json_integer_value(json_object_get(r, "locked"));
        if (locked < least) least = locked;
    }
    tn_finding_add(f, least == 1 ? TN_GOOD : TN_DOUBTFUL, "locks",
                   least == 1   ? "flock works, for every rank"
                   : least == 0 ? "another rank does not see a flock"
                                : "flock does not work in this folder",
                   "a heartbeat is used instead, and a dead job's folder is free after half a minute; mount with flock "
                   "if you can");
    tn_finding_add(f, json_is_true(json_object_get(j, "seen")) ? TN_GOOD : TN_BAD, "one folder for all",
                   json_is_true(json_object_get(j, "seen")) ? "what rank 0 writes all ranks see"
                                                            : "a rank does not see what rank 0 wrote",
                   "runs must lie on a file system that all nodes share");
    snprintf(what, sizeof what, "4 KiB and fsync take %.1f ms, at most %.1f", ms, most);
    if (ms < 0) snprintf(what, sizeof what, "a file cannot be written and fsynced");
    tn_finding_add(f,
                   ms < 0     ? TN_BAD
                   : ms < 100 ? TN_GOOD
                              : TN_DOUBTFUL,
                   "fsync", what,
                   ms < 0 ? "is the disk full, or a quota used up?"
                          : "raise train.checkpoint_seconds, or use another file system");
    snprintf(what, sizeof what, "HDF5 %s %s", word(j, "hdf5"),
             *word(j, "hdf5_error") ? word(j, "hdf5_error") : "writes and reads back");
    tn_finding_add(f, *word(j, "hdf5_error") ? TN_BAD : TN_GOOD, "HDF5", what,
                   "try another file system, or another HDF5");
}

tn_status tn_doctor_read_probe(const char *folder, const char *launcher, double start_s, tn_findings *f) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/probe.json", folder));
    TN_TRY(tn_file_read(path, &text, &n));
    json_t *j = json_loadb(text, n, 0, NULL);
    free(text);
    if (json_array_size(json_object_get(j, "ranks")) == 0) {
        json_decref(j);
        return tn_fail(TN_EFORMAT, "%s: does not have the results of ranks", path);
    }
    add_mpi(j, launcher, start_s, f);
    add_ranks(json_object_get(j, "ranks"), f);
    add_folder(j, f);
    json_decref(j);
    return TN_OK;
}

/* --- here --------------------------------------------------------------------------------------------------------- */

static tn_status ask_ranks(const char *folder, int n_ranks, tn_findings *f) {
    static char verb[] = "doctor", probe[] = "--probe";
    char log[TN_PATH_BYTES], where[TN_PATH_BYTES], what[320];
    char *argv[] = {verb, where, probe, NULL};
    tn_launch_end end = {.exit_code = 0};
    TN_TRY(tn_path(where, "%s", folder));
    TN_TRY(tn_path(log, "%s/log", folder));
    double begin_s = tn_now_s();
    tn_status st = tn_launch(argv, &(tn_launch_how){.n_ranks = n_ranks, .log_path = log, .quiet = true}, &end);
    if (st == TN_OK && end.exit_code == 0) return tn_doctor_read_probe(folder, "mpirun", tn_now_s() - begin_s, f);
    snprintf(what, sizeof what, "%d ranks do not start: %.250s", n_ranks,
             st != TN_OK      ? tn_msg
             : *end.last_line ? end.last_line
                              : "no words");
    tn_finding_add(f, TN_BAD, "MPI by mpirun", what,
                   end.exit_code == 127 ? "apt-get install openmpi-bin, or load the MPI module that this was built with"
                                        : "does `mpirun -n 2 hostname` work? Is it the MPI that this was built with?");
    return TN_OK;
}

static void look_at_tmp(tn_findings *f) {
    const char *tmp = getenv("TMPDIR");
    if (!tmp || !*tmp) tmp = "/tmp";
    char path[TN_PATH_BYTES], what[320];
    struct statvfs s;
    snprintf(path, sizeof path, "%.4000s/tenfold-doctor.XXXXXX", tmp);
    int fd = mkstemp(path);
    double mib = statvfs(tmp, &s) == 0 ? (double)s.f_bavail * (double)s.f_frsize / 0x1p20 : 0;
    snprintf(what, sizeof what, "%.200s has %.0f MiB free", tmp, mib);
    if (fd < 0) snprintf(what, sizeof what, "%.200s: no file can be made: %s", tmp, strerror(errno));
    tn_finding_add(f,
                   fd < 0       ? TN_BAD
                   : mib >= 100 ? TN_GOOD
                                : TN_DOUBTFUL,
                   "TMPDIR", what, "MPI keeps its session there: name a folder on a local disk in TMPDIR");
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
}

/* "MemAvailable:   123 kB" */
static double available_mib(void) {
    FILE *f = fopen("/proc/meminfo", "re");
    char line[256];
    double kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf", &kib) == 1) break;
    if (f) fclose(f);
    return kib / 1024;
}

static void look_at_memory(tn_findings *f) {
    struct rlimit limit;
    char what[320];
    bool free_of_limit = getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY;
    double mib = available_mib();
    snprintf(what, sizeof what, "%.0f MiB available, %d cores", mib, tn_cores());
    tn_finding_add(f, mib >= 1024 ? TN_GOOD : TN_DOUBTFUL, "memory", what, "`tenfold check JOB` says what a job takes");
    if (!free_of_limit) {
        snprintf(what, sizeof what, "ulimit -v is %.0f MiB", (double)limit.rlim_cur / 0x1p20);
        tn_finding_add(f, TN_DOUBTFUL, "address space", what,
                       "MPI and oneDNN map more than they use: ulimit -v unlimited");
    }
}

tn_status tn_doctor_here(const char *folder, int n_ranks, tn_findings *f) {
    TN_TRY(tn_launch_begin());
    TN_TRY(ask_ranks(folder, n_ranks, f));
    look_at_tmp(f);
    look_at_memory(f);
    return TN_OK;
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

void tn_findings_print(const tn_findings *f, FILE *out) {
    static const char *const WORD[] = {"ok", "warn", "bad"};
    for (int i = 0; i < f->n; i++) {
        const tn_finding *one = &f->at[i];
        tn_print(out, "%-4s  %-20s %s\n", WORD[one->health], one->name, one->what);
        if (*one->remedy) tn_print(out, "      %-20s -> %s\n", "", one->remedy);
    }
    if (f->n_site) fputs("\nfor site.env (--write puts it there):\n", out);
    for (int i = 0; i < f->n_site; i++) tn_print(out, "    %s\n", f->site[i]);
}

int tn_findings_bad(const tn_findings *f) {
    int n = 0;
    for (int i = 0; i < f->n; i++) n += f->at[i].health == TN_BAD;
    return n;
}

tn_status tn_doctor_write_site(const tn_findings *f) {
    char path[TN_PATH_BYTES], folder[TN_PATH_BYTES], text[TN_MAX_SITE_LINES * 170 + 128];
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config)
        TN_TRY(tn_path(folder, "%s/tenfold", config));
    else if (home && *home)
        TN_TRY(tn_path(folder, "%s/.config/tenfold", home));
    else
        return tn_fail(TN_EARG, "--write: neither HOME nor XDG_CONFIG_HOME says where site.env belongs");
    TN_TRY(tn_path(path, "%s/site.env", folder));
    if (tn_file_exists(path))
        return tn_fail(TN_EARG,
                       "%s is there already, and may hold more than what is advised here: add the lines by hand", path);
    int at = snprintf(text, sizeof text, "# by tenfold doctor: read by slurm/stage.sh and `tenfold submit`\n");
    for (int i = 0; i < f->n_site; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%s\n", f->site[i]);
    TN_TRY(tn_folder_make(folder));
    TN_TRY(tn_file_publish(path, text, (size_t)at));
    tn_say("%s is written", path);
    return TN_OK;
}
