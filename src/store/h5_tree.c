/* h5_tree.c - reads files of other programs: groups, lists of strings, floating-point datasets. */
#include "store/h5_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIMS = 4, MOST_STRINGS = 100000, MOST_STRING_BYTES = 4096, MOST_PIECES = 1000 };

bool tn_h5_is(const char *path) {
    static const unsigned char SIGNATURE[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    unsigned char begin[8];
    FILE *f = fopen(path, "rb");
    bool is = f && fread(begin, sizeof begin, 1, f) == 1 && memcmp(begin, SIGNATURE, sizeof begin) == 0;
    if (f) fclose(f);
    return is;
}

/* H5Lexists fails if a group above the object is missing, so it is called for each group in turn. */
bool tn_h5_has_path(tn_h5 *f, const char *path) {
    char part[TN_PATH_BYTES];
    if (tn_path(part, "%s", path) != TN_OK) return false;
    for (char *at = part; (at = strchr(at, '/')); at++) {
        *at = 0;
        bool there = *part == 0 || H5Lexists(f->file, part, H5P_DEFAULT) > 0;
        *at = '/';
        if (!there) return false;
    }
    return H5Lexists(f->file, part, H5P_DEFAULT) > 0;
}

/* The type of an object is found by opening it, because H5Oget_info_by_name differs between versions of HDF5. */
static bool is_a(tn_h5 *f, const char *path, H5I_type_t what) {
    hid_t object = tn_h5_has_path(f, path) ? H5Oopen(f->file, path, H5P_DEFAULT) : -1;
    bool is = object >= 0 && H5Iget_type(object) == what;
    if (object >= 0) H5Oclose(object);
    return is;
}

bool tn_h5_is_group(tn_h5 *f, const char *path) {
    return is_a(f, path, H5I_GROUP);
}

/* --- lists of strings --------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t n, n_bytes;
    char **s; /* each malloc'd */
} list;

static void list_free(list *l) {
    for (int64_t i = 0; i < l->n; i++) free(l->s[i]);
    free(l->s);
}

static bool list_add(list *l, const char *text, size_t most) {
    size_t length = strnlen(text, most);
    if (length > MOST_STRING_BYTES || l->n >= MOST_STRINGS) return false;
    char **more = realloc(l->s, (size_t)(l->n + 1) * sizeof *more);
    if (!more) return false;
    l->s = more;
    l->s[l->n] = strndup(text, length);
    if (!l->s[l->n]) return false;
    l->n++;
    l->n_bytes += (int64_t)length + 1;
    return true;
}

/* Add the n strings of an open attribute to the list. */
static bool add_fixed(hid_t attribute, hid_t type, int64_t n, list *l) {
    size_t width = H5Tget_size(type);
    if (width < 1 || width > MOST_STRING_BYTES) return false;
    char *bytes = calloc((size_t)n, width);
    bool ok = bytes && H5Aread(attribute, type, bytes) >= 0;
    for (int64_t i = 0; ok && i < n; i++) ok = list_add(l, bytes + (size_t)i * width, width);
    free(bytes);
    return ok;
}

static bool add_variable(hid_t attribute, hid_t type, int64_t n, list *l) {
    char **s = calloc((size_t)n, sizeof *s);
    bool ok = s && H5Aread(attribute, type, s) >= 0;
    for (int64_t i = 0; ok && i < n; i++) ok = s[i] && list_add(l, s[i], MOST_STRING_BYTES + 1);
    for (int64_t i = 0; s && i < n; i++) H5free_memory(s[i]); /* H5Dvlen_reclaim is called otherwise since HDF5 1.12 */
    free(s);
    return ok;
}

static bool add_attribute(hid_t object, const char *name, list *l) {
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), type = -1, space = -1;
    bool ok = attribute >= 0 && (type = H5Aget_type(attribute)) >= 0 && (space = H5Aget_space(attribute)) >= 0;
    if (ok) {
        hssize_t n = H5Sget_simple_extent_npoints(space);
        bool text = H5Tget_class(type) == H5T_STRING;
        if (n < 0 || n > MOST_STRINGS)
            ok = false;
        else if (n > 0) /* h5py writes an empty list as numbers */
            ok = text && (H5Tis_variable_str(type) > 0 ? add_variable(attribute, type, n, l)
                                                       : add_fixed(attribute, type, n, l));
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    return ok;
}

static bool add_pieces(hid_t object, const char *name, list *l) {
    for (int i = 0; i < MOST_PIECES; i++) {
        char piece[128];
        snprintf(piece, sizeof piece, "%s%d", name, i);
        if (H5Aexists(object, piece) <= 0) return true;
        if (!add_attribute(object, piece, l)) return false;
    }
    return false;
}

/* One block: the table of pointers, then the bytes. */
static char **block_of(const list *l) {
    char **s = malloc((size_t)l->n * sizeof *s + (size_t)l->n_bytes + 1);
    char *at = s ? (char *)(s + l->n) : NULL;
    for (int64_t i = 0; s && i < l->n; i++) {
        s[i] = strcpy(at, l->s[i]);
        at += strlen(at) + 1;
    }
    return s;
}

tn_status tn_h5_attribute_strings(tn_h5 *f, const char *group, const char *name, int64_t *n_out, char ***out) {
    list l = {.n = 0};
    hid_t object = tn_h5_is_group(f, group) ? H5Oopen(f->file, group, H5P_DEFAULT) : -1;
    bool ok =
        object >= 0 && (H5Aexists(object, name) > 0 ? add_attribute(object, name, &l) : add_pieces(object, name, &l));
    if (object >= 0) H5Oclose(object);
    char **s = ok ? block_of(&l) : NULL;
    int64_t n = l.n;
    list_free(&l);
    if (!s) return tn_h5_fail(TN_EFORMAT, f->path, "group `%s` has no readable list `%s`: damaged?", group, name);
    *n_out = n;
    *out = s;
    return TN_OK;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

tn_status tn_h5_float_shape(tn_h5 *f, const char *path, int *n_dims_out, int64_t dim_out[4]) {
    hid_t dataset;
    hsize_t dim[MOST_DIMS] = {0};
    if (!is_a(f, path, H5I_DATASET)) return tn_h5_fail(TN_EFORMAT, f->path, "has no dataset `%s`", path);
    TN_TRY(tn_h5_dataset(f, path, &dataset, n_dims_out, dim));
    hid_t type = H5Dget_type(dataset);
    bool floats = type >= 0 && H5Tget_class(type) == H5T_FLOAT;
    if (type >= 0) H5Tclose(type);
    H5Dclose(dataset);
    for (int d = 0; d < MOST_DIMS; d++) dim_out[d] = dim[d] > INT64_MAX ? INT64_MAX : (int64_t)dim[d];
    return floats ? TN_OK : tn_h5_fail(TN_EFORMAT, f->path, "dataset `%s` does not hold floating-point numbers", path);
}

tn_status tn_h5_read_floats(tn_h5 *f, const char *path, int64_t n, float *out) {
    hid_t dataset;
    hsize_t dim[MOST_DIMS] = {0};
    int n_dims = 0;
    TN_TRY(tn_h5_dataset(f, path, &dataset, &n_dims, dim));
    hid_t space = H5Dget_space(dataset);
    bool ok = space >= 0 && H5Sget_simple_extent_npoints(space) == (hssize_t)n &&
              H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
    if (space >= 0) H5Sclose(space);
    H5Dclose(dataset);
    return ok ? TN_OK : tn_h5_fail(TN_EFORMAT, f->path, "dataset `%s` cannot be read: damaged?", path);
}
