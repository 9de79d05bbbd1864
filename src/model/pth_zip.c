/* pth_zip.c - the zip archive of torch.save, by libzip. Records must be stored, not compressed, as torch.save writes them: then an
 * archive cannot need more memory than its file has bytes. */
#include "model/pth_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

struct tn_pth_zip {
    const char *path; /* the caller's */
    zip_t *zip;
    int n_folder; /* "NAME/" in front of all records is so long */
    char folder[256];
};

static tn_status damaged(const tn_pth_zip *z, const char *record, const char *why) {
    return tn_fail(TN_EFORMAT, "%s: is a damaged archive, fetch or copy it again: %.200s: %s", z->path, record, why);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static tn_status read_whole(const tn_pth_zip *z, zip_file_t *f, const char *name, char *out, uint64_t n_bytes) {
    uint64_t n = 0;
    zip_int64_t got = 1;
    while (n < n_bytes && got > 0) {
        got = zip_fread(f, out + n, n_bytes - n);
        if (got > 0) n += (uint64_t)got;
    }
    char more; /* the checksum is compared where the end is read */
    if (got >= 0 && n == n_bytes) got = zip_fread(f, &more, 1);
    if (got < 0) return damaged(z, name, zip_error_strerror(zip_file_get_error(f)));
    return n == n_bytes && got == 0 ? TN_OK : damaged(z, name, "has another length than the archive says");
}

static tn_status read_record(const tn_pth_zip *z, zip_uint64_t i, char **out, size_t *n_out) {
    zip_stat_t s;
    if (zip_stat_index(z->zip, i, 0, &s) != 0) return damaged(z, "a record", zip_strerror(z->zip));
    char *bytes = malloc((size_t)s.size + 1);
    if (!bytes) return tn_fail_memory(s.size, z->path);
    zip_file_t *f = zip_fopen_index(z->zip, i, 0);
    tn_status st = f ? read_whole(z, f, s.name, bytes, s.size) : damaged(z, s.name, zip_strerror(z->zip));
    if (f) zip_fclose(f);
    if (st == TN_OK) {
        *out = bytes;
        *n_out = (size_t)s.size;
    } else {
        free(bytes);
    }
    return st;
}

/* No record may be compressed or encrypted or occur twice; together they cannot be larger than the file. */
static tn_status check_records(const tn_pth_zip *z, zip_int64_t n) {
    struct stat info;
    uint64_t left = stat(z->path, &info) == 0 ? (uint64_t)info.st_size : 0;
    for (zip_int64_t i = 0; i < n; i++) {
        zip_stat_t s;
        const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
        if (zip_stat_index(z->zip, (zip_uint64_t)i, 0, &s) != 0 || (s.valid & wanted) != wanted)
            return damaged(z, "a record", "has no entry in the directory");
        if (s.comp_method != ZIP_CM_STORE || s.encryption_method != ZIP_EM_NONE)
            return tn_fail(TN_EFORMAT,
                           "%s: its record %.200s is compressed or encrypted, which torch.save never does: unpack the "
                           "archive, and save the weights again with torch.save",
                           z->path, s.name);
        if (zip_name_locate(z->zip, s.name, 0) != i) return damaged(z, s.name, "is there twice");
        if (s.size > left) return damaged(z, s.name, "its records are larger than the file");
        left -= s.size;
    }
    return TN_OK;
}

/* --- the archive ---------------------------------------------------------------------------------------------------- */

/* Is it the record "NAME/<end>" with one folder? */
static bool is_record(const char *name, const char *end) {
    const char *slash = strchr(name, '/');
    return slash && strcmp(slash + 1, end) == 0;
}

/* The number of the record NAME/data.pkl. */
static tn_status find_pickle(tn_pth_zip *z, zip_int64_t n, zip_uint64_t *out) {
    const char *kind = NULL, *found = NULL;
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(z->zip, (zip_uint64_t)i, 0);
        if (!name) return damaged(z, "a record", "has no name");
        if (strcmp(name, "model.weights.h5") == 0) kind = "of Keras 3 (.keras): convert it, as docs/weights.md shows";
        if (is_record(name, "constants.pkl"))
            kind = "of TorchScript, which is a program: load it in PyTorch, and save its state_dict() with torch.save";
        if (!is_record(name, "data.pkl")) continue;
        if (found) return damaged(z, name, "is there twice");
        found = name;
        *out = (zip_uint64_t)i;
    }
    if (kind) return tn_fail(TN_EFORMAT, "%s: is an archive %s", z->path, kind);
    if (!found) return tn_fail(TN_EFORMAT, "%s: is a zip archive, but not of torch.save: it has no data.pkl", z->path);
    z->n_folder = (int)(strchr(found, '/') + 1 - found);
    if (z->n_folder >= (int)sizeof z->folder) return damaged(z, found, "the name is too long");
    memcpy(z->folder, found, (size_t)z->n_folder);
    return TN_OK;
}

/* The number of the record NAME/<what><key>; -1: absent. */
static zip_int64_t locate(const tn_pth_zip *z, const char *what, int n_key, const char *key) {
    char name[512];
    int n = snprintf(name, sizeof name, "%.*s%s%.*s", z->n_folder, z->folder, what, n_key, key);
    return n < (int)sizeof name ? zip_name_locate(z->zip, name, 0) : -1;
}

static tn_status check_order(const tn_pth_zip *z) {
    zip_int64_t i = locate(z, "byteorder", 0, "");
    char *text = NULL;
    size_t n = 0;
    if (i < 0) return TN_OK; /* files of PyTorch before 2.1 */
    TN_TRY(read_record(z, (zip_uint64_t)i, &text, &n));
    bool little = n == 6 && memcmp(text, "little", 6) == 0;
    free(text);
    if (little) return TN_OK;
    return tn_fail(TN_EFORMAT, "%s: its numbers are not little-endian: load it in PyTorch, and save it again", z->path);
}

static tn_status open_pickle(tn_pth_zip *z, char **pickle_out, size_t *n_pickle_out) {
    zip_int64_t n = zip_get_num_entries(z->zip, 0);
    zip_uint64_t at = 0;
    TN_TRY(find_pickle(z, n, &at));
    TN_TRY(check_records(z, n));
    TN_TRY(check_order(z));
    return read_record(z, at, pickle_out, n_pickle_out);
}

tn_status tn_pth_zip_open(const char *path, tn_pth_zip **out, char **pickle_out, size_t *n_pickle_out) {
    tn_pth_zip *z = calloc(1, sizeof *z);
    int code = 0;
    if (!z) return tn_fail_memory(sizeof *z, path);
    z->path = path;
    z->zip = zip_open(path, ZIP_RDONLY, &code);
    tn_status st = TN_OK;
    if (!z->zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        st = tn_fail(TN_EFORMAT,
                     "%s: is a zip archive, as torch.save writes it, but ends too early or is damaged: fetch or copy "
                     "it again (%s)",
                     path, zip_error_strerror(&error));
        zip_error_fini(&error);
    }
    if (st == TN_OK) st = open_pickle(z, pickle_out, n_pickle_out);
    if (st == TN_OK)
        *out = z;
    else
        tn_pth_zip_close(&z);
    return st;
}

void tn_pth_zip_close(tn_pth_zip **z) {
    if (!*z) return;
    if ((*z)->zip) zip_discard((*z)->zip);
    free(*z);
    *z = NULL;
}

tn_status tn_pth_zip_read(tn_pth_zip *z, int n_key, const char *key, int64_t n_bytes, char **bytes_out) {
    zip_int64_t i = locate(z, "data/", n_key, key);
    size_t n = 0;
    char *bytes = NULL, name[64];
    snprintf(name, sizeof name, "data/%.*s", n_key, key);
    if (i < 0) return damaged(z, name, "is missing");
    TN_TRY(read_record(z, (zip_uint64_t)i, &bytes, &n));
    if ((int64_t)n == n_bytes) {
        *bytes_out = bytes;
        return TN_OK;
    }
    free(bytes);
    return damaged(z, name, "has another length than its tensors");
}
