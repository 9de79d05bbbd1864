/* h5_all.c - collective transfers of row ranges. A failure in here is fatal: peers are inside the same call. */
#include "base/h5_priv.h"

static void transfer_all(tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n, void *out,
                         const void *in) {
    hid_t dataset, memory, file, list = H5Pcreate(H5P_DATASET_XFER);
    hsize_t dim[4];
    H5Pset_dxpl_mpio(list, H5FD_MPIO_COLLECTIVE);
    if (tn_h5_dataset(f, name, &dataset, NULL, dim) != TN_OK ||
        tn_h5_row_spaces(f, name, dataset, first, n, &memory, &file) != TN_OK)
        tn_die(TN_EFORMAT, "%s", tn_msg);
    static char nothing[8]; /* a rank without rows still takes part, with a pointer that is not NULL */
    hid_t t = tn_h5_memory_type(type);
    herr_t st = out || !in ? H5Dread(dataset, t, memory, file, list, n ? out : nothing)
                           : H5Dwrite(dataset, t, memory, file, list, n ? in : nothing);
    if (st < 0)
        tn_die(TN_EIO, "%s: rows %lld to %lld of `%s` cannot be %s together with the other ranks: is the disk full?",
               f->path, (long long)first, (long long)(first + n), name, out ? "read" : "written");
    H5Sclose(memory);
    H5Sclose(file);
    H5Dclose(dataset);
    H5Pclose(list);
}

tn_status tn_h5_write_rows_all(tn_run *run, tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n,
                               const void *data) {
    (void)run; /* the file carries the communicator; the parameter says that the call is collective */
    static const char nothing[8];
    transfer_all(f, name, type, first, n, NULL, data ? data : nothing);
    return TN_OK;
}

tn_status tn_h5_read_rows_all(tn_run *run, tn_h5 *f, const char *name, tn_h5_type type, int64_t first, int64_t n,
                              void *out) {
    (void)run;
    transfer_all(f, name, type, first, n, out, NULL);
    return TN_OK;
}
