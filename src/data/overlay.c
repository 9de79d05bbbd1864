/* overlay.c - writes and reads overlays. */
#include "data/overlay.h"

#include "store/done.h"
#include "store/h5.h"

#include <string.h>

const char *const tn_verdict_words[TN_VERDICTS] = {"keep", "drop", "not_judged", "unlabeled", "relabel"};
const char *const tn_reason_words[TN_REASONS] = {"not_judged",     "believed",    "suspicious",      "class_floor",
                                                 "category_floor", "noise_limit", "class_not_judged"};

int32_t tn_label_after(uint8_t verdict, int32_t label, int32_t suggested) {
    switch (verdict) {
    case TN_VERDICT_DROP:
        return TN_LABEL_OUT;
    case TN_VERDICT_UNLABELED:
        return TN_LABEL_NONE;
    case TN_VERDICT_RELABEL:
        return suggested;
    default:
        return label;
    }
}

void tn_overlay_name(int fold, char out[TN_OVERLAY_NAME_BYTES]) {
    snprintf(out, TN_OVERLAY_NAME_BYTES, "overlay-f%d.h5", fold);
}

static tn_status fill(tn_h5 *f, int round, int64_t N, const tn_judgement *j) {
    TN_TRY(tn_h5_stamp(f, "overlay", 2));
    TN_TRY(tn_h5_set_int(f, "round", round));
    TN_TRY(tn_h5_write(f, "verdict", TN_H5_U8, 1, &N, j->verdict));
    TN_TRY(tn_h5_write(f, "reason", TN_H5_U8, 1, &N, j->reason));
    TN_TRY(tn_h5_write(f, "margin", TN_H5_F32, 1, &N, j->margin));
    return tn_h5_write(f, "suggested", TN_H5_I32, 1, &N, j->suggested);
}

tn_status tn_overlay_write(const char *folder, int fold, int round, int64_t N, const tn_judgement *j, tn_hash *digest) {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    tn_h5 *f = NULL;
    tn_overlay_name(fold, name);
    TN_TRY(tn_path(path, "%s/%s", folder, name));
    TN_TRY(tn_publish_name(path, tmp));
    TN_TRY(tn_h5_create(tmp, &f));
    tn_status st = fill(f, round, N, j), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st != TN_OK) {
        tn_publish_drop(path);
        return st;
    }
    tn_hash_add(digest, j->verdict, (size_t)N * sizeof *j->verdict);
    tn_hash_add(digest, j->margin, (size_t)N * sizeof *j->margin);
    tn_hash_add(digest, j->suggested, (size_t)N * sizeof *j->suggested);
    return tn_publish_end(path);
}

static tn_status read_columns(tn_h5 *f, const char *path, int64_t N, uint8_t *verdict_out, int32_t *suggested_out) {
    int64_t n = 0;
    TN_TRY(tn_h5_check_stamp(f, path, "overlay", 2));
    TN_TRY(tn_h5_shape(f, "verdict", 1, &n));
    if (n != N)
        return tn_fail(TN_EFORMAT, "%s: is of another data set: %lld rows, not %lld", path, (long long)n, (long long)N);
    TN_TRY(tn_h5_read_rows(f, "verdict", TN_H5_U8, 0, N, verdict_out));
    return suggested_out ? tn_h5_read_rows(f, "suggested", TN_H5_I32, 0, N, suggested_out) : TN_OK;
}

tn_status tn_overlay_read(const tn_cfg *cfg, const tn_cell *cell, int64_t N, uint8_t *verdict_out,
                          int32_t *suggested_out) {
    memset(verdict_out, TN_VERDICT_KEEP, (size_t)N);
    if (cell->round == 0) return TN_OK;
    char path[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    tn_h5 *f = NULL;
    tn_overlay_name(cell->fold, name);
    TN_TRY(tn_filter_folder(cfg, cell->round, path));
    TN_TRY(tn_done_file(path, name, "filter", path));
    TN_TRY(tn_h5_open(path, &f));
    tn_status st = read_columns(f, path, N, verdict_out, suggested_out);
    tn_h5_close(&f);
    return st;
}
