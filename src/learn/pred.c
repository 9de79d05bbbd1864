/* pred.c - predictions files. */
#include "learn/pred.h"

#include "base/h5.h"

#include <stdlib.h>
#include <string.h>

static tn_status write_file(tn_h5 *f, const tn_pred_info *info, const int64_t *row, const float *p) {
    char name[TN_CELL_NAME_BYTES];
    tn_cell_name(&info->cell, name);
    TN_TRY(tn_h5_stamp(f, "predictions", 1));
    TN_TRY(tn_h5_set_text(f, "cell", name));
    TN_TRY(tn_h5_set_int(f, "round", info->cell.round));
    TN_TRY(tn_h5_set_int(f, "fold", info->cell.fold));
    TN_TRY(tn_h5_set_int(f, "size_px", info->cell.size_px));
    TN_TRY(tn_h5_set_int(f, "seed", info->cell.seed));
    TN_TRY(tn_h5_set_text(f, "index_digest", info->index_digest));
    TN_TRY(tn_h5_set_text(f, "model_digest", info->model_digest));
    TN_TRY(tn_h5_write(f, "row", TN_H5_I64, 1, &info->n, row));
    return tn_h5_write(f, "p", TN_H5_F32, 2, (int64_t[]){info->n, info->K}, p);
}

tn_status tn_pred_write(const char *path, const tn_pred_info *info, const int64_t *row, const float *p) {
    char tmp[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    TN_TRY(tn_publish_name(path, tmp));
    TN_TRY(tn_h5_create(tmp, &f));
    tn_status st = write_file(f, info, row, p), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st == TN_OK) return tn_publish_end(path);
    remove(tmp);
    return st;
}

struct tn_pred {
    tn_h5 *file;
    tn_pred_info info;
    int64_t *row;
};

static tn_status read_text(tn_h5 *f, const char *name, char out[TN_HEX_BYTES]) {
    char *text = NULL;
    TN_TRY(tn_h5_get_text(f, name, &text));
    snprintf(out, TN_HEX_BYTES, "%s", text);
    free(text);
    return TN_OK;
}

static tn_status read_int(tn_h5 *f, const char *name, int *out) {
    int64_t value = 0;
    TN_TRY(tn_h5_get_int(f, name, &value));
    *out = (int)value;
    return TN_OK;
}

static tn_status open_into(const char *path, tn_pred *pr) {
    TN_TRY(tn_h5_open(path, &pr->file));
    TN_TRY(tn_h5_check_stamp(pr->file, path, "predictions", 1));
    tn_pred_info *info = &pr->info;
    TN_TRY(read_int(pr->file, "round", &info->cell.round));
    TN_TRY(read_int(pr->file, "fold", &info->cell.fold));
    TN_TRY(read_int(pr->file, "size_px", &info->cell.size_px));
    TN_TRY(tn_h5_get_int(pr->file, "seed", &info->cell.seed));
    TN_TRY(read_text(pr->file, "index_digest", info->index_digest));
    TN_TRY(read_text(pr->file, "model_digest", info->model_digest));
    int64_t shape[2];
    TN_TRY(tn_h5_shape(pr->file, "p", 2, shape));
    TN_TRY(tn_h5_read_new(pr->file, "row", TN_H5_I64, &info->n, &pr->row));
    info->K = (int)shape[1];
    bool ok = shape[0] == info->n && shape[1] >= 1 && shape[1] <= TN_MAX_CLASSES;
    for (int64_t i = 0; ok && i < info->n; i++) ok = pr->row[i] >= 0 && (i == 0 || pr->row[i] > pr->row[i - 1]);
    return ok ? TN_OK : tn_fail(TN_EFORMAT, "%s: damaged: delete it and run `tenfold predict` again", path);
}

tn_status tn_pred_open(const char *path, tn_pred **out) {
    tn_pred *pr = calloc(1, sizeof *pr);
    if (!pr) return tn_fail_memory(sizeof *pr, path);
    tn_status st = open_into(path, pr);
    if (st == TN_OK)
        *out = pr;
    else
        tn_pred_close(&pr);
    return st;
}

void tn_pred_close(tn_pred **pr) {
    if (!*pr) return;
    tn_h5_close(&(*pr)->file);
    free((*pr)->row);
    free(*pr);
    *pr = NULL;
}

const tn_pred_info *tn_pred_info_of(const tn_pred *pr) {
    return &pr->info;
}
const int64_t *tn_pred_rows(const tn_pred *pr) {
    return pr->row;
}

tn_status tn_pred_read(tn_pred *pr, int64_t first, int64_t n, float *p_out) {
    return tn_h5_read_rows(pr->file, "p", TN_H5_F32, first, n, p_out);
}
