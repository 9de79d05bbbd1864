/* decoder.c - the child that decodes: one request at a time, over a socket. */
#include "preprocess/decoder.h"

#include "base/hash.h"
#include "base/progress.h"
#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct tn_decoder {
    const tn_cfg *cfg;
    tn_stop_broadcast *halt;
    pid_t child; /* 0: none */
    int fd;
    unsigned limit_s; /* CPU time per image */
    int n_warned;
};

/* A request is the number of bytes of the file and these bytes; the answer is this structure and the bytes to store. */
typedef struct {
    tn_status st;
    int w, h;
    uint64_t perceptual_hash;
    size_t n_bytes;
    char text[TN_MSG_BYTES]; /* message of st, or why the image cannot be used */
    char warning[TN_REASON_BYTES];
} answer;

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* Is it a permanent error of the data? Others (a server that does not answer, no permission, too many open files) may be temporary. */
static bool is_fact(int error) {
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

static tn_status cannot_read(const char *path, int error, tn_found *out) {
    if (!is_fact(error))
        return tn_fail(TN_EIO, "%s: cannot be read: %s: remove the cause and run the same command again", path,
                       strerror(error));
    bool blank = strstr(path, "/ ") || path[strlen(path) - 1] == ' '; /* an invisible cause */
    const char *hint = blank                ? " (a blank in front of a name or behind it belongs to the name)"
                       : strchr(path, '\\') ? " (folders are separated by / here and not by \\)"
                                            : "";
    snprintf(out->reason, sizeof out->reason, TN_REASON_UNREAD "%s%s", strerror(error), hint);
    return TN_OK;
}

/* Read up to `room` bytes. Returns their number; -1: see errno. */
static ssize_t read_whole(int fd, unsigned char *to, size_t room) {
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(fd, to + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static tn_status read_open(int fd, const char *path, size_t size, unsigned char **bytes_out, size_t *n_out,
                           tn_found *out) {
    unsigned char *bytes = malloc(size);
    if (!bytes) return tn_fail_memory(size, path);
    ssize_t n = read_whole(fd, bytes, size);
    if (n <= 0) {
        tn_status st = n < 0 ? cannot_read(path, errno, out) : TN_OK;
        if (n == 0) snprintf(out->reason, sizeof out->reason, "is empty");
        free(bytes);
        return st;
    }
    *bytes_out = bytes;
    *n_out = (size_t)n;
    return TN_OK;
}

/* Read a file. If it cannot be used, out->reason says why and *bytes_out stays NULL. */
static tn_status read_file(const char *path, unsigned char **bytes_out, size_t *n_out, tn_found *out) {
    struct stat info;
    if (stat(path, &info) != 0) return cannot_read(path, errno, out);
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        snprintf(out->reason, sizeof out->reason, S_ISREG(info.st_mode) ? "is empty" : "is not a file");
        return TN_OK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cannot_read(path, errno, out);
    tn_status st = read_open(fd, path, (size_t)info.st_size, bytes_out, n_out, out);
    close(fd);
    return st;
}

/* --- the child ---------------------------------------------------------------------------------------------------- */

static bool send_all(int fd, const void *data, size_t n) {
    const char *at = data;
    for (ssize_t sent; n > 0; at += sent, n -= (size_t)sent) {
        sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) sent = 0;
        if (sent < 0) return false;
    }
    return true;
}

/* Limit the child's additional memory to 1 GiB and 32 bytes per pixel. So a decoder that wants more fails, before the machine runs out of
 * memory and kills another process. */
static void limit_memory(const tn_cfg *cfg) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%llu", &pages) == 1) {
        rlim_t most = (rlim_t)(pages * (unsigned long long)sysconf(_SC_PAGESIZE)) + (1ULL << 30) +
                      32 * (rlim_t)cfg->preprocess.max_pixels;
        setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
    }
    if (f) fclose(f);
}

static void decode(const tn_cfg *cfg, const unsigned char *file, size_t n_file, answer *a, unsigned char **bytes_out) {
    tn_image image;
    tn_status st = tn_image_decode(cfg, file, n_file, &image);
    *a = (answer){.st = st, .w = image.w, .h = image.h, .perceptual_hash = image.perceptual_hash};
    if (st == TN_OK && !*image.reason) a->st = tn_image_store(cfg, &image, bytes_out, &a->n_bytes);
    snprintf(a->text, sizeof a->text, "%s", a->st == TN_OK ? image.reason : tn_msg);
    memcpy(a->warning, image.warning, sizeof a->warning);
    tn_image_free(&image);
}

enum { KEPT_BYTES = 32 << 20 }; /* glibc's largest threshold */

_Noreturn static void serve(const tn_decoder *d, int fd, pid_t parent) {
    static const int PARENT_DECIDES[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    tn_stop_child();
    for (size_t i = 0; i < sizeof PARENT_DECIDES / sizeof *PARENT_DECIDES; i++) signal(PARENT_DECIDES[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    limit_memory(d->cfg);
    mallopt(M_MMAP_THRESHOLD,
            KEPT_BYTES); /* memory of an image is kept for the next one: pages of new memory cost time */
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    for (size_t n_file; read_whole(fd, (unsigned char *)&n_file, sizeof n_file) == sizeof n_file;) {
        unsigned char *file = malloc(n_file), *bytes = NULL;
        answer a;
        if (!file) _exit(TN_ENOMEM);
        if (read_whole(fd, file, n_file) != (ssize_t)n_file) break;
        setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = d->limit_s}, NULL); /* SIGPROF ends the process */
        decode(d->cfg, file, n_file, &a, &bytes);
        setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = 0}, NULL);
        if (!send_all(fd, &a, sizeof a) || !send_all(fd, bytes, a.n_bytes)) break;
        free(file);
        free(bytes);
    }
    _exit(0);
}

static tn_status start(tn_decoder *d, const char *path) {
    int ends[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return tn_fail(TN_EIO, "%s: no socket to a process that decodes it: %s", path, strerror(errno));
    d->child = fork();
    if (d->child == 0) {
        close(ends[0]);
        serve(d, ends[1], parent);
    }
    close(ends[1]);
    d->fd = ends[0];
    if (d->child > 0) return TN_OK;
    d->child = 0;
    tn_status st = tn_fail(TN_EIO, "%s: no process to decode it: %s", path, strerror(errno));
    close(d->fd);
    return st;
}

/* End the child. Returns its status from waitpid. */
static int stop(tn_decoder *d, bool kill_it) {
    int how = 0;
    if (!d->child) return 0;
    close(d->fd);
    if (kill_it) kill(d->child, SIGKILL);
    while (waitpid(d->child, &how, 0) < 0 && errno == EINTR) {
    }
    d->child = 0;
    return how;
}

/* --- asking it ---------------------------------------------------------------------------------------------------- */

typedef enum { ANSWERED, ENDED, SLEEPS, HALTED } outcome;

/* Receive n bytes of the answer. A child that computes too long ends by itself, but one that waits for ever does not: here seconds are
 * counted one by one, so that a suspended job counts as one. */
static outcome receive(tn_decoder *d, void *to, size_t n) {
    unsigned seconds = 0;
    for (char *at = to; n > 0;) {
        int ready = poll(&(struct pollfd){.fd = d->fd, .events = POLLIN}, 1, 1000);
        if (ready == 0 && d->halt && tn_stop_broadcast_wanted(d->halt)) return HALTED;
        if (ready == 0 && ++seconds > 10 * d->limit_s) return SLEEPS;
        if (ready <= 0) continue;
        ssize_t got = recv(d->fd, at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return ENDED;
        at += got;
        n -= (size_t)got;
    }
    return ANSWERED;
}

static outcome ask(tn_decoder *d, const unsigned char *file, size_t n_file, answer *a, unsigned char **bytes_out) {
    if (!send_all(d->fd, &n_file, sizeof n_file) || !send_all(d->fd, file, n_file)) return ENDED;
    outcome what = receive(d, a, sizeof *a);
    if (what != ANSWERED || a->n_bytes == 0) return what;
    *bytes_out = malloc(a->n_bytes);
    if (!*bytes_out) {
        stop(d, true); /* the child would still send the bytes */
        a->st = tn_fail_memory(a->n_bytes, "an image");
        snprintf(a->text, sizeof a->text, "%s", tn_msg);
        return ANSWERED;
    }
    what = receive(d, *bytes_out, a->n_bytes);
    if (what == ANSWERED) return what;
    free(*bytes_out);
    *bytes_out = NULL;
    return what;
}

static bool is_crash(int signal_number) {
    static const int CRASHES[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    bool found = false;
    for (size_t i = 0; i < sizeof CRASHES / sizeof *CRASHES; i++) found |= signal_number == CRASHES[i];
    return found;
}

/* Two children ended with this image, the second with status `how`. TN_OK: the image is the cause, and out->reason says so. */
static tn_status blame(const tn_decoder *d, const char *path, bool slept, int how, tn_found *out) {
    int by = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    if (slept || by == SIGPROF)
        snprintf(out->reason, sizeof out->reason, "decoding it came to no end in %u s", d->limit_s);
    else if (by == 0)
        snprintf(out->reason, sizeof out->reason, "the decoder gave up on it: exit code %d", WEXITSTATUS(how));
    else if (is_crash(by))
        snprintf(out->reason, sizeof out->reason, "the decoder crashed on it: signal %d", by);
    else
        return tn_fail(TN_ENOMEM,
                       "%s: the process that decodes it was killed twice (signal %d), most likely for lack of memory: "
                       "give the job more, or lower preprocess.max_pixels = %lld",
                       path, by, (long long)d->cfg->preprocess.max_pixels);
    return TN_OK;
}

/* Print a warning about an image, but only a limited number, because a million images may have the same flaw. */
static void warn(tn_decoder *d, const char *path, const char *text) {
    enum { MOST = 10 };
    if (*text && d->n_warned++ < MOST)
        tn_warn("%s: %s%s", path, text, d->n_warned == MOST ? "; more images like it are not named by this rank" : "");
}

static tn_status decode_in_child(tn_decoder *d, const char *path, const unsigned char *file, size_t n_file,
                                 tn_found *out) {
    answer a = {.st = TN_OK};
    outcome what = ENDED;
    int how = 0;
    for (int attempt = 0; attempt < 2 && (what == ENDED || what == SLEEPS); attempt++) {
        if (!d->child) TN_TRY(start(d, path));
        what = ask(d, file, n_file, &a, &out->bytes);
        if (what != ANSWERED) how = stop(d, what != ENDED);
        if (what == ENDED && d->halt && tn_stop_broadcast_wanted(d->halt))
            what = HALTED; /* the signal that ended the child may have been sent to all processes */
    }
    out->halted = what == HALTED;
    if (what == HALTED) return TN_OK;
    if (what != ANSWERED) return blame(d, path, what == SLEEPS, how, out);
    if (a.st != TN_OK) return tn_fail(a.st, "%s: %s", path, a.text);
    snprintf(out->reason, sizeof out->reason, "%s", a.text);
    if (!*a.text) warn(d, path, a.warning);
    out->w = a.w;
    out->h = a.h;
    out->perceptual_hash = a.perceptual_hash;
    out->n_bytes = a.n_bytes;
    return TN_OK;
}

tn_status tn_decoder_read(tn_decoder *d, const char *path, tn_found *out) {
    unsigned char *file = NULL;
    size_t n_file = 0;
    *out = (tn_found){.w = 0};
    TN_TRY(read_file(path, &file, &n_file, out));
    if (!file) return TN_OK;
    out->content_hash = tn_hash64(file, n_file);
    tn_status st = decode_in_child(d, path, file, n_file, out);
    free(file);
    return st;
}

tn_status tn_decoder_open(const tn_cfg *cfg, tn_stop_broadcast *halt, tn_decoder **out) {
    tn_decoder *d = calloc(1, sizeof *d);
    if (!d) return tn_fail_memory(sizeof *d, "the decoder");
    *d = (tn_decoder){.cfg = cfg, .halt = halt, .limit_s = 60 + (unsigned)(cfg->preprocess.max_pixels / 4000000)};
    *out = d;
    return TN_OK;
}

void tn_decoder_close(tn_decoder **at) {
    if (!*at) return;
    stop(*at, false);
    free(*at);
    *at = NULL;
}
