/* launch.c - starts mpirun, and finds out how it ended. */
#include "process/launch.h"

#include "base/progress.h"
#include "base/stop.h"
#include "base/utf8.h"
#include "process/outer.h"
#include "process/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

/* Set variables that Open MPI needs on one machine, unless the user has set them. Version 5 has other names for some; unknown names are
 * ignored by each version and by other MPIs. */
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
        {"OMPI_MCA_plm_rsh_agent", "/bin/sh"}, /* not used here, but mpirun looks for ssh, which containers lack */
        {"OMPI_MCA_smsc", "^cma"},
    };
    for (size_t i = 0; i < sizeof KEEP / sizeof *KEEP; i++) setenv(KEEP[i][0], KEEP[i][1], 0);
    /* through memory: looking for networks takes a fifth of a second; not where the user has chosen transports, which may need another */
    if (!getenv("OMPI_MCA_btl")) setenv("OMPI_MCA_pml", "ob1", 0);
    if (isatty(STDERR_FILENO)) setenv("TENFOLD_TERMINAL", "1", 1); /* progress.h: draw bars through the relay */
}

/* The child. launcher NULL: mpirun, on this machine alone, even inside a job. out: where its stderr goes, text: its stdout. */
_Noreturn static void child(char *const *argv, int n_ranks, char *const *launcher, const char *begun, int out,
                            int text) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    tn_stop_child();
    char self[TN_PATH_BYTES], ranks[16], here[32];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) _exit(127);
    self[n] = 0;
    snprintf(ranks, sizeof ranks, "%d", n_ranks);
    snprintf(here, sizeof here, "localhost:%d", n_ranks); /* overrides other hosts in a site's files */
    /* options that the mpirun of Open MPI and that of MPICH have in common */
    char *const mpirun[] = {TENFOLD_MPIRUN, "--host", here, "-n", ranks, NULL}, *full[160];
    int at = 0;
    for (char *const *word = launcher ? launcher : mpirun; *word && at < 30; word++) full[at++] = *word;
    full[at++] = self;
    for (int i = 0; argv[i]; i++) {
        if (at >= 159) _exit(127);
        full[at++] = argv[i];
    }
    full[at] = NULL;
    dup2(text, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(out);
    if (!launcher) {
        tn_outer_forget();
        set_environment();
    }
    setenv("TENFOLD_RANKS", ranks, 1);
    if (begun)
        setenv("TENFOLD_BEGUN", begun, 1);
    else
        unsetenv("TENFOLD_BEGUN"); /* belongs to a surrounding job */
    execvp(full[0], full);
    fprintf(stderr, "tenfold: error: %s cannot be started: %s; on Debian: apt-get install openmpi-bin\n", full[0],
            strerror(errno));
    _exit(127);
}

pid_t tn_launch_start(char *const *argv, int n_ranks, int out) {
    pid_t pid = fork();
    if (pid == 0) child(argv, n_ranks, NULL, NULL, out, out);
    return pid;
}

/* Read the file that rank 0 writes (base/run.c). Returns its status, 0 if there is none; further_out: was something published? */
static int verdict_of(const char *begun, bool *further_out) {
    char line[64];
    int code = 0;
    FILE *f = fopen(begun, "re");
    *further_out = false;
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "ended %d", &code);
        if (strncmp(line, "published", 9) == 0) *further_out = true;
    }
    if (f) fclose(f);
    return code;
}

/* A crash in MPI_Init is not reported as a bug of tenfold (code 70), because it may not come again. */
static int exit_code_of(int status, const char *begun, tn_relay *r, bool *further_out) {
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (r->signal) code = 128 + r->signal;
    int verdict = verdict_of(begun, further_out);
    if (code == 0) code = verdict;
    bool has_begun = access(begun, F_OK) == 0;
    char how[64];
    unlink(begun);
    if (has_begun || tn_exit_status(code, how, sizeof how) != TN_EBUG || code == TN_EBUG) return code;
    if (!*r->last)
        snprintf(r->last, sizeof r->last, "%s before MPI was up: does %s -n 2 hostname work here?", how,
                 TENFOLD_MPIRUN);
    return TN_EIO;
}

struct tn_launched {
    tn_launch_how how;
    char begun[TN_PATH_BYTES];
    tn_relay relay;
    FILE *log;
    int in; /* its output */
    pid_t pid;
    int passed; /* stop requests passed on */
    double repeat_at_s;
    double
        start_ends_s; /* if no rank has begun by then, the start is ended; 0: a rank has begun, or there is no limit */
};

/* The time limit of a start: a launcher in a job would wait for ever for a node that does not answer, or a daemon that has ended. */
static double start_limit_s(void) {
    const char *text = getenv("TENFOLD_START_SECONDS");
    double limit = text ? strtod(text, NULL) : 0;
    return limit > 0 ? limit : 600;
}

static tn_status start(char *const *argv, tn_launched *l) {
    int ends[2];
    TN_TRY(tn_path(l->begun, "%s.begun", l->how.log_path));
    l->log = fopen(l->how.log_path, "ae");
    if (!l->log) return tn_fail(TN_EIO, "%s: cannot be written: %s", l->how.log_path, strerror(errno));
    if (pipe(ends) != 0) return tn_fail(TN_EIO, "no pipe for %s: %s", argv[0], strerror(errno));
    l->in = ends[0];
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    unlink(l->begun);
    l->pid = fork();
    if (l->pid == 0)
        child(argv, l->how.n_ranks, l->how.launcher, l->begun, ends[1], l->how.sparse ? fileno(l->log) : ends[1]);
    close(ends[1]);
    if (l->pid < 0) return tn_fail(TN_EIO, "no process for %s: %s", argv[0], strerror(errno));
    tn_relay_begin(&l->relay, l->log, l->how.quiet ? -1 : STDERR_FILENO, l->how.sparse);
    l->start_ends_s = l->how.launcher ? tn_now_s() + start_limit_s() : 0;
    return TN_OK;
}

static void forget(tn_launched **l) {
    if ((*l)->in >= 0) close((*l)->in);
    if ((*l)->log) fclose((*l)->log);
    free(*l);
    *l = NULL;
}

tn_status tn_launch_open(char *const *argv, const tn_launch_how *how, tn_launched **out) {
    tn_launched *l = calloc(1, sizeof *l);
    if (!l) return tn_fail_memory(sizeof *l, "a launch");
    l->how = *how;
    l->in = -1;
    tn_status st = start(argv, l);
    if (st == TN_OK)
        *out = l;
    else
        forget(&l);
    return st;
}

/* Pass on stop requests. The first is repeated, since mpirun forgets a signal that comes before its ranks; at the second our own mpirun is
 * killed. Inside a job slurm/stage.sh repeats the request until the launcher has ended. */
static void pass_stops_on(tn_launched *l) {
    static const double REPEAT_S = 0.5;
    bool again = l->passed == 1 && !l->how.launcher && tn_now_s() >= l->repeat_at_s;
    if (tn_stop_count() <= l->passed && !again) return;
    if (tn_stop_count() > l->passed) l->passed++;
    kill(l->pid, l->passed == 1 || l->how.launcher ? SIGUSR1 : SIGTERM);
    l->repeat_at_s = tn_now_s() + REPEAT_S;
}

static void look_at_start(tn_launched *l) {
    if (l->start_ends_s <= 0 || tn_now_s() < l->start_ends_s) return;
    l->start_ends_s = 0;
    if (access(l->begun, F_OK) == 0) return;
    fprintf(l->log, "tenfold: no rank has begun within %.0f s (TENFOLD_START_SECONDS): this start is ended\n",
            start_limit_s());
    kill(-l->pid, SIGKILL); /* its process group */
}

bool tn_launch_pump(tn_launched *l, int wait_ms) {
    char data[4096];
    struct pollfd p = {.fd = l->in, .events = POLLIN};
    pass_stops_on(l);
    look_at_start(l);
    if (l->how.tick) l->how.tick(l->how.context, l->pid);
    for (; poll(&p, 1, wait_ms) > 0; wait_ms = 0) {
        ssize_t n = read(l->in, data, sizeof data);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        tn_relay_bytes(&l->relay, data, (size_t)n);
    }
    return true;
}

void tn_launch_close(tn_launched **l, tn_launch_end *out) {
    int status = 0;
    tn_relay_end(&(*l)->relay);
    while (waitpid((*l)->pid, &status, 0) < 0 && errno == EINTR) {
    }
    out->exit_code = exit_code_of(status, (*l)->begun, &(*l)->relay, &out->further);
    snprintf(out->last_line, sizeof out->last_line, "%s", (*l)->relay.last);
    snprintf(out->result, sizeof out->result, "%s", (*l)->relay.result);
    tn_utf8_mend(out->result);
    tn_utf8_mend(out->last_line); /* may be cut inside a character, or have a file name of another encoding */
    forget(l);
}

tn_status tn_launch(char *const *argv, const tn_launch_how *how, tn_launch_end *out) {
    tn_launched *l = NULL;
    TN_TRY(tn_launch_open(argv, how, &l));
    while (tn_launch_pump(l, how->tick ? 20 : 200)) {
    }
    tn_launch_close(&l, out);
    return TN_OK;
}

tn_status tn_exit_status(int exit_code, char *how_out, size_t n_bytes) {
    int killed_by =
        exit_code > 128 && exit_code <= 128 + SIGRTMAX ? exit_code - 128 : 0; /* mpirun also ends with -13 */
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
    if (exit_code >= TN_EARG && exit_code <= TN_EDIVERGED) return (tn_status)exit_code;
    if (crashed || exit_code == TN_EBUG) return TN_EBUG;
    return killed_by && killed_by != SIGBUS && killed_by != SIGILL ? TN_EUNFINISHED : TN_EIO;
}
