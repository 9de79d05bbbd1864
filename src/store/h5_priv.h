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
hid_t tn_h5_memory_type(tn_h5_type type); /* native */
size_t tn_h5_bytes(tn_h5_type type);

/* The status to return after a failed HDF5 call. If a system call failed since the last tn_h5_fail: TN_EIO with path and errno, because
 * a file that cannot be read now need not be damaged. Otherwise st with path and text. */
tn_status tn_h5_fail(tn_status st, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* as in base/status.h */
#define tn_h5_fail(st, ...) ((void)tn_h5_fail(st, __VA_ARGS__), TN_EFORMAT)
#endif

/* Open a dataset and get its shape; n_dims_out may be NULL. The caller closes it with H5Dclose. Errors TN_EFORMAT. */
tn_status tn_h5_dataset(tn_h5 *f, const char *name, hid_t *out, int *n_dims_out, hsize_t dim_out[4]);

/* Memory and file spaces of rows [first, first+n). The caller closes both with H5Sclose. Errors TN_EFORMAT out of range. */
tn_status tn_h5_row_spaces(tn_h5 *f, const char *name, hid_t dataset, int64_t first, int64_t n, hid_t *memory_out,
                           hid_t *file_out);

#endif
