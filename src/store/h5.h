/*
 * h5.h - reads and writes HDF5 files; only store/h5*.c includes hdf5.h. All functions are local.
 *
 *   tn_h5 *f = NULL;
 *   TN_TRY(tn_h5_create(path, &f));                                  // local: one writer
 *   TN_TRY(tn_h5_write(f, "label", TN_H5_I32, 1, (int64_t[]){n}, label));
 *   tn_h5_close(&f);
 *
 * Equal content gives equal bytes: no times are stored, libver bounds are fixed (v110), types are little-endian. File locking is off
 * (as with HDF5_USE_FILE_LOCKING=FALSE, by the access property list).
 * Datasets are contiguous and unfiltered, in the root group. Strings: one dataset of bytes + one of int64 offsets.
 * Files of other programs may have groups: then a name is a path, `a/b/c` (h5_tree.c).
 * Every file has one writer (docs/decisions/one-writer.md).
 */
#ifndef TN_STORE_H5_H
#define TN_STORE_H5_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tn_h5 tn_h5;
typedef enum {
    TN_H5_U8,
    TN_H5_I8,
    TN_H5_I16,
    TN_H5_U16,
    TN_H5_I32,
    TN_H5_U32,
    TN_H5_I64,
    TN_H5_U64,
    TN_H5_F32,
    TN_H5_F64
} tn_h5_type;

tn_status tn_h5_create(const char *path, tn_h5 **out); /* replaces an existing file; errors TN_EIO */
/* Open for reading. Errors TN_EIO absent, or open elsewhere for writing; TN_EFORMAT not HDF5, or damaged (the caller adds what to do). */
tn_status tn_h5_open(const char *path, tn_h5 **out);
/* Check that no other program (h5py, HDFView) has the file open for writing, or was killed while it had. Errors TN_EIO it has; the
 * message says so, and to do `remedy` if the file is open nowhere. */
tn_status tn_h5_check_closed(const char *path, const char *remedy);
/* Close; *f may be NULL. Errors TN_EIO the last bytes could not be written (full disk). */
tn_status tn_h5_close(tn_h5 **f);

/* Did a close fail, so that HDF5 may crash when the process ends? For tn_run_end. */
bool tn_h5_broken(void);

/* Write a whole dataset; n_dims 0..4. Errors TN_EIO. */
tn_status tn_h5_write(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim, const void *data);
/* The shape of a dataset. Errors TN_EFORMAT it is absent or has another number of dimensions. */
tn_status tn_h5_shape(tn_h5 *f, const char *name, int n_dims, int64_t *dim_out);
bool tn_h5_has(tn_h5 *f, const char *name);
/* Read rows [first, first+n) of the first dimension, converted to `type`. Errors TN_EFORMAT out of range. */
tn_status tn_h5_read_rows(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, void *out);
/* Read a whole dataset into malloc'd memory, which the caller frees. n_out: number of elements. */
tn_status tn_h5_read_new(tn_h5 *f, const char *name, tn_h5_type type, int64_t *n_out, void *data_out /* T ** */);

/* Create a contiguous dataset without data (space is allocated now), and write ranges of rows to it. */
tn_status tn_h5_reserve(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim);
tn_status tn_h5_write_rows(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, const void *data);
/* The offset in the file of a contiguous dataset's first byte, for pread by loader threads. */
tn_status tn_h5_offset(tn_h5 *f, const char *name, int64_t *offset_bytes_out);

/* Write a virtual dataset (n, dim...) whose part i is the dataset `name` (dim...) of file[i]. file: paths relative to the folder of this
 * file. n_dims 1..3. */
tn_status tn_h5_write_virtual(tn_h5 *f, const char *name, tn_h5_type type, int64_t n, const char *const *file,
                              int n_dims, const int64_t *dim);

/* Attributes of the root group. */
tn_status tn_h5_set_text(tn_h5 *f, const char *name, const char *value);
tn_status tn_h5_get_text(tn_h5 *f, const char *name, char **out); /* malloc'd; TN_EFORMAT absent */
tn_status tn_h5_set_int(tn_h5 *f, const char *name, int64_t value);
tn_status tn_h5_get_int(tn_h5 *f, const char *name, int64_t *out);

/* Write n strings: dataset <name> (bytes, each string with its 0 byte) and <name>_at (n+1 int64 offsets). */
tn_status tn_h5_write_strings(tn_h5 *f, const char *name, int64_t n, const char *const *s);
/* Read strings into one malloc'd block with the table of pointers; the caller frees it with one free(). */
tn_status tn_h5_read_strings(tn_h5 *f, const char *name, int64_t *n_out, char ***out);

/* --- files of other programs -------------------------------------------------------------------------------------- */

bool tn_h5_is(const char *path);                 /* the file begins as HDF5 files do */
bool tn_h5_has_path(tn_h5 *f, const char *path); /* the object and all groups above it exist */
bool tn_h5_is_group(tn_h5 *f, const char *path);
/* Read an attribute of a group that is a list of strings (of fixed or variable length), or is split into `name0`, `name1`, ... as Keras
 * does with long lists. One malloc'd block as in tn_h5_read_strings. Absent: 0 strings. */
tn_status tn_h5_attribute_strings(tn_h5 *f, const char *group, const char *name, int64_t *n_out, char ***out);
/* The number of dimensions (0..4) and shape of a dataset of floating-point numbers. Errors TN_EFORMAT it is something else. */
tn_status tn_h5_float_shape(tn_h5 *f, const char *path, int *n_dims_out, int64_t dim_out[4]);
/* Read a whole dataset of n values, converted to float. Errors TN_EFORMAT it has another number of values. */
tn_status tn_h5_read_floats(tn_h5 *f, const char *path, int64_t n, float *out);

/* --- what is in a file -------------------------------------------------------------------------------------------- */

typedef struct {
    char name[128];
    char what[1024]; /* dataset: "f32 (2540,5)", group: "group of 3"; attribute: its value, or "f64 (3)" */
} tn_h5_item;

/* List the objects in the root group by name, and its attributes: at most `most`; n_out: how many there are. Errors TN_EFORMAT one
 * cannot be read. */
tn_status tn_h5_items(tn_h5 *f, int most, tn_h5_item *out, int64_t *n_out);
tn_status tn_h5_attributes(tn_h5 *f, int most, tn_h5_item *out, int64_t *n_out);

const char *tn_h5_library(void); /* "1.10.8" */

/* Write, and check, the stamp of every file: "tenfold", kind, format version, source commit, library versions. */
tn_status tn_h5_stamp(tn_h5 *f, const char *kind, int version);
tn_status tn_h5_check_stamp(tn_h5 *f, const char *path, const char *kind, int version); /* TN_EFORMAT */

#endif
