/* fs.c - paths, whole files, atomic publication. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tn_status tn_path(char out[TN_PATH_BYTES], const char *fmt, ...) {
    char text[TN_PATH_BYTES]; /* out may be one of the arguments */
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || n >= TN_PATH_BYTES)
        return tn_fail(TN_EARG, "a path is longer than %d bytes: %.200s...", TN_PATH_BYTES - 1, text);
    memcpy(out, text, (size_t)n + 1);
    return TN_OK;
}

tn_status tn_folder_make(const char *path) {
    char part[TN_PATH_BYTES];
    TN_TRY(tn_path(part, "%s", path));
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at) continue;
        char was = *at;
        *at = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST && errno != EISDIR)
            return tn_fail(TN_EIO, "%s: the folder cannot be made: %s", part, strerror(errno));
        *at = was;
        if (!was) break;
    }
    struct stat info;
    if (stat(path, &info) != 0) return tn_fail(TN_EIO, "%s: the folder cannot be looked at: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode)) return tn_fail(TN_EIO, "%s: is not a folder", path);
    if (access(path, W_OK | X_OK) != 0)
        return tn_fail(TN_EIO, "%s: the folder cannot be written to: %s", path, strerror(errno));
    return TN_OK;
}

static tn_status not_removed(const char *path) {
    return tn_fail(TN_EIO, "%s: cannot be removed: %s", path, strerror(errno));
}

/* Some file systems cannot sync a folder. */
static bool is_synced(int fd) {
    return fsync(fd) == 0 || errno == EINVAL;
}

/* Remove the file that marks a folder as complete, and fsync: a process that dies during the removal must not leave half a folder that
 * looks complete. */
static tn_status remove_markers(int fd, const char *path) {
    static const char *const MARKER[] = {"DONE", "COPIED"};
    bool any = false;
    for (size_t i = 0; i < sizeof MARKER / sizeof *MARKER; i++) {
        if (unlinkat(fd, MARKER[i], 0) == 0)
            any = true;
        else if (errno != ENOENT && errno != EISDIR)
            return tn_fail(TN_EIO, "%s/%s: cannot be removed: %s", path, MARKER[i], strerror(errno));
    }
    return !any || is_synced(fd) ? TN_OK : not_removed(path);
}

/* Remove everything in a folder. Closes fd. */
static tn_status empty_folder(int fd, const char *path) {
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return tn_fail_memory(sizeof(struct dirent), path);
    }
    tn_status st = remove_markers(fd, path);
    for (struct dirent *e; st == TN_OK && (e = readdir(d));) {
        char inside[TN_PATH_BYTES];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        st = tn_path(inside, "%s/%s", path, e->d_name);
        if (st == TN_OK && unlinkat(fd, e->d_name, 0) != 0 && errno != ENOENT)
            st = errno == EISDIR ? tn_folder_remove_at(fd, e->d_name, inside) : not_removed(inside);
    }
    closedir(d);
    return st;
}

/* A link is removed and never followed. Folders are opened without following links and emptied by their descriptors, so that a link
 * that replaces a folder meanwhile is not followed either. */
tn_status tn_folder_remove_at(int parent, const char *name, const char *path) {
    struct stat self;
    if (fstatat(parent, name, &self, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(self.st_mode))
        return unlinkat(parent, name, 0) == 0 ? TN_OK : not_removed(path);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? TN_OK : not_removed(path);
    TN_TRY(empty_folder(fd, path));
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? TN_OK : not_removed(path);
}

tn_status tn_folder_remove(const char *path) {
    return tn_folder_remove_at(AT_FDCWD, path, path);
}

void tn_folder_clean(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n > 4 && strcmp(e->d_name + n - 4, ".tmp") == 0) unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) closedir(d);
}

static bool is_absent(const char *path) {
    return access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* A network file system may cache that a file is absent; opening its folder makes it ask the server again. */
bool tn_file_exists(const char *path) {
    if (!is_absent(path)) return true;
    char folder[TN_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) : 0;
    if (n == 0 || n >= TN_PATH_BYTES) return false;
    snprintf(folder, sizeof folder, "%.*s", n, path);
    DIR *d = opendir(folder);
    if (!d) return errno != ENOENT && errno != ENOTDIR;
    closedir(d);
    return !is_absent(path);
}

static tn_status read_open(const char *path, FILE *f, char **text_out, size_t *n_bytes_out) {
    struct stat info;
    if (fstat(fileno(f), &info) != 0) return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return tn_fail(TN_EIO, "%s: is not a file that can be read: it is a folder", path);
    size_t room = (size_t)info.st_size + 1, n = 0;
    char *text = malloc(room);
    while (text) { /* the size of a pipe or a growing file is not known in advance */
        n += fread(text + n, 1, room - n, f);
        if (n < room) break;
        char *more = realloc(text, room *= 2);
        if (!more) free(text);
        text = more;
    }
    if (!text) return tn_fail_memory(room, path);
    if (ferror(f)) {
        free(text);
        return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    }
    text[n] = 0;
    *text_out = text;
    *n_bytes_out = n;
    return TN_OK;
}

tn_status tn_file_read(const char *path, char **text_out, size_t *n_bytes_out) {
    FILE *f = fopen(path, "rb");
    if (!f) return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    tn_status st = read_open(path, f, text_out, n_bytes_out);
    fclose(f);
    return st;
}

tn_status tn_file_copy(const char *from, const char *to) {
    char tmp[TN_PATH_BYTES], piece[1 << 16];
    TN_TRY(tn_publish_name(to, tmp));
    FILE *in = fopen(from, "rb");
    if (!in) return tn_fail(TN_EIO, "%s: cannot be read: %s", from, strerror(errno));
    FILE *out = tn_file_create(tmp);
    bool ok = out != NULL;
    for (size_t n; ok && (n = fread(piece, 1, sizeof piece, in)) > 0;) ok = fwrite(piece, 1, n, out) == n;
    tn_status st = ok ? TN_OK : tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(errno));
    if (st == TN_OK && ferror(in)) st = tn_fail(TN_EIO, "%s: cannot be read: %s", from, strerror(errno));
    if (out && fclose(out) != 0 && st == TN_OK) st = tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(errno));
    fclose(in);
    if (st == TN_OK) return tn_publish_end(to);
    tn_publish_drop(to);
    return st;
}

/* --- publication -------------------------------------------------------------------------------------------------- */

static tn_status (*guard)(void);

void tn_publish_guard(tn_status (*may_publish)(void)) {
    guard = may_publish;
}

static tn_status tmp_of(const char *path, char out[TN_PATH_BYTES]) {
    return tn_path(out, "%s.tmp", path);
}

tn_status tn_publish_name(const char *path, char tmp_out[TN_PATH_BYTES]) {
    TN_TRY((guard ? guard() : TN_OK));
    return tmp_of(path, tmp_out);
}

FILE *tn_file_create(const char *path) {
    unlink(path);
    return fopen(path, "wbxe"); /* x: O_EXCL, which fails at a link */
}

static tn_status sync_path(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) return tn_fail(TN_EIO, "%s: %s", path, strerror(errno));
    int failed = !is_synced(fd), cause = errno;
    if (close(fd) != 0 && !failed) {
        failed = 1;
        cause = errno;
    }
    return failed ? tn_fail(TN_EIO, "%s: cannot be written: %s", path, strerror(cause)) : TN_OK;
}

static tn_status sync_folder_of(const char *path) {
    char folder[TN_PATH_BYTES];
    TN_TRY(tn_path(folder, "%s", path));
    char *slash = strrchr(folder, '/');
    if (!slash) return sync_path(".", O_RDONLY | O_DIRECTORY);
    slash[slash == folder] = 0;
    return sync_path(folder, O_RDONLY | O_DIRECTORY);
}

tn_status tn_text_end(FILE *f, tn_status st, const char *what) {
    bool whole = f && !ferror(f);
    whole = f && fclose(f) == 0 && whole;
    return st != TN_OK || whole ? st : tn_fail_memory(4096, what);
}

tn_status tn_file_remove(const char *path) {
    if (unlink(path) == 0) return sync_folder_of(path);
    return errno == ENOENT || errno == ENOTDIR ? TN_OK : not_removed(path);
}

tn_status tn_publish_end(const char *path) {
    char tmp[TN_PATH_BYTES];
    TN_TRY(tn_publish_name(path, tmp));
    tn_status st = sync_path(tmp, O_RDONLY | O_NOFOLLOW);
    if (st == TN_OK && rename(tmp, path) != 0)
        st = tn_fail(TN_EIO, "%s: cannot be published: %s", path, strerror(errno));
    if (st == TN_OK) return sync_folder_of(path);
    tn_publish_drop(path);
    return st;
}

void tn_publish_drop(const char *path) {
    char tmp[TN_PATH_BYTES], why[TN_MSG_BYTES];
    memcpy(why, tn_msg, sizeof why);
    if ((guard ? guard() : TN_OK) == TN_OK && tmp_of(path, tmp) == TN_OK) unlink(tmp);
    memcpy(tn_msg, why, sizeof why);
}

static tn_status write_tmp(const char *tmp, const void *data, size_t n_bytes) {
    FILE *f = tn_file_create(tmp);
    bool ok = f && fwrite(data, 1, n_bytes, f) == n_bytes;
    int cause = errno;
    if (f && fclose(f) != 0 && ok) {
        ok = false;
        cause = errno;
    }
    return ok ? TN_OK : tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(cause));
}

tn_status tn_file_publish(const char *path, const void *data, size_t n_bytes) {
    char tmp[TN_PATH_BYTES];
    TN_TRY(tn_publish_name(path, tmp));
    tn_status st = write_tmp(tmp, data, n_bytes);
    if (st == TN_OK) return tn_publish_end(path);
    tn_publish_drop(path);
    return st;
}
