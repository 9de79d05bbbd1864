/*
 * reduce_rows.c - a run folder with made-up predictions of any length, for `tenfold reduce`.
 *
 *   tn_reduce_rows JOB.cfg RUN ROWS TEST_PERCENT [nan | missing | twice | absent]
 *
 * Everything that `reduce` reads, for all cells of JOB.cfg: shards/dataset.h5 (only the columns that it needs), folds/
 * and predict/<cell>/. Rows come in groups of four, TEST_PERCENT of them are test rows. A member is right or wrong by a
 * hash of its row and cell, with a skill of its own, and shy of the last class. Memory does not grow with ROWS.
 * nan: the first number of every file is none; missing: every file lacks its third row; twice: all seeds of a fold and
 * size are of one model; absent: the rows of the last fold are quarantined.
 */
#include "data/fold.h"
#include "predict/pred.h"
#include "reduce/reduce.h"
#include "store/done.h"
#include "store/h5.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 65536, FEW_CLASSES = 64, N_VALUES = 7, PATH_BYTES = 16 };

static uint64_t mix(uint64_t x) { /* splitmix64 */
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
}

typedef struct {
    const tn_cfg *cfg;
    const char *run;
    int64_t n;
    uint64_t test_percent;
    const char *flaw; /* "" none */
    char shards_digest[TN_HEX_BYTES], index_digest[TN_HEX_BYTES];
} made;

/* --- the table, by formula ---------------------------------------------------------------------------------------- */

/* Half of the rows are of class 0, half of the others of class 1, and so on; many classes have equally many rows. */
static int label_of(const made *m, int64_t i) {
    int k = 0;
    if (m->cfg->data.n_classes > FEW_CLASSES) return (int)(mix((uint64_t)i) % (uint64_t)m->cfg->data.n_classes);
    for (uint64_t h = mix((uint64_t)i); (h & 1) && k < m->cfg->data.n_classes - 1; h >>= 1) k++;
    return k;
}
static bool is_test(const made *m, int64_t i) {
    return mix((uint64_t)i / 4 + 1000000007U) % 100 < m->test_percent;
}
static int fold_of(const made *m, int64_t i) {
    int F = m->cfg->folds.count, fold = (int)(mix((uint64_t)i / 4 + 77 * (uint64_t)m->cfg->folds.seed) % (uint64_t)F);
    if (is_test(m, i)) return TN_FOLD_NONE;
    return fold == F - 1 && strcmp(m->flaw, "absent") == 0 ? TN_FOLD_QUARANTINED : fold;
}
static int category_of(const made *m, int64_t i) { /* tells something of the class */
    uint64_t h = mix((uint64_t)i + 4242);
    return h % 3 == 0 ? (int)(h / 3 % (N_VALUES - 1)) + 1 : label_of(m, i) % (N_VALUES - 1) + 1;
}

static tn_status write_strings(tn_h5 *f, const char *name, int64_t n, char words[][TN_NAME_BYTES]) {
    const char *word[TN_MAX_CLASSES];
    for (int64_t i = 0; i < n; i++) word[i] = words[i];
    return tn_h5_write_strings(f, name, n, word);
}

static tn_status reserve(const made *m, tn_h5 *f) {
    static const char *const I32[] = {"label", "truth"}, *const U8[] = {"is_test", "state"};
    char value[N_VALUES][TN_NAME_BYTES];
    for (int v = 0; v < N_VALUES; v++) snprintf(value[v], sizeof value[v], "%s%d", v ? "value" : "unknown", v);
    TN_TRY(tn_h5_stamp(f, "dataset", 1));
    TN_TRY(write_strings(f, "classes", m->cfg->data.n_classes, (char(*)[TN_NAME_BYTES])m->cfg->data.classes));
    TN_TRY(write_strings(f, "cat_values_1", N_VALUES, value));
    for (int c = 0; c < 2; c++) TN_TRY(tn_h5_reserve(f, I32[c], TN_H5_I32, 1, &m->n));
    for (int c = 0; c < 2; c++) TN_TRY(tn_h5_reserve(f, U8[c], TN_H5_U8, 1, &m->n));
    TN_TRY(tn_h5_reserve(f, "cat", TN_H5_I32, 2, (int64_t[]){m->n, 1}));
    TN_TRY(tn_h5_reserve(f, "path", TN_H5_U8, 1, (int64_t[]){m->n * PATH_BYTES}));
    return tn_h5_reserve(f, "path_at", TN_H5_I64, 1, (int64_t[]){m->n + 1});
}

static tn_status write_table_block(const made *m, tn_h5 *f, int64_t first, int64_t n) {
    static int32_t label[BLOCK], truth[BLOCK], cat[BLOCK];
    static uint8_t test[BLOCK], state[BLOCK];
    static int64_t at[BLOCK];
    static char path[BLOCK * PATH_BYTES];
    for (int64_t j = 0; j < n; j++) {
        int64_t i = first + j;
        label[j] = label_of(m, i);
        truth[j] = -1;
        cat[j] = category_of(m, i);
        test[j] = is_test(m, i);
        at[j] = i * PATH_BYTES;
        snprintf(path + j * PATH_BYTES, PATH_BYTES, "%011" PRId64 ".jpg", i);
    }
    TN_TRY(tn_h5_write_rows(f, "label", TN_H5_I32, first, n, label));
    TN_TRY(tn_h5_write_rows(f, "truth", TN_H5_I32, first, n, truth));
    TN_TRY(tn_h5_write_rows(f, "cat", TN_H5_I32, first, n, cat));
    TN_TRY(tn_h5_write_rows(f, "is_test", TN_H5_U8, first, n, test));
    TN_TRY(tn_h5_write_rows(f, "state", TN_H5_U8, first, n, state));
    TN_TRY(tn_h5_write_rows(f, "path_at", TN_H5_I64, first, n, at));
    return tn_h5_write_rows(f, "path", TN_H5_U8, first * PATH_BYTES, n * PATH_BYTES, path);
}

static tn_status write_fold_block(const made *m, tn_h5 *f, int64_t first, int64_t n) {
    static int32_t fold[BLOCK], component[BLOCK];
    for (int64_t j = 0; j < n; j++) {
        fold[j] = fold_of(m, first + j);
        component[j] = (int32_t)((first + j) / 4 * 4);
    }
    TN_TRY(tn_h5_write_rows(f, "fold", TN_H5_I32, first, n, fold));
    return tn_h5_write_rows(f, "component", TN_H5_I32, first, n, component);
}

static tn_status write_blocks(const made *m, tn_h5 *f, tn_status (*write)(const made *, tn_h5 *, int64_t, int64_t)) {
    for (int64_t first = 0; first < m->n; first += BLOCK)
        TN_TRY(write(m, f, first, m->n - first < BLOCK ? m->n - first : BLOCK));
    return TN_OK;
}

static tn_status fill_dataset(const made *m, tn_h5 *f) {
    TN_TRY(reserve(m, f));
    TN_TRY(write_blocks(m, f, write_table_block));
    return tn_h5_write_rows(f, "path_at", TN_H5_I64, m->n, 1, (int64_t[]){m->n * PATH_BYTES});
}

static tn_status fill_folds(const made *m, tn_h5 *f) {
    TN_TRY(tn_h5_stamp(f, "folds", 1));
    TN_TRY(tn_h5_set_int(f, "count", m->cfg->folds.count));
    TN_TRY(tn_h5_reserve(f, "fold", TN_H5_I32, 1, &m->n));
    TN_TRY(tn_h5_reserve(f, "component", TN_H5_I32, 1, &m->n));
    return write_blocks(m, f, write_fold_block);
}

/* A folder of one file, as `preprocess` publishes it. The digest is of the size and the settings: the rest follows. */
static tn_status publish(const made *m, const char *folder, const char *file, tn_status (*fill)(const made *, tn_h5 *),
                         char digest_out[TN_HEX_BYTES]) {
    char dir[TN_PATH_BYTES], path[TN_PATH_BYTES], text[256];
    tn_h5 *f = NULL;
    TN_TRY(tn_path(dir, "%s/%s", m->run, folder));
    TN_TRY(tn_folder_make(dir));
    TN_TRY(tn_path(path, "%s/%s", dir, file));
    TN_TRY(tn_h5_create(path, &f));
    tn_status st = fill(m, f), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    bool folds = strcmp(folder, "folds") == 0;
    snprintf(text, sizeof text, "%s %" PRId64 " %" PRIu64 " %" PRId64, folder, m->n, m->test_percent,
             folds ? m->cfg->folds.seed : 0);
    tn_hash_once(text, strlen(text), digest_out);
    tn_done done = {.stage = folder, .settings = "", .inputs = ""};
    return st == TN_OK ? tn_done_publish(dir, &done, digest_out, (const char *[]){file, NULL}) : st;
}

/* --- predictions -------------------------------------------------------------------------------------------------- */

/* Bytes of a hash as weights; the label, or in one row of some a wrong class, gets more. */
static void predict_row(const made *m, int64_t i, uint64_t key, float *p) {
    int K = m->cfg->data.n_classes, label = label_of(m, i), favoured = label;
    uint64_t h = mix((uint64_t)i * 0x10001U + key), skill = key % 5;
    if (h % 16 < 4 + skill) favoured = (int)(h / 16 % (uint64_t)K);
    float total = 0;
    for (int k = 0; k < K; k++, h = h >> 8 | h << 56) {
        p[k] = 1 + (float)(h & 255) + (k == favoured ? (k == K - 1 ? 100.0F : 300.0F) : 0);
        total += p[k];
    }
    for (int k = 0; k < K; k++) p[k] /= total;
}

static tn_status write_rows(const made *m, const tn_cell *cell, tn_pred_writer *w, uint64_t key) {
    static int64_t row[BLOCK];
    static float p[BLOCK * FEW_CLASSES], whole[TN_MAX_CLASSES];
    int K = m->cfg->data.n_classes, W = tn_prow_width(K);
    int64_t n = 0, n_seen = 0, room = W > FEW_CLASSES ? BLOCK * FEW_CLASSES / W : BLOCK;
    for (int64_t i = 0; i < m->n; i++) {
        int fold = fold_of(m, i);
        bool wanted = fold == cell->fold || fold == TN_FOLD_NONE;
        n_seen += wanted;
        if (wanted && !(n_seen == 3 && strcmp(m->flaw, "missing") == 0)) {
            predict_row(m, i, key, whole);
            tn_prow_keep(K, -1, whole, p + n * W);
            row[n++] = i;
        }
        if (n < room && i + 1 < m->n) continue;
        TN_TRY(tn_pred_append(w, n, row, p));
        n = 0;
    }
    return TN_OK;
}

/* The first number of all. */
static tn_status put_nan(const char *path) {
    const unsigned char nan[] = {0, 0, 0xC0, 0x7F};
    int64_t at = 0;
    tn_h5 *file = NULL;
    TN_TRY(tn_h5_open(path, &file));
    tn_status st = tn_h5_offset(file, "p", &at);
    tn_h5_close(&file);
    TN_TRY(st);
    FILE *f = fopen(path, "r+b");
    bool ok = f && fseek(f, at, SEEK_SET) == 0 && fwrite(nan, 1, sizeof nan, f) == sizeof nan;
    if (f) ok = fclose(f) == 0 && ok;
    return ok ? TN_OK : tn_fail(TN_EIO, "%s: cannot be changed", path);
}

static tn_status write_cell(const made *m, const tn_cell *cell, int64_t n_rows) {
    char name[TN_CELL_NAME_BYTES], folder[TN_PATH_BYTES], path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    const char *class_name[TN_MAX_CLASSES];
    tn_pred_writer *w = NULL;
    tn_pred_info info = {.cell = *cell, .n = n_rows - (strcmp(m->flaw, "missing") == 0), .K = m->cfg->data.n_classes};
    tn_cell model = *cell;
    if (strcmp(m->flaw, "twice") == 0) model.seed = m->cfg->train.seeds[0];
    tn_cell_name(&model, name);
    for (int k = 0; k < info.K; k++) class_name[k] = m->cfg->data.classes[k];
    memcpy(info.shards_digest, m->shards_digest, sizeof info.shards_digest);
    memcpy(info.index_digest, m->index_digest, sizeof info.index_digest);
    tn_hash_once(name, strlen(name), info.model_digest);
    TN_TRY(tn_cell_folder(m->cfg, "predict", cell, folder));
    TN_TRY(tn_folder_make(folder));
    TN_TRY(tn_path(path, "%s/predictions.h5", folder));
    char *classes = NULL;
    TN_TRY(tn_pred_classes(info.K, (char *const *)(uintptr_t)class_name, &classes));
    info.classes = classes;
    tn_status st = tn_pred_create(path, &info, &w);
    free(classes);
    TN_TRY(st);
    st = write_rows(m, cell, w, tn_hash64(name, strlen(name)));
    if (st == TN_OK) st = tn_pred_finish(&w, digest);
    tn_pred_drop(&w);
    if (st == TN_OK && strcmp(m->flaw, "nan") == 0) st = put_nan(path);
    tn_done done = {.stage = "predict", .settings = "", .inputs = ""};
    return st == TN_OK ? tn_done_publish(folder, &done, digest, (const char *[]){"predictions.h5", NULL}) : st;
}

static tn_status write_run(made *m) {
    char digest[2][TN_HEX_BYTES];
    int64_t n_rows[TN_MAX_FOLDS + 1] = {0};
    TN_TRY(publish(m, "shards", "dataset.h5", fill_dataset, digest[0]));
    TN_TRY(publish(m, "folds", "folds.h5", fill_folds, digest[1]));
    memcpy(m->shards_digest, digest[0], sizeof digest[0]);
    tn_hash_once(digest, sizeof digest, m->index_digest);
    for (int64_t i = 0; i < m->n; i++)
        if (fold_of(m, i) != TN_FOLD_QUARANTINED) n_rows[fold_of(m, i) < 0 ? TN_MAX_FOLDS : fold_of(m, i)]++;
    tn_cell *cell = calloc((size_t)tn_cell_count(m->cfg), sizeof *cell);
    if (!cell) return tn_fail_memory(4096, "the cells");
    tn_status st = TN_OK;
    for (int round = 0; round <= m->cfg->self.max_rounds; round++) {
        tn_cell_list(m->cfg, round, cell);
        for (int c = 0; st == TN_OK && c < tn_cell_count(m->cfg); c++)
            st = write_cell(m, &cell[c], n_rows[cell[c].fold] + n_rows[TN_MAX_FOLDS]);
    }
    free(cell);
    return st;
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: reduce_rows JOB.cfg RUN ROWS TEST_PERCENT [nan | missing | twice | absent]\n");
        return TN_EARG;
    }
    tn_run run;
    tn_cfg *cfg = NULL;
    tn_status st = tn_run_begin(&run);
    if (st == TN_OK) st = tn_cfg_read(argv[1], 0, NULL, argv[2], &cfg);
    if (st == TN_OK) {
        made m = {.cfg = cfg,
                  .flaw = argc == 6 ? argv[5] : "",
                  .run = argv[2],
                  .n = atoll(argv[3]),
                  .test_percent = strtoull(argv[4], NULL, 10)};
        st = write_run(&m);
    }
    tn_cfg_free(&cfg);
    tn_run_end(&run, st, tn_h5_broken());
    return (int)st;
}
