/* ckpt_read.c - reads the safetensors container, of tenfold and of other programs. */
#include "model/ckpt_priv.h"

#include "model/narrow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The location of a tensor in the file. */
typedef struct {
    int64_t begin, end; /* bytes of the data part */
    int width;          /* bytes per value; 0 = the tensor is skipped */
    bool bf16;
    int entry; /* -1 = skipped */
} span;

typedef struct {
    const char *path;
    bool foreign;
    int64_t n_bytes; /* of the data part */
    int n_spans;
    span *at;
} reader;

static tn_status damaged(const reader *r, const char *why) {
    if (r->foreign) return tn_fail(TN_EFORMAT, "%s: not a safetensors file this program can read: %s", r->path, why);
    return tn_fail(TN_EFORMAT,
                   "%s: not a checkpoint this program can read: %s. If a run wrote it, delete the file and run again: "
                   "the cell starts anew",
                   r->path, why);
}

/* --- the header --------------------------------------------------------------------------------------------------- */

static bool parse_shape(json_t *shape, int64_t most, tn_ckpt_entry *out) {
    if (!json_is_array(shape) || json_array_size(shape) > 4) return false;
    out->n_dims = (int)json_array_size(shape);
    int64_t count = 1;
    for (int d = 0; d < out->n_dims; d++) {
        json_t *dim = json_array_get(shape, (size_t)d);
        out->dim[d] = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (out->dim[d] < 0 || (out->dim[d] > 0 && count > most / out->dim[d])) return false;
        count *= out->dim[d];
    }
    return true;
}

bool tn_ckpt_is_counter(const char *name) {
    static const char *const COUNTER[] = {"num_batches_tracked", "n_averaged"};
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
    return strcmp(last, COUNTER[0]) == 0 || strcmp(last, COUNTER[1]) == 0;
}

static bool parse_type(const char *dtype, bool foreign, span *s) {
    s->bf16 = strcmp(dtype, "BF16") == 0;
    s->width = strcmp(dtype, "F32") == 0 ? 4 : foreign && (s->bf16 || strcmp(dtype, "F16") == 0) ? 2 : 0;
    return s->width > 0;
}

static tn_status parse_entry(reader *r, const char *name, json_t *value, tn_ckpt *ck) {
    const char *dtype = NULL;
    json_t *shape = NULL;
    json_int_t begin = -1, end = -1;
    char why[256];
    tn_ckpt_entry *out = &ck->entry[ck->n];
    span *s = &r->at[r->n_spans];
    snprintf(why, sizeof why, "bad entry for tensor %.120s", name);
    if (json_unpack(value, "{s:s,s:o,s:[I,I!]}", "dtype", &dtype, "shape", &shape, "data_offsets", &begin, &end) != 0)
        return damaged(r, why);
    if (begin < 0 || end < begin || end > r->n_bytes) return damaged(r, why);
    *s = (span){.begin = begin, .end = end, .entry = -1};
    r->n_spans++;
    if (r->foreign && tn_ckpt_is_counter(name)) return TN_OK;
    if (!parse_type(dtype, r->foreign, s)) {
        snprintf(why, sizeof why, "tensor %.120s is of type %.16s: F32%s", name, dtype,
                 r->foreign ? ", F16 and BF16 are read" : " is read");
        return damaged(r, why);
    }
    if (strlen(name) >= sizeof out->name || !parse_shape(shape, r->n_bytes, out)) return damaged(r, why);
    snprintf(out->name, sizeof out->name, "%s", name);
    if (end - begin != tn_ckpt_entry_count(out) * s->width) return damaged(r, why);
    s->entry = ck->n++;
    return TN_OK;
}

static int by_place(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The specification requires that every byte belongs to exactly one tensor. */
static tn_status check_places(reader *r) {
    int64_t at = 0;
    qsort(r->at, (size_t)r->n_spans, sizeof *r->at, by_place);
    for (int i = 0; i < r->n_spans; i++) {
        if (r->at[i].begin < at) return damaged(r, "two of its tensors overlap");
        if (r->at[i].begin > at) return damaged(r, "it has bytes that belong to no tensor");
        at = r->at[i].end;
    }
    return at == r->n_bytes ? TN_OK : damaged(r, "it has bytes that belong to no tensor");
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static void convert(const char *bytes, const span *s, int64_t n, float *out) {
    if (s->width == 4) {
        memcpy(out, bytes, (size_t)n * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + 2 * i, sizeof h);
        out[i] = s->bf16 ? tn_from_bfloat(h) : tn_from_half(h);
    }
}

static bool in_place(const span *s) {
    return s->width == 4 && s->begin % 4 == 0;
}

static tn_status place_values(const reader *r, tn_ckpt *ck) {
    int64_t n = 0;
    for (int i = 0; i < r->n_spans; i++)
        if (r->at[i].entry >= 0 && !in_place(&r->at[i])) n += tn_ckpt_entry_count(&ck->entry[r->at[i].entry]);
    if (n > 0 && !(ck->converted = malloc((size_t)n * sizeof(float))))
        return tn_fail_memory((size_t)n * sizeof(float), r->path);
    float *free_place = ck->converted;
    for (int i = 0; i < r->n_spans; i++) {
        const span *s = &r->at[i];
        if (s->entry < 0) continue;
        const char *bytes = (const char *)ck->data + s->begin;
        tn_ckpt_entry *e = &ck->entry[s->entry];
        e->data = (const float *)(const void *)bytes;
        if (in_place(s)) continue;
        int64_t count = tn_ckpt_entry_count(e);
        convert(bytes, s, count, free_place);
        e->data = free_place;
        free_place += count;
    }
    return TN_OK;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

int tn_ckpt_by_name(const void *a, const void *b) {
    return strcmp(((const tn_ckpt_entry *)a)->name, ((const tn_ckpt_entry *)b)->name);
}

static tn_status parse_tensors(reader *r, json_t *header, tn_ckpt *ck) {
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value) {
        if (strcmp(name, "__metadata__") == 0)
            ck->meta = json_incref(value);
        else
            TN_TRY(parse_entry(r, name, value, ck));
    }
    TN_TRY(check_places(r));
    TN_TRY(place_values(r, ck));
    qsort(ck->entry, (size_t)ck->n, sizeof *ck->entry, tn_ckpt_by_name);
    const char *wanted = tn_ckpt_word(ck, "xxh3");
    char hex[TN_HEX_BYTES];
    tn_hash_once(ck->data, (size_t)r->n_bytes, hex);
    if (wanted && strcmp(wanted, hex) != 0) return damaged(r, "its data do not have the hash it names");
    json_t *now = tn_ckpt_header_hash(header), *header_wanted = json_object_get(ck->meta, "xxh3_header");
    bool same = json_equal(now, header_wanted) || (!wanted && !header_wanted); /* other programs write neither hash */
    json_decref(now);
    return same ? TN_OK : damaged(r, "its header does not have the hash it names");
}

static tn_status parse_header(reader *r, const char *text, size_t n_text, tn_ckpt *ck) {
    json_error_t error;
    json_t *header = json_loadb(text, n_text, JSON_REJECT_DUPLICATES, &error);
    char why[JSON_ERROR_TEXT_LENGTH + 64];
    snprintf(why, sizeof why, "its header is not a JSON object%s%s", header ? "" : ": ", header ? "" : error.text);
    tn_status st = json_is_object(header) ? TN_OK : damaged(r, why);
    size_t n = json_object_size(header);
    if (st == TN_OK) {
        ck->entry = calloc(n + 1, sizeof *ck->entry);
        r->at = calloc(n + 1, sizeof *r->at);
        st = ck->entry && r->at ? parse_tensors(r, header, ck)
                                : tn_fail_memory(n * sizeof *ck->entry, "the tensors of a checkpoint");
    }
    free(r->at);
    json_decref(header);
    return st;
}

/* The bytes of a file: header and data. */
typedef struct {
    uint64_t n_header;
    int64_t n_data;
    char *header;
    float *data;
} contents;

static void contents_free(contents *c) {
    free(c->header);
    free(c->data);
    *c = (contents){.n_header = 0};
}

static tn_status make_room(const reader *r, contents *c) {
    c->header = malloc((size_t)c->n_header + 1);
    c->data = malloc((size_t)c->n_data + 1);
    return c->header && c->data ? TN_OK : tn_fail_memory(c->n_header + (unsigned long long)c->n_data, r->path);
}

static tn_status read_parts(const reader *r, FILE *f, int64_t file_bytes, contents *c) {
    bool begins = file_bytes >= 8 && fread(&c->n_header, sizeof c->n_header, 1, f) == 1;
    if (ferror(f)) return tn_fail(TN_EIO, "%s: cannot be read: %s", r->path, strerror(errno));
    if (!begins) return damaged(r, "it is too short");
    if (c->n_header > TN_CKPT_HEADER_BYTES || (int64_t)c->n_header > file_bytes - 8)
        return damaged(r, "the length of its header is impossible");
    c->n_data = file_bytes - 8 - (int64_t)c->n_header;
    TN_TRY(make_room(r, c));
    if (fread(c->header, 1, (size_t)c->n_header, f) != c->n_header ||
        fread(c->data, 1, (size_t)c->n_data, f) != (size_t)c->n_data)
        return tn_fail(TN_EIO, "%s: cannot be read: %s", r->path, strerror(errno));
    return TN_OK;
}

static tn_status read_contents(const reader *r, contents *c) {
    FILE *f = fopen(r->path, "rb");
    struct stat info;
    if (!f || fstat(fileno(f), &info) != 0) {
        int cause = errno;
        if (f) fclose(f);
        return tn_fail(TN_EIO, "%s: cannot be read: %s", r->path, strerror(cause));
    }
    tn_status st = read_parts(r, f, info.st_size, c);
    fclose(f);
    return st;
}

/* Parse the contents; ck becomes the owner of c->data. */
static tn_status parse(reader *r, contents *c, tn_ckpt **out) {
    tn_ckpt *ck = calloc(1, sizeof *ck);
    if (!ck) return tn_fail_memory(sizeof *ck, "a checkpoint");
    ck->data = c->data;
    c->data = NULL;
    r->n_bytes = c->n_data;
    tn_status st = parse_header(r, c->header, (size_t)c->n_header, ck);
    if (st == TN_OK)
        *out = ck;
    else
        tn_ckpt_free(&ck);
    return st;
}

static tn_status read_file(const char *path, bool foreign, tn_ckpt **out) {
    reader r = {.path = path, .foreign = foreign};
    contents c = {.n_header = 0};
    tn_status st = read_contents(&r, &c);
    if (st == TN_OK) st = parse(&r, &c, out);
    contents_free(&c);
    return st;
}

tn_status tn_ckpt_read(const char *path, tn_ckpt **out) {
    return read_file(path, false, out);
}

tn_status tn_ckpt_read_foreign(const char *path, tn_ckpt **out) {
    return read_file(path, true, out);
}

/* --- one read for all ranks --------------------------------------------------------------------------------------- */

static tn_status send_contents(tn_run *run, const reader *r, contents *c) {
    tn_bcast(run, 0, &c->n_header, sizeof c->n_header);
    tn_bcast(run, 0, &c->n_data, sizeof c->n_data);
    TN_TRY(tn_agree(run, run->rank == 0 ? TN_OK : make_room(r, c)));
    tn_bcast(run, 0, c->header, (size_t)c->n_header);
    tn_bcast(run, 0, c->data, (size_t)c->n_data);
    return TN_OK;
}

/* The hash of the whole file, equal to tn_hash_file. */
static void hash_contents(const contents *c, char hex_out[TN_HEX_BYTES]) {
    tn_hash *h = tn_hash_new();
    tn_hash_add(h, &c->n_header, sizeof c->n_header);
    tn_hash_add(h, c->header, (size_t)c->n_header);
    tn_hash_add(h, c->data, (size_t)c->n_data);
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
}

tn_status tn_ckpt_read_all(tn_run *run, const char *path, bool foreign, char hex_out[TN_HEX_BYTES], tn_ckpt **out) {
    reader r = {.path = path, .foreign = foreign};
    contents c = {.n_header = 0};
    tn_ckpt *ck = NULL;
    tn_status st = tn_agree(run, run->rank == 0 ? read_contents(&r, &c) : TN_OK);
    if (st == TN_OK) st = send_contents(run, &r, &c);
    if (st == TN_OK && hex_out) hash_contents(&c, hex_out);
    if (st == TN_OK) st = tn_agree(run, parse(&r, &c, &ck));
    contents_free(&c);
    if (st == TN_OK)
        *out = ck;
    else
        tn_ckpt_free(&ck);
    return st;
}
