/*
 * inject.c - runs a command in which one chosen system call fails, stalls, or writes half of what it should.
 *
 *   tn_inject --below FOLDER --call KIND [options] -- COMMAND...
 *
 *   --below FOLDER   counts only calls on paths at or below this folder
 *   --call KIND      open read write fsync rename mmap truncate unlink mkdir close stat list, or memory: mmap of 64 KiB
 *                    or more without a file, in processes whose program is called tenfold; all: to count them in one go
 *   --nth N          the one to hit, from 1 on; 0: none, the calls are only counted (default)
 *   --on             hit all calls from there on: a disk that stays full
 *   --error NAME     ENOSPC EDQUOT EIO ESTALE EINTR ENOMEM EACCES EMFILE ENOENT EROFS
 *   --stall SECONDS  the call waits, then does its work
 *   --short          a write takes half of its bytes, as a disk with little room does
 *   --rank R         counts only calls of this rank; `none`: of processes that are no rank
 *   --skip GLOB      does not count files with such a name
 *   --limit SECONDS  then everything is killed: exit code 124
 *   --report FILE    a line `call KIND RANK PATH` of each call, `hit KIND RANK PATH` of those hit; `left N` when processes outlive
 *                    the command by five seconds (they are killed); `calls N` at the end
 *
 * Exit code: the command's; 128 + signal; 124 limit; 125 a mistake in the words; 77 the kernel allows no such thing here.
 *
 * A seccomp filter hands the calls of the command and of all its children to this process. So the calls of HDF5 and MPI,
 * whatever they go through, are seen, and no program has to be built for it.
 */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_STALLED = 64, LIMIT_CODE = 124, SKIP_CODE = 77, PATIENCE_S = 5 };

static struct {
    const char *below, *kind, *rank, *skip;
    int nth, error;
    bool on, is_short;
    double stall_s, limit_s;
    FILE *report;
} want = {.limit_s = 1e9};

static struct {
    uint64_t id;
    double due_s;
} stalled[MOST_STALLED];
static int n_stalled, n_calls;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void say(const char *fmt, ...) {
    va_list args;
    if (!want.report) return;
    va_start(args, fmt);
    vfprintf(want.report, fmt, args);
    va_end(args);
    fflush(want.report);
}

/* --- one call ----------------------------------------------------------------------------------------------------- */

/* The rank as the launcher wrote it into the environment of the program; "none" of others. */
static void rank_of(unsigned tid, char out[16]) {
    static const char NAME[] = "OMPI_COMM_WORLD_RANK=";
    static char text[1 << 17];
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/environ", tid);
    int fd = open(path, O_RDONLY);
    ssize_t n = 0;
    for (ssize_t got; fd >= 0 && (got = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0;) n += got;
    if (fd >= 0) close(fd);
    text[n] = 0;
    snprintf(out, 16, "none");
    for (const char *at = text; at < text + n; at += strlen(at) + 1)
        if (strncmp(at, NAME, sizeof NAME - 1) == 0) snprintf(out, 16, "%s", at + sizeof NAME - 1);
}

/* Returns its kind; NULL: it is not counted. */
static const char *counted(const struct seccomp_notif *call, char path[IN_PATH_BYTES], char rank[16]) {
    const char *kind = in_call_path(call, want.kind, path);
    if (!kind) return NULL;
    size_t n = strlen(want.below);
    const char *name = strrchr(path, '/');
    if (*path != '(' && (strncmp(path, want.below, n) != 0 || (path[n] && path[n] != '/'))) return NULL;
    if (want.skip && fnmatch(want.skip, name ? name + 1 : path, 0) == 0) return NULL;
    rank_of(call->pid, rank);
    return !want.rank || strcmp(rank, want.rank) == 0 ? kind : NULL;
}

static void answer(int listener, uint64_t id, int64_t value, int error, bool go_on) {
    struct seccomp_notif_resp r = {.id = id, .val = value, .error = -error};
    if (go_on) r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r); /* fails where the process is gone */
}

static void hit(int listener, const struct seccomp_notif *call) {
    int64_t n_written = want.is_short ? in_write_half(call) : -1;
    if (n_written > 0) {
        answer(listener, call->id, n_written, 0, false);
    } else if (want.stall_s > 0 && n_stalled < MOST_STALLED) {
        stalled[n_stalled].id = call->id;
        stalled[n_stalled++].due_s = now_s() + want.stall_s;
    } else {
        answer(listener, call->id, 0, want.error, want.error == 0);
    }
}

static void serve(int listener) {
    struct seccomp_notif call;
    char path[IN_PATH_BYTES], rank[16];
    memset(&call, 0, sizeof call);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
    const char *kind = counted(&call, path, rank);
    if (!kind) {
        answer(listener, call.id, 0, 0, true);
        return;
    }
    n_calls++;
    bool is_it = want.nth > 0 && (n_calls == want.nth || (want.on && n_calls > want.nth));
    say("%s %s %s %s\n", is_it ? "hit" : "call", kind, rank, path);
    if (is_it)
        hit(listener, &call);
    else
        answer(listener, call.id, 0, 0, true);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

/* The listener goes to the parent by a socket, whose calls the filter lets pass. */
static void send_fd(int socket, int fd) {
    char room[CMSG_SPACE(sizeof fd)] = "", byte = 0;
    struct iovec io = {&byte, 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    sendmsg(socket, &m, 0);
}

static int receive_fd(int socket) {
    int fd = -1;
    char room[CMSG_SPACE(sizeof fd)], byte;
    struct iovec io = {&byte, 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&m)) return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

_Noreturn static void become(char **command, int socket) {
    int listener = in_filter(want.kind);
    if (listener < 0) _exit(SKIP_CODE);
    send_fd(socket, listener);
    syscall(SYS_close_range, socket < listener ? socket : listener, ~0U, 0); /* both of them */
    execvp(command[0], command);
    _exit(127);
}

/* All children: as their subreaper this process has those whose parents died too. */
static int kill_children(void) {
    char path[64], text[4096] = "";
    int n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) close(fd);
    text[got > 0 ? got : 0] = 0;
    for (char *at = text, *end; *at; at = *end ? end + 1 : end) {
        long pid = strtol(at, &end, 10);
        if (end == at) break;
        n += pid > 0 && kill((pid_t)pid, SIGKILL) == 0;
    }
    return n;
}

static void let_go_of_due(int listener, double now) {
    int kept = 0;
    for (int i = 0; i < n_stalled; i++) {
        if (stalled[i].due_s <= now)
            answer(listener, stalled[i].id, 0, 0, true);
        else
            stalled[kept++] = stalled[i];
    }
    n_stalled = kept;
}

/* Serves until the command and its children are gone. Returns the exit code. */
static int supervise(pid_t child, int listener) {
    double begin = now_s(), ended_s = 0;
    int code = -1, how = 0, n_left = 0;
    bool killing = false;
    for (;;) {
        struct pollfd ready = {.fd = listener, .events = POLLIN};
        if (poll(&ready, 1, 20) > 0 && ready.revents & POLLIN) serve(listener);
        double now = now_s();
        let_go_of_due(listener, now);
        for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
            if (pid != child) continue;
            if (code < 0) code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
            ended_s = now;
        }
        if (ended_s > 0 && waitpid(-1, &how, WNOHANG) < 0 && errno == ECHILD) break;
        if (code < 0 && now - begin > want.limit_s) {
            code = LIMIT_CODE;
            killing = true;
        }
        bool outlived = ended_s > 0 && now - ended_s > PATIENCE_S;
        if (killing || outlived) {
            int n = kill_children();
            if (outlived && !killing) n_left += n;
            killing = true;
        }
    }
    if (n_left > 0) say("left %d\n", n_left);
    say("calls %d\n", n_calls);
    return code;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static int error_named(const char *name) {
    static const struct {
        const char *name;
        int error;
    } ERROR[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO},       {"ESTALE", ESTALE}, {"EINTR", EINTR},
                 {"ENOMEM", ENOMEM}, {"EACCES", EACCES}, {"EMFILE", EMFILE}, {"ENOENT", ENOENT}, {"EROFS", EROFS}};
    for (size_t i = 0; i < sizeof ERROR / sizeof *ERROR; i++)
        if (strcmp(name, ERROR[i].name) == 0) return ERROR[i].error;
    fprintf(stderr, "tn_inject: no error %s\n", name);
    exit(125);
}

static void read_words(int argc, char **argv) {
    static const struct option OPTION[] = {{"below", 1, 0, 'b'}, {"call", 1, 0, 'c'},   {"nth", 1, 0, 'n'},
                                           {"on", 0, 0, 'o'},    {"error", 1, 0, 'e'},  {"stall", 1, 0, 's'},
                                           {"short", 0, 0, 'h'}, {"rank", 1, 0, 'r'},   {"skip", 1, 0, 'k'},
                                           {"limit", 1, 0, 'l'}, {"report", 1, 0, 'f'}, {0, 0, 0, 0}};
    for (int c; (c = getopt_long(argc, argv, "+", OPTION, NULL)) >= 0;) switch (c) {
        case 'b':
            want.below = realpath(optarg, NULL);
            break;
        case 'c':
            want.kind = optarg;
            break;
        case 'n':
            want.nth = atoi(optarg);
            break;
        case 'o':
            want.on = true;
            break;
        case 'e':
            want.error = error_named(optarg);
            break;
        case 's':
            want.stall_s = atof(optarg);
            break;
        case 'h':
            want.is_short = true;
            break;
        case 'r':
            want.rank = optarg;
            break;
        case 'k':
            want.skip = optarg;
            break;
        case 'l':
            want.limit_s = atof(optarg);
            break;
        case 'f':
            want.report = fopen(optarg, "we");
            break;
        default:
            exit(125);
        }
    if (want.below && want.kind && in_kind_exists(want.kind) && optind < argc) return;
    fprintf(stderr, "usage: tn_inject --below FOLDER --call KIND [options] -- COMMAND... (see the head of inject.c)\n");
    exit(125);
}

int main(int argc, char **argv) {
    int ends[2];
    read_words(argc, argv);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 125;
    pid_t child = fork();
    if (child == 0) become(argv + optind, ends[1]);
    close(ends[1]);
    int listener = child > 0 ? receive_fd(ends[0]) : -1;
    if (listener >= 0) return supervise(child, listener);
    fprintf(stderr, "tn_inject: the kernel hands no system calls over here\n");
    return SKIP_CODE;
}
