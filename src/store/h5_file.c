/* h5_file.c - opens and closes files; attributes, the stamp. */
#include "base/build.h"
#include "base/progress.h"
#include "store/h5_priv.h"
#include "store/libraries.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *tn_h5_library(void) {
    static char text[32];
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static int cause; /* errno of the system call that caused the last failure; 0: none */

static herr_t look_for_errno(unsigned depth, const H5E_error2_t *e, void *context) {
    (void)depth;
    const char *text = e->desc ? e->desc : "", *at = strstr(text, "errno = ");
    if (at) *(int *)context = atoi(at + strlen("errno = "));
    if (strstr(text, "can't retrieve stat info")) *(int *)context = EIO; /* the only message without errno */
    return 0;
}

/* HDF5 calls this when one of its functions fails. errno is only in the text of the error. */
static herr_t on_failure(hid_t stack, void *context) {
    (void)context;
    cause = 0;
    return H5Ewalk2(stack, H5E_WALK_UPWARD, look_for_errno, &cause);
}

tn_status(tn_h5_fail)(tn_status st, const char *path, const char *fmt, ...) {
    char text[TN_MSG_BYTES];
    int error = cause;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cause = 0;
    return error ? tn_fail(TN_EIO, "%s: cannot be read or written: %s", path, strerror(error))
                 : tn_fail(st, "%s: %s", path, text);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static tn_h5 *file_new(const char *path, bool writing) {
    H5Eset_auto2(H5E_DEFAULT, on_failure, NULL); /* HDF5 prints nothing: we write the messages */
    cause = 0;
    tn_h5 *f = calloc(1, sizeof *f);
    if (!f || tn_path(f->path, "%s", path) != TN_OK) {
        free(f);
        return NULL;
    }
    f->writing = writing;
    return f;
}

static hid_t access_list(void) {
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_file_locking(list, 0, 1); /* locks are unreliable on parallel file systems; every file has one writer */
    return list;
}

tn_status tn_h5_create(const char *path, tn_h5 **out) {
    if (unlink(path) != 0 && errno != ENOENT) /* remove the file of a dead writer; a link is not followed */
        return tn_fail(TN_EIO, "%s: cannot be made, because the present file cannot be removed: %s", path,
                       strerror(errno));
    tn_h5 *f = file_new(path, true);
    if (!f) return tn_fail_memory(sizeof *f, path);
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = access_list();
    H5Pset_obj_track_times(creation, 0);
    f->file = H5Fcreate(path, H5F_ACC_EXCL, creation, access);
    H5Pclose(creation);
    H5Pclose(access);
    if (f->file < 0) {
        free(f);
        unlink(path); /* an incomplete file on a full disk */
        return tn_h5_fail(TN_EIO, path, "cannot be made: is the folder there, writable, and the disk not full?");
    }
    *out = f;
    return TN_OK;
}

/* Is a file marked as open for writing? HDF5 sets this mark in the superblock (version 3, file format specification II.A) until the file
 * is closed. */
static bool is_marked_open(const char *path) {
    static const unsigned char SIGNATURE[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    enum { VERSION = 8, FLAGS = 11, WRITING = 1, SWMR = 4 };
    unsigned char begin[12] = {0};
    FILE *f = fopen(path, "rb");
    bool whole = f && fread(begin, sizeof begin, 1, f) == 1;
    if (f) fclose(f);
    return whole && memcmp(begin, SIGNATURE, sizeof SIGNATURE) == 0 && begin[VERSION] >= 3 &&
           (begin[FLAGS] & (WRITING | SWMR)) != 0;
}

tn_status tn_h5_check_closed(const char *path, const char *remedy) {
    if (!is_marked_open(path)) return TN_OK;
    return tn_fail(
        TN_EIO,
        "%s: another program has it open for writing (h5py with \"r+\" or \"a\", HDFView): close it there and run the "
        "same command again. If it is open nowhere, a program was killed with it open: %s",
        path, remedy);
}

tn_status tn_h5_open(const char *path, tn_h5 **out) {
    if (!tn_file_exists(path)) return tn_fail(TN_EIO, "%s: is not there", path);
    tn_h5 *f = file_new(path, false);
    if (!f) return tn_fail_memory(sizeof *f, path);
    hid_t access = access_list();
    f->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (f->file < 0) {
        free(f);
        TN_TRY(tn_h5_check_closed(path, "`h5clear --status` of the HDF5 tools removes the mark"));
        return tn_h5_fail(TN_EFORMAT, path, "not an HDF5 file, or damaged");
    }
    *out = f;
    return TN_OK;
}

static bool broken;
bool tn_h5_broken(void) {
    return broken;
}

tn_status tn_h5_close(tn_h5 **f) {
    if (!*f) return TN_OK;
    bool ok = !(*f)->writing || H5Fflush((*f)->file, H5F_SCOPE_GLOBAL) >= 0;
    /* A close that fails leaves a freed file in the tables of HDF5 1.10. So a file that cannot be flushed is not closed. HDF5 tries
     * to close it again at exit, inside MPI_Finalize, and crashes: no process may get there. */
    if (ok) ok = H5Fclose((*f)->file) >= 0;
    broken |= !ok;
    tn_status st = ok ? TN_OK : tn_h5_fail(TN_EIO, (*f)->path, "cannot be written to its end: is the disk full?");
    if (!ok && !(*f)->writing) tn_warn("%s", tn_msg); /* what was read is correct, so most callers continue */
    free(*f);
    *f = NULL;
    return st;
}

/* --- attributes of the root group --------------------------------------------------------------------------------- */

static tn_status set_attribute(tn_h5 *f, const char *name, hid_t file_type, hid_t memory_type, const void *value) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(f->file, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = attribute >= 0 && H5Awrite(attribute, memory_type, value) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    return ok ? TN_OK : tn_h5_fail(TN_EIO, f->path, "attribute %s cannot be written", name);
}

tn_status tn_h5_set_int(tn_h5 *f, const char *name, int64_t value) {
    return set_attribute(f, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

tn_status tn_h5_set_text(tn_h5 *f, const char *name, const char *value) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(value) + 1);
    tn_status st = set_attribute(f, name, type, type, value);
    H5Tclose(type);
    return st;
}

static hid_t open_attribute(tn_h5 *f, const char *name) {
    return H5Aexists(f->file, name) > 0 ? H5Aopen(f->file, name, H5P_DEFAULT) : -1;
}

tn_status tn_h5_get_int(tn_h5 *f, const char *name, int64_t *out) {
    hid_t attribute = open_attribute(f, name);
    bool ok = attribute >= 0 && H5Aread(attribute, H5T_NATIVE_INT64, out) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    return ok ? TN_OK : tn_h5_fail(TN_EFORMAT, f->path, "has no number `%s`: not a file of the expected kind", name);
}

tn_status tn_h5_get_text(tn_h5 *f, const char *name, char **out) {
    hid_t attribute = open_attribute(f, name), type = attribute >= 0 ? H5Aget_type(attribute) : -1;
    bool fixed = type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    size_t n = fixed ? H5Tget_size(type) : 0;
    char *text = fixed ? calloc(n + 1, 1) : NULL;
    bool ok = text && H5Aread(attribute, type, text) >= 0;
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    if (ok) {
        *out = text;
        return TN_OK;
    }
    free(text);
    return tn_h5_fail(TN_EFORMAT, f->path, "has no text `%s`: not a file of the expected kind", name);
}

tn_status tn_h5_stamp(tn_h5 *f, const char *kind, int version) {
    TN_TRY(tn_h5_set_text(f, "tenfold", tn_build_version()));
    TN_TRY(tn_h5_set_text(f, "kind", kind));
    TN_TRY(tn_h5_set_int(f, "format_version", version));
    TN_TRY(tn_h5_set_text(f, "commit", tn_build_commit()));
    return tn_h5_set_text(f, "libraries", tn_libraries());
}

tn_status tn_h5_check_stamp(tn_h5 *f, const char *path, const char *kind, int version) {
    char *have = NULL;
    int64_t have_version = 0;
    TN_TRY(tn_h5_get_text(f, "kind", &have));
    bool same = strcmp(have, kind) == 0;
    free(have);
    if (!same) return tn_fail(TN_EFORMAT, "%s: is not a file of kind `%s`", path, kind);
    TN_TRY(tn_h5_get_int(f, "format_version", &have_version));
    if (have_version == version) return TN_OK;
    return tn_fail(TN_EFORMAT, "%s: has format version %lld, this program reads %d", path, (long long)have_version,
                   version);
}
