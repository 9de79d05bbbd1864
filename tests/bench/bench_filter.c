/*
 * bench_filter.c - memory and time of `filter` over a made-up table.
 *
 *   bench_filter JOB.cfg RUN ROWS   one process; RUN must not be there; 24 bytes of disk per row, class pair and cell
 *
 * The rows and posteriors of all cells of round 0 by formula: a fifth of the labels is not believed. Prints the peak
 * memory before the filter (the index, as every rank holds it) and after it.
 */
#include "filter/filter.h"
#include "score/prow.h"
#include "store/done.h"
#include "store/h5.h"
#include "train/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BLOCK = 65536, FEW_CLASSES = 64, PATH_BYTES = 16 };

static double mib(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* As tn_index_read leaves it: paths and their table in one piece. */
static tn_status make_index(const tn_cfg *cfg, int64_t n, tn_index **out) {
    TN_TRY(tn_index_new(n, 0, out));
    tn_index *ix = *out;
    ix->n_classes = cfg->data.n_classes;
    ix->n_folds = cfg->folds.count;
    ix->path = malloc((size_t)n * (sizeof *ix->path + PATH_BYTES));
    ix->class_name = malloc((size_t)ix->n_classes * sizeof *ix->class_name);
    if (!ix->path || !ix->class_name) return tn_fail_memory((size_t)n * 24, "the index");
    for (int k = 0; k < ix->n_classes; k++) ix->class_name[k] = (char *)(uintptr_t)cfg->data.classes[k];
    for (int64_t i = 0; i < n; i++) {
        ix->path[i] = (char *)(ix->path + n) + i * PATH_BYTES;
        snprintf(ix->path[i], PATH_BYTES, "%011" PRId64 ".jpg", i);
        ix->label[i] = (int32_t)(i * 7 % ix->n_classes);
        ix->truth[i] = -1;
        ix->fold[i] = (int32_t)(i % cfg->folds.count);
        ix->component[i] = (int32_t)i;
    }
    /* what the filter does not read takes memory all the same */
    memset(ix->width, 1, (size_t)n * sizeof *ix->width);
    memset(ix->height, 1, (size_t)n * sizeof *ix->height);
    memset(ix->content_hash, 1, (size_t)n * sizeof *ix->content_hash);
    memset(ix->perceptual_hash, 1, (size_t)n * sizeof *ix->perceptual_hash);
    memset(ix->group, 1, (size_t)n * sizeof *ix->group);
    memset(ix->shard, 1, (size_t)n * sizeof *ix->shard);
    memset(ix->length, 1, (size_t)n * sizeof *ix->length);
    memset(ix->offset, 1, (size_t)n * sizeof *ix->offset);
    memset(ix->checksum, 1, (size_t)n * sizeof *ix->checksum);
    return TN_OK;
}

static tn_status publish(const char *dir, const char *stage, const char *settings, const char *inputs,
                         const char *file) {
    char digest[TN_HEX_BYTES];
    tn_hash_once(dir, strlen(dir), digest);
    tn_done done = {.stage = stage, .settings = settings, .inputs = inputs};
    return tn_done_publish(dir, &done, digest, (const char *[]){file, NULL});
}

static tn_status fill(const tn_index *ix, const tn_cell *cell, tn_h5 *f) {
    static float p[BLOCK * FEW_CLASSES], whole[TN_MAX_CLASSES];
    int K = ix->n_classes, W = tn_prow_width(K);
    int64_t room = W > FEW_CLASSES ? BLOCK * FEW_CLASSES / W : BLOCK;
    TN_TRY(tn_h5_stamp(f, "posteriors", 1));
    TN_TRY(tn_h5_reserve(f, "z", TN_H5_F32, 2, (int64_t[]){ix->n, W}));
    TN_TRY(tn_h5_reserve(f, "p", TN_H5_F32, 2, (int64_t[]){ix->n, W}));
    for (int64_t first = 0; first < ix->n; first += room) {
        int64_t n = ix->n - first < room ? ix->n - first : room;
        for (int64_t i = 0; i < n; i++) {
            int favoured = (ix->label[first + i] + ((first + i) / 5 % 5 == 0)) % K;
            float most = 0.5F + 0.01F * (float)((first + i + cell->fold) % 16);
            for (int k = 0; k < K; k++) whole[k] = k == favoured ? most : (1 - most) / (float)(K - 1);
            tn_prow_keep(K, ix->label[first + i], whole, p + i * W);
        }
        TN_TRY(tn_h5_write_rows(f, "z", TN_H5_F32, first, n, p));
        TN_TRY(tn_h5_write_rows(f, "p", TN_H5_F32, first, n, p));
    }
    return TN_OK;
}

static tn_status write_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, const char *inputs) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], *canonical = tn_cfg_canonical(cfg, TN_KEYS_TRAIN);
    tn_h5 *f = NULL;
    if (!canonical) return tn_fail_memory(4096, "the settings");
    size_t room = strlen(canonical) + 128; /* it may name 21,999 classes */
    char *settings = malloc(room);
    if (!settings) return tn_fail_memory(room, "the settings");
    snprintf(settings, room, "%scell.size_px = %d\ncell.seed = %" PRId64 "\n", canonical, cell->size_px, cell->seed);
    free(canonical);
    TN_TRY(tn_cell_folder(cfg, "train", cell, folder));
    TN_TRY(tn_folder_make(folder));
    TN_TRY(tn_path(path, "%s/posteriors.h5", folder));
    TN_TRY(tn_h5_create(path, &f));
    tn_status st = fill(ix, cell, f), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st == TN_OK) st = publish(folder, "train", settings, inputs, "posteriors.h5");
    free(settings);
    return st;
}

static tn_status write_run(const tn_cfg *cfg, const tn_index *ix) {
    char folder[2][TN_PATH_BYTES], digest[2][TN_HEX_BYTES], inputs[256];
    static const char *const NAME[] = {"shards", "folds"};
    for (int i = 0; i < 2; i++) {
        TN_TRY(tn_path(folder[i], "%s/%s", cfg->run_dir, NAME[i]));
        TN_TRY(tn_folder_make(folder[i]));
        TN_TRY(publish(folder[i], "preprocess", "", "", NULL));
        TN_TRY(tn_done_digest(folder[i], "preprocess", digest[i]));
    }
    snprintf(inputs, sizeof inputs, "shards %s\nfolds %s\n", digest[0], digest[1]);
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    tn_status st = cell ? TN_OK : tn_fail_memory(4096, "the cells");
    if (st == TN_OK) tn_cell_list(cfg, 0, cell);
    for (int i = 0; st == TN_OK && i < tn_cell_count(cfg); i++) st = write_cell(cfg, ix, &cell[i], inputs);
    free(cell);
    return st;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: bench_filter JOB.cfg RUN ROWS\n");
        return TN_EARG;
    }
    tn_run run;
    tn_cfg *cfg = NULL;
    tn_index *ix = NULL;
    tn_status st = tn_run_begin(&run);
    if (st == TN_OK) st = tn_cfg_read(argv[1], 0, NULL, argv[2], &cfg);
    if (st == TN_OK) st = make_index(cfg, atoll(argv[3]), &ix);
    if (st == TN_OK) st = write_run(cfg, ix);
    double before = mib(), begin = seconds();
    if (st == TN_OK) st = tn_filter(&run, cfg, ix, 0, NULL);
    printf("%s rows: index %.0f MiB, with the filter %.0f MiB, %.1f s\n", argv[3], before, mib(), seconds() - begin);
    if (st != TN_OK) fprintf(stderr, "%s\n", tn_msg);
    tn_run_end(&run, st, tn_h5_broken());
    return (int)st;
}
