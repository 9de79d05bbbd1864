/* guard.c - a child does the work, and sends its message through a pipe. */
#include "store/guard.h"

#include "base/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn static void child(tn_status (*work)(void *arg), void *arg, unsigned limit_s, int out) {
    struct rlimit limit = {limit_s, limit_s + 1}, no_core = {0, 0};
    tn_stop_child();
    setrlimit(RLIMIT_CPU, &limit);
    setrlimit(RLIMIT_CORE, &no_core);
    tn_status st = work(arg);
    fflush(stdout);
    size_t n = strlen(tn_msg) + 1;
    bool told = st == TN_OK || write(out, tn_msg, n) == (ssize_t)n; /* at most PIPE_BUF: in one piece */
    _exit(told ? (int)st : TN_EBUG);
}

/* Read the message until the child has closed its end. */
static void read_message(int from, char text[TN_MSG_BYTES]) {
    size_t n = 0;
    for (ssize_t got; n < TN_MSG_BYTES - 1; n += (size_t)got) {
        got = read(from, text + n, TN_MSG_BYTES - 1 - n);
        if (got < 0 && errno == EINTR) {
            got = 0;
            continue;
        }
        if (got <= 0) break;
    }
    text[n] = 0;
}

/* how: status from wait; used_s: CPU time of the child. */
static tn_status verdict(int how, double used_s, unsigned limit_s, const char *text, const char *what) {
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return TN_OK;
    if (WIFEXITED(how) && *text) return tn_fail((tn_status)WEXITSTATUS(how), "%s", text);
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL && used_s < limit_s)
        return tn_fail(TN_ENOMEM, "%s: the process that reads it was killed, most likely for lack of memory", what);
    if (WIFSIGNALED(how) && (WTERMSIG(how) == SIGXCPU || WTERMSIG(how) == SIGKILL))
        return tn_fail(TN_EFORMAT, "%s: damaged: reading it did not end", what);
    return tn_fail(TN_EFORMAT, "%s: damaged: reading it crashed the library", what);
}

tn_status tn_guard(tn_status (*work)(void *arg), void *arg, unsigned limit_s, const char *what) {
    int ends[2], how = 0;
    char text[TN_MSG_BYTES];
    if (pipe(ends) != 0) return tn_fail(TN_EIO, "%s: no pipe: %s", what, strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return tn_fail(TN_EIO, "%s: no process to read it: %s", what, strerror(errno));
    }
    if (pid == 0) {
        close(ends[0]);
        child(work, arg, limit_s, ends[1]);
    }
    close(ends[1]);
    read_message(ends[0], text);
    close(ends[0]);
    struct rusage used = {.ru_utime.tv_sec = 0};
    pid_t ended;
    while ((ended = wait4(pid, &how, 0, &used)) < 0 && errno == EINTR) {
    }
    if (ended < 0) return tn_fail(TN_EIO, "%s: no news of the process that reads it: %s", what, strerror(errno));
    return verdict(how, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1, limit_s, text, what);
}
