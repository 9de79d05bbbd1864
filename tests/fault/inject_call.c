/* inject_call.c - the table of calls, their filter, their paths. */
#define _GNU_SOURCE
#include "inject.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LEAST_MEMORY = 1 << 16 };

/* Which argument is the descriptor of the file; or the folder's descriptor and the path in it. -1: it has none. */
typedef struct {
    const char *kind;
    int number, fd, folder, path;
} call_kind;

static const call_kind CALL[] = {
    {"open", SYS_openat, -1, 0, 1},      {"read", SYS_read, 0, -1, -1},          {"read", SYS_pread64, 0, -1, -1},
    {"read", SYS_readv, 0, -1, -1},      {"read", SYS_preadv, 0, -1, -1},        {"write", SYS_write, 0, -1, -1},
    {"write", SYS_pwrite64, 0, -1, -1},  {"write", SYS_writev, 0, -1, -1},       {"write", SYS_pwritev, 0, -1, -1},
    {"fsync", SYS_fsync, 0, -1, -1},     {"fsync", SYS_fdatasync, 0, -1, -1},    {"rename", SYS_renameat, -1, 2, 3},
    {"rename", SYS_renameat2, -1, 2, 3}, {"rename", SYS_linkat, -1, 2, 3},       {"mmap", SYS_mmap, 4, -1, -1},
    {"memory", SYS_mmap, -1, -1, -1},    {"truncate", SYS_ftruncate, 0, -1, -1}, {"truncate", SYS_fallocate, 0, -1, -1},
    {"unlink", SYS_unlinkat, -1, 0, 1},  {"mkdir", SYS_mkdirat, -1, 0, 1},       {"close", SYS_close, 0, -1, -1},
    {"stat", SYS_newfstatat, -1, 0, 1},  {"stat", SYS_statx, -1, 0, 1},          {"stat", SYS_faccessat, -1, 0, 1},
    {"stat", SYS_faccessat2, -1, 0, 1},  {"stat", SYS_fstat, 0, -1, -1},         {"list", SYS_getdents64, 0, -1, -1},
#ifdef SYS_open /* not on every machine */
    {"open", SYS_open, -1, -1, 0},       {"open", SYS_creat, -1, -1, 0},         {"rename", SYS_rename, -1, -1, 1},
    {"rename", SYS_link, -1, -1, 1},     {"unlink", SYS_unlink, -1, -1, 0},      {"unlink", SYS_rmdir, -1, -1, 0},
    {"mkdir", SYS_mkdir, -1, -1, 0},     {"stat", SYS_stat, -1, -1, 0},          {"stat", SYS_lstat, -1, -1, 0},
    {"stat", SYS_access, -1, -1, 0},
#endif
};
enum { N_CALLS = sizeof CALL / sizeof *CALL };

static bool is_of(const call_kind *c, const char *kind) {
    return strcmp(kind, "all") == 0 || strcmp(kind, c->kind) == 0;
}

bool in_kind_exists(const char *kind) {
    for (int i = 0; i < N_CALLS; i++)
        if (is_of(&CALL[i], kind)) return true;
    return false;
}

int in_filter(const char *kind) {
    struct sock_filter code[2 * N_CALLS + 2];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < N_CALLS; i++) {
        if (!is_of(&CALL[i], kind)) continue;
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALL[i].number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    unsigned patient = 0;
#ifdef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* no signal makes a call begin anew, and be counted twice */
    patient = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
#endif
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | patient, &program);
    return fd >= 0 ? fd : (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

static bool read_link(unsigned tid, const char *what, char out[IN_PATH_BYTES]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/%s", tid, what);
    ssize_t n = readlink(path, out, IN_PATH_BYTES - 1);
    out[n > 0 ? n : 0] = 0;
    return *out == '/';
}

static bool fd_path(unsigned tid, int fd, char out[IN_PATH_BYTES]) {
    char what[32];
    snprintf(what, sizeof what, "fd/%d", fd);
    return read_link(tid, fd == AT_FDCWD ? "cwd" : what, out);
}

/* Page by page: the text may end where memory does. */
static bool read_text(unsigned tid, uint64_t at, char out[IN_PATH_BYTES / 2]) {
    size_t n = 0;
    while (n < IN_PATH_BYTES / 2 - 1) {
        size_t to_page_end = 4096 - (at + n) % 4096, room = IN_PATH_BYTES / 2 - 1 - n;
        size_t wanted = to_page_end < room ? to_page_end : room;
        struct iovec here = {out + n, wanted}, there = {(void *)(uintptr_t)(at + n), wanted};
        ssize_t got = process_vm_readv((pid_t)tid, &here, 1, &there, 1, 0);
        if (got <= 0) return false;
        if (memchr(out + n, 0, (size_t)got)) return true;
        n += (size_t)got;
    }
    return false;
}

/* mmap is in the table twice: with a file and without. */
static const call_kind *find(const struct seccomp_data *call, const char *kind) {
    bool without_file = call->nr == SYS_mmap && call->args[3] & MAP_ANONYMOUS;
    for (int i = 0; i < N_CALLS; i++)
        if (CALL[i].number == call->nr && is_of(&CALL[i], kind) &&
            (call->nr != SYS_mmap || without_file == (CALL[i].fd < 0)))
            return &CALL[i];
    return NULL;
}

static bool is_memory(const struct seccomp_notif *call, char out[IN_PATH_BYTES]) {
    bool of_loader = call->data.args[3] & MAP_FIXED; /* a library's zeros */
    if (of_loader || call->data.args[1] < LEAST_MEMORY || !read_link(call->pid, "exe", out)) return false;
    bool is_ours = strcmp(strrchr(out, '/'), "/tenfold") == 0;
    snprintf(out, IN_PATH_BYTES, "(memory)");
    return is_ours;
}

const char *in_call_path(const struct seccomp_notif *call, const char *kind, char out[IN_PATH_BYTES]) {
    const call_kind *c = find(&call->data, kind);
    char text[IN_PATH_BYTES / 2], folder[IN_PATH_BYTES];
    if (!c) return NULL;
    if (c->fd < 0 && c->path < 0) return is_memory(call, out) ? c->kind : NULL;
    if (c->fd >= 0) return fd_path(call->pid, (int)call->data.args[c->fd], out) ? c->kind : NULL;
    if (!read_text(call->pid, call->data.args[c->path], text)) return NULL;
    int fd = c->folder >= 0 ? (int)call->data.args[c->folder] : AT_FDCWD;
    if (*text == '/') return snprintf(out, IN_PATH_BYTES, "%s", text) > 0 ? c->kind : NULL;
    if (!fd_path(call->pid, fd, folder)) return NULL;
    return snprintf(out, IN_PATH_BYTES, "%.4000s%s%s", folder, *text ? "/" : "", text) > 0 ? c->kind : NULL;
}

/* --- half a write ------------------------------------------------------------------------------------------------- */

static int process_of(unsigned tid) {
    char path[64], line[128];
    int process = -1;
    snprintf(path, sizeof path, "/proc/%u/status", tid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Tgid: %d", &process) == 1) break;
    if (f) fclose(f);
    return process;
}

int64_t in_write_half(const struct seccomp_notif *call) {
    int number = call->data.nr;
    size_t n = (size_t)call->data.args[2] / 2;
    if ((number != SYS_write && number != SYS_pwrite64) || n == 0) return -1;
    int process = (int)syscall(SYS_pidfd_open, process_of(call->pid), 0);
    int fd = process >= 0 ? (int)syscall(SYS_pidfd_getfd, process, (int)call->data.args[0], 0) : -1;
    char *bytes = malloc(n);
    struct iovec here = {bytes, n}, there = {(void *)(uintptr_t)call->data.args[1], n};
    ssize_t got = fd >= 0 && bytes ? process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) : -1;
    if (got > 0)
        got = number == SYS_write ? write(fd, bytes, (size_t)got)
                                  : pwrite(fd, bytes, (size_t)got, (off_t)call->data.args[3]);
    free(bytes);
    if (fd >= 0) close(fd);
    if (process >= 0) close(process);
    return got > 0 ? got : -1;
}
