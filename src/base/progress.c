/* progress.c - a bar on a terminal, lines in a log; heartbeats. */
#include "base/progress.h"

#include "base/utf8.h"
#include "base/watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const double DRAW_EVERY_S = 0.2, LINE_EVERY_S = 20, SIGN_EVERY_S = 2, SIGN_OF_JOB_EVERY_S = 30;
enum { BAR_CHARS = 24 };

double tn_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void say(const char *kind, const char *fmt, va_list args) {
    char text[2048], shown[2048];
    vsnprintf(text, sizeof text, fmt, args);
    tn_utf8_printable(text, shown, sizeof shown);
    fprintf(stderr, "tenfold: %s%s\n", kind, shown); /* one write, so that lines of several ranks do not mix */
}

void tn_say(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say("", fmt, args);
    va_end(args);
}

void tn_warn(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say("warning: ", fmt, args);
    va_end(args);
}

void tn_result(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say("result: ", fmt, args);
    va_end(args);
}

void tn_print(FILE *out, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t n = (size_t)vsnprintf(NULL, 0, fmt, args) + 1;
    char *text = malloc(n), *shown = malloc(4 * n);
    if (text && shown) {
        vsnprintf(text, n, fmt, again);
        tn_utf8_printable(text, shown, 4 * n);
        fputs(shown, out);
    }
    va_end(args);
    va_end(again);
    free(text);
    free(shown);
}

/* Does the output go to a terminal? TENFOLD_TERMINAL: through `tenfold run` (process/launch.c). */
static bool at_terminal(void) {
    return isatty(STDERR_FILENO) || getenv("TENFOLD_TERMINAL");
}

void tn_progress_begin(tn_progress *p, const char *label, int64_t total, const char *unit) {
    *p = (tn_progress){.total = total, .begin_s = tn_now_s(), .terminal = at_terminal()};
    snprintf(p->label, sizeof p->label, "%s", label);
    snprintf(p->unit, sizeof p->unit, "%s", unit);
    p->drawn_s = p->terminal ? 0 : p->begin_s;
}

/* --- heartbeats ------------------------------------------------------------------------------------------------ */

static struct {
    char path[4096];
    int64_t count;
    double last_s;
} signs;

void tn_progress_heartbeat(const char *path) {
    if (*signs.path) remove(signs.path);
    snprintf(signs.path, sizeof signs.path, "%s", path ? path : "");
    signs.last_s = 0;
}

static double rate_of(const tn_progress *p, int64_t done, double now) {
    double seconds = now - p->begin_s;
    return seconds > 0 ? (double)(done - p->first) / seconds : 0;
}

bool tn_is_job(void) {
    return getenv("TENFOLD_JOB") != NULL;
}

/* Write a heartbeat. The file is closed each time, because network file systems send data at close. */
static void give_sign(const tn_progress *p, int64_t done, double now) {
    char line[256];
    double every_s = tn_is_job() ? SIGN_OF_JOB_EVERY_S : SIGN_EVERY_S;
    if (!*signs.path || now - signs.last_s < every_s) return;
    signs.last_s = now;
    int n = snprintf(line, sizeof line, "%" PRId64 " %g %" PRId64 " %" PRId64 " %.6g %s\n", ++signs.count, every_s,
                     done, p->total, rate_of(p, done, now), p->label);
    int fd = open(signs.path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) return;
    ssize_t wrote = pwrite(fd, line, (size_t)n, 0);
    (void)wrote; /* on a full disk the next heartbeat may succeed */
    close(fd);
}

bool tn_heartbeat_read(const char *path, tn_heartbeat *out) {
    FILE *f = fopen(path, "r");
    if (!f) return false;
    int n = fscanf(f, "%" SCNd64 " %lf %" SCNd64 " %" SCNd64 " %lf %95[^\n]", &out->count, &out->every_s, &out->done,
                   &out->total, &out->per_s, out->label);
    fclose(f);
    return n == 6;
}

static void draw(const tn_progress *p, int64_t done, const char *note) {
    double share = p->total > 0 ? (double)done / (double)p->total : 1, rate = rate_of(p, done, tn_now_s());
    char bar[BAR_CHARS + 1] = "", left[32] = "";
    for (int i = 0; i < BAR_CHARS; i++) bar[i] = i < (int)(share * BAR_CHARS) ? '#' : '.';
    if (rate > 0 && done < p->total) snprintf(left, sizeof left, ", %.0f s left", (double)(p->total - done) / rate);
    if (p->terminal) {
        fputs("\r\033[K", stderr);
        tn_print(stderr, "%s [%s] ", p->label, bar);
    } else {
        tn_print(stderr, "tenfold: %s: ", p->label);
    }
    tn_print(stderr, "%" PRId64 " of %" PRId64 " %s, %.*f/s%s%s%s", done, p->total, p->unit, rate < 10 ? 1 : 0, rate,
             left, note && *note ? ", " : "", note ? note : "");
    if (!p->terminal) fputc('\n', stderr);
    fflush(stderr);
}

void tn_progress_at(tn_progress *p, int64_t done, const char *note) {
    tn_watch_at(p->label, done);
    if (!p->begun) { /* the first call tells where a resumed run begins */
        p->begun = true;
        p->first = done;
        p->begin_s = tn_now_s();
        give_sign(p, done, p->begin_s);
        return;
    }
    double now = tn_now_s();
    give_sign(p, done, now);
    if (p->quiet || now - p->drawn_s < (p->terminal ? DRAW_EVERY_S : LINE_EVERY_S)) return;
    p->drawn_s = now;
    draw(p, done, note);
}

void tn_progress_end(tn_progress *p, const char *note) {
    if (p->quiet) return;
    if (p->terminal) fputs("\r\033[K", stderr);
    tn_print(stderr, "tenfold: %s: %s, %.1f s\n", p->label, note && *note ? note : "done", tn_now_s() - p->begin_s);
    fflush(stderr);
}
