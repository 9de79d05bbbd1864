/* staging.c - copies shards, shares copies, removes them. */
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

/* How long to wait for another job that copies; after this time its disk is assumed to hang. */
static const double WAIT_S = 1800, LOOK_EVERY_S = 0.2;
enum { COPY_BYTES = 1 << 20, SPARE_BYTES = 16 << 20, NAME_BYTES = TN_HEX_BYTES + 8 };

struct tn_staging {
    tn_run node;
    char own[TN_PATH_BYTES], folder[TN_PATH_BYTES]; /* FOLDER/tenfold-UID, and the copy in it */
    char name[NAME_BYTES], lock_name[NAME_BYTES];   /* of the copy, of its lock, in own */
    int own_fd, lock;                               /* on the first rank of the node; elsewhere < 0 */
};

/* --- locks -------------------------------------------------------------------------------------------------------- */

enum { HELD = -1, NO_FILE = -2 };

/* Is the open file still the one with this name (it was not removed meanwhile)? */
static bool is_there(int fd, int folder, const char *name) {
    struct stat mine, there;
    return fstat(fd, &mine) == 0 && fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

/* Take the lock. The lock file may be removed between open and flock; then try again. Returns HELD: another process has it; NO_FILE: the
 * file cannot be made. */
static int lock_now(int folder, const char *name, int how) {
    for (;;) {
        int fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) return NO_FILE;
        bool locked = flock(fd, how | LOCK_NB) == 0;
        if (locked && is_there(fd, folder, name)) return fd;
        close(fd);
        if (!locked) return HELD;
    }
}

/* --- a folder of our own ------------------------------------------------------------------------------------------ */

/* Other users must not be able to replace our folder or its files, because this process opens them with HDF5. */
static tn_status check_shared(int fd, const char *folder) {
    struct stat info;
    if (fstat(fd, &info) != 0) return tn_fail(TN_EIO, "%s: %s", folder, strerror(errno));
    if (!(info.st_mode & S_IWOTH) || (info.st_mode & S_ISVTX)) return TN_OK;
    return tn_fail(
        TN_EIO,
        "%s: other users may replace files in this folder: set its sticky bit (chmod +t), or give a folder of "
        "your own",
        folder);
}

/* Other users must not even be able to open our folder, because they could lock it for ever. */
static tn_status check_own(int fd, const char *own) {
    struct stat info;
    if (fstat(fd, &info) != 0) return tn_fail(TN_EIO, "%s: %s", own, strerror(errno));
    if (info.st_uid != geteuid())
        return tn_fail(TN_EIO, "%s: belongs to user %lld and is not used: remove it, or give another folder", own,
                       (long long)info.st_uid);
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return tn_fail(TN_EIO, "%s: other users may enter it: chmod 700, or remove it", own);
    return TN_OK;
}

static int open_folder(int parent, const char *name) {
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Open our folder with a shared lock. Its last user removes it; if that happens between open and flock, try again. */
static tn_status open_own(const char *own, int parent, int *out) {
    const char *name = strrchr(own, '/') + 1;
    for (;;) {
        if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
            return tn_fail(TN_EIO, "%s: cannot be made: %s", own, strerror(errno));
        int fd = open_folder(parent, name);
        if (fd < 0 && errno == ENOENT) continue;
        if (fd < 0) return tn_fail(TN_EIO, "%s: is not a folder of tenfold and is not used: %s", own, strerror(errno));
        tn_status st = check_own(fd, own);
        if (st == TN_OK && flock(fd, LOCK_SH) != 0)
            st = tn_fail(TN_EIO, "%s: cannot be locked: %s", own, strerror(errno));
        if (st == TN_OK && is_there(fd, parent, name)) {
            *out = fd;
            return TN_OK;
        }
        close(fd);
        TN_TRY(st);
    }
}

static tn_status enter(tn_staging *s, const char *folder) {
    TN_TRY(tn_folder_make(folder));
    int parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) return tn_fail(TN_EIO, "%s: cannot be opened: %s", folder, strerror(errno));
    tn_status st = check_shared(parent, folder);
    if (st == TN_OK) st = open_own(s->own, parent, &s->own_fd);
    close(parent);
    return st;
}

static void leave(tn_staging *s) {
    if (s->own_fd < 0) return;
    flock(s->own_fd, LOCK_UN);
    if (flock(s->own_fd, LOCK_EX | LOCK_NB) == 0) rmdir(s->own); /* fails if it is not empty */
    close(s->own_fd);
}

/* Remove the copies of killed jobs: no process holds their locks. */
static void remove_leftovers(const tn_staging *s) {
    int fd = open_folder(s->own_fd, ".");
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        char name[NAME_BYTES], copy[TN_PATH_BYTES];
        int n = (int)strlen(e->d_name) - 5;
        if (n < 1 || n >= NAME_BYTES || strcmp(e->d_name + n, ".lock") != 0 || strcmp(e->d_name, s->lock_name) == 0)
            continue;
        snprintf(name, sizeof name, "%.*s", n, e->d_name);
        int lock = lock_now(s->own_fd, e->d_name, LOCK_EX);
        if (lock < 0) continue;
        if (tn_path(copy, "%s/%s", s->own, name) == TN_OK && tn_folder_remove_at(s->own_fd, name, copy) == TN_OK) {
            unlinkat(s->own_fd, e->d_name, 0);
            tn_say("%s: removed the copy of shards of a killed job", copy);
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
        if (st == TN_OK && tn_stop_wanted()) st = tn_fail(TN_EUNFINISHED, "stopped on request while copying shards");
    }
    tn_hash_hex(hash, hex_out);
    tn_hash_free(&hash);
    free(block);
    return st;
}

static void shard_name(int i, char out[24]) {
    snprintf(out, 24, "shard-%05d.h5", i);
}

/* folder: descriptor of the copy at s->folder. */
static tn_status copy_file(const tn_staging *s, const char *shards, int folder, int i) {
    char read_hex[TN_HEX_BYTES], copy_hex[TN_HEX_BYTES], from[TN_PATH_BYTES], to[TN_PATH_BYTES], name[24];
    shard_name(i, name);
    TN_TRY(tn_path(from, "%s/%s", shards, name));
    TN_TRY(tn_path(to, "%s/%s", s->folder, name));
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
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

static tn_status check_room(const tn_staging *s, const char *shards, int n_shards, int64_t *n_bytes_out) {
    struct statvfs disk;
    struct stat info;
    char path[TN_PATH_BYTES], name[24];
    int64_t n_bytes = 0;
    for (int i = 0; i < n_shards; i++) {
        shard_name(i, name);
        TN_TRY(tn_path(path, "%s/%s", shards, name));
        if (stat(path, &info) != 0) return tn_fail(TN_EIO, "%s: %s", path, strerror(errno));
        n_bytes += info.st_size;
    }
    *n_bytes_out = n_bytes;
    if (fstatvfs(s->own_fd, &disk) != 0) return tn_fail(TN_EIO, "%s: %s", s->own, strerror(errno));
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (room >= n_bytes + SPARE_BYTES) return TN_OK;
    return tn_fail(TN_EIO, "%s has room for %" PRId64 " MiB, the shards are %" PRId64 " MiB", s->own, room >> 20,
                   (n_bytes >> 20) + 1);
}

/* Copy all shards; COPIED is made last. */
static tn_status copy_into(const tn_staging *s, const char *shards, int folder, int n_shards) {
    for (int i = 0; i < n_shards; i++) TN_TRY(copy_file(s, shards, folder, i));
    int marker = openat(folder, "COPIED", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (marker < 0) return tn_fail(TN_EIO, "%s/COPIED: cannot be made: %s", s->folder, strerror(errno));
    close(marker);
    return TN_OK;
}

/* Called with the exclusive lock. */
static tn_status copy_all(const tn_staging *s, const char *shards, int n_shards) {
    int64_t n_bytes = 0;
    double begin = tn_now_s();
    TN_TRY(tn_folder_remove_at(s->own_fd, s->name, s->folder));
    TN_TRY(check_room(s, shards, n_shards, &n_bytes));
    if (mkdirat(s->own_fd, s->name, 0700) != 0)
        return tn_fail(TN_EIO, "%s: cannot be made: %s", s->folder, strerror(errno));
    int folder = open_folder(s->own_fd, s->name);
    if (folder < 0) return tn_fail(TN_EIO, "%s: cannot be opened: %s", s->folder, strerror(errno));
    tn_status st = copy_into(s, shards, folder, n_shards);
    close(folder);
    if (st == TN_OK)
        tn_say("%s: copied %d shards, %.1f MiB in %.1f s", s->folder, n_shards, (double)n_bytes / 1048576.0,
               tn_now_s() - begin);
    return st;
}

/* --- one node ----------------------------------------------------------------------------------------------------- */

static int count_shards(const tn_index *ix) {
    int n = 0;
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->shard[i] >= n) n = ix->shard[i] + 1;
    return n;
}

/* Called with the exclusive lock. */
static void remove_copy(const tn_staging *s) {
    tn_folder_remove_at(s->own_fd, s->name, s->folder);
    unlinkat(s->own_fd, s->lock_name, 0);
}

static bool is_copied(const tn_staging *s) {
    char marker[NAME_BYTES + 8];
    snprintf(marker, sizeof marker, "%s/COPIED", s->name);
    return faccessat(s->own_fd, marker, F_OK, 0) == 0;
}

static tn_status copy_under_lock(tn_staging *s, const tn_index *ix) {
    tn_status st = copy_all(s, ix->shards_dir, count_shards(ix));
    if (st == TN_OK) return TN_OK;
    char why[TN_MSG_BYTES];
    memcpy(why, tn_msg, sizeof why);
    remove_copy(s);
    return tn_fail(st, "%s", why);
}

/* Get a complete copy and a shared lock on it. A process that gets the exclusive lock is the only one and copies. */
static tn_status copy_or_share(tn_staging *s, const tn_index *ix) {
    bool output = false;
    for (double begin = tn_now_s(); tn_now_s() - begin < WAIT_S;) {
        int lock = lock_now(s->own_fd, s->lock_name, LOCK_EX);
        if (lock == NO_FILE) return tn_fail(TN_EIO, "%s.lock: cannot be made: %s", s->folder, strerror(errno));
        if (lock >= 0) {
            tn_status st = copy_under_lock(s, ix);
            close(lock);
            if (st != TN_OK) return st;
        }
        s->lock = lock_now(s->own_fd, s->lock_name, LOCK_SH);
        if (s->lock >= 0 && is_copied(s)) return TN_OK;
        if (s->lock >= 0) close(s->lock);
        s->lock = HELD;
        if (tn_stop_wanted()) return tn_fail(TN_EUNFINISHED, "stopped on request while another job copies the shards");
        if (!output) tn_say("%s: waiting for another job that copies the shards", s->folder);
        output = true;
        nanosleep(&(struct timespec){.tv_nsec = (long)(LOOK_EVERY_S * 1e9)}, NULL);
    }
    return tn_fail(TN_EIO, "%s: another job has been copying for %.0f minutes", s->folder, WAIT_S / 60);
}

static tn_status stage_here(tn_staging *s, const char *stage_folder, const tn_index *ix) {
    TN_TRY(enter(s, stage_folder));
    remove_leftovers(s);
    return copy_or_share(s, ix);
}

static tn_status name_paths(tn_staging *s, const char *stage_folder, const tn_index *ix) {
    snprintf(s->name, sizeof s->name, "%s", ix->digest);
    snprintf(s->lock_name, sizeof s->lock_name, "%s.lock", ix->digest);
    TN_TRY(tn_path(s->own, "%s/tenfold-%lld", stage_folder, (long long)geteuid()));
    return tn_path(s->folder, "%s/%s", s->own, s->name);
}

tn_status tn_staging_begin(tn_run *run, const char *folder, tn_index *ix, tn_staging **out) {
    *out = NULL;
    if (!*folder) return TN_OK;
    tn_staging *s = calloc(1, sizeof *s);
    TN_TRY(tn_agree(run, s ? name_paths(s, folder, ix) : tn_fail_memory(sizeof *s, "staging")));
    s->lock = s->own_fd = HELD;
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
    (void)run; /* collective: all ranks of the node have closed their shards */
    if (!s) return;
    MPI_Barrier(s->node.comm);
    if (s->lock >= 0) {
        close(s->lock);
        int lock = lock_now(s->own_fd, s->lock_name, LOCK_EX); /* no other job uses the copy */
        if (lock >= 0) {
            remove_copy(s);
            close(lock);
        }
    }
    leave(s);
    tn_run_leave(&s->node);
    free(s);
    *at = NULL;
}
