/* ckpt.c - reading and writing the safetensors container. */
#include "learn/ckpt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEADER_MOST_BYTES = 100 * 1000 * 1000 }; /* the limit of the safetensors library */

struct tn_ckpt {
    json_t *meta; /* object of strings, NULL when the file has none */
    float *data;
    int n;
    tn_ckpt_entry *entry; /* (n) in ascending order of name */
};

static int64_t entry_count(const tn_ckpt_entry *e) {
    int64_t n = 1;
    for (int d = 0; d < e->n_dims; d++) n *= e->dim[d];
    return n;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static json_t *header_of(int n, const tn_ckpt_entry *entry, json_t *meta) {
    json_t *header = json_object();
    json_object_set(header, "__metadata__", meta);
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        int64_t end = at + entry_count(&entry[i]) * (int64_t)sizeof(float);
        json_t *shape = json_array();
        for (int d = 0; d < entry[i].n_dims; d++) json_array_append_new(shape, json_integer(entry[i].dim[d]));
        json_object_set_new(header, entry[i].name,
                            json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets",
                                      (json_int_t)at, (json_int_t)end));
        at = end;
    }
    return header;
}

/* The hash of everything in a header but itself: `xxh3` says that the data are whole, `xxh3_header` that names, shapes
 * and words (the clock of a run) are. NULL: no memory. */
static json_t *header_hash(json_t *header) {
    json_t *rest = json_copy(header), *words = json_copy(json_object_get(header, "__metadata__"));
    char *text = NULL, hex[TN_HEX_BYTES];
    json_object_del(words, "xxh3_header");
    if (rest && words && json_object_set(rest, "__metadata__", words) == 0)
        text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(words);
    json_decref(rest);
    if (!text) return NULL;
    tn_hash_once(text, strlen(text), hex);
    free(text);
    return json_string(hex);
}

/* The header padded with spaces to a multiple of 8 bytes, as the specification asks. Caller frees. */
static char *header_text(int n, const tn_ckpt_entry *entry, json_t *meta, uint64_t *n_bytes_out) {
    json_t *header = header_of(n, entry, meta);
    json_object_set_new(meta, "xxh3_header", header_hash(header));
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!text) return NULL;
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    char *out = malloc(padded + 1);
    if (out) {
        memset(out, ' ', padded);
        memcpy(out, text, length);
        *n_bytes_out = padded;
    }
    free(text);
    return out;
}

static tn_status write_all(const char *tmp, const char *header, uint64_t n_header, int n, const tn_ckpt_entry *entry) {
    FILE *f = fopen(tmp, "wb");
    if (!f) return tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(errno));
    bool ok = fwrite(&n_header, sizeof n_header, 1, f) == 1 && fwrite(header, 1, n_header, f) == n_header;
    for (int i = 0; ok && i < n; i++) {
        size_t count = (size_t)entry_count(&entry[i]);
        ok = fwrite(entry[i].data, sizeof(float), count, f) == count;
    }
    int cause = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        cause = errno;
    }
    if (ok) return TN_OK;
    remove(tmp);
    return tn_fail(TN_EIO, "%s: cannot be written: %s; free some space and run again: nothing published was touched",
                   tmp, strerror(cause));
}

tn_status tn_ckpt_write(const char *path, int n, const tn_ckpt_entry *entry, json_t *meta) {
    tn_hash *hash = tn_hash_new();
    for (int i = 0; i < n; i++) tn_hash_add(hash, entry[i].data, (size_t)entry_count(&entry[i]) * sizeof(float));
    char hex[TN_HEX_BYTES];
    tn_hash_hex(hash, hex);
    tn_hash_free(&hash);
    json_object_set_new(meta, "format", json_string("tenfold checkpoint 1"));
    json_object_set_new(meta, "xxh3", json_string(hex));

    uint64_t n_header = 0;
    char *header = header_text(n, entry, meta, &n_header);
    if (!header) return tn_fail_memory(HEADER_MOST_BYTES, "the header of a checkpoint");
    char tmp[TN_PATH_BYTES];
    tn_status st = tn_publish_name(path, tmp);
    if (st == TN_OK) st = write_all(tmp, header, n_header, n, entry);
    if (st == TN_OK) st = tn_publish_end(path);
    free(header);
    return st;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static tn_status damaged(const char *path, const char *why) {
    return tn_fail(TN_EFORMAT,
                   "%s: not a checkpoint this program can read: %s. If a run wrote it, delete the file and run again: "
                   "the cell starts over",
                   path, why);
}

static tn_status parse_entry(const char *path, const char *name, json_t *value, const char *data, int64_t n_bytes,
                             tn_ckpt_entry *out) {
    const char *dtype = NULL;
    json_t *shape = NULL;
    json_int_t begin = -1, end = -1;
    char why[256];
    snprintf(why, sizeof why, "bad entry for tensor %.120s", name);
    if (json_unpack(value, "{s:s,s:o,s:[I,I!]}", "dtype", &dtype, "shape", &shape, "data_offsets", &begin, &end) != 0)
        return damaged(path, why);
    if (strcmp(dtype, "F32") != 0 || !json_is_array(shape) || json_array_size(shape) > 4 ||
        strlen(name) >= sizeof out->name)
        return damaged(path, why);
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", name);
    out->n_dims = (int)json_array_size(shape);
    int64_t count = 1;
    for (int d = 0; d < out->n_dims; d++) {
        json_t *dim = json_array_get(shape, (size_t)d);
        out->dim[d] = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (out->dim[d] < 0 || (out->dim[d] > 0 && count > n_bytes / out->dim[d])) return damaged(path, why);
        count *= out->dim[d];
    }
    if (begin < 0 || end > n_bytes || begin % 4 != 0 || end - begin != count * 4) return damaged(path, why);
    out->data = (const float *)(const void *)(data + begin);
    return TN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const tn_ckpt_entry *)a)->name, ((const tn_ckpt_entry *)b)->name);
}

static tn_status parse_header(const char *path, json_t *header, int64_t n_bytes, tn_ckpt *ck) {
    ck->entry = calloc(json_object_size(header) + 1, sizeof *ck->entry);
    if (!ck->entry) return tn_fail_memory(json_object_size(header) * sizeof *ck->entry, "the tensors of a checkpoint");
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value) {
        if (strcmp(name, "__metadata__") == 0) {
            ck->meta = json_incref(value);
            continue;
        }
        TN_TRY(parse_entry(path, name, value, (const char *)ck->data, n_bytes, &ck->entry[ck->n]));
        ck->n++;
    }
    qsort(ck->entry, (size_t)ck->n, sizeof *ck->entry, by_name);
    const char *wanted = tn_ckpt_word(ck, "xxh3");
    char hex[TN_HEX_BYTES];
    tn_hash_once(ck->data, (size_t)n_bytes, hex);
    if (wanted && strcmp(wanted, hex) != 0) return damaged(path, "its data do not have the hash it names");
    json_t *now = header_hash(header), *header_wanted = json_object_get(ck->meta, "xxh3_header");
    bool same = json_equal(now, header_wanted) || (!wanted && !header_wanted); /* neither: of another program */
    json_decref(now);
    return same ? TN_OK : damaged(path, "its header does not have the hash it names");
}

static tn_status read_parts(const char *path, FILE *f, int64_t file_bytes, tn_ckpt *ck) {
    uint64_t n_header = 0;
    if (file_bytes < 8 || fread(&n_header, sizeof n_header, 1, f) != 1) return damaged(path, "it is too short");
    if (n_header > HEADER_MOST_BYTES || (int64_t)n_header > file_bytes - 8)
        return damaged(path, "the length of its header is impossible");
    int64_t n_bytes = file_bytes - 8 - (int64_t)n_header;
    char *text = malloc((size_t)n_header + 1);
    ck->data = malloc((size_t)n_bytes + 1);
    json_t *header = NULL;
    tn_status st = TN_OK;
    if (!text || !ck->data)
        st = tn_fail_memory((unsigned long long)file_bytes, path);
    else if (fread(text, 1, (size_t)n_header, f) != n_header ||
             fread(ck->data, 1, (size_t)n_bytes, f) != (size_t)n_bytes)
        st = tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    else if (!(header = json_loadb(text, (size_t)n_header, JSON_REJECT_DUPLICATES, NULL)) || !json_is_object(header))
        st = damaged(path, "its header is not JSON");
    else
        st = parse_header(path, header, n_bytes, ck);
    json_decref(header);
    free(text);
    return st;
}

tn_status tn_ckpt_read(const char *path, tn_ckpt **out) {
    FILE *f = fopen(path, "rb");
    struct stat info;
    if (!f || fstat(fileno(f), &info) != 0) {
        int cause = errno;
        if (f) fclose(f);
        return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(cause));
    }
    tn_ckpt *ck = calloc(1, sizeof *ck);
    tn_status st = ck ? read_parts(path, f, info.st_size, ck) : tn_fail_memory(sizeof *ck, "a checkpoint");
    fclose(f);
    if (st == TN_OK)
        *out = ck;
    else
        tn_ckpt_free(&ck);
    return st;
}

void tn_ckpt_free(tn_ckpt **ck) {
    if (!*ck) return;
    json_decref((*ck)->meta);
    free((*ck)->data);
    free((*ck)->entry);
    free(*ck);
    *ck = NULL;
}

const char *tn_ckpt_word(const tn_ckpt *ck, const char *key) {
    return json_string_value(json_object_get(ck->meta, key));
}

int tn_ckpt_count(const tn_ckpt *ck) {
    return ck->n;
}

const tn_ckpt_entry *tn_ckpt_at(const tn_ckpt *ck, int i) {
    TN_ASSERT(i >= 0 && i < ck->n);
    return &ck->entry[i];
}

static void shape_text(int n_dims, const int64_t *dim, char out[96]) {
    int at = snprintf(out, 96, "(");
    for (int d = 0; d < n_dims; d++) at += snprintf(out + at, 96 - (size_t)at, d ? ",%lld" : "%lld", (long long)dim[d]);
    snprintf(out + at, 96 - (size_t)at, ")");
}

tn_status tn_ckpt_copy(const tn_ckpt *ck, const char *name, int n_dims, const int64_t *dim, float *out) {
    tn_ckpt_entry key = {.n_dims = 0};
    snprintf(key.name, sizeof key.name, "%s", name);
    const tn_ckpt_entry *e = bsearch(&key, ck->entry, (size_t)ck->n, sizeof key, by_name);
    char have[96], want[96];
    shape_text(n_dims, dim, want);
    if (!e) return tn_fail(TN_EFORMAT, "%s %s is missing", name, want);
    if (e->n_dims != n_dims || memcmp(e->dim, dim, (size_t)n_dims * sizeof *dim) != 0) {
        shape_text(e->n_dims, e->dim, have);
        return tn_fail(TN_EFORMAT, "%s has shape %s, wanted %s", name, have, want);
    }
    memcpy(out, e->data, (size_t)entry_count(e) * sizeof(float));
    return TN_OK;
}

void tn_ckpt_digest(const tn_ckpt *ck, const char *prefix, char hex_out[TN_HEX_BYTES]) {
    tn_hash *hash = tn_hash_new();
    for (int i = 0; i < ck->n; i++) {
        const tn_ckpt_entry *e = &ck->entry[i];
        if (strncmp(e->name, prefix, strlen(prefix)) != 0) continue;
        tn_hash_text(hash, e->name);
        tn_hash_add(hash, e->dim, (size_t)e->n_dims * sizeof *e->dim);
        tn_hash_add(hash, e->data, (size_t)entry_count(e) * sizeof(float));
    }
    tn_hash_hex(hash, hex_out);
    tn_hash_free(&hash);
}
