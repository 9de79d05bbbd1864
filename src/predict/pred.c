/* pred.c - predictions files. */
#include "predict/pred.h"

#include "score/probability.h"
#include "store/h5.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_pred_classes(int K, char *const *name, char **out) {
    size_t n = 0;
    FILE *f = open_memstream(out, &n);
    for (int k = 0; f && k < K; k++) fprintf(f, "%s%s", k ? "\n" : "", name[k]);
    return tn_text_end(f, TN_OK, "the names of the classes");
}

static int lines_of(const char *text) {
    int n = 1;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static bool same_line(const char *a, const char *b) {
    size_t n = strcspn(a, "\n");
    return n == strcspn(b, "\n") && memcmp(a, b, n) == 0;
}

/* NULL: it was the last one. */
static const char *line_after(const char *line) {
    size_t n = strcspn(line, "\n");
    return line[n] ? line + n + 1 : NULL;
}

/* k: from 0; name: begins with the class's name; NULL: there is no such class. */
static void tell_class(const char *classes, const char *name, int k, char out[TN_CLASS_TEXT_BYTES]) {
    if (name) {
        int length = (int)strcspn(name, "\n");
        snprintf(out, TN_CLASS_TEXT_BYTES, "class %d of %d is `%.*s`", k + 1, lines_of(classes),
                 length < 100 ? length : 100, name);
    } else {
        snprintf(out, TN_CLASS_TEXT_BYTES, "class %d is missing, there are %d", k + 1, lines_of(classes));
    }
}

void tn_pred_difference(const char *classes_a, const char *classes_b, char a_out[TN_CLASS_TEXT_BYTES],
                        char b_out[TN_CLASS_TEXT_BYTES]) {
    const char *a = classes_a, *b = classes_b;
    int k = 0;
    for (; a && b && same_line(a, b); k++) {
        a = line_after(a);
        b = line_after(b);
    }
    tell_class(classes_a, a, k, a_out);
    tell_class(classes_b, b, k, b_out);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct tn_pred_writer {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES], *classes;
    tn_h5 *file;
    tn_pred_info info;
    int64_t n_written;
    tn_hash *rows, *p;
};

static tn_status write_head(tn_h5 *f, const tn_pred_info *info) {
    char name[TN_CELL_NAME_BYTES];
    tn_cell_name(&info->cell, name);
    TN_TRY(tn_h5_stamp(f, "predictions", TN_PRED_VERSION));
    TN_TRY(tn_h5_set_text(f, "cell", name));
    TN_TRY(tn_h5_set_int(f, "round", info->cell.round));
    TN_TRY(tn_h5_set_int(f, "fold", info->cell.fold));
    TN_TRY(tn_h5_set_int(f, "size_px", info->cell.size_px));
    TN_TRY(tn_h5_set_int(f, "seed", info->cell.seed));
    TN_TRY(tn_h5_set_text(f, "classes", info->classes));
    TN_TRY(tn_h5_set_text(f, "shards_digest", info->shards_digest));
    TN_TRY(tn_h5_set_text(f, "index_digest", info->index_digest));
    TN_TRY(tn_h5_set_text(f, "model_digest", info->model_digest));
    TN_TRY(tn_h5_reserve(f, "row", TN_H5_I64, 1, &info->n));
    if (!tn_prow_whole(info->K)) TN_TRY(tn_h5_set_int(f, "n_classes", info->K));
    return tn_h5_reserve(f, "p", TN_H5_F32, 2, (int64_t[]){info->n, tn_prow_width(info->K)});
}

static tn_status create_into(const char *path, tn_pred_writer *w) {
    w->rows = tn_hash_new();
    w->p = tn_hash_new();
    TN_TRY(tn_path(w->path, "%s", path));
    TN_TRY(tn_publish_name(path, w->tmp));
    TN_TRY(tn_h5_create(w->tmp, &w->file));
    return write_head(w->file, &w->info);
}

tn_status tn_pred_create(const char *path, const tn_pred_info *info, tn_pred_writer **out) {
    tn_pred_writer *w = calloc(1, sizeof *w);
    if (!w) return tn_fail_memory(sizeof *w, path);
    w->info = *info;
    w->info.classes = w->classes = strdup(info->classes);
    tn_status st = w->classes ? create_into(path, w) : tn_fail_memory(strlen(info->classes), path);
    if (st == TN_OK)
        *out = w;
    else
        tn_pred_drop(&w);
    return st;
}

tn_status tn_pred_append(tn_pred_writer *w, int64_t n, const int64_t *row, const float *p) {
    int K = w->info.K, W = tn_prow_width(K);
    int64_t bad = tn_probability_bad(n, K, p);
    if (bad >= 0)
        return tn_probability_fail(w->path, row[bad], NULL, K, NULL, p + bad * W,
                                   "the model is damaged, train it again");
    TN_TRY(tn_h5_write_rows(w->file, "row", TN_H5_I64, w->n_written, n, row));
    TN_TRY(tn_h5_write_rows(w->file, "p", TN_H5_F32, w->n_written, n, p));
    tn_hash_add(w->rows, row, (size_t)n * sizeof *row);
    tn_hash_add(w->p, p, (size_t)(n * W) * sizeof *p);
    w->n_written += n;
    return TN_OK;
}

static void digest_of(const tn_pred_writer *w, char out[TN_HEX_BYTES]) {
    char both[2][TN_HEX_BYTES];
    tn_hash_hex(w->rows, both[0]);
    tn_hash_hex(w->p, both[1]);
    tn_hash_once(both, sizeof both, out);
}

tn_status tn_pred_finish(tn_pred_writer **at, char digest_out[TN_HEX_BYTES]) {
    tn_pred_writer *w = *at;
    TN_ASSERT(w->n_written == w->info.n);
    digest_of(w, digest_out);
    tn_status st = tn_h5_close(&w->file);
    if (st == TN_OK) st = tn_publish_end(w->path);
    tn_pred_drop(at);
    return st;
}

void tn_pred_drop(tn_pred_writer **at) {
    tn_pred_writer *w = *at;
    if (!w) return;
    tn_h5_close(&w->file);
    if (*w->tmp) tn_publish_drop(w->path); /* tmp is empty if the file was published */
    tn_hash_free(&w->rows);
    tn_hash_free(&w->p);
    free(w->classes);
    free(w);
    *at = NULL;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct tn_pred {
    char path[TN_PATH_BYTES], *classes;
    tn_h5 *file;
    tn_pred_info info;
};

static tn_status read_text(tn_h5 *f, const char *name, size_t room, char *out) {
    char *text = NULL;
    TN_TRY(tn_h5_get_text(f, name, &text));
    snprintf(out, room, "%s", text);
    free(text);
    return TN_OK;
}

static tn_status read_int(tn_h5 *f, const char *name, int *out) {
    int64_t value = 0;
    TN_TRY(tn_h5_get_int(f, name, &value));
    *out = (int)value;
    return TN_OK;
}

static tn_status read_head(tn_h5 *f, tn_pred *pr) {
    tn_pred_info *info = &pr->info;
    TN_TRY(read_int(f, "round", &info->cell.round));
    TN_TRY(read_int(f, "fold", &info->cell.fold));
    TN_TRY(read_int(f, "size_px", &info->cell.size_px));
    TN_TRY(tn_h5_get_int(f, "seed", &info->cell.seed));
    TN_TRY(tn_h5_get_text(f, "classes", &pr->classes));
    info->classes = pr->classes;
    TN_TRY(read_text(f, "shards_digest", TN_HEX_BYTES, info->shards_digest));
    TN_TRY(read_text(f, "index_digest", TN_HEX_BYTES, info->index_digest));
    return read_text(f, "model_digest", TN_HEX_BYTES, info->model_digest);
}

static tn_status open_into(const char *path, tn_pred *pr) {
    tn_pred_info *info = &pr->info;
    int64_t shape[2], n_rows = 0, K = 0;
    TN_TRY(tn_path(pr->path, "%s", path));
    TN_TRY(tn_h5_open(path, &pr->file));
    TN_TRY(tn_h5_check_stamp(pr->file, path, "predictions", TN_PRED_VERSION));
    TN_TRY(read_head(pr->file, pr));
    TN_TRY(tn_h5_shape(pr->file, "p", 2, shape));
    TN_TRY(tn_h5_shape(pr->file, "row", 1, &n_rows));
    info->n = n_rows;
    /* a file of whole rows has no such number */
    K = tn_h5_get_int(pr->file, "n_classes", &K) == TN_OK ? K : shape[1];
    info->K = (int)K;
    return shape[0] == n_rows && K >= 1 && K <= TN_MAX_CLASSES && shape[1] == tn_prow_width(info->K)
               ? TN_OK
               : tn_fail(TN_EFORMAT, "%s: damaged: %lld rows, but %lld x %lld probabilities", path, (long long)n_rows,
                         (long long)shape[0], (long long)shape[1]);
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
    free((*pr)->classes);
    free(*pr);
    *pr = NULL;
}

const tn_pred_info *tn_pred_info_of(const tn_pred *pr) {
    return &pr->info;
}
tn_status tn_pred_read(tn_pred *pr, int64_t first, int64_t n, int64_t *row_out, float *p_out) {
    if (n == 0) return TN_OK;
    TN_TRY(tn_h5_read_rows(pr->file, "row", TN_H5_I64, first, n, row_out));
    TN_TRY(tn_h5_read_rows(pr->file, "p", TN_H5_F32, first, n, p_out));
    for (int64_t i = 1; i < n; i++)
        if (row_out[i] <= row_out[i - 1])
            return tn_fail(TN_EFORMAT, "%s: damaged: its rows are not in ascending order", pr->path);
    int K = pr->info.K;
    int64_t bad = tn_probability_bad(n, K, p_out);
    return bad < 0 ? TN_OK
                   : tn_probability_fail(pr->path, row_out[bad], NULL, K, NULL, p_out + bad * tn_prow_width(K),
                                         "delete its folder and run `tenfold predict` again");
}
