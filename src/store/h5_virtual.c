/* h5_virtual.c - virtual datasets over many files. */
#include "store/h5_priv.h"

tn_status tn_h5_write_virtual(tn_h5 *f, const char *name, tn_h5_type type, int64_t n, const char *const *file,
                              int n_dims, const int64_t *dim) {
    hsize_t all[4] = {(hsize_t)n}, start[4] = {0}, one[4] = {1};
    TN_ASSERT(n >= 1 && n_dims >= 1 && n_dims <= 3);
    for (int d = 0; d < n_dims; d++) all[d + 1] = one[d + 1] = (hsize_t)dim[d];
    hid_t space = H5Screate_simple(n_dims + 1, all, NULL), part = H5Screate_simple(n_dims, one + 1, NULL);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(list, 0);
    bool ok = space >= 0 && part >= 0 && list >= 0;
    for (int64_t i = 0; ok && i < n; i++) {
        start[0] = (hsize_t)i;
        ok = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, one, NULL) >= 0 &&
             H5Pset_virtual(list, space, file[i], name, part) >= 0;
    }
    hid_t dataset = ok ? H5Dcreate2(f->file, name, tn_h5_file_type(type), space, H5P_DEFAULT, list, H5P_DEFAULT) : -1;
    ok = dataset >= 0 && H5Dclose(dataset) >= 0;
    H5Pclose(list);
    H5Sclose(part);
    H5Sclose(space);
    return ok ? TN_OK : tn_h5_fail(TN_EIO, f->path, "virtual dataset %s cannot be made: is the disk full?", name);
}
