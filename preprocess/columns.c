/* columns.c - numbers categories and groups. */
#include "preprocess/columns.h"

#include <stdlib.h>
#include <string.h>

/* Copy n strings into one block, as index.c expects. */
static char **copy_strings(int64_t n, const char *const *s) {
    size_t n_bytes = 0;
    for (int64_t i = 0; i < n; i++) n_bytes += strlen(s[i]) + 1;
    char **out = malloc((size_t)n * sizeof *out + n_bytes + 1);
    if (!out) return NULL;
    char *at = (char *)(out + n);
    for (int64_t i = 0; i < n; i++) {
        size_t length = strlen(s[i]) + 1;
        out[i] = memcpy(at, s[i], length);
        at += length;
    }
    return out;
}

/* --- ids of distinct values in order of first appearance: sort, then number --------------------------------------- */

typedef struct {
    const char *text;
    int64_t row;
} value;

static int by_text(const void *a, const void *b) {
    const value *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static int by_row(const void *a, const void *b) {
    const value *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* List the rows where each non-empty value appears first among the rows with take != 0, ascending. out: (n). */
static int64_t first_rows(int64_t n, const char *const *text, const uint8_t *take, value *out) {
    int64_t n_taken = 0, n_distinct = 0;
    for (int64_t i = 0; i < n; i++)
        if (*text[i] && (!take || take[i])) out[n_taken++] = (value){text[i], i};
    qsort(out, (size_t)n_taken, sizeof *out, by_text);
    for (int64_t i = 0; i < n_taken; i++)
        if (i == 0 || strcmp(out[i].text, out[n_distinct - 1].text) != 0) out[n_distinct++] = out[i];
    qsort(out, (size_t)n_distinct, sizeof *out, by_row);
    return n_distinct;
}

/* id_out (n): the index of each row's value in the list of n_values distinct values, or -1. */
static tn_status number_rows(int64_t n, const char *const *text, int64_t n_values, const value *values,
                             int32_t *id_out) {
    value *sorted = malloc((size_t)n_values * sizeof *sorted + 1);
    if (!sorted) return tn_fail_memory((size_t)n_values * sizeof *sorted, "the categories");
    for (int64_t i = 0; i < n_values; i++) sorted[i] = (value){values[i].text, i};
    qsort(sorted, (size_t)n_values, sizeof *sorted, by_text);
    for (int64_t i = 0; i < n; i++) {
        int64_t low = 0, high = n_values;
        while (low < high) {
            int64_t mid = (low + high) / 2;
            if (strcmp(sorted[mid].text, text[i]) < 0)
                low = mid + 1;
            else
                high = mid;
        }
        id_out[i] = low < n_values && strcmp(sorted[low].text, text[i]) == 0 ? (int32_t)sorted[low].row : -1;
    }
    free(sorted);
    return TN_OK;
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

/* Fill category column m: value 0 is "unknown", then come the values of the rows with counts != 0. */
static tn_status fill_level(const tn_meta *meta, int m, const uint8_t *counts, value *values, int32_t *id,
                            tn_index *ix) {
    int64_t n_values = first_rows(meta->n, meta->cat[m], counts, values);
    const char **names = malloc((size_t)(n_values + 1) * sizeof *names);
    if (!names) return tn_fail_memory((size_t)n_values * sizeof *names, "the categories");
    names[0] = "unknown";
    for (int64_t i = 0; i < n_values; i++) names[i + 1] = values[i].text;
    ix->value_name[m] = copy_strings(n_values + 1, names);
    ix->n_values[m] = (int32_t)n_values + 1;
    free(names);
    TN_TRY(number_rows(meta->n, meta->cat[m], n_values, values, id));
    for (int64_t i = 0; i < meta->n; i++) ix->cat[i * ix->n_levels + m] = id[i] + 1;
    return ix->value_name[m] ? TN_OK : tn_fail_memory((size_t)n_values, "the categories");
}

static tn_status fill_groups(const tn_meta *meta, value *values, tn_index *ix) {
    if (meta->group) {
        int64_t n_values = first_rows(meta->n, meta->group, NULL, values);
        return number_rows(meta->n, meta->group, n_values, values, ix->group);
    }
    for (int64_t i = 0; i < meta->n; i++) ix->group[i] = -1;
    return TN_OK;
}

tn_status tn_index_fill_columns(const tn_cfg *cfg, const tn_meta *meta, bool all_values, tn_index *ix) {
    const char *classes[TN_MAX_CLASSES];
    for (int k = 0; k < cfg->data.n_classes; k++) classes[k] = cfg->data.classes[k];
    ix->n_classes = cfg->data.n_classes;
    ix->class_name = copy_strings(ix->n_classes, classes);
    ix->path = copy_strings(meta->n, meta->path);
    value *values = malloc((size_t)meta->n * sizeof *values + 1);
    uint8_t *counts = malloc((size_t)meta->n + 1);
    int32_t *id = malloc((size_t)meta->n * sizeof *id + 1);
    tn_status st = ix->class_name && ix->path && values && counts && id
                       ? TN_OK
                       : tn_fail_memory((size_t)meta->n * 64, "the index");
    for (int64_t i = 0; st == TN_OK && i < meta->n; i++) {
        ix->label[i] = meta->label[i];
        ix->truth[i] = meta->truth[i];
        ix->is_test[i] = meta->is_test[i];
        counts[i] = all_values || (meta->label[i] >= 0 && !meta->is_test[i]);
    }
    for (int m = 0; st == TN_OK && m < meta->n_levels; m++) st = fill_level(meta, m, counts, values, id, ix);
    if (st == TN_OK) st = fill_groups(meta, values, ix);
    free(values);
    free(counts);
    free(id);
    return st;
}

void tn_index_columns_digest(const tn_index *ix, char hex_out[TN_HEX_BYTES]) {
    tn_hash *h = tn_hash_new();
    size_t n = (size_t)ix->n;
    const struct {
        const void *data;
        size_t size;
    } column[] = {{ix->label, sizeof *ix->label},
                  {ix->is_test, sizeof *ix->is_test},
                  {ix->state, sizeof *ix->state},
                  {ix->cat, (size_t)ix->n_levels * sizeof *ix->cat},
                  {ix->width, sizeof *ix->width},
                  {ix->height, sizeof *ix->height},
                  {ix->content_hash, sizeof *ix->content_hash},
                  {ix->perceptual_hash, sizeof *ix->perceptual_hash},
                  {ix->group, sizeof *ix->group},
                  {ix->shard, sizeof *ix->shard},
                  {ix->length, sizeof *ix->length},
                  {ix->offset, sizeof *ix->offset},
                  {ix->checksum, sizeof *ix->checksum}};
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) tn_hash_add(h, column[i].data, n * column[i].size);
    for (size_t i = 0; i < n; i++) tn_hash_text(h, ix->path[i]);
    for (int k = 0; k < ix->n_classes; k++) tn_hash_text(h, ix->class_name[k]);
    for (int m = 0; m < ix->n_levels; m++)
        for (int v = 0; v < ix->n_values[m]; v++) tn_hash_text(h, ix->value_name[m][v]);
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
}
