/*
 * h5.h - the few HDF5 calls this project makes; only store/h5*.c sees hdf5.h.
 *
 *   tn_h5 *f = NULL;
 *   TN_TRY(tn_h5_create(path, &f));                                  // local: one writer
 *   TN_TRY(tn_h5_write(f, "label", TN_H5_I32, 1, (int64_t[]){n}, label));
 *   tn_h5_close(&f);
 *
 * Files are byte-identical for equal content: object times off, no dates, libver bounds fixed (v110),
 * file locking off (HDF5_USE_FILE_LOCKING=FALSE semantics, by the access property list), little-endian types.
 * Datasets are contiguous and unfiltered, in the root group. Strings: one dataset of bytes + one of int64 offsets.
 * Files of other programs may have groups: a name is then a path, `a/b/c` (h5_tree.c).
 * Every file has one writer; no function is collective (docs/decisions/one-writer.md).
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

tn_status tn_h5_create(const char *path, tn_h5 **out); /* a new file in place of an old one; TN_EIO */
/* Read only. TN_EIO absent, or open elsewhere for writing; TN_EFORMAT not HDF5, or damaged: what to do about that, callers know. */
tn_status tn_h5_open(const char *path, tn_h5 **out);
/* TN_EIO where another program (h5py, HDFView) has the file open for writing, or was killed with it open: says so, and to do
 * `remedy` when it is open nowhere. TN_OK for any other file. Local. */
tn_status tn_h5_check_closed(const char *path, const char *remedy);
/* Closes; on a file being written returns TN_EIO when the last bytes could not be written (full disk). NULL fine. */
tn_status tn_h5_close(tn_h5 **f);

/* Did a close fail, so that HDF5 may not survive its own end? For tn_run_end. */
bool tn_h5_broken(void);

/* Whole dataset of the given shape; n_dims 0..4. */
tn_status tn_h5_write(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim, const void *data);
/* Shape of a dataset; TN_EFORMAT when absent or of other rank. */
tn_status tn_h5_shape(tn_h5 *f, const char *name, int n_dims, int64_t *dim_out);
bool tn_h5_has(tn_h5 *f, const char *name);
/* Rows [first, first+n) of the first dimension, whole rows; converts to `type`; TN_EFORMAT when out of range. */
tn_status tn_h5_read_rows(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, void *out);
/* Whole dataset into malloc'd memory (caller frees), with its element count. */
tn_status tn_h5_read_new(tn_h5 *f, const char *name, tn_h5_type type, int64_t *n_out, void *data_out /* T ** */);

/* Contiguous dataset, created without data (space allocated early) and filled row range by row range. */
tn_status tn_h5_reserve(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim);
tn_status tn_h5_write_rows(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, const void *data);
/* File offset of a contiguous dataset's first byte, for pread by loader threads. */
tn_status tn_h5_offset(tn_h5 *f, const char *name, int64_t *offset_bytes_out);

/* Dataset (n, dim...) whose part i is the dataset `name` (dim...) of file[i], which stays where it is: a virtual
 * dataset. file: paths relative to the folder of this file. n_dims 1..3. */
tn_status tn_h5_write_virtual(tn_h5 *f, const char *name, tn_h5_type type, int64_t n, const char *const *file,
                              int n_dims, const int64_t *dim);

/* Attributes of the root group. */
tn_status tn_h5_set_text(tn_h5 *f, const char *name, const char *value);
tn_status tn_h5_get_text(tn_h5 *f, const char *name, char **out); /* malloc'd; TN_EFORMAT absent */
tn_status tn_h5_set_int(tn_h5 *f, const char *name, int64_t value);
tn_status tn_h5_get_int(tn_h5 *f, const char *name, int64_t *out);

/* n strings: dataset <name> (bytes, each with its 0) and <name>_at (n+1 int64 offsets). */
tn_status tn_h5_write_strings(tn_h5 *f, const char *name, int64_t n, const char *const *s);
/* One malloc'd block that the pointer table lies in as well: a single free(). */
tn_status tn_h5_read_strings(tn_h5 *f, const char *name, int64_t *n_out, char ***out);

/* --- files of other programs -------------------------------------------------------------------------------------- */

bool tn_h5_is(const char *path);                 /* the file begins as HDF5 files do */
bool tn_h5_has_path(tn_h5 *f, const char *path); /* every group on the way is there too */
bool tn_h5_is_group(tn_h5 *f, const char *path);
/* Attribute `name` of a group that is a list of strings (of fixed or of variable length), or is cut into `name0`,
 * `name1`, ... as Keras does with long lists. One malloc'd block as in tn_h5_read_strings. Absent: 0 strings. */
tn_status tn_h5_attribute_strings(tn_h5 *f, const char *group, const char *name, int64_t *n_out, char ***out);
/* Rank (0..4) and shape of a dataset of floating-point numbers; TN_EFORMAT for anything else. */
tn_status tn_h5_float_shape(tn_h5 *f, const char *path, int *n_dims_out, int64_t dim_out[4]);
/* The whole dataset, of n values, converted. TN_EFORMAT when it holds another number of them. */
tn_status tn_h5_read_floats(tn_h5 *f, const char *path, int64_t n, float *out);

/* --- what is in a file -------------------------------------------------------------------------------------------- */

typedef struct {
    char name[128];
    char what[1024]; /* dataset: "f32 (2540,5)", group: "group of 3"; attribute: its value, or "f64 (3)" */
} tn_h5_item;

/* What the root group holds, by name, and its attributes: at most `most` of n_out. TN_EFORMAT one cannot be read. */
tn_status tn_h5_items(tn_h5 *f, int most, tn_h5_item *out, int64_t *n_out);
tn_status tn_h5_attributes(tn_h5 *f, int most, tn_h5_item *out, int64_t *n_out);

const char *tn_h5_library(void); /* "1.10.8" */

/* Stored in every artefact: "tenfold", kind, format version, source commit, library versions. And checked. */
tn_status tn_h5_stamp(tn_h5 *f, const char *kind, int version);
tn_status tn_h5_check_stamp(tn_h5 *f, const char *path, const char *kind, int version); /* TN_EFORMAT */

#endif
