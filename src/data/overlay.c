/* overlay.c - writes and reads overlays. */
#include "data/overlay.h"

#include "store/done.h"
#include "store/h5.h"

#include <string.h>

enum { VERSION = 3 };

const char *const tn_verdict_words[TN_VERDICTS] = {"keep", "drop", "not_judged", "unlabeled", "relabel", "soft"};
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
    if (fold < 0)
        snprintf(out, TN_OVERLAY_NAME_BYTES, "overlay.h5");
    else
        snprintf(out, TN_OVERLAY_NAME_BYTES, "overlay-f%d.h5", fold);
}

static tn_status fill(tn_h5 *f, int round, int64_t N, const tn_judgement *j, const tn_soft *soft) {
    TN_TRY(tn_h5_stamp(f, "overlay", VERSION));
    TN_TRY(tn_h5_set_int(f, "round", round));
    TN_TRY(tn_h5_write(f, "verdict", TN_H5_U8, 1, &N, j->verdict));
    TN_TRY(tn_h5_write(f, "reason", TN_H5_U8, 1, &N, j->reason));
    TN_TRY(tn_h5_write(f, "margin", TN_H5_F32, 1, &N, j->margin));
    TN_TRY(tn_h5_write(f, "suggested", TN_H5_I32, 1, &N, j->suggested));
    return tn_soft_write(f, soft);
}

tn_status tn_overlay_write(const char *folder, int fold, int round, int64_t N, const tn_judgement *j,
                           const tn_soft *soft, tn_hash *digest) {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    tn_h5 *f = NULL;
    tn_overlay_name(fold, name);
    TN_TRY(tn_path(path, "%s/%s", folder, name));
    TN_TRY(tn_publish_name(path, tmp));
    TN_TRY(tn_h5_create(tmp, &f));
    tn_status st = fill(f, round, N, j, soft), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st != TN_OK) {
        tn_publish_drop(path);
        return st;
    }
    tn_hash_add(digest, j->verdict, (size_t)N * sizeof *j->verdict);
    tn_hash_add(digest, j->margin, (size_t)N * sizeof *j->margin);
    tn_hash_add(digest, j->suggested, (size_t)N * sizeof *j->suggested);
    tn_hash_add(digest, soft->row, (size_t)soft->n * sizeof *soft->row);
    tn_hash_add(digest, soft->target, (size_t)(soft->n * soft->K) * sizeof *soft->target);
    return tn_publish_end(path);
}

static tn_status read_columns(tn_h5 *f, const char *path, int64_t N, uint8_t *verdict_out, int32_t *suggested_out) {
    int64_t n = 0;
    TN_TRY(tn_h5_check_stamp(f, path, "overlay", VERSION));
    TN_TRY(tn_h5_shape(f, "verdict", 1, &n));
    if (n != N)
        return tn_fail(TN_EFORMAT, "%s: is of another data set: %lld rows, not %lld", path, (long long)n, (long long)N);
    TN_TRY(tn_h5_read_rows(f, "verdict", TN_H5_U8, 0, N, verdict_out));
    return suggested_out ? tn_h5_read_rows(f, "suggested", TN_H5_I32, 0, N, suggested_out) : TN_OK;
}

static tn_status open_overlay(const tn_cfg *cfg, const tn_cell *cell, char path[TN_PATH_BYTES], tn_h5 **out) {
    char name[TN_OVERLAY_NAME_BYTES];
    tn_overlay_name(cell->fold, name);
    TN_TRY(tn_filter_folder(cfg, cell->round, path));
    TN_TRY(tn_done_file(path, name, tn_filter_verb(cell->round), path));
    return tn_h5_open(path, out);
}

tn_status tn_overlay_soft(const tn_cfg *cfg, const tn_cell *cell, int64_t N, int K, tn_soft *out) {
    char path[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    *out = (tn_soft){.K = K};
    if (!tn_is_filtered(cfg, cell->round)) return TN_OK;
    TN_TRY(open_overlay(cfg, cell, path, &f));
    tn_status st = tn_soft_read(f, path, N, K, out);
    tn_h5_close(&f);
    return st;
}

tn_status tn_overlay_read(const tn_cfg *cfg, const tn_cell *cell, int64_t N, uint8_t *verdict_out,
                          int32_t *suggested_out) {
    memset(verdict_out, TN_VERDICT_KEEP, (size_t)N);
    if (!tn_is_filtered(cfg, cell->round)) return TN_OK;
    char path[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    TN_TRY(open_overlay(cfg, cell, path, &f));
    tn_status st = read_columns(f, path, N, verdict_out, suggested_out);
    tn_h5_close(&f);
    return st;
}
