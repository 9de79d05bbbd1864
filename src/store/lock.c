/* lock.c - lock by flock and heartbeat. */
#include "store/lock.h"

#include "base/fs.h"
#include "base/progress.h"
#include "base/thread.h"
#include "base/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    BEAT_EVERY_S = 2,
    BEAT_OF_JOB_EVERY_S = 10,
    DEAD_BEATS =
        6, /* a holder is dead after so many missed heartbeats, if LOOKS_UNTIL_DEAD readings have passed, too */
    LOOKS_PER_S = 10,
    LOOKS_UNTIL_SAID = 20,
    LOOKS_UNTIL_BLIND = 30,
    LOOKS_UNTIL_BUSY = 100,
    LOOKS_UNTIL_DEAD = 300,
    LINE_BYTES = 256
};

struct tn_lock {
    char path[TN_PATH_BYTES], what[TN_PATH_BYTES];
    char owner[LINE_BYTES]; /* the line without its count */
    int fd, every_s;
    int64_t n_beats;
    bool stop;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

/* --- the line ----------------------------------------------------------------------------------------------------- */

#define UNKNOWN "unknown" /* never equal to another kernel, not even an unknown one */

/* An id that differs between hosts and between boots of one host. */
static void kernel_id(char out[64]) {
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (!f || fscanf(f, "%63s", out) != 1) snprintf(out, 64, UNKNOWN);
    if (f) fclose(f);
}

static void name_owner(tn_lock *l) {
    char kernel[64], host[128] = "unknown";
    uint64_t token = 0;
    kernel_id(kernel);
    gethostname(host, sizeof host - 1);
    if (getrandom(&token, sizeof token, 0) != sizeof token) token = (uint64_t)getpid();
    l->every_s = tn_is_job() ? BEAT_OF_JOB_EVERY_S : BEAT_EVERY_S;
    snprintf(l->owner, sizeof l->owner, "%s %s %ld %016llx %d", kernel, host, (long)getpid(), (unsigned long long)token,
             l->every_s);
}

/* Read the line. The file is opened each time, so that NFS asks its server. Empty: no holder. False: it cannot be read now (ESTALE,
 * EMFILE, EIO; see errno), so the holder is not known. */
static bool read_line(const char *path, char out[LINE_BYTES]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, LINE_BYTES - 1) : -1;
    int cause = errno;
    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
    errno = cause;
    return n >= 0;
}

static void wait_a_moment(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000000 / LOOKS_PER_S}, NULL);
}

static bool is_owner(const tn_lock *l, const char *line) {
    size_t n = strlen(l->owner);
    return strncmp(line, l->owner, n) == 0 && line[n] == ' ';
}

static bool beat(tn_lock *l) {
    char text[LINE_BYTES + 32];
    int n = snprintf(text, sizeof text, "%s %020lld\n", l->owner, (long long)l->n_beats++);
    for (int at = 0; at < n;) { /* a nearly full disk may write only a part */
        ssize_t wrote = pwrite(l->fd, text + at, (size_t)(n - at), at);
        if (wrote == 0) errno = ENOSPC;
        if (wrote <= 0) return false;
        at += (int)wrote;
    }
    return fsync(l->fd) == 0;
}

/* The thread of the heartbeat. It never overwrites another process's line, which took over because this process looked dead. */
static void *beat_on(void *context) {
    tn_lock *l = context;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += l->every_s;
        if (pthread_cond_timedwait(&l->wake, &l->mutex, &until) != ETIMEDOUT) continue;
        char line[LINE_BYTES];
        if (read_line(l->path, line) && !is_owner(l, line)) break;
        (void)beat(l); /* a failed heartbeat is tried again at the next turn: the disk may have room then */
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* --- taking ------------------------------------------------------------------------------------------------------- */

typedef struct {
    char line[LINE_BYTES];        /* as last read */
    int looks, same, changes;     /* readings; readings in a row without a change; changes */
    int blind;                    /* failed readings in a row */
    bool seen;                    /* at least one reading succeeded */
    bool held_here, may_be_taken; /* a process of this kernel holds it; nobody holds it */
} watch;

typedef enum { LOCKED, UNLOCKED, NO_LOCKS } lock_state;

static lock_state try_flock(int fd) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return UNLOCKED;
    return errno == EWOULDBLOCK ? LOCKED : NO_LOCKS;
}

/* How many unchanged readings mean that the holder is dead. If the line does not give the interval of its heartbeat, the longest is
 * assumed. */
static int looks_until_dead(const char *line) {
    int every_s = 0, looks = 0;
    long long count = 0;
    if (sscanf(line, "%*s %*s %*s %*s %d %lld", &every_s, &count) != 2 || every_s < 1 || every_s > BEAT_OF_JOB_EVERY_S)
        every_s = BEAT_OF_JOB_EVERY_S;
    looks = DEAD_BEATS * every_s * LOOKS_PER_S;
    return looks > LOOKS_UNTIL_DEAD ? looks : LOOKS_UNTIL_DEAD;
}

/* One reading, by the table in lock.h. */
static void look(watch *w, const char *path, const char *kernel, lock_state state) {
    char line[LINE_BYTES];
    w->looks++;
    w->may_be_taken = false;
    w->blind = read_line(path, line) ? 0 : w->blind + 1;
    if (w->blind > 0) return;
    bool changed = w->seen && strcmp(line, w->line) != 0;
    w->seen = true;
    w->changes += changed;
    w->same = changed ? 0 : w->same + 1;
    memcpy(w->line, line, sizeof line);
    size_t n = strlen(kernel);
    bool of_this_kernel = strcmp(kernel, UNKNOWN) != 0 && strncmp(line, kernel, n) == 0 && line[n] == ' ';
    w->held_here = state == LOCKED && (of_this_kernel || !*line);
    w->may_be_taken = (state != LOCKED && !*line) || (state == UNLOCKED && of_this_kernel) ||
                      (w->same > looks_until_dead(line) && !w->held_here);
}

/* A single change may be the last heartbeat of a dead holder that becomes visible late. */
static bool is_busy(const watch *w) {
    return w->looks >= LOOKS_UNTIL_BUSY && (w->held_here || w->changes > 1);
}

static tn_status unreadable(const tn_lock *l) {
    return tn_fail(TN_EIO, "%s: the lock of %s cannot be read: %s: run again", l->path, l->what, strerror(errno));
}

static tn_status busy(const watch *w, const char *what) {
    char host[128] = "?";
    long pid = 0;
    if (sscanf(w->line, "%*s %127s %ld", host, &pid) != 2) snprintf(host, sizeof host, "this host");
    return tn_fail(TN_EBUSY,
                   "%s: another tenfold is working on it (process %ld on %s): let it end, or stop it, then "
                   "run again",
                   what, pid, host);
}

/* Wait until the lock can be taken. Errors TN_EBUSY another process holds it. */
static tn_status wait_for(const tn_lock *l) {
    char kernel[64];
    watch w = {.looks = 0};
    kernel_id(kernel);
    for (;;) {
        look(&w, l->path, kernel, try_flock(l->fd));
        if (w.may_be_taken) break;
        if (w.blind >= LOOKS_UNTIL_BUSY) return unreadable(l);
        if (is_busy(&w)) return busy(&w, l->what);
        if (w.looks == LOOKS_UNTIL_SAID)
            tn_say("%s: waiting to see whether the process that left %s lives (%s)", l->what, l->path, w.line);
        wait_a_moment();
        tn_watch_go(); /* this limited wait is no hang */
    }
    if (*w.line) tn_say("%s: goes on after a process that ended without a word (%s)", l->what, w.line);
    return TN_OK;
}

static tn_status begin_to_beat(tn_lock *l) {
    if (!beat(l)) return tn_fail(TN_EIO, "%s: the lock cannot be written: %s", l->path, strerror(errno));
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&l->mutex, NULL);
    tn_status st = tn_thread_start(beat_on, l, &l->thread);
    return st == TN_OK ? TN_OK : tn_fail(st, "%s: its heartbeat: %s", l->what, tn_msg);
}

tn_status tn_lock_take(const char *path, const char *what, tn_lock **lock_out) {
    tn_lock *l = calloc(1, sizeof *l);
    if (!l) return tn_fail_memory(sizeof *l, "a lock");
    tn_status st = tn_path(l->path, "%s", path);
    if (st == TN_OK) st = tn_path(l->what, "%s", what);
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (st == TN_OK && l->fd < 0)
        st = tn_fail(TN_EIO, "%s: the lock of %s cannot be made: %s", path, what, strerror(errno));
    if (st == TN_OK) name_owner(l);
    if (st == TN_OK) st = wait_for(l);
    if (st == TN_OK) st = begin_to_beat(l);
    if (st == TN_OK) {
        *lock_out = l;
        return TN_OK;
    }
    if (l->fd >= 0) close(l->fd);
    free(l);
    return st;
}

tn_status tn_lock_check(const tn_lock *l) {
    char line[LINE_BYTES] = "";
    if (!l) return TN_OK;
    for (int looks = 1; !read_line(l->path, line); looks++) {
        if (looks >= LOOKS_UNTIL_BLIND) return unreadable(l);
        wait_a_moment();
    }
    if (is_owner(l, line)) return TN_OK;
    return tn_fail(TN_EBUSY, "%s: this process did not run for so long that another tenfold took it over%s%s", l->what,
                   *line ? ": " : "", line);
}

void tn_lock_drop(tn_lock **at) {
    tn_lock *l = *at;
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    char line[LINE_BYTES];
    if (read_line(l->path, line) && is_owner(l, line) && ftruncate(l->fd, 0) == 0) fsync(l->fd);
    close(l->fd);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mutex);
    free(l);
    *at = NULL;
}

bool tn_lock_is_held(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT && errno != ENOTDIR;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0; /* true on a file system without locks */
    close(fd);
    return held;
}
