/* shard.c - shard files: each is written by one rank, and read by many threads with pread. */
#include "data/shard.h"

#include "base/hash.h"
#include "store/h5.h"
#include "store/visible.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SHARD_VERSION = 2 };

struct tn_shard_writer {
    char path[TN_PATH_BYTES];
    tn_shard_spec spec;
    int64_t n_added;
    unsigned char *payload;
    size_t n_bytes, room;
};

tn_status tn_shard_writer_open(const char *path, const tn_shard_spec *spec, tn_shard_writer **out) {
    tn_shard_writer *w = calloc(1, sizeof *w);
    if (!w) return tn_fail_memory(sizeof *w, path);
    w->spec = *spec;
    tn_status st = tn_path(w->path, "%s", path);
    if (st != TN_OK) tn_shard_writer_drop(&w);
    *out = w;
    return st;
}

tn_status tn_shard_writer_add(tn_shard_writer *w, const void *data, int32_t n_bytes, int64_t *offset_out) {
    TN_ASSERT(w->n_added < w->spec.n_rows && n_bytes >= 0);
    if (w->n_bytes + (size_t)n_bytes > w->room) {
        size_t room = w->room * 2 + (size_t)n_bytes + (1 << 20);
        unsigned char *more = realloc(w->payload, room);
        if (!more) return tn_fail_memory(room, "a shard: lower preprocess.shard_rows");
        w->payload = more;
        w->room = room;
    }
    if (n_bytes) memcpy(w->payload + w->n_bytes, data, (size_t)n_bytes);
    w->n_added++;
    *offset_out = (int64_t)w->n_bytes;
    w->n_bytes += (size_t)n_bytes;
    return TN_OK;
}

static tn_status write_file(const tn_shard_writer *w, const tn_index *ix, const char *const *reason, tn_h5 *f) {
    TN_TRY(tn_h5_stamp(f, "shard", SHARD_VERSION));
    TN_TRY(tn_h5_set_int(f, "first_row", w->spec.first_row));
    TN_TRY(tn_h5_set_int(f, "size_px", w->spec.size_px));
    TN_TRY(tn_h5_set_text(f, "store", w->spec.store));
    TN_TRY(tn_h5_set_text(f, "made_from", w->spec.made_from));
    TN_TRY(tn_index_write_found(ix, w->spec.first_row, w->spec.n_rows, f));
    TN_TRY(tn_h5_write_strings(f, "reason", w->spec.n_rows, reason));
    return tn_h5_write(f, "payload", TN_H5_U8, 1, (int64_t[]){(int64_t)w->n_bytes}, w->payload);
}

tn_status tn_shard_writer_close(tn_shard_writer **at, const tn_index *ix, const char *const *reason) {
    tn_shard_writer *w = *at;
    TN_ASSERT(w->n_added == w->spec.n_rows);
    char tmp[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    tn_status st = tn_publish_name(w->path, tmp);
    if (st == TN_OK) st = tn_h5_create(tmp, &f);
    if (st == TN_OK) {
        st = write_file(w, ix, reason, f);
        tn_status closed = tn_h5_close(&f);
        if (st == TN_OK) st = closed;
        if (st == TN_OK)
            st = tn_publish_end(w->path);
        else
            tn_publish_drop(w->path);
    }
    tn_shard_writer_drop(at);
    return st;
}

void tn_shard_writer_drop(tn_shard_writer **at) {
    tn_shard_writer *w = *at;
    if (!w) return;
    free(w->payload);
    free(w);
    *at = NULL;
}

/* --- shards of an interrupted preprocess -------------------------------------------------------------------------- */

static bool made_from_is(tn_h5 *f, const char *wanted) {
    char *text = NULL;
    bool same = tn_h5_get_text(f, "made_from", &text) == TN_OK && strcmp(text, wanted) == 0;
    free(text);
    return same;
}

/* Are the rows' bytes contiguous in payload (n_bytes), with correct checksums? */
static bool bytes_are_whole(const tn_shard_spec *spec, const tn_index *ix, const unsigned char *payload,
                            int64_t n_bytes) {
    int64_t at = 0;
    for (int64_t row = spec->first_row; row < spec->first_row + spec->n_rows; row++) {
        int32_t n = ix->length[row];
        if (ix->offset[row] != at || n < 0 || n > n_bytes - at) return false;
        if (ix->state[row] == 0 && tn_hash64(payload + at, (size_t)n) != ix->checksum[row]) return false;
        at += n;
    }
    return at == n_bytes;
}

static void recall(tn_h5 *f, const char *path, const tn_shard_spec *spec, tn_index *ix, char ***reason_out) {
    int64_t first = -1, n = 0, n_bytes = 0;
    unsigned char *payload = NULL;
    char **reason = NULL;
    bool ok = tn_h5_check_stamp(f, path, "shard", SHARD_VERSION) == TN_OK && made_from_is(f, spec->made_from) &&
              tn_h5_get_int(f, "first_row", &first) == TN_OK && first == spec->first_row &&
              tn_h5_shape(f, "length", 1, &n) == TN_OK && n == spec->n_rows &&
              tn_index_read_found(ix, first, n, f) == TN_OK && tn_h5_read_strings(f, "reason", &n, &reason) == TN_OK &&
              n == spec->n_rows && tn_h5_read_new(f, "payload", TN_H5_U8, &n_bytes, (void *)&payload) == TN_OK &&
              bytes_are_whole(spec, ix, payload, n_bytes);
    free(payload);
    if (ok) {
        *reason_out = reason;
    } else {
        tn_index_clear_found(ix, spec->first_row, spec->n_rows);
        free(reason);
    }
}

tn_status tn_shard_recall(const char *path, const tn_shard_spec *spec, tn_index *ix, char ***reason_out) {
    tn_h5 *f = NULL;
    *reason_out = NULL;
    if (!tn_file_exists(path) || tn_h5_open(path, &f) != TN_OK) return TN_OK;
    recall(f, path, spec, ix, reason_out);
    return tn_h5_close(&f);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct tn_shards {
    const tn_index *index;
    int n;
    atomic_int *fd; /* (n); -1: not opened yet */
    int64_t *start; /* (n) offset of the payload in the file */
    int raw, size_px;
};

static tn_status path_of(const tn_shards *s, int i, char out[TN_PATH_BYTES]) {
    return tn_path(out, "%s/shard-%05d.h5", s->index->shards_dir, i);
}

/* Add to tn_msg what to do about a bad shard. A single shard cannot be remade, because preprocess accepts a folder that is done; a
 * folder that is made again has the same bytes. */
static tn_status spoilt(const tn_shards *s, const char *path, tn_status st) {
    char why[TN_MSG_BYTES], remedy[TN_PATH_BYTES + 64];
    snprintf(why, sizeof why, "%s", tn_msg);
    snprintf(remedy, sizeof remedy, "delete the folder %s and run `tenfold preprocess` again", s->index->shards_dir);
    if (st == TN_EFORMAT) return tn_fail(st, "%s: %s", why, remedy);
    if (st != TN_EIO) return st;
    TN_TRY(tn_h5_check_closed(path, remedy));
    return tn_file_exists(path) ? tn_fail(st, "%s", why) : tn_fail(st, "%s; if it was deleted, %s", why, remedy);
}

static tn_status look_into(tn_shards *s, int i) {
    char path[TN_PATH_BYTES], *store = NULL;
    tn_h5 *f = NULL;
    TN_TRY(path_of(s, i, path));
    tn_status found = tn_wait_visible_here(path); /* by the index the file exists */
    if (found == TN_OK) found = tn_h5_open(path, &f);
    if (found != TN_OK) return spoilt(s, path, found);
    tn_status st = tn_h5_check_stamp(f, path, "shard", SHARD_VERSION);
    if (st == TN_OK) st = tn_h5_offset(f, "payload", &s->start[i]);
    int64_t size_px = 0;
    if (st == TN_OK) st = tn_h5_get_int(f, "size_px", &size_px);
    if (st == TN_OK) st = tn_h5_get_text(f, "store", &store);
    tn_h5_close(&f);
    if (st != TN_OK) return st;
    s->raw = strcmp(store, "raw") == 0;
    s->size_px = (int)size_px;
    free(store);
    return TN_OK;
}

/* Raise the limit of open files, which is often 1024, as far as allowed: each shard needs a descriptor. */
static tn_status allow_files(int n_shards) {
    enum { OTHERS = 64 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return TN_OK;
    rlim_t wanted = (rlim_t)n_shards + OTHERS;
    if (files.rlim_cur >= wanted) return TN_OK;
    if (files.rlim_max < wanted)
        return tn_fail(TN_EARG,
                       "%d shards are more than the %llu files that a process may open here: raise the limit (ulimit "
                       "-Hn), or preprocess.shard_rows",
                       n_shards, (unsigned long long)files.rlim_max);
    files.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &files);
    return TN_OK;
}

static tn_status make(const tn_index *ix, tn_shards **out) {
    tn_shards *s = calloc(1, sizeof *s);
    if (!s) return tn_fail_memory(sizeof *s, "the shards");
    *out = s;
    s->index = ix;
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->shard[i] >= s->n) s->n = ix->shard[i] + 1;
    s->fd = malloc((size_t)s->n * sizeof *s->fd + 1);
    s->start = calloc((size_t)s->n + 1, sizeof *s->start);
    if (!s->fd || !s->start) return tn_fail_memory((size_t)s->n * 12, "the shards");
    for (int i = 0; i < s->n; i++) atomic_init(&s->fd[i], -1);
    return allow_files(s->n);
}

tn_status tn_shards_open(tn_run *run, const tn_index *ix, tn_shards **out) {
    tn_shards *s = NULL;
    tn_status st = make(ix, &s);
    for (int i = 0; st == TN_OK && (!run || run->rank == 0) && i < s->n; i++) st = look_into(s, i);
    if (run) st = tn_agree(run, st);
    if (run && st == TN_OK) {
        tn_bcast(run, 0, &s->raw, sizeof s->raw);
        tn_bcast(run, 0, &s->size_px, sizeof s->size_px);
        tn_bcast(run, 0, s->start, (size_t)s->n * sizeof *s->start);
    }
    if (st == TN_OK)
        *out = s;
    else
        tn_shards_close(&s);
    return st;
}

void tn_shards_close(tn_shards **at) {
    tn_shards *s = *at;
    if (!s) return;
    for (int i = 0; s->fd && s->start && i < s->n; i++)
        if (atomic_load(&s->fd[i]) >= 0) close(atomic_load(&s->fd[i]));
    free(s->fd);
    free(s->start);
    free(s);
    *at = NULL;
}

bool tn_shards_raw(const tn_shards *s) {
    return s->raw != 0;
}

int tn_shards_size_px(const tn_shards *s) {
    return s->size_px;
}

static tn_status read_at(int fd, void *buf, size_t n, int64_t at) {
    char *to = buf;
    while (n > 0) {
        ssize_t got = pread(fd, to, n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return tn_fail(TN_EIO, "%s", strerror(errno));
        if (got == 0) return tn_fail(TN_EFORMAT, "the file is shorter than its index says");
        to += got;
        at += got;
        n -= (size_t)got;
    }
    return TN_OK;
}

/* The file descriptor of shard i; the first thread that needs it opens it. */
static tn_status descriptor_of(const tn_shards *s, int i, int *fd_out) {
    char path[TN_PATH_BYTES];
    int none = -1;
    *fd_out = atomic_load(&s->fd[i]);
    if (*fd_out >= 0) return TN_OK;
    TN_TRY(path_of(s, i, path));
    TN_TRY(tn_wait_visible_here(path)); /* rank 0 has found the file */
    *fd_out = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd_out < 0) return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    if (atomic_compare_exchange_strong(&s->fd[i], &none, *fd_out)) return TN_OK;
    close(*fd_out);
    *fd_out = none;
    return TN_OK;
}

tn_status tn_shards_read(const tn_shards *s, int64_t id, unsigned char **buf, size_t *capacity, int32_t *n_bytes_out) {
    const tn_index *ix = s->index;
    TN_ASSERT(id >= 0 && id < ix->n && ix->state[id] == 0);
    size_t n = (size_t)ix->length[id];
    if (n > *capacity) {
        unsigned char *more = realloc(*buf, n);
        if (!more) return tn_fail_memory(n, "an image");
        *buf = more;
        *capacity = n;
    }
    int fd = -1;
    TN_TRY(descriptor_of(s, ix->shard[id], &fd));
    tn_status st = read_at(fd, *buf, n, s->start[ix->shard[id]] + ix->offset[id]);
    if (st == TN_OK && tn_hash64(*buf, n) != ix->checksum[id]) st = tn_fail(TN_EFORMAT, "its checksum is wrong");
    if (st == TN_EIO)
        return tn_fail(st, "row %lld (%s) in %s/shard-%05d.h5 cannot be read: %s: run the same command again",
                       (long long)id, ix->path[id], ix->shards_dir, ix->shard[id], tn_msg);
    if (st != TN_OK)
        return tn_fail(st, "row %lld (%s) in %s/shard-%05d.h5 is damaged: %s: delete the folder and preprocess again",
                       (long long)id, ix->path[id], ix->shards_dir, ix->shard[id], tn_msg);
    *n_bytes_out = (int32_t)n;
    return TN_OK;
}
