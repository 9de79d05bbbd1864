/* launch.c - fork, mpirun, how it ended. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "suite/launch.h"

#include "base/stop.h"
#include "base/utf8.h"
#include "suite/outer.h"
#include "suite/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

tn_status tn_launch_begin(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    return tn_stop_begin();
}

int tn_cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* Settings of Open MPI that one machine needs; what the user set stays. Version 5 has other names for some of them, and each version
 * and any other MPI takes no notice of names that it does not know. */
static void set_environment(void) {
    static const char *const KEEP[][2] = {
        {"OMPI_ALLOW_RUN_AS_ROOT", "1"}, /* containers */
        {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
        {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
        {"PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"},
        {"OMPI_MCA_hwloc_base_binding_policy", "none"}, /* a rank has loader and lane threads */
        {"PRTE_MCA_hwloc_default_binding_policy", "none"},
        {"OMPI_MCA_mpi_yield_when_idle", "1"},
        {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"}, /* containers forbid it, noisily */
        {"OMPI_MCA_smsc", "^cma"},
    };
    for (size_t i = 0; i < sizeof KEEP / sizeof *KEEP; i++) setenv(KEEP[i][0], KEEP[i][1], 0);
    if (isatty(STDERR_FILENO)) setenv("TENFOLD_TERMINAL", "1", 1); /* progress.h: draw bars through the relay */
}

_Noreturn static void child(char *const *argv, int n_ranks, const char *begun, int out) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    tn_stop_child();
    char self[TN_PATH_BYTES], ranks[16], here[32];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) _exit(127);
    self[n] = 0;
    snprintf(ranks, sizeof ranks, "%d", n_ranks);
    snprintf(here, sizeof here, "localhost:%d", n_ranks); /* whatever a site's files say of other hosts */
    /* words that Open MPI's mpirun and MPICH's know alike */
    char *full[128] = {TENFOLD_MPIRUN, "--host", here, "-n", ranks, self};
    int at = 6;
    for (int i = 0; argv[i]; i++) {
        if (at >= 127) _exit(127);
        full[at++] = argv[i];
    }
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(out);
    tn_outer_forget();
    set_environment();
    setenv("TENFOLD_RANKS", ranks, 1);
    if (begun)
        setenv("TENFOLD_BEGUN", begun, 1);
    else
        unsetenv("TENFOLD_BEGUN"); /* that of a job around us */
    execvp(full[0], full);
    fprintf(stderr, "tenfold: error: %s cannot be started: %s; on Debian: apt-get install openmpi-bin\n", full[0],
            strerror(errno));
    _exit(127);
}

pid_t tn_launch_start(char *const *argv, int n_ranks, int out) {
    pid_t pid = fork();
    if (pid == 0) child(argv, n_ranks, NULL, out);
    return pid;
}

/* Until the child's end of the pipe is closed; passes stop requests on. */
static void relay_all(tn_relay *r, int in, pid_t pid, const tn_launch_how *how) {
    int passed = 0;
    char data[4096];
    for (;;) {
        if (tn_stop_count() > passed) {
            kill(pid, passed == 0 ? SIGUSR1 : SIGTERM);
            passed++;
        }
        if (how->tick) how->tick(how->context, pid);
        struct pollfd p = {.fd = in, .events = POLLIN};
        if (poll(&p, 1, how->tick ? 20 : 200) <= 0) continue; /* look for a stop again */
        ssize_t n = read(in, data, sizeof data);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        tn_relay_bytes(r, data, (size_t)n);
    }
}

/* The verdict that rank 0 left there (base/run.c), 0 where it left none. */
static int verdict_of(const char *begun) {
    char line[64];
    int code = 0;
    FILE *f = fopen(begun, "re");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "ended %d", &code);
    if (f) fclose(f);
    return code;
}

/* A crash in MPI_Init is none of ours: status.h's 70 is for bugs, which come again. */
static int exit_code_of(int status, const char *begun, tn_relay *r) {
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (r->signal) code = 128 + r->signal;
    if (code == 0) code = verdict_of(begun);
    bool has_begun = access(begun, F_OK) == 0;
    char how[64];
    unlink(begun);
    if (has_begun || tn_exit_status(code, how, sizeof how) != TN_EBUG || code == TN_EBUG) return code;
    if (!*r->last)
        snprintf(r->last, sizeof r->last, "%s before MPI was up: does %s -n 2 hostname work here?", how,
                 TENFOLD_MPIRUN);
    return TN_EIO;
}

tn_status tn_launch_as(char *const *argv, const tn_launch_how *how, int *exit_code_out, char last_line_out[256]) {
    int ends[2];
    char begun[TN_PATH_BYTES];
    tn_relay r;
    TN_TRY(tn_path(begun, "%s.begun", how->log_path));
    FILE *log = fopen(how->log_path, "ae");
    if (!log) return tn_fail(TN_EIO, "%s: cannot be written: %s", how->log_path, strerror(errno));
    if (pipe(ends) != 0) {
        fclose(log);
        return tn_fail(TN_EIO, "no pipe for %s: %s", argv[0], strerror(errno));
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    unlink(begun);
    pid_t pid = fork();
    if (pid == 0) child(argv, how->n_ranks, begun, ends[1]);
    close(ends[1]);
    tn_status st = TN_OK;
    if (pid < 0) {
        st = tn_fail(TN_EIO, "no process for %s: %s", argv[0], strerror(errno));
    } else {
        tn_relay_begin(&r, log, how->quiet ? -1 : STDERR_FILENO);
        relay_all(&r, ends[0], pid, how);
        tn_relay_end(&r);
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        *exit_code_out = exit_code_of(status, begun, &r);
        snprintf(last_line_out, 256, "%s", r.last);
        tn_utf8_mend(last_line_out); /* cut in mid-character, or a file name of another encoding */
    }
    close(ends[0]);
    fclose(log);
    return st;
}

tn_status tn_launch(char *const *argv, int n_ranks, const char *log_path, int *exit_code_out, char last_line_out[256]) {
    return tn_launch_as(argv, &(tn_launch_how){.n_ranks = n_ranks, .log_path = log_path}, exit_code_out, last_line_out);
}

tn_status tn_exit_status(int exit_code, char *how_out, size_t n_bytes) {
    int killed_by = exit_code > 128 ? exit_code - 128 : 0;
    bool crashed = killed_by == SIGSEGV || killed_by == SIGABRT || killed_by == SIGFPE;
    if (killed_by == SIGBUS)
        snprintf(how_out, n_bytes, "killed by signal %d: is /dev/shm or the disk full?", killed_by);
    else if (killed_by == SIGILL)
        snprintf(how_out, n_bytes, "killed by signal %d: built for another processor?", killed_by);
    else if (crashed)
        snprintf(how_out, n_bytes, "crashed with signal %d", killed_by);
    else if (killed_by)
        snprintf(how_out, n_bytes, "killed by signal %d%s", killed_by, killed_by == SIGKILL ? ": out of memory?" : "");
    else
        snprintf(how_out, n_bytes, "exit code %d", exit_code);
    if (exit_code >= TN_EARG && exit_code <= TN_EBUSY) return (tn_status)exit_code;
    if (crashed || exit_code == TN_EBUG) return TN_EBUG;
    return killed_by && killed_by != SIGBUS && killed_by != SIGILL ? TN_EUNFINISHED : TN_EIO;
}
