/* ckpt.c - writes the safetensors container; access to the contents of a file that was read. */
#include "model/ckpt_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int64_t tn_ckpt_entry_count(const tn_ckpt_entry *e) {
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
        int64_t end = at + tn_ckpt_entry_count(&entry[i]) * (int64_t)sizeof(float);
        json_t *shape = json_array();
        for (int d = 0; d < entry[i].n_dims; d++) json_array_append_new(shape, json_integer(entry[i].dim[d]));
        json_object_set_new(header, entry[i].name,
                            json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets",
                                      (json_int_t)at, (json_int_t)end));
        at = end;
    }
    return header;
}

json_t *tn_ckpt_header_hash(json_t *header) {
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

/* The header, padded with spaces to a multiple of 8 bytes, as the specification requires. The caller frees it. */
static char *header_text(int n, const tn_ckpt_entry *entry, json_t *meta, uint64_t *n_bytes_out) {
    json_t *header = header_of(n, entry, meta);
    json_object_set_new(meta, "xxh3_header", tn_ckpt_header_hash(header));
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
    FILE *f = tn_file_create(tmp);
    if (!f) return tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(errno));
    bool ok = fwrite(&n_header, sizeof n_header, 1, f) == 1 && fwrite(header, 1, n_header, f) == n_header;
    for (int i = 0; ok && i < n; i++) {
        size_t count = (size_t)tn_ckpt_entry_count(&entry[i]);
        ok = fwrite(entry[i].data, sizeof(float), count, f) == count;
    }
    int cause = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        cause = errno;
    }
    if (ok) return TN_OK;
    return tn_fail(TN_EIO, "%s: cannot be written: %s; free some space and run again; published files are unchanged",
                   tmp, strerror(cause));
}

tn_status tn_ckpt_write(const char *path, int n, const tn_ckpt_entry *entry, json_t *meta) {
    tn_hash *hash = tn_hash_new();
    for (int i = 0; i < n; i++)
        tn_hash_add(hash, entry[i].data, (size_t)tn_ckpt_entry_count(&entry[i]) * sizeof(float));
    char hex[TN_HEX_BYTES];
    tn_hash_hex(hash, hex);
    tn_hash_free(&hash);
    json_object_set_new(meta, "format", json_string("tenfold checkpoint 1"));
    json_object_set_new(meta, "xxh3", json_string(hex));

    uint64_t n_header = 0;
    char *header = header_text(n, entry, meta, &n_header);
    if (!header) return tn_fail_memory(TN_CKPT_HEADER_BYTES, "the header of a checkpoint");
    char tmp[TN_PATH_BYTES];
    tn_status st = tn_publish_name(path, tmp);
    if (st == TN_OK) st = write_all(tmp, header, n_header, n, entry);
    if (st == TN_OK)
        st = tn_publish_end(path);
    else
        tn_publish_drop(path);
    free(header);
    return st;
}

/* --- access to contents ------------------------------------------------------------------------------------------- */

void tn_ckpt_free(tn_ckpt **ck) {
    if (!*ck) return;
    json_decref((*ck)->meta);
    free((*ck)->data);
    free((*ck)->converted);
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

void tn_shape_text(int n_dims, const int64_t *dim, char out[96]) {
    int at = snprintf(out, 96, "(");
    for (int d = 0; d < n_dims; d++) at += snprintf(out + at, 96 - (size_t)at, d ? ",%lld" : "%lld", (long long)dim[d]);
    snprintf(out + at, 96 - (size_t)at, ")");
}

tn_status tn_ckpt_copy(const tn_ckpt *ck, const char *name, int n_dims, const int64_t *dim, float *out) {
    tn_ckpt_entry key = {.n_dims = 0};
    snprintf(key.name, sizeof key.name, "%s", name);
    const tn_ckpt_entry *e = bsearch(&key, ck->entry, (size_t)ck->n, sizeof key, tn_ckpt_by_name);
    char have[96], want[96];
    tn_shape_text(n_dims, dim, want);
    if (!e) return tn_fail(TN_EFORMAT, "%s %s is missing", name, want);
    if (e->n_dims != n_dims || memcmp(e->dim, dim, (size_t)n_dims * sizeof *dim) != 0) {
        tn_shape_text(e->n_dims, e->dim, have);
        return tn_fail(TN_EFORMAT, "%s has shape %s, wanted %s", name, have, want);
    }
    memcpy(out, e->data, (size_t)tn_ckpt_entry_count(e) * sizeof(float));
    return TN_OK;
}

void tn_ckpt_digest(const tn_ckpt *ck, const char *prefix, char hex_out[TN_HEX_BYTES]) {
    tn_hash *hash = tn_hash_new();
    for (int i = 0; i < ck->n; i++) {
        const tn_ckpt_entry *e = &ck->entry[i];
        if (strncmp(e->name, prefix, strlen(prefix)) != 0) continue;
        tn_hash_text(hash, e->name);
        tn_hash_add(hash, e->dim, (size_t)e->n_dims * sizeof *e->dim);
        tn_hash_add(hash, e->data, (size_t)tn_ckpt_entry_count(e) * sizeof(float));
    }
    tn_hash_hex(hash, hex_out);
    tn_hash_free(&hash);
}
