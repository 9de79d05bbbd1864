/* staging.c - copy, share, remove. */
#include "data/staging.h"

#include "base/hash.h"
#include "base/progress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* A copier that lives is waited for; this long is a disk that hangs. */
static const double WAIT_S = 1800, LOOK_EVERY_S = 0.2;
enum { COPY_BYTES = 1 << 20, SPARE_BYTES = 16 << 20 };

struct tn_staging {
    tn_run node;
    char folder[TN_PATH_BYTES], lock_path[TN_PATH_BYTES], marker[TN_PATH_BYTES];
    int lock; /* of the first rank of the node; else < 0 */
};

/* --- locks -------------------------------------------------------------------------------------------------------- */

enum { HELD = -1, NO_FILE = -2 };

/* The lock file may be removed between open and flock: then it is another file's lock. HELD by another, NO_FILE: it
 * cannot be made. */
static int lock_now(const char *path, int how) {
    for (;;) {
        struct stat mine, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return NO_FILE;
        bool locked = flock(fd, how | LOCK_NB) == 0;
        if (locked && fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino) return fd;
        close(fd);
        if (!locked) return HELD;
    }
}

/* What jobs left that were killed: nobody holds their locks. */
static void remove_leftovers(const char *stage_folder, const char *but) {
    DIR *d = opendir(stage_folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[TN_PATH_BYTES], copy[TN_PATH_BYTES];
        size_t n = strlen(e->d_name);
        if (strncmp(e->d_name, "tenfold-", 8) != 0 || n < 14 || strcmp(e->d_name + n - 5, ".lock") != 0) continue;
        if (tn_path(path, "%s/%s", stage_folder, e->d_name) != TN_OK || strcmp(path, but) == 0) continue;
        int lock = lock_now(path, LOCK_EX);
        if (lock < 0) continue;
        if (tn_path(copy, "%.*s", (int)(strlen(path) - 5), path) == TN_OK && tn_folder_remove(copy) == TN_OK) {
            unlink(path);
            tn_say("%s: a killed job's copy of shards is removed", copy);
        }
        close(lock);
    }
    if (d) closedir(d);
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

static tn_status copy_bytes(int in, int out, const char *from, const char *to, char hex_out[TN_HEX_BYTES]) {
    char *block = malloc(COPY_BYTES);
    if (!block) return tn_fail_memory(COPY_BYTES, "copying shards");
    tn_hash *hash = tn_hash_new();
    tn_status st = TN_OK;
    ssize_t n;
    while (st == TN_OK && (n = read(in, block, COPY_BYTES)) != 0) {
        if (n < 0) st = tn_fail(TN_EIO, "%s: cannot be read: %s", from, strerror(errno));
        for (ssize_t done = 0, w; st == TN_OK && done < n; done += w)
            if ((w = write(out, block + done, (size_t)(n - done))) < 0)
                st = tn_fail(TN_EIO, "%s: cannot be written: %s", to, strerror(errno));
        if (st == TN_OK) tn_hash_add(hash, block, (size_t)n);
        if (st == TN_OK && tn_stop_wanted()) st = tn_fail(TN_EUNFINISHED, "stopped on request while staging shards");
    }
    tn_hash_hex(hash, hex_out);
    tn_hash_free(&hash);
    free(block);
    return st;
}

static tn_status copy_file(const char *from, const char *to) {
    char read_hex[TN_HEX_BYTES], copy_hex[TN_HEX_BYTES];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    tn_status st = in < 0    ? tn_fail(TN_EIO, "%s: cannot be read: %s", from, strerror(errno))
                   : out < 0 ? tn_fail(TN_EIO, "%s: cannot be written: %s", to, strerror(errno))
                             : copy_bytes(in, out, from, to, read_hex);
    if (st == TN_OK && fsync(out) != 0) st = tn_fail(TN_EIO, "%s: cannot be written: %s", to, strerror(errno));
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (st == TN_OK) st = tn_hash_file(to, copy_hex);
    if (st == TN_OK && strcmp(read_hex, copy_hex) != 0)
        st = tn_fail(TN_EIO, "%s: the copy has other bytes than %s", to, from);
    return st;
}

static tn_status shard_path(const char *folder, int i, char out[TN_PATH_BYTES]) {
    return tn_path(out, "%s/shard-%05d.h5", folder, i);
}

static tn_status check_room(const char *folder, const char *shards, int n_shards, int64_t *n_bytes_out) {
    struct statvfs disk;
    struct stat info;
    char path[TN_PATH_BYTES];
    int64_t n_bytes = 0;
    for (int i = 0; i < n_shards; i++) {
        TN_TRY(shard_path(shards, i, path));
        if (stat(path, &info) != 0) return tn_fail(TN_EIO, "%s: %s", path, strerror(errno));
        n_bytes += info.st_size;
    }
    *n_bytes_out = n_bytes;
    if (statvfs(folder, &disk) != 0) return tn_fail(TN_EIO, "%s: %s", folder, strerror(errno));
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (room >= n_bytes + SPARE_BYTES) return TN_OK;
    return tn_fail(TN_EIO, "%s has room for %" PRId64 " MiB, the shards are %" PRId64 " MiB", folder, room >> 20,
                   (n_bytes >> 20) + 1);
}

/* Under the exclusive lock. */
static tn_status copy_all(const tn_staging *s, const char *shards, int n_shards) {
    char from[TN_PATH_BYTES], to[TN_PATH_BYTES];
    int64_t n_bytes = 0;
    double begin = tn_now_s();
    TN_TRY(tn_folder_remove(s->folder));
    TN_TRY(tn_folder_make(s->folder));
    TN_TRY(check_room(s->folder, shards, n_shards, &n_bytes));
    for (int i = 0; i < n_shards; i++) {
        TN_TRY(shard_path(shards, i, from));
        TN_TRY(shard_path(s->folder, i, to));
        TN_TRY(copy_file(from, to));
    }
    TN_TRY(tn_file_publish(s->marker, "", 0));
    tn_say("%s: %d shards staged, %.1f MiB in %.1f s", s->folder, n_shards, (double)n_bytes / 1048576.0,
           tn_now_s() - begin);
    return TN_OK;
}

/* --- one node ----------------------------------------------------------------------------------------------------- */

static int count_shards(const tn_index *ix) {
    int n = 0;
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->shard[i] >= n) n = ix->shard[i] + 1;
    return n;
}

static tn_status copy_under_lock(tn_staging *s, const tn_index *ix) {
    tn_status st = copy_all(s, ix->shards_dir, count_shards(ix));
    if (st == TN_OK) return TN_OK;
    char why[TN_MSG_BYTES];
    memcpy(why, tn_msg, sizeof why);
    tn_folder_remove(s->folder);
    unlink(s->lock_path);
    return tn_fail(st, "%s", why);
}

/* Ends with the shared lock on a whole copy. Whoever gets the exclusive one is alone and copies. */
static tn_status copy_or_share(tn_staging *s, const tn_index *ix) {
    bool said = false;
    for (double begin = tn_now_s(); tn_now_s() - begin < WAIT_S;) {
        int lock = lock_now(s->lock_path, LOCK_EX);
        if (lock == NO_FILE) return tn_fail(TN_EIO, "%s: cannot be made: %s", s->lock_path, strerror(errno));
        if (lock >= 0) {
            tn_status st = copy_under_lock(s, ix);
            close(lock);
            if (st != TN_OK) return st;
        }
        s->lock = lock_now(s->lock_path, LOCK_SH);
        if (s->lock >= 0 && tn_file_exists(s->marker)) return TN_OK;
        if (s->lock >= 0) close(s->lock);
        s->lock = HELD;
        if (tn_stop_wanted()) return tn_fail(TN_EUNFINISHED, "stopped on request while another job stages the shards");
        if (!said) tn_say("%s: waiting for the job that copies", s->folder);
        said = true;
        nanosleep(&(struct timespec){.tv_nsec = (long)(LOOK_EVERY_S * 1e9)}, NULL);
    }
    return tn_fail(TN_EIO, "%s: another job has been copying for %.0f minutes", s->folder, WAIT_S / 60);
}

static tn_status stage_here(tn_staging *s, const char *stage_folder, const tn_index *ix) {
    TN_TRY(tn_folder_make(stage_folder));
    remove_leftovers(stage_folder, s->lock_path);
    return copy_or_share(s, ix);
}

static tn_status name_paths(tn_staging *s, const char *stage_folder, const tn_index *ix) {
    TN_TRY(tn_path(s->folder, "%s/tenfold-%s", stage_folder, ix->digest));
    TN_TRY(tn_path(s->lock_path, "%s.lock", s->folder));
    return tn_path(s->marker, "%s/COPIED", s->folder);
}

tn_status tn_staging_begin(tn_run *run, const char *folder, tn_index *ix, tn_staging **out) {
    *out = NULL;
    if (!*folder) return TN_OK;
    tn_staging *s = calloc(1, sizeof *s);
    TN_TRY(tn_agree(run, s ? name_paths(s, folder, ix) : tn_fail_memory(sizeof *s, "staging")));
    s->lock = HELD;
    MPI_Comm_split_type(run->comm, MPI_COMM_TYPE_SHARED, run->rank, MPI_INFO_NULL, &s->node.comm);
    MPI_Comm_rank(s->node.comm, &s->node.rank);
    MPI_Comm_size(s->node.comm, &s->node.n_ranks);
    tn_status st = s->node.rank == 0 ? stage_here(s, folder, ix) : TN_OK;
    if (st != TN_OK && st != TN_EUNFINISHED) {
        char host[256] = "?";
        gethostname(host, sizeof host - 1);
        tn_warn("on %s the shared shards are used, not data.stage_folder: %s", host, tn_msg);
    }
    int verdict = (int)st;
    MPI_Bcast(&verdict, 1, MPI_INT, 0, s->node.comm);
    *out = s;
    if (verdict == TN_OK) st = tn_path(ix->shards_dir, "%s", s->folder);
    return tn_agree(run, st == TN_EUNFINISHED || verdict == TN_OK ? st : TN_OK);
}

void tn_staging_end(tn_run *run, tn_staging **at) {
    tn_staging *s = *at;
    (void)run; /* says that it is collective: all ranks of the node have closed their shards */
    if (!s) return;
    MPI_Barrier(s->node.comm);
    if (s->lock >= 0) {
        close(s->lock);
        int lock = lock_now(s->lock_path, LOCK_EX); /* nobody else uses it */
        if (lock >= 0) {
            tn_folder_remove(s->folder);
            unlink(s->lock_path);
            close(lock);
        }
    }
    tn_run_leave(&s->node);
    free(s);
    *at = NULL;
}
