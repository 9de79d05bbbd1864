/* drill_job.c - makes the user's job small enough to be run a hundred times. */
#include "drill/drill.h"

#include "base/progress.h"
#include "data/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS_OF_A_CLASS = 30, STEPS = 48, LANES = 4, LANE_IMAGES = 4, SIZE_PX = 32, SHARD_ROWS = 8 };
static const double CHECKPOINT_S = 0.05; /* a few optimiser steps */

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* The kind of a row: its class, or one for all rows that are not trained on. */
static int kind_of(const tn_cfg *cfg, const tn_meta *m, int64_t row) {
    return m->is_test[row] || m->label[row] < 0 ? cfg->data.n_classes : m->label[row];
}

static void put_row(const tn_csv *t, int64_t row, FILE *f) {
    for (int c = 0; c < tn_csv_columns(t); c++)
        tn_csv_put(f, c ? "," : "", row < 0 ? tn_csv_name(t, c) : tn_csv_at(t, row, c));
    fputc('\n', f);
}

/* Write rows that are spread evenly over the table, because the first rows of a sorted table may be one group. */
static int64_t put_rows(const tn_cfg *cfg, const tn_meta *m, FILE *f) {
    int64_t n_of[TN_MAX_CLASSES + 1] = {0}, seen[TN_MAX_CLASSES + 1] = {0}, n = 0;
    for (int64_t row = 0; row < m->n; row++) n_of[kind_of(cfg, m, row)]++;
    put_row(m->table, -1, f);
    for (int64_t row = 0; row < m->n; row++) {
        int k = kind_of(cfg, m, row);
        int64_t every = (n_of[k] + MOST_ROWS_OF_A_CLASS - 1) / MOST_ROWS_OF_A_CLASS;
        if (seen[k]++ % every != 0) continue;
        put_row(m->table, row, f);
        n++;
    }
    return n;
}

static tn_status write_table(const tn_cfg *cfg, const char *path, int64_t *n_out) {
    tn_meta *m = NULL;
    char *text = NULL;
    size_t n_bytes = 0;
    TN_TRY(tn_meta_read(cfg, &m));
    FILE *f = open_memstream(&text, &n_bytes);
    if (f) *n_out = put_rows(cfg, m, f);
    tn_status st = tn_text_end(f, TN_OK, "the table of the drill");
    if (st == TN_OK) st = tn_file_publish(path, text, n_bytes);
    free(text);
    tn_meta_free(&m);
    return st;
}

/* --- the job file ------------------------------------------------------------------------------------------------- */

static int at_most(int value, int most) {
    return value < most ? value : most;
}

static void shrink_settings(tn_cfg *c) {
    c->data.max_bad_fraction = 1; /* bad images do not matter for the drill */
    c->data.stage_folder[0] = c->data.stage_folder_given[0] = 0;
    c->preprocess.size_px = at_most(c->preprocess.size_px, SIZE_PX + SIZE_PX / 4);
    c->preprocess.shard_rows = SHARD_ROWS;
    c->folds.count = 3;
    if (c->folds.validation_share < 0.25) c->folds.validation_share = 0.25; /* so that few rows in groups give some */
    c->model.width = 0.25;
    c->model.depth = 0.35;
    c->model.stem_stride = 1;
    c->model.head_units = at_most(tn_cfg_head_units(c), 16);
    c->model.pretrained[0] = c->model.pretrained_given[0] = 0;
    c->train.lanes = LANES;
    c->train.lane_images = LANE_IMAGES;
    c->train.lane_threads = c->train.loader_threads = 1;
    c->train.images = STEPS * LANES * LANE_IMAGES;
    c->train.warmup_images = 0;
    c->train.evaluations = 3;
    c->train.checkpoint_seconds = CHECKPOINT_S;
    c->train.n_sizes = c->train.n_seeds = 1;
    c->train.sizes_px[0] = SIZE_PX;
    c->self.max_rounds = 0;
    c->self.n_folds = 0;
    c->search.n_space = 0;
}

static tn_status write_job(const tn_cfg *cfg, const char *path) {
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *f = open_memstream(&text, &n_bytes);
    if (f) tn_cfg_print(cfg, f);
    tn_status st = tn_text_end(f, TN_OK, "the job file of the drill");
    if (st == TN_OK) st = tn_file_publish(path, text, n_bytes);
    free(text);
    return st;
}

static tn_status set_path(char value[TN_PATH_BYTES], char given[TN_PATH_BYTES], const char *path) {
    char whole[TN_PATH_BYTES];
    if (!realpath(path, whole)) return tn_fail(TN_EIO, "%s: %s", path, strerror(errno));
    TN_TRY(tn_path(value, "%s", whole));
    return tn_path(given, "%s", whole);
}

tn_status tn_drill_shrink(tn_cfg *cfg) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES];
    int64_t n = 0;
    TN_TRY(tn_path(folder, "%s/table", cfg->run_dir));
    TN_TRY(tn_folder_make(folder));
    TN_TRY(tn_path(path, "%s/metadata.csv", folder));
    TN_TRY(write_table(cfg, path, &n));
    TN_TRY(set_path(cfg->data.images, cfg->data.images_given, cfg->data.images));
    TN_TRY(set_path(cfg->data.metadata, cfg->data.metadata_given, path));
    shrink_settings(cfg);
    tn_say("drill: %lld rows, at most %d of each class; %s at width 0.25, depth 0.35, %d px; %d steps of %d lanes x %d "
           "images; 3 folds, no filtering; everything else as in %s",
           (long long)n, MOST_ROWS_OF_A_CLASS, cfg->model.net, SIZE_PX, STEPS, LANES, LANE_IMAGES, cfg->file);
    TN_TRY(tn_path(path, "%s/drill.cfg", cfg->run_dir));
    return write_job(cfg, path);
}
