/* h5.c - reads and writes datasets. */
#include "store/h5_priv.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DIMS = 4 };

hid_t tn_h5_file_type(tn_h5_type type) {
    const hid_t of[] = {H5T_STD_U8LE,  H5T_STD_I8LE,  H5T_STD_I16LE, H5T_STD_U16LE,  H5T_STD_I32LE,
                        H5T_STD_U32LE, H5T_STD_I64LE, H5T_STD_U64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE};
    return of[type];
}

hid_t tn_h5_memory_type(tn_h5_type type) {
    const hid_t of[] = {H5T_NATIVE_UINT8,  H5T_NATIVE_INT8,  H5T_NATIVE_INT16,  H5T_NATIVE_UINT16, H5T_NATIVE_INT32,
                        H5T_NATIVE_UINT32, H5T_NATIVE_INT64, H5T_NATIVE_UINT64, H5T_NATIVE_FLOAT,  H5T_NATIVE_DOUBLE};
    return of[type];
}

size_t tn_h5_bytes(tn_h5_type type) {
    static const size_t OF[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return OF[type];
}

/* --- creating ----------------------------------------------------------------------------------------------------- */

static tn_status create(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim, hid_t *out) {
    TN_ASSERT(n_dims >= 0 && n_dims <= MOST_DIMS);
    hsize_t size[MOST_DIMS] = {0};
    for (int d = 0; d < n_dims; d++) size[d] = (hsize_t)dim[d];
    hid_t space = n_dims ? H5Screate_simple(n_dims, size, NULL) : H5Screate(H5S_SCALAR);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(list, H5D_CONTIGUOUS);
    H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(list, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(list, 0);
    *out = H5Dcreate2(f->file, name, tn_h5_file_type(type), space, H5P_DEFAULT, list, H5P_DEFAULT);
    H5Pclose(list);
    H5Sclose(space);
    return *out >= 0 ? TN_OK : tn_h5_fail(TN_EIO, f->path, "dataset %s cannot be made: is the disk full?", name);
}

/* Small writes stay in a buffer until the dataset is closed: only then it is known whether they succeeded. */
static tn_status close_written(tn_h5 *f, const char *name, hid_t dataset, bool ok) {
    ok = H5Dclose(dataset) >= 0 && ok;
    return ok ? TN_OK : tn_h5_fail(TN_EIO, f->path, "dataset %s cannot be written: is the disk full?", name);
}

tn_status tn_h5_reserve(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim) {
    hid_t dataset;
    TN_TRY(create(f, name, type, n_dims, dim, &dataset));
    return close_written(f, name, dataset, true);
}

tn_status tn_h5_write(tn_h5 *f, const char *name, tn_h5_type type, int n_dims, const int64_t *dim, const void *data) {
    hid_t dataset;
    int64_t n = 1;
    for (int d = 0; d < n_dims; d++) n *= dim[d];
    TN_TRY(create(f, name, type, n_dims, dim, &dataset));
    bool ok = n == 0 || H5Dwrite(dataset, tn_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    return close_written(f, name, dataset, ok);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

tn_status tn_h5_dataset(tn_h5 *f, const char *name, hid_t *out, int *n_dims_out, hsize_t dim_out[4]) {
    hid_t dataset = tn_h5_has(f, name) ? H5Dopen2(f->file, name, H5P_DEFAULT) : -1;
    if (dataset < 0) return tn_h5_fail(TN_EFORMAT, f->path, "has no dataset `%s`: damaged, or of another kind", name);
    hid_t space = H5Dget_space(dataset);
    int n_dims = H5Sget_simple_extent_ndims(space);
    bool ok = n_dims >= 0 && n_dims <= MOST_DIMS && H5Sget_simple_extent_dims(space, dim_out, NULL) >= 0;
    H5Sclose(space);
    if (!ok) {
        H5Dclose(dataset);
        return tn_h5_fail(TN_EFORMAT, f->path, "dataset `%s` has an unexpected shape", name);
    }
    if (n_dims_out) *n_dims_out = n_dims;
    *out = dataset;
    return TN_OK;
}

bool tn_h5_has(tn_h5 *f, const char *name) {
    return H5Lexists(f->file, name, H5P_DEFAULT) > 0;
}

tn_status tn_h5_shape(tn_h5 *f, const char *name, int n_dims, int64_t *dim_out) {
    hid_t dataset;
    int have = 0;
    hsize_t dim[MOST_DIMS];
    TN_TRY(tn_h5_dataset(f, name, &dataset, &have, dim));
    H5Dclose(dataset);
    if (have != n_dims)
        return tn_fail(TN_EFORMAT, "%s: dataset `%s` has %d dimensions, not %d", f->path, name, have, n_dims);
    for (int d = 0; d < n_dims; d++) dim_out[d] = (int64_t)dim[d];
    return TN_OK;
}

tn_status tn_h5_row_spaces(tn_h5 *f, const char *name, hid_t dataset, int64_t first, int64_t n, hid_t *memory_out,
                           hid_t *file_out) {
    hid_t space = H5Dget_space(dataset);
    hsize_t dim[MOST_DIMS] = {1}, start[MOST_DIMS] = {0}, count[MOST_DIMS];
    int n_dims = H5Sget_simple_extent_dims(space, dim, NULL);
    if (n_dims < 1 || first < 0 || n < 0 || first + n > (int64_t)dim[0]) {
        H5Sclose(space);
        return tn_fail(TN_EFORMAT, "%s: dataset `%s` has no rows %lld to %lld", f->path, name, (long long)first,
                       (long long)first + n);
    }
    memcpy(count, dim, sizeof count);
    start[0] = (hsize_t)first;
    count[0] = (hsize_t)n;
    *memory_out = H5Screate_simple(n_dims, count, NULL);
    *file_out = space;
    if (n > 0)
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    else {
        H5Sselect_none(space);
        H5Sselect_none(*memory_out);
    }
    return TN_OK;
}

static tn_status transfer(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, void *out,
                          const void *in) {
    hid_t dataset, memory, file;
    hsize_t dim[MOST_DIMS];
    TN_TRY(tn_h5_dataset(f, name, &dataset, NULL, dim));
    tn_status st = tn_h5_row_spaces(f, name, dataset, first, n, &memory, &file);
    bool ok = true;
    if (st == TN_OK) {
        hid_t t = tn_h5_memory_type(type);
        ok = n == 0 || (out ? H5Dread(dataset, t, memory, file, H5P_DEFAULT, out)
                            : H5Dwrite(dataset, t, memory, file, H5P_DEFAULT, in)) >= 0;
        H5Sclose(memory);
        H5Sclose(file);
    }
    ok = (H5Dclose(dataset) >= 0 || out) && ok; /* as above */
    if (st != TN_OK || ok) return st;
    return tn_h5_fail(out ? TN_EFORMAT : TN_EIO, f->path, "rows %lld to %lld of dataset `%s` cannot be %s",
                      (long long)first, (long long)first + n, name,
                      out ? "read: damaged?" : "written: is the disk full?");
}

tn_status tn_h5_read_rows(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, void *out) {
    return transfer(f, name, type, first, n, out, NULL);
}

tn_status tn_h5_write_rows(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, const void *data) {
    return transfer(f, name, type, first, n, NULL, data);
}

tn_status tn_h5_read_new(tn_h5 *f, const char *name, tn_h5_type type, int64_t *n_out, void *data_out) {
    hid_t dataset;
    int n_dims = 0;
    hsize_t dim[MOST_DIMS];
    TN_TRY(tn_h5_dataset(f, name, &dataset, &n_dims, dim));
    int64_t n = 1;
    for (int d = 0; d < n_dims; d++) n *= (int64_t)dim[d];
    void *data = malloc((size_t)n * tn_h5_bytes(type) + 1);
    tn_status st = data ? TN_OK : tn_fail_memory((size_t)n * tn_h5_bytes(type), name);
    if (data && n > 0 && H5Dread(dataset, tn_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        st = tn_h5_fail(TN_EFORMAT, f->path, "dataset `%s` cannot be read: damaged?", name);
    H5Dclose(dataset);
    if (st != TN_OK) {
        free(data);
        return st;
    }
    *n_out = n;
    memcpy(data_out, &data, sizeof data);
    return TN_OK;
}

tn_status tn_h5_offset(tn_h5 *f, const char *name, int64_t *offset_bytes_out) {
    hid_t dataset;
    hsize_t dim[MOST_DIMS];
    TN_TRY(tn_h5_dataset(f, name, &dataset, NULL, dim));
    haddr_t at = H5Dget_offset(dataset);
    H5Dclose(dataset);
    *offset_bytes_out = at == HADDR_UNDEF ? 0 : (int64_t)at; /* an empty dataset has no offset */
    return TN_OK;
}

/* --- strings ------------------------------------------------------------------------------------------------------ */

tn_status tn_h5_write_strings(tn_h5 *f, const char *name, int64_t n, const char *const *s) {
    char at_name[256];
    int64_t n_bytes = 0, *at = malloc((size_t)(n + 1) * sizeof *at);
    if (!at) return tn_fail_memory((size_t)n * sizeof *at, name);
    for (int64_t i = 0; i < n; i++) {
        at[i] = n_bytes;
        n_bytes += (int64_t)strlen(s[i]) + 1;
    }
    at[n] = n_bytes;
    char *bytes = malloc((size_t)n_bytes + 1);
    tn_status st = bytes ? TN_OK : tn_fail_memory((size_t)n_bytes, name);
    for (int64_t i = 0; bytes && i < n; i++) memcpy(bytes + at[i], s[i], (size_t)(at[i + 1] - at[i]));
    snprintf(at_name, sizeof at_name, "%s_at", name);
    if (st == TN_OK) st = tn_h5_write(f, name, TN_H5_U8, 1, &n_bytes, bytes);
    if (st == TN_OK) st = tn_h5_write(f, at_name, TN_H5_I64, 1, (int64_t[]){n + 1}, at);
    free(bytes);
    free(at);
    return st;
}

static tn_status strings_from(tn_h5 *f, const char *name, const int64_t *at, int64_t n, const char *bytes,
                              int64_t n_bytes, char ***out) {
    bool ok = n >= 0 && at[0] == 0 && at[n] == n_bytes && (n_bytes == 0 || bytes[n_bytes - 1] == 0);
    for (int64_t i = 0; ok && i < n; i++) ok = at[i] < at[i + 1] && at[i + 1] <= n_bytes && bytes[at[i + 1] - 1] == 0;
    if (!ok) return tn_fail(TN_EFORMAT, "%s: strings `%s` are damaged", f->path, name);
    char **s = malloc((size_t)n * sizeof *s + (size_t)n_bytes + 1);
    if (!s) return tn_fail_memory((size_t)n_bytes, name);
    char *copy = (char *)(s + n);
    memcpy(copy, bytes, (size_t)n_bytes);
    for (int64_t i = 0; i < n; i++) s[i] = copy + at[i];
    *out = s;
    return TN_OK;
}

tn_status tn_h5_read_strings(tn_h5 *f, const char *name, int64_t *n_out, char ***out) {
    char at_name[256];
    int64_t n_at = 0, n_bytes = 0, *at = NULL;
    char *bytes = NULL;
    snprintf(at_name, sizeof at_name, "%s_at", name);
    TN_TRY(tn_h5_read_new(f, at_name, TN_H5_I64, &n_at, &at));
    tn_status st = tn_h5_read_new(f, name, TN_H5_U8, &n_bytes, &bytes);
    if (st == TN_OK && n_at < 1) st = tn_fail(TN_EFORMAT, "%s: strings `%s` are damaged", f->path, name);
    if (st == TN_OK) st = strings_from(f, name, at, n_at - 1, bytes, n_bytes, out);
    free(at);
    free(bytes);
    if (st == TN_OK) *n_out = n_at - 1;
    return st;
}
