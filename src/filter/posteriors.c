/* posteriors.c - posteriors of cells, and of models trained elsewhere. */
#include "filter/posteriors.h"

#include "filter/filter.h"
#include "score/probability.h"
#include "store/done.h"
#include "store/guard.h"
#include "store/h5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCK_ROWS = 16384 };
static const char TRAIN_AGAIN[] = "delete its folder and run `tenfold train` again";

/* --- models of a round -------------------------------------------------------------------------------------------- */

static bool is_of(const tn_index *ix, int64_t row, int fold) {
    return fold < 0 || ix->fold[row] == fold;
}

/* Add the rows of a fold (-1: all rows) to out (N rows), reading a block at a time. n_before: cells added before. */
static tn_status add_rows(tn_h5 *f, const char *path, const tn_index *ix, const char *name, int fold, int n_before,
                          float *block, float *out) {
    int K = ix->n_classes, W = tn_prow_width(K);
    for (int64_t first = 0; first < ix->n; first += BLOCK_ROWS) {
        int64_t n = ix->n - first < BLOCK_ROWS ? ix->n - first : BLOCK_ROWS;
        TN_TRY(tn_h5_read_rows(f, name, TN_H5_F32, first, n, block));
        for (int64_t i = 0; i < n; i++) {
            if (ix->fold[first + i] >= 0) TN_TRY(tn_probability_check(path, ix, first + i, block + i * W, TRAIN_AGAIN));
            if (is_of(ix, first + i, fold)) tn_prow_add(K, n_before, block + i * W, out + (first + i) * W);
        }
    }
    return TN_OK;
}

static tn_status add_slab(tn_h5 *f, const char *path, const tn_index *ix, const char *name, int fold, int n_before,
                          float *out) {
    int64_t shape[2], width = tn_prow_width(ix->n_classes);
    TN_TRY(tn_h5_check_stamp(f, path, "posteriors", 1));
    TN_TRY(tn_h5_shape(f, name, 2, shape));
    if (shape[0] != ix->n || shape[1] != width)
        return tn_fail(TN_EFORMAT, "%s: is of another data set: %lld x %lld, not %lld x %lld", path,
                       (long long)shape[0], (long long)shape[1], (long long)ix->n, (long long)width);
    size_t n_bytes = BLOCK_ROWS * (size_t)width * sizeof(float);
    float *block = malloc(n_bytes);
    tn_status st = block ? add_rows(f, path, ix, name, fold, n_before, block, out) : tn_fail_memory(n_bytes, path);
    free(block);
    return st;
}

static tn_status add_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, const char *name, int fold,
                          int n_before, float *out) {
    char path[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    TN_TRY(tn_cell_folder(cfg, "train", cell, path));
    TN_TRY(tn_done_file(path, "posteriors.h5", "train", path));
    TN_TRY(tn_h5_open(path, &f));
    tn_status st = add_slab(f, path, ix, name, fold, n_before, out);
    tn_h5_close(&f);
    return st;
}

static void clear(const tn_index *ix, float *out) {
    memset(out, 0, (size_t)(ix->n * tn_prow_width(ix->n_classes)) * sizeof *out);
}

tn_status tn_posteriors_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, const char *name, float *out) {
    clear(ix, out);
    return add_cell(cfg, ix, cell, name, -1, 0, out);
}

/* Add the mean over the cells of a fold, in cell order, to the rows of fold `only` (-1: all) of out (N rows), which are 0 before. */
static tn_status mean_of_cells(const tn_cfg *cfg, const tn_index *ix, int round, int fold, const char *name, int only,
                               float *out) {
    int n_cells = tn_cell_count(cfg), n = 0, K = ix->n_classes;
    tn_cell *cell = calloc((size_t)n_cells, sizeof *cell);
    tn_status st = cell ? TN_OK : tn_fail_memory((size_t)n_cells * sizeof *cell, "the posteriors of a fold");
    if (st == TN_OK) tn_cell_list(cfg, round, cell);
    for (int i = 0; st == TN_OK && i < n_cells; i++) {
        if (cell[i].fold != fold) continue;
        st = add_cell(cfg, ix, &cell[i], name, only, n++, out);
    }
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++)
        if (is_of(ix, i, only)) tn_prow_end(K, n, out + i * tn_prow_width(K));
    free(cell);
    return st;
}

/* The rows of fold `only` (-1: all) of out, from the classifiers of the probe for the model of fold f. */
static tn_status read_probe(const tn_cfg *cfg, const tn_index *ix, int f, int only, float *out) {
    char path[TN_PATH_BYTES];
    tn_h5 *file = NULL;
    int K = ix->n_classes;
    TN_TRY(tn_path(path, "%s/probe", cfg->run_dir));
    TN_TRY(tn_done_file(path, "posteriors.h5", "probe", path));
    float *p = only < 0 ? out : malloc((size_t)ix->n * (size_t)K * sizeof *p + 1);
    if (!p) return tn_fail_memory((size_t)ix->n * (size_t)K * sizeof *p, path);
    tn_status st = tn_h5_open(path, &file);
    if (st == TN_OK) st = tn_h5_check_stamp(file, path, "probe", 1);
    if (st == TN_OK) st = tn_h5_read_rows(file, "p", TN_H5_F32, f, 1, p);
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) {
        if (ix->fold[i] < 0 && p == out) memset(p + i * K, 0, (size_t)K * sizeof *p);
        if (ix->fold[i] < 0 || !is_of(ix, i, only)) continue;
        st = tn_probability_check(path, ix, i, p + i * K, "delete its folder and run `tenfold probe` again");
        if (p != out) memcpy(out + i * K, p + i * K, (size_t)K * sizeof *out);
    }
    tn_h5_close(&file);
    if (p != out) free(p);
    return st;
}

tn_status tn_posteriors_with_probe(const tn_cfg *cfg, const tn_index *ix, int fold, float *z) {
    int K = ix->n_classes;
    float *p = calloc((size_t)ix->n * (size_t)K + 1, sizeof *p);
    if (!p) return tn_fail_memory((size_t)ix->n * (size_t)K * sizeof *p, "the probe's posteriors");
    tn_status st = read_probe(cfg, ix, fold, -1, p);
    for (int64_t i = 0; i < ix->n && st == TN_OK; i++) {
        float sum = 0, *row = z + i * K;
        for (int k = 0; k < K; k++) sum += row[k] = sqrtf(row[k] * p[i * K + k]);
        for (int k = 0; k < K && sum > 0; k++) row[k] /= sum;
    }
    free(p);
    return st;
}

tn_status tn_posteriors_fold(const tn_cfg *cfg, const tn_index *ix, int round, int fold, const char *name, float *out) {
    clear(ix, out);
    return round < 0 ? read_probe(cfg, ix, fold, -1, out) : mean_of_cells(cfg, ix, round, fold, name, -1, out);
}

tn_status tn_posteriors_out_of_fold(const tn_cfg *cfg, const tn_index *ix, int round, float *out) {
    clear(ix, out);
    for (int f = 0; f < cfg->folds.count; f++)
        TN_TRY(round < 0 ? read_probe(cfg, ix, f, f, out) : mean_of_cells(cfg, ix, round, f, "p", f, out));
    return TN_OK;
}

/* --- models trained elsewhere ------------------------------------------------------------------------------------- */

static tn_status check_digest(tn_h5 *f, const char *path, const tn_index *ix) {
    char **digest = NULL;
    int64_t n = 0;
    TN_TRY(tn_h5_attribute_strings(f, "/", "index_digest", &n, &digest));
    tn_status st = TN_OK;
    if (n != 1)
        st = tn_fail(TN_EFORMAT, "%s: has no text attribute `index_digest`: it must be %s, this data set and fold map",
                     path, ix->digest);
    else if (strcmp(digest[0], ix->digest) != 0)
        st = tn_fail(TN_EFORMAT, "%s: is of another data set or fold map: its index_digest is %s, this run's is %s",
                     path, digest[0], ix->digest);
    free(digest);
    return st;
}

static tn_status check_classes(tn_h5 *f, const char *path, const tn_index *ix) {
    char **name = NULL;
    int64_t n = 0;
    TN_TRY(tn_h5_attribute_strings(f, "/", "classes", &n, &name));
    tn_status st = n == ix->n_classes
                       ? TN_OK
                       : tn_fail(TN_EFORMAT,
                                 "%s: attribute `classes` names %lld classes, data.classes has %d: give the "
                                 "classes in the order of the columns of p",
                                 path, (long long)n, ix->n_classes);
    for (int k = 0; st == TN_OK && k < ix->n_classes; k++)
        if (strcmp(name[k], ix->class_name[k]) != 0)
            st =
                tn_fail(TN_EFORMAT, "%s: column %d of p is %s, in data.classes it is %s: put the columns in that order",
                        path, k, name[k], ix->class_name[k]);
    free(name);
    return st;
}

/* Copy rows to their index in the data set. seen (N). */
static tn_status spread(const char *path, const tn_index *ix, int64_t n, const int64_t *row, const float *p,
                        uint8_t *seen, float *out) {
    int K = ix->n_classes;
    for (int64_t i = 0; i < n; i++) {
        if (row[i] < 0 || row[i] >= ix->n)
            return tn_fail(TN_EFORMAT, "%s: has row %lld, but the table has rows 0 to %lld", path, (long long)row[i],
                           (long long)ix->n - 1);
        if (seen[row[i]]++)
            return tn_fail(TN_EFORMAT, "%s: has row %lld (%s) twice", path, (long long)row[i], ix->path[row[i]]);
        TN_TRY(tn_probability_check(path, ix, row[i], p + i * K, "give a distribution over the classes"));
        memcpy(out + row[i] * K, p + i * K, (size_t)K * sizeof *out);
    }
    int64_t n_missing = 0, first = -1;
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->fold[i] >= 0 && !seen[i] && n_missing++ == 0) first = i;
    return n_missing == 0 ? TN_OK
                          : tn_fail(TN_EFORMAT, "%s: %lld rows with a fold are missing, the first is row %lld (%s)",
                                    path, (long long)n_missing, (long long)first, ix->path[first]);
}

static tn_status read_foreign(tn_h5 *f, const char *path, const tn_index *ix, float *out) {
    int64_t n = 0, dim[4], *row = NULL;
    int n_dims = 0;
    TN_TRY(check_digest(f, path, ix));
    TN_TRY(check_classes(f, path, ix));
    TN_TRY(tn_h5_float_shape(f, "p", &n_dims, dim));
    TN_TRY(tn_h5_read_new(f, "row", TN_H5_I64, &n, &row));
    if (n_dims != 2 || dim[0] != n || dim[1] != ix->n_classes) {
        free(row);
        return tn_fail(TN_EFORMAT, "%s: p must be (%lld,%d), as `row` and `classes` say", path, (long long)n,
                       ix->n_classes);
    }
    size_t n_bytes = (size_t)(n * ix->n_classes) * sizeof(float) + 1;
    float *p = malloc(n_bytes);
    uint8_t *seen = calloc((size_t)ix->n + 1, 1);
    tn_status st = p && seen ? tn_h5_read_floats(f, "p", n * ix->n_classes, p) : tn_fail_memory(n_bytes, path);
    memset(out, 0, (size_t)(ix->n * ix->n_classes) * sizeof *out);
    if (st == TN_OK) st = spread(path, ix, n, row, p, seen, out);
    free(row);
    free(p);
    free(seen);
    return st;
}

typedef struct {
    const char *path;
    const tn_index *ix;
    float *out;
} foreign;

static tn_status open_foreign(void *arg) {
    const foreign *x = arg;
    tn_h5 *f = NULL;
    TN_TRY(tn_h5_open(x->path, &f));
    tn_status st = read_foreign(f, x->path, x->ix, x->out);
    tn_h5_close(&f);
    return st;
}

/* A damaged HDF5 file can hang or crash libhdf5: a child process reads it into shared memory. */
tn_status tn_posteriors_foreign(const char *path, const tn_index *ix, float *out) {
    if (!tn_prow_whole(ix->n_classes))
        return tn_fail(
            TN_EARG,
            "--posteriors: only for up to %d classes, because the file holds a number for each row and class; "
            "the data set has %d: filter with the models of a round",
            TN_WHOLE_CLASSES, ix->n_classes);
    size_t n_bytes = (size_t)(ix->n * ix->n_classes) * sizeof *out;
    unsigned limit_s = 60 + (unsigned)(ix->n * ix->n_classes / 1000000);
    foreign x = {path, ix, mmap(NULL, n_bytes + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    if (x.out == MAP_FAILED) return tn_fail_memory(n_bytes, path);
    tn_status st = tn_guard(open_foreign, &x, limit_s, path);
    if (st == TN_OK) memcpy(out, x.out, n_bytes);
    munmap(x.out, n_bytes + 1);
    return st;
}

/* --- the joined file ---------------------------------------------------------------------------------------------- */

enum { RELATIVE_BYTES = TN_CELL_NAME_BYTES + 32 };

static tn_status fill_joined(tn_h5 *f, const tn_index *ix, int64_t n, const tn_cell *cell, char (*file)[RELATIVE_BYTES],
                             const char **at, int64_t *seed, int32_t *number) {
    int64_t dim[2] = {ix->n, tn_prow_width(ix->n_classes)};
    for (int64_t i = 0; i < n; i++) {
        char name[TN_CELL_NAME_BYTES];
        tn_cell_name(&cell[i], name);
        snprintf(file[i], sizeof file[i], "../../train/%s/posteriors.h5", name);
        at[i] = file[i];
        seed[i] = cell[i].seed;
        number[i] = cell[i].fold;
        number[n + i] = cell[i].size_px;
    }
    TN_TRY(tn_h5_stamp(f, "joined posteriors", 1));
    TN_TRY(tn_h5_set_int(f, "round", cell[0].round));
    TN_TRY(tn_h5_set_text(f, "index_digest", ix->digest));
    TN_TRY(tn_h5_write(f, "fold", TN_H5_I32, 1, &n, number));
    TN_TRY(tn_h5_write(f, "size_px", TN_H5_I32, 1, &n, number + n));
    TN_TRY(tn_h5_write(f, "seed", TN_H5_I64, 1, &n, seed));
    TN_TRY(tn_h5_write_virtual(f, "z", TN_H5_F32, n, at, 2, dim));
    return tn_h5_write_virtual(f, "p", TN_H5_F32, n, at, 2, dim);
}

/* List the cells of the round that the filter uses. Returns their number. */
static int64_t used_cells(const tn_cfg *cfg, int round, tn_cell *cell) {
    int64_t n = 0;
    tn_cell_list(cfg, round, cell);
    for (int i = 0; i < tn_cell_count(cfg); i++)
        if (tn_self_uses_fold(cfg, cell[i].fold)) cell[n++] = cell[i];
    return n;
}

tn_status tn_posteriors_join(const tn_cfg *cfg, const tn_index *ix, int round, const char *folder) {
    size_t n = (size_t)tn_cell_count(cfg);
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES], (*file)[RELATIVE_BYTES] = calloc(n, sizeof *file);
    const char **at = calloc(n, sizeof *at);
    tn_cell *cell = calloc(n, sizeof *cell);
    int64_t *seed = calloc(n, sizeof *seed);
    int32_t *number = calloc(2 * n, sizeof *number);
    tn_h5 *f = NULL;
    tn_status st = file && at && cell && seed && number ? TN_OK : tn_fail_memory(n * sizeof *file, "the posteriors");
    if (st == TN_OK) st = tn_path(path, "%s/posteriors.h5", folder);
    if (st == TN_OK) st = tn_publish_name(path, tmp);
    if (st == TN_OK) st = tn_h5_create(tmp, &f);
    if (st == TN_OK) st = fill_joined(f, ix, used_cells(cfg, round, cell), cell, file, at, seed, number);
    tn_status closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    free(file);
    free(at);
    free(cell);
    free(seed);
    free(number);
    return st == TN_OK ? tn_publish_end(path) : st;
}
