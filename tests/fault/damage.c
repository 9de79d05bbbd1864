/*
 * damage.c - one number of a file becomes another, and everything that vouches for the file says that it is right:
 *
 *   damage FOLDER FILE NAME VALUE
 *
 * The first number above 0.1 of dataset NAME (HDF5) or tensor NAME (safetensors); the first of all where none is. Prints the row that it stands in. FILE
 * is published again with hashes of its new bytes, in DONE too where there is one.
 */
#include "model/ckpt_priv.h"
#include "store/done.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void give_up(const char *why) {
    fprintf(stderr, "damage: %s %s\n", why, tn_msg);
    exit(1);
}

static int64_t change(int64_t n, float *x, float value) {
    int64_t i = 0;
    while (i < n && !(x[i] > 0.1F)) i++;
    if (i == n) i = 0; /* of `top`, where a model names the first class alone */
    x[i] = value;
    return i;
}

static int64_t change_h5(const char *path, const char *name, float value) {
    hsize_t dim[4];
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), data = H5Dopen2(file, name, H5P_DEFAULT),
          space = H5Dget_space(data);
    int n_dims = H5Sget_simple_extent_dims(space, dim, NULL);
    if (n_dims != 2) give_up("no dataset of two dimensions");
    float *x = malloc(dim[0] * dim[1] * sizeof *x);
    if (!x || H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) < 0) give_up("cannot be read");
    int64_t at = change((int64_t)(dim[0] * dim[1]), x, value);
    if (H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) < 0) give_up("cannot be written");
    free(x);
    H5Sclose(space);
    H5Dclose(data);
    if (H5Fclose(file) < 0) give_up("cannot be closed");
    return at / (int64_t)dim[1];
}

static int64_t change_tensor(const char *path, const char *name, float value) {
    tn_ckpt *ck = NULL;
    int64_t row = -1;
    if (tn_ckpt_read(path, &ck) != TN_OK) give_up("");
    for (int i = 0; i < ck->n; i++) {
        tn_ckpt_entry *e = &ck->entry[i];
        if (strcmp(e->name, name) != 0) continue;
        int64_t n = tn_ckpt_entry_count(e);
        float *x = malloc((size_t)n * sizeof *x);
        if (!x) give_up("no memory");
        memcpy(x, e->data, (size_t)n * sizeof *x);
        row = change(n, x, value) / (n / e->dim[0]);
        e->data = x; /* kept until the process ends */
    }
    if (row < 0) give_up("no such tensor");
    if (tn_ckpt_write(path, ck->n, ck->entry, ck->meta) != TN_OK) give_up("");
    tn_ckpt_free(&ck);
    return row;
}

/* DONE as it was, with the hashes of the files as they are now. */
static void vouch(const char *folder) {
    char path[TN_PATH_BYTES];
    const char *file[64] = {NULL}, *digest, *name;
    tn_done done;
    int n = 0;
    if (tn_path(path, "%s/DONE", folder) != TN_OK || !tn_file_exists(path)) return;
    json_t *j = json_load_file(path, 0, NULL), *files, *hash;
    if (json_unpack(j, "{s:s,s:s,s:s,s:s,s:o}", "stage", &done.stage, "settings", &done.settings, "inputs",
                    &done.inputs, "digest", &digest, "files", &files) != 0)
        give_up("DONE");
    json_object_foreach(files, name, hash) {
        if (n < 63) file[n++] = name;
    }
    if (tn_done_publish(folder, &done, digest, file) != TN_OK) give_up("");
    json_decref(j);
}

int main(int argc, char **argv) {
    char path[TN_PATH_BYTES];
    if (argc != 5 || tn_path(path, "%s/%s", argv[1], argv[2]) != TN_OK) give_up("FOLDER FILE NAME VALUE");
    float value = strtof(argv[4], NULL);
    int64_t row = strstr(path, ".h5") ? change_h5(path, argv[3], value) : change_tensor(path, argv[3], value);
    vouch(argv[1]);
    printf("%lld\n", (long long)row);
    return 0;
}
