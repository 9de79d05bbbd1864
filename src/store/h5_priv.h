/* h5_priv.h - shared by h5.c (datasets) and h5_file.c (files, attributes). */
#ifndef TN_STORE_H5_PRIV_H
#define TN_STORE_H5_PRIV_H

#include "base/fs.h"
#include "store/h5.h"

#include <hdf5.h>

struct tn_h5 {
    hid_t file;
    bool writing;
    char path[TN_PATH_BYTES];
};

hid_t tn_h5_file_type(tn_h5_type type);   /* little-endian */
hid_t tn_h5_memory_type(tn_h5_type type); /* of this machine */
size_t tn_h5_bytes(tn_h5_type type);

/* What to return after an HDF5 call on a file has failed: where a system call failed, TN_EIO with path and its cause, as
 * a file that cannot be read now is not damaged; else st with path and text. Says what failed since it was asked last. */
tn_status tn_h5_fail(tn_status st, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* as in base/status.h */
#define tn_h5_fail(st, ...) ((void)tn_h5_fail(st, __VA_ARGS__), TN_EFORMAT)
#endif

/* Dataset `name` opened, with its shape; TN_EFORMAT. n_dims_out may be NULL. Close with H5Dclose. */
tn_status tn_h5_dataset(tn_h5 *f, const char *name, hid_t *out, int *n_dims_out, hsize_t dim_out[4]);

/* Memory and file spaces of rows [first, first+n). Close both with H5Sclose. TN_EFORMAT out of range. */
tn_status tn_h5_row_spaces(tn_h5 *f, const char *name, hid_t dataset, int64_t first, int64_t n, hid_t *memory_out,
                           hid_t *file_out);

#endif
