/* h5_list.c - lists the contents of any HDF5 file, for `tenfold show`. */
#include "store/h5_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RANK = 8, MOST_TEXT_BYTES = 1 << 24 };

/* The name of a type: "f32", "i64", "u8"; for other types its class. */
static void type_name(hid_t type, char out[16]) {
    H5T_class_t class = H5Tget_class(type);
    int bits = (int)H5Tget_size(type) * 8;
    if (class == H5T_FLOAT)
        snprintf(out, 16, "f%d", bits);
    else if (class == H5T_INTEGER)
        snprintf(out, 16, "%c%d", H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i', bits);
    else
        snprintf(out, 16, "%s", class == H5T_STRING ? "text" : class == H5T_COMPOUND ? "compound" : "other");
}

/* Append the shape "(2540,5)" to out. */
static bool add_shape(hid_t space, char *out, size_t room) {
    hsize_t dim[MOST_RANK];
    int n_dims = H5Sget_simple_extent_ndims(space);
    if (n_dims < 0 || n_dims > MOST_RANK || H5Sget_simple_extent_dims(space, dim, NULL) < 0) return false;
    size_t at = strlen(out);
    at += (size_t)snprintf(out + at, room - at, "(");
    for (int d = 0; d < n_dims && at < room; d++)
        at += (size_t)snprintf(out + at, room - at, d ? ",%" PRIuHSIZE : "%" PRIuHSIZE, dim[d]);
    if (at < room) snprintf(out + at, room - at, ")");
    return true;
}

static bool describe_dataset(hid_t dataset, tn_h5_item *out) {
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), list = H5Dget_create_plist(dataset);
    bool ok = type >= 0 && space >= 0 && list >= 0;
    char name[16];
    if (ok) {
        type_name(type, name);
        snprintf(out->what, sizeof out->what, "%s ", name);
        ok = add_shape(space, out->what, sizeof out->what);
    }
    if (ok && H5Pget_layout(list) == H5D_VIRTUAL)
        strncat(out->what, ", virtual", sizeof out->what - strlen(out->what) - 1);
    if (list >= 0) H5Pclose(list);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return ok;
}

static bool describe_object(hid_t file, tn_h5_item *out) {
    hid_t object = H5Oopen(file, out->name, H5P_DEFAULT);
    H5I_type_t kind = object >= 0 ? H5Iget_type(object) : H5I_BADID;
    H5G_info_t info;
    bool ok = object >= 0;
    if (kind == H5I_DATASET) {
        ok = describe_dataset(object, out);
    } else if (kind == H5I_GROUP) {
        ok = H5Gget_info(object, &info) >= 0;
        if (ok) snprintf(out->what, sizeof out->what, "group of %" PRIuHSIZE, info.nlinks);
    } else if (ok) {
        snprintf(out->what, sizeof out->what, "other");
    }
    if (object >= 0) H5Oclose(object);
    return ok;
}

tn_status tn_h5_items(tn_h5 *f, int most, tn_h5_item *out, int64_t *n_out) {
    H5G_info_t info;
    if (H5Gget_info(f->file, &info) < 0) return tn_h5_fail(TN_EFORMAT, f->path, "cannot be listed: damaged?");
    *n_out = (int64_t)info.nlinks;
    for (int i = 0; i < most && i < *n_out; i++) {
        out[i] = (tn_h5_item){.name = ""};
        if (H5Lget_name_by_idx(f->file, ".", H5_INDEX_NAME, H5_ITER_INC, (hsize_t)i, out[i].name, sizeof out[i].name,
                               H5P_DEFAULT) < 0 ||
            !describe_object(f->file, &out[i]))
            return tn_h5_fail(TN_EFORMAT, f->path, "`%s` cannot be read: damaged?", out[i].name);
    }
    return TN_OK;
}

/* --- attributes --------------------------------------------------------------------------------------------------- */

static bool read_text(hid_t attribute, hid_t type, tn_h5_item *out) {
    size_t n = H5Tget_size(type);
    char *text = n <= MOST_TEXT_BYTES ? calloc(n + 1, 1) : NULL;
    bool ok = text && H5Aread(attribute, type, text) >= 0;
    if (ok) snprintf(out->what, sizeof out->what, "%s", text);
    free(text);
    return ok;
}

static bool read_attribute(hid_t attribute, tn_h5_item *out) {
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    bool ok = type >= 0 && space >= 0, one = ok && H5Sget_simple_extent_npoints(space) == 1;
    H5T_class_t class = ok ? H5Tget_class(type) : H5T_NO_CLASS;
    int64_t number = 0;
    char name[16];
    if (one && class == H5T_STRING && H5Tis_variable_str(type) == 0) {
        ok = read_text(attribute, type, out);
    } else if (one && class == H5T_INTEGER) {
        ok = H5Aread(attribute, H5T_NATIVE_INT64, &number) >= 0;
        snprintf(out->what, sizeof out->what, "%" PRId64, number);
    } else if (ok) {
        type_name(type, name);
        snprintf(out->what, sizeof out->what, "%s ", name);
        ok = add_shape(space, out->what, sizeof out->what);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return ok;
}

static tn_status list_attributes(tn_h5 *f, hid_t root, int most, tn_h5_item *out, int64_t *n_out) {
    int n = root >= 0 ? H5Aget_num_attrs(root) : -1;
    if (n < 0) return tn_h5_fail(TN_EFORMAT, f->path, "its attributes cannot be listed: damaged?");
    *n_out = n;
    for (int i = 0; i < most && i < n; i++) {
        out[i] = (tn_h5_item){.name = ""};
        hid_t attribute = H5Aopen_by_idx(root, ".", H5_INDEX_NAME, H5_ITER_INC, (hsize_t)i, H5P_DEFAULT, H5P_DEFAULT);
        bool ok = attribute >= 0 && H5Aget_name(attribute, sizeof out[i].name, out[i].name) >= 0 &&
                  read_attribute(attribute, &out[i]);
        if (attribute >= 0) H5Aclose(attribute);
        if (!ok) return tn_h5_fail(TN_EFORMAT, f->path, "attribute `%s` cannot be read: damaged?", out[i].name);
    }
    return TN_OK;
}

tn_status tn_h5_attributes(tn_h5 *f, int most, tn_h5_item *out, int64_t *n_out) {
    hid_t root = H5Oopen(f->file, "/", H5P_DEFAULT);
    tn_status st = list_attributes(f, root, most, out, n_out);
    if (root >= 0) H5Oclose(root);
    return st;
}
