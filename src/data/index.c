/* index.c - reads and writes dataset.h5 and folds.h5. */
#include "data/index.h"

#include "base/hash.h"
#include "store/done.h"
#include "store/h5.h"

#include <stdlib.h>
#include <string.h>

/* The table of numeric columns, over which all functions loop. */
typedef struct {
    const char *name;
    tn_h5_type type;
    size_t at, size; /* offset of the pointer in tn_index; bytes per row */
} column;
#define COLUMN(field, t, c_type)                                                                                       \
    { #field, t, offsetof(tn_index, field), sizeof(c_type) }

static const column DATASET[] = {
    COLUMN(label, TN_H5_I32, int32_t),         COLUMN(truth, TN_H5_I32, int32_t),
    COLUMN(is_test, TN_H5_U8, uint8_t),        COLUMN(state, TN_H5_U8, uint8_t),
    COLUMN(width, TN_H5_U16, uint16_t),        COLUMN(height, TN_H5_U16, uint16_t),
    COLUMN(content_hash, TN_H5_U64, uint64_t), COLUMN(perceptual_hash, TN_H5_U64, uint64_t),
    COLUMN(group, TN_H5_I32, int32_t),         COLUMN(shard, TN_H5_I32, int32_t),
    COLUMN(length, TN_H5_I32, int32_t),        COLUMN(offset, TN_H5_I64, int64_t),
    COLUMN(checksum, TN_H5_U64, uint64_t),
};
static const column FOLDS[] = {COLUMN(fold, TN_H5_I32, int32_t), COLUMN(component, TN_H5_I32, int32_t)};
enum { N_DATASET = sizeof DATASET / sizeof *DATASET, N_FOLDS = sizeof FOLDS / sizeof *FOLDS };

static void **pointer(const tn_index *ix, const column *c) {
    return (void **)(void *)((char *)(uintptr_t)ix + c->at);
}

tn_status tn_index_new(int64_t n, int n_levels, tn_index **out) {
    tn_index *ix = calloc(1, sizeof *ix);
    if (!ix) return tn_fail_memory(sizeof *ix, "the index");
    ix->n = n;
    ix->n_levels = n_levels;
    bool ok = (ix->cat = calloc((size_t)n * (size_t)n_levels + 1, sizeof *ix->cat)) != NULL;
    for (int i = 0; i < N_DATASET; i++) ok = (*pointer(ix, &DATASET[i]) = calloc((size_t)n + 1, DATASET[i].size)) && ok;
    for (int i = 0; i < N_FOLDS; i++) ok = (*pointer(ix, &FOLDS[i]) = calloc((size_t)n + 1, FOLDS[i].size)) && ok;
    if (!ok) {
        tn_index_free(&ix);
        return tn_fail_memory((size_t)n * 80, "the index");
    }
    for (int64_t i = 0; i < n; i++) {
        ix->fold[i] = TN_FOLD_NONE;
        ix->component[i] = (int32_t)i;
    }
    *out = ix;
    return TN_OK;
}

void tn_index_free(tn_index **at) {
    tn_index *ix = *at;
    if (!ix) return;
    for (int i = 0; i < N_DATASET; i++) free(*pointer(ix, &DATASET[i]));
    for (int i = 0; i < N_FOLDS; i++) free(*pointer(ix, &FOLDS[i]));
    for (int m = 0; m < ix->n_levels; m++) free(ix->value_name[m]);
    free(ix->cat);
    free(ix->class_name);
    free(ix->path);
    free(ix);
    *at = NULL;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static tn_status write_columns(tn_h5 *f, const tn_index *ix, const column *c, int n) {
    for (int i = 0; i < n; i++) TN_TRY(tn_h5_write(f, c[i].name, c[i].type, 1, &ix->n, *pointer(ix, &c[i])));
    return TN_OK;
}

static void value_set_name(int level, char out[32]) {
    snprintf(out, 32, "cat_values_%d", level + 1);
}

static tn_status write_dataset(tn_h5 *f, const tn_index *ix) {
    TN_TRY(tn_h5_stamp(f, "dataset", 1));
    TN_TRY(tn_h5_write_strings(f, "path", ix->n, (const char *const *)ix->path));
    TN_TRY(tn_h5_write_strings(f, "classes", ix->n_classes, (const char *const *)ix->class_name));
    TN_TRY(tn_h5_write(f, "cat", TN_H5_I32, 2, (int64_t[]){ix->n, ix->n_levels}, ix->cat));
    for (int m = 0; m < ix->n_levels; m++) {
        char name[32];
        value_set_name(m, name);
        TN_TRY(tn_h5_write_strings(f, name, ix->n_values[m], (const char *const *)ix->value_name[m]));
    }
    return write_columns(f, ix, DATASET, N_DATASET);
}

static tn_status write_folds(tn_h5 *f, const tn_index *ix) {
    TN_TRY(tn_h5_stamp(f, "folds", 1));
    TN_TRY(tn_h5_set_int(f, "count", ix->n_folds));
    return write_columns(f, ix, FOLDS, N_FOLDS);
}

static tn_status publish_index(const tn_index *ix, const char *path, tn_status (*write)(tn_h5 *, const tn_index *)) {
    char tmp[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    TN_TRY(tn_publish_name(path, tmp));
    TN_TRY(tn_h5_create(tmp, &f));
    tn_status st = write(f, ix), closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st == TN_OK) return tn_publish_end(path);
    tn_publish_drop(path);
    return st;
}

tn_status tn_index_write(const tn_index *ix, const char *path) {
    return publish_index(ix, path, write_dataset);
}
tn_status tn_index_write_folds(const tn_index *ix, const char *path) {
    return publish_index(ix, path, write_folds);
}

static tn_status read_columns(tn_h5 *f, tn_index *ix, const column *c, int n) {
    for (int i = 0; i < n; i++) {
        int64_t rows = 0;
        TN_TRY(tn_h5_shape(f, c[i].name, 1, &rows));
        if (rows != ix->n)
            return tn_fail(TN_EFORMAT, "column %s has %lld rows, not %lld: delete the folder and preprocess again",
                           c[i].name, (long long)rows, (long long)ix->n);
        TN_TRY(tn_h5_read_rows(f, c[i].name, c[i].type, 0, ix->n, *pointer(ix, &c[i])));
    }
    return TN_OK;
}

/* --- rows of a shard ---------------------------------------------------------------------------------------------- */

static const column FOUND[] = {
    COLUMN(state, TN_H5_U8, uint8_t),    COLUMN(width, TN_H5_U16, uint16_t),
    COLUMN(height, TN_H5_U16, uint16_t), COLUMN(content_hash, TN_H5_U64, uint64_t),
    COLUMN(length, TN_H5_I32, int32_t),  COLUMN(perceptual_hash, TN_H5_U64, uint64_t),
    COLUMN(offset, TN_H5_I64, int64_t),  COLUMN(checksum, TN_H5_U64, uint64_t),
};
enum { N_FOUND = sizeof FOUND / sizeof *FOUND };

static void *row_of(const tn_index *ix, const column *c, int64_t row) {
    return (char *)*pointer(ix, c) + (size_t)row * c->size;
}

tn_status tn_index_write_found(const tn_index *ix, int64_t first, int64_t n, tn_h5 *f) {
    for (int i = 0; i < N_FOUND; i++)
        TN_TRY(tn_h5_write(f, FOUND[i].name, FOUND[i].type, 1, &n, row_of(ix, &FOUND[i], first)));
    return TN_OK;
}

void tn_index_clear_found(tn_index *ix, int64_t first, int64_t n) {
    for (int i = 0; i < N_FOUND; i++) memset(row_of(ix, &FOUND[i], first), 0, (size_t)n * FOUND[i].size);
}

tn_status tn_index_read_found(tn_index *ix, int64_t first, int64_t n, tn_h5 *f) {
    tn_status st = TN_OK;
    for (int i = 0; st == TN_OK && i < N_FOUND; i++)
        st = tn_h5_read_rows(f, FOUND[i].name, FOUND[i].type, 0, n, row_of(ix, &FOUND[i], first));
    if (st != TN_OK) tn_index_clear_found(ix, first, n);
    return st;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static tn_status read_dataset(tn_h5 *f, const char *path, tn_index **out) {
    int64_t cat[2], n = 0;
    TN_TRY(tn_h5_check_stamp(f, path, "dataset", 1));
    TN_TRY(tn_h5_shape(f, "cat", 2, cat));
    if (cat[1] > TN_MAX_LEVELS) return tn_fail(TN_EFORMAT, "%s: %lld category levels", path, (long long)cat[1]);
    TN_TRY(tn_index_new(cat[0], (int)cat[1], out));
    tn_index *ix = *out;
    TN_TRY(tn_h5_read_rows(f, "cat", TN_H5_I32, 0, ix->n, ix->cat));
    TN_TRY(read_columns(f, ix, DATASET, N_DATASET));
    TN_TRY(tn_h5_read_strings(f, "path", &n, &ix->path));
    if (n != ix->n) return tn_fail(TN_EFORMAT, "%s: %lld paths for %lld rows", path, (long long)n, (long long)ix->n);
    TN_TRY(tn_h5_read_strings(f, "classes", &n, &ix->class_name));
    ix->n_classes = (int)n;
    for (int m = 0; m < ix->n_levels; m++) {
        char name[32];
        value_set_name(m, name);
        TN_TRY(tn_h5_read_strings(f, name, &n, &ix->value_name[m]));
        ix->n_values[m] = (int32_t)n;
    }
    return TN_OK;
}

static tn_status read_folds(tn_h5 *f, const char *path, tn_index *ix) {
    int64_t count = 0;
    TN_TRY(tn_h5_check_stamp(f, path, "folds", 1));
    TN_TRY(tn_h5_get_int(f, "count", &count));
    ix->n_folds = (int)count;
    return read_columns(f, ix, FOLDS, N_FOLDS);
}

tn_status tn_index_digest(const char *shards_dir, const char *folds_dir, char hex_out[TN_HEX_BYTES]) {
    char digest[2][TN_HEX_BYTES] = {"", ""};
    TN_TRY(tn_done_digest(shards_dir, "preprocess", digest[0]));
    if (folds_dir) TN_TRY(tn_done_digest(folds_dir, "preprocess", digest[1]));
    tn_hash_once(digest, sizeof digest, hex_out);
    return TN_OK;
}

tn_status tn_index_read(const char *shards_dir, const char *folds_dir, tn_index **out) {
    char path[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    TN_TRY(tn_done_file(shards_dir, "dataset.h5", "preprocess", path));
    TN_TRY(tn_h5_open(path, &f));
    tn_status st = read_dataset(f, path, out);
    tn_h5_close(&f);
    if (st == TN_OK && folds_dir) {
        TN_TRY(tn_done_file(folds_dir, "folds.h5", "preprocess", path));
        TN_TRY(tn_h5_open(path, &f));
        st = read_folds(f, path, *out);
        tn_h5_close(&f);
    }
    if (st == TN_OK) st = tn_done_digest(shards_dir, "preprocess", (*out)->shards_digest);
    if (st == TN_OK) st = tn_index_digest(shards_dir, folds_dir, (*out)->digest);
    return st == TN_OK ? tn_path((*out)->shards_dir, "%s", shards_dir) : st;
}

/* --- broadcast from rank 0 ---------------------------------------------------------------------------------------- */

/* Send a table of strings as one block; each rank makes its own pointers. */
static tn_status cast_strings(tn_run *run, int64_t n, char ***s) {
    int64_t n_bytes = 0;
    for (int64_t i = 0; run->rank == 0 && i < n; i++) n_bytes += (int64_t)strlen((*s)[i]) + 1;
    MPI_Bcast(&n_bytes, 1, MPI_INT64_T, 0, run->comm);
    if (run->rank > 0) *s = malloc((size_t)n * sizeof **s + (size_t)n_bytes + 1);
    char **table = *s;
    TN_TRY(tn_agree(run, table ? TN_OK : tn_fail_memory((size_t)n_bytes, "names")));
    char *text = (char *)(table + n); /* the layout of tn_h5_read_strings */
    tn_bcast(run, 0, text, (size_t)n_bytes);
    for (int64_t i = 0; i < n; i++) {
        table[i] = text;
        text += strlen(text) + 1;
    }
    return TN_OK;
}

static tn_status share(tn_run *run, tn_index **at) {
    tn_index *ix = *at;
    int64_t head[4 + TN_MAX_LEVELS] = {0};
    if (run->rank == 0) {
        TN_ASSERT(ix);
        head[0] = ix->n;
        head[1] = ix->n_classes;
        head[2] = ix->n_levels;
        head[3] = ix->n_folds;
        for (int m = 0; m < TN_MAX_LEVELS; m++) head[4 + m] = ix->n_values[m];
    }
    MPI_Bcast(head, 4 + TN_MAX_LEVELS, MPI_INT64_T, 0, run->comm);
    TN_TRY(tn_agree(run, run->rank == 0 ? TN_OK : tn_index_new(head[0], (int)head[2], at)));
    ix = *at;
    ix->n_classes = (int)head[1];
    ix->n_folds = (int)head[3];
    for (int m = 0; m < TN_MAX_LEVELS; m++) ix->n_values[m] = (int32_t)head[4 + m];
    tn_bcast(run, 0, ix->cat, (size_t)ix->n * (size_t)ix->n_levels * sizeof *ix->cat);
    for (int i = 0; i < N_DATASET; i++) tn_bcast(run, 0, *pointer(ix, &DATASET[i]), (size_t)ix->n * DATASET[i].size);
    for (int i = 0; i < N_FOLDS; i++) tn_bcast(run, 0, *pointer(ix, &FOLDS[i]), (size_t)ix->n * FOLDS[i].size);
    tn_bcast(run, 0, ix->shards_dir, sizeof ix->shards_dir);
    tn_bcast(run, 0, ix->digest, sizeof ix->digest);
    tn_bcast(run, 0, ix->shards_digest, sizeof ix->shards_digest);
    TN_TRY(cast_strings(run, ix->n, &ix->path));
    TN_TRY(cast_strings(run, ix->n_classes, &ix->class_name));
    for (int m = 0; m < ix->n_levels; m++) TN_TRY(cast_strings(run, ix->n_values[m], &ix->value_name[m]));
    return TN_OK;
}

tn_status tn_index_open(tn_run *run, const char *shards_dir, const char *folds_dir, tn_index **out) {
    tn_index *ix = NULL;
    tn_status st = tn_agree(run, run->rank == 0 ? tn_index_read(shards_dir, folds_dir, &ix) : TN_OK);
    if (st == TN_OK) st = share(run, &ix);
    if (st == TN_OK)
        *out = ix;
    else
        tn_index_free(&ix);
    return st;
}
