/* command.c - fork and exec; output goes to two unnamed files, which cannot fill up as pipes do. */
#define _GNU_SOURCE /* vasprintf */
#include "process/command.h"

#include "base/progress.h"
#include "base/stop.h"
#include "process/outer.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const double WAIT_S = 120;
enum { NO_PROGRAM = 127 };

/* --- words -------------------------------------------------------------------------------------------------------- */

tn_status tn_argv_add(tn_argv *w, const char *fmt, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    char **more = n < 0 ? NULL : realloc(w->at, ((size_t)w->n + 2) * sizeof *more);
    if (!more) {
        if (n >= 0) free(text);
        return tn_fail_memory(64, "a command");
    }
    w->at = more;
    w->at[w->n++] = text;
    w->at[w->n] = NULL;
    return TN_OK;
}

void tn_argv_free(tn_argv *w) {
    for (int i = 0; i < w->n; i++) free(w->at[i]);
    free(w->at);
    *w = (tn_argv){0};
}

/* Print an argument in quotes. --dependency is not quoted, because it contains variables of the printed script. */
static void print_quoted(const char *word, FILE *out) {
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+.,:/@%";
    if ((*word && strspn(word, PLAIN) == strlen(word)) || strncmp(word, "--dependency=", 13) == 0) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++) fputs(*word == '\'' ? "'\\''" : (char[]){*word, 0}, out);
    fputc('\'', out);
}

void tn_argv_print(const tn_argv *w, FILE *out) {
    for (int i = 0; i < w->n; i++) {
        if (i) fputc(' ', out);
        print_quoted(w->at[i], out);
    }
}

/* --- running ------------------------------------------------------------------------------------------------------ */

/* In the child. It has its own process group, so that Ctrl-C does not interrupt a request to Slurm. */
static void become(const tn_argv *w, FILE *text, FILE *errs) {
    setpgid(0, 0);
    tn_stop_child();
    tn_outer_forget();
    dup2(fileno(text), STDOUT_FILENO);
    dup2(fileno(errs), STDERR_FILENO);
    execvp(w->at[0], w->at);
    _exit(NO_PROGRAM);
}

static tn_status wait_for(pid_t pid, const char *name, int *exit_code_out) {
    int status = 0;
    pid_t ended = 0;
    for (double begin = tn_now_s(); (ended = waitpid(pid, &status, WNOHANG)) == 0;) {
        if (tn_now_s() - begin > WAIT_S) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return tn_fail(TN_EIO, "%s: no answer in %.0f s: does Slurm's controller run?", name, WAIT_S);
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    if (ended < 0) return tn_fail(TN_EIO, "%s: %s", name, strerror(errno));
    *exit_code_out = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return *exit_code_out == NO_PROGRAM ? tn_fail(TN_EIO,
                                                  "%s: there is no such program here: on a cluster, load Slurm's "
                                                  "module; a container needs Slurm's commands from the host",
                                                  name)
                                        : TN_OK;
}

static char *read_all(FILE *f) {
    long n = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    rewind(f);
    if (text) text[fread(text, 1, (size_t)n, f)] = 0;
    return text;
}

tn_status tn_command(const tn_argv *w, tn_output *out) {
    *out = (tn_output){.exit_code = -1};
    FILE *text = tmpfile(), *errs = tmpfile();
    pid_t pid = text && errs ? fork() : -1;
    if (pid == 0) become(w, text, errs);
    tn_status st = pid < 0 ? tn_fail(TN_EIO, "%s cannot be started: %s", w->at[0], strerror(errno))
                           : wait_for(pid, w->at[0], &out->exit_code);
    if (st == TN_OK) {
        out->text = read_all(text);
        out->errs = read_all(errs);
        if (!out->text || !out->errs) st = tn_fail_memory(4096, w->at[0]);
    }
    if (text) fclose(text);
    if (errs) fclose(errs);
    if (st != TN_OK) tn_output_free(out);
    return st;
}

void tn_output_free(tn_output *output) {
    free(output->text);
    free(output->errs);
    output->text = output->errs = NULL;
}
