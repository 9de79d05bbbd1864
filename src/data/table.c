/* table.c - reads dataset.h5 and folds.h5 block by block. */
#include "data/table.h"

#include "store/done.h"
#include "store/h5.h"
#include "store/visible.h"

#include <stdlib.h>
#include <string.h>

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* On rank 0: check that the files have the hashes in DONE. */
static tn_status check_files(const char *shards_dir, const char *folds_dir, tn_table *t) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_done_file(shards_dir, "dataset.h5", "preprocess", path));
    if (folds_dir) TN_TRY(tn_done_file(folds_dir, "folds.h5", "preprocess", path));
    TN_TRY(tn_done_digest(shards_dir, "preprocess", t->shards_digest));
    return tn_index_digest(shards_dir, folds_dir, t->digest);
}

/* Wait until every rank sees the files, of which it will read blocks. */
static tn_status see_files(tn_run *run, const char *shards_dir, const char *folds_dir, tn_table *t) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_agree(run, run->rank == 0 ? check_files(shards_dir, folds_dir, t) : TN_OK));
    tn_bcast(run, 0, t->digest, sizeof t->digest);
    tn_bcast(run, 0, t->shards_digest, sizeof t->shards_digest);
    TN_TRY(tn_path(path, "%s/dataset.h5", shards_dir));
    TN_TRY(tn_wait_visible(run, path, NULL));
    if (!folds_dir) return TN_OK;
    TN_TRY(tn_path(path, "%s/folds.h5", folds_dir));
    return tn_wait_visible(run, path, NULL);
}

static tn_status open_dataset(tn_table *t, const char *dir) {
    char path[TN_PATH_BYTES];
    int64_t cat[2], n = 0;
    TN_TRY(tn_path(path, "%s/dataset.h5", dir));
    TN_TRY(tn_h5_open(path, &t->dataset));
    TN_TRY(tn_h5_check_stamp(t->dataset, path, "dataset", 1));
    TN_TRY(tn_h5_shape(t->dataset, "cat", 2, cat));
    if (cat[1] > TN_MAX_LEVELS) return tn_fail(TN_EFORMAT, "%s: %lld category levels", path, (long long)cat[1]);
    t->n = cat[0];
    t->n_levels = (int)cat[1];
    for (int m = 0; m < t->n_levels; m++) {
        char name[32];
        snprintf(name, sizeof name, "cat_values_%d_at", m + 1);
        TN_TRY(tn_h5_shape(t->dataset, name, 1, &n));
        t->n_values[m] = (int32_t)(n - 1);
    }
    TN_TRY(tn_h5_read_strings(t->dataset, "classes", &n, &t->class_name));
    t->n_classes = (int)n;
    return TN_OK;
}

static tn_status open_folds(tn_table *t, const char *dir) {
    char path[TN_PATH_BYTES];
    int64_t count = 0, n = 0;
    TN_TRY(tn_path(path, "%s/folds.h5", dir));
    TN_TRY(tn_h5_open(path, &t->folds));
    TN_TRY(tn_h5_check_stamp(t->folds, path, "folds", 1));
    TN_TRY(tn_h5_get_int(t->folds, "count", &count));
    TN_TRY(tn_h5_shape(t->folds, "fold", 1, &n));
    t->n_folds = (int)count;
    return n == t->n
               ? TN_OK
               : tn_fail(TN_EFORMAT, "%s: %lld rows, not %lld: preprocess again", path, (long long)n, (long long)t->n);
}

static tn_status open_here(tn_table *t, const char *shards_dir, const char *folds_dir) {
    TN_TRY(open_dataset(t, shards_dir));
    return folds_dir ? open_folds(t, folds_dir) : TN_OK;
}

tn_status tn_table_open(tn_run *run, const char *shards_dir, const char *folds_dir, tn_table **out) {
    tn_table *t = calloc(1, sizeof *t);
    tn_status st = tn_agree(run, t ? TN_OK : tn_fail_memory(sizeof *t, "the index"));
    if (st == TN_OK) st = see_files(run, shards_dir, folds_dir, t);
    if (st == TN_OK) st = tn_agree(run, open_here(t, shards_dir, folds_dir));
    if (st == TN_OK)
        *out = t;
    else
        tn_table_close(&t);
    return st;
}

void tn_table_close(tn_table **at) {
    tn_table *t = *at;
    if (!t) return;
    tn_h5_close(&t->dataset);
    tn_h5_close(&t->folds);
    for (int m = 0; m < TN_MAX_LEVELS; m++) free(t->map[m]);
    free(t->class_name);
    free(t);
    *at = NULL;
}

tn_status tn_table_values(tn_table *t, int level, char ***name_out) {
    char name[32];
    int64_t n = 0;
    snprintf(name, sizeof name, "cat_values_%d", level + 1);
    return tn_h5_read_strings(t->dataset, name, &n, name_out);
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

tn_status tn_rows_new(const tn_table *t, int64_t room, tn_rows *out) {
    size_t n = (size_t)room;
    *out = (tn_rows){.room = room};
    out->label = malloc(n * sizeof *out->label);
    out->truth = malloc(n * sizeof *out->truth);
    out->fold = malloc(n * sizeof *out->fold);
    out->component = malloc(n * sizeof *out->component);
    out->cat = malloc(n * (size_t)t->n_levels * sizeof *out->cat + 1);
    out->is_test = malloc(n);
    out->state = malloc(n);
    out->path_at = malloc((n + 1) * sizeof *out->path_at);
    bool ok = out->label && out->truth && out->fold && out->component && out->cat && out->is_test && out->state &&
              out->path_at;
    return ok ? TN_OK : tn_fail_memory(n * 32, "a block of rows");
}

void tn_rows_free(tn_rows *r) {
    void *all[] = {r->label, r->truth, r->fold, r->component, r->cat, r->is_test, r->state, r->text, r->path_at};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *r = (tn_rows){.room = 0};
}

static tn_status read_paths(tn_table *t, tn_rows *r) {
    TN_TRY(tn_h5_read_rows(t->dataset, "path_at", TN_H5_I64, r->first, r->n + 1, r->path_at));
    int64_t from = r->path_at[0], n_bytes = r->path_at[r->n] - from;
    bool ok = from >= 0 && n_bytes >= 0;
    for (int64_t i = 0; ok && i < r->n; i++) ok = r->path_at[i] < r->path_at[i + 1];
    if (!ok) return tn_fail(TN_EFORMAT, "dataset.h5: strings `path` are damaged: preprocess again");
    if ((size_t)n_bytes > r->text_room) {
        char *more = realloc(r->text, (size_t)n_bytes);
        if (!more) return tn_fail_memory((size_t)n_bytes, "the paths of a block");
        r->text = more;
        r->text_room = (size_t)n_bytes;
    }
    TN_TRY(tn_h5_read_rows(t->dataset, "path", TN_H5_U8, from, n_bytes, r->text));
    for (int64_t i = 0; i <= r->n; i++) r->path_at[i] -= from;
    for (int64_t i = 0; ok && i < r->n; i++) ok = r->text[r->path_at[i + 1] - 1] == 0;
    return ok ? TN_OK : tn_fail(TN_EFORMAT, "dataset.h5: strings `path` are damaged: preprocess again");
}

static tn_status read_labels(tn_table *t, tn_rows *r) {
    TN_TRY(tn_h5_read_rows(t->dataset, "label", TN_H5_I32, r->first, r->n, r->label));
    TN_TRY(tn_h5_read_rows(t->dataset, "is_test", TN_H5_U8, r->first, r->n, r->is_test));
    TN_TRY(tn_h5_read_rows(t->dataset, "state", TN_H5_U8, r->first, r->n, r->state));
    if (t->folds) return tn_h5_read_rows(t->folds, "fold", TN_H5_I32, r->first, r->n, r->fold);
    for (int64_t i = 0; i < r->n; i++) {
        r->fold[i] = r->state[i] ? TN_FOLD_QUARANTINED : TN_FOLD_NONE;
        r->is_test[i] = 1;
    }
    return TN_OK;
}

static tn_status read_components(tn_table *t, tn_rows *r) {
    if (t->folds) return tn_h5_read_rows(t->folds, "component", TN_H5_I32, r->first, r->n, r->component);
    TN_TRY(tn_h5_read_rows(t->dataset, "group", TN_H5_I32, r->first, r->n, r->component));
    for (int64_t i = 0; i < r->n; i++)
        if (r->component[i] < 0) r->component[i] = (int32_t)(-1 - r->first - i); /* differs from all group numbers */
    return TN_OK;
}

static tn_status read_categories(tn_table *t, tn_rows *r) {
    TN_TRY(tn_h5_read_rows(t->dataset, "cat", TN_H5_I32, r->first, r->n, r->cat));
    for (int m = 0; m < t->n_levels; m++)
        for (int64_t i = 0; t->map[m] && i < r->n; i++) {
            int32_t *value = &r->cat[i * t->n_levels + m];
            *value = t->map[m][*value];
        }
    return TN_OK;
}

tn_status tn_table_read(tn_table *t, unsigned columns, int64_t first, int64_t n, tn_rows *r) {
    TN_ASSERT(n <= r->room);
    r->first = first;
    r->n = n;
    if (n == 0) return TN_OK;
    if (columns & TN_COLUMN_LABEL) TN_TRY(read_labels(t, r));
    if (columns & TN_COLUMN_TRUTH) TN_TRY(tn_h5_read_rows(t->dataset, "truth", TN_H5_I32, first, n, r->truth));
    if (columns & TN_COLUMN_COMPONENT) TN_TRY(read_components(t, r));
    if (columns & TN_COLUMN_CAT) TN_TRY(read_categories(t, r));
    return columns & TN_COLUMN_PATH ? read_paths(t, r) : TN_OK;
}
