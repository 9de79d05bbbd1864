/* visible.c - waits, for a limited time, for files that another host has published. */
#include "store/visible.h"

#include "base/fs.h"
#include "base/progress.h"
#include "base/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* By default NFS caches attributes for at most 60 s. */
static const double WAIT_S = 90, SAY_AFTER_S = 2;

/* Computes the hash by which files are compared. */
typedef tn_status look(const char *path, char hex_out[TN_HEX_BYTES]);

static tn_status hash_ends(const char *path, char hex_out[TN_HEX_BYTES]) {
    enum { END = 1 << 20 };
    struct stat info;
    char *piece = malloc(END);
    if (!piece) return tn_fail_memory(END, path);
    FILE *f = fopen(path, "rb");
    bool ok = f && fstat(fileno(f), &info) == 0;
    tn_hash *h = tn_hash_new();
    if (ok) tn_hash_add(h, &info.st_size, sizeof info.st_size);
    for (int last = 0; ok && last < 2; last++) {
        ok = !last || fseek(f, info.st_size > END ? -END : 0, info.st_size > END ? SEEK_END : SEEK_SET) == 0;
        if (ok) tn_hash_add(h, piece, fread(piece, 1, END, f));
    }
    ok = ok && !ferror(f);
    int cause = errno;
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
    if (f) fclose(f);
    free(piece);
    return ok ? TN_OK : tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(cause));
}

/* Is the file here, with the wanted hash (NULL: any)? why_out: what is wrong with a file that is here. */
static bool is_here(const char *path, look *hash, const char *wanted, char why_out[TN_MSG_BYTES]) {
    char hex[TN_HEX_BYTES];
    *why_out = 0;
    if (!tn_file_exists(path)) return false;
    if (!wanted) return true;
    bool read = hash(path, hex) == TN_OK;
    if (read && strcmp(hex, wanted) == 0) return true;
    snprintf(why_out, TN_MSG_BYTES, "%s", read ? "it sees an older version" : tn_msg);
    return false;
}

static tn_status wait_for(const char *path, look *hash, const char *wanted) {
    char host[256] = "this host", why[TN_MSG_BYTES];
    bool output = false;
    gethostname(host, sizeof host - 1);
    for (double begin = tn_now_s(); !is_here(path, hash, wanted, why);) {
        double waited = tn_now_s() - begin;
        if (waited > WAIT_S)
            return tn_fail(TN_EIO,
                           "%s: another process published it, but %s does not see it after %.0f s%s%s%s: check the "
                           "file system of that host, then run again",
                           path, host, waited, *why ? " (" : "", why, *why ? ")" : "");
        if (waited > SAY_AFTER_S && !output) {
            tn_say("%s: another process published it, but %s does not see it yet; waiting up to %.0f s", path, host,
                   WAIT_S);
            output = true;
        }
        tn_watch_go(); /* this limited wait is no hang */
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    }
    return TN_OK;
}

tn_status tn_wait_visible_here(const char *path) {
    return wait_for(path, NULL, NULL);
}

static tn_status by_all(tn_run *run, const char *path, look *hash, char hex_out[TN_HEX_BYTES]) {
    TN_TRY(tn_agree(run, run->rank == 0 ? hash(path, hex_out) : TN_OK));
    MPI_Bcast(hex_out, TN_HEX_BYTES, MPI_CHAR, 0, run->comm);
    return tn_agree(run, run->rank == 0 ? TN_OK : wait_for(path, hash, hex_out));
}

tn_status tn_wait_visible(tn_run *run, const char *path, char hex_out[TN_HEX_BYTES]) {
    char hex[TN_HEX_BYTES];
    return by_all(run, path, tn_hash_file, hex_out ? hex_out : hex);
}

tn_status tn_wait_visible_ends(tn_run *run, const char *path) {
    char hex[TN_HEX_BYTES];
    return by_all(run, path, hash_ends, hex);
}
