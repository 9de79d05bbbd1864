/* meta.c - reads metadata.csv by the rules of meta.h. */
#include "data/meta.h"

#include "base/utf8.h"
#include "cfg/nearest.h"
#include "data/class_map.h"
#include "store/alike.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    const tn_cfg *cfg;
    const tn_csv *t;
    tn_class_map classes;
    int path, label, truth, split, group, cat[TN_MAX_LEVELS];
} columns;

#define AT_LINE(c, row) (c)->cfg->data.metadata, (long long)tn_csv_line((c)->t, row)

/* The names in the header, as many as fit, for a message. */
static const char *header(const tn_csv *t, char *out, size_t room) {
    size_t n = 0;
    out[0] = 0;
    for (int c = 0; c < tn_csv_columns(t) && n < room; c++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", c ? ", " : "", tn_csv_name(t, c));
    tn_utf8_mend(out); /* the last name may have been cut off */
    return out;
}

static tn_status find_path(const char *file, const tn_csv *t, int *out) {
    char names[256];
    TN_TRY(tn_csv_find(t, "path", out));
    return *out >= 0 ? TN_OK
                     : tn_fail(TN_EARG, "%s:1: no column `path`: the header must name it; it names: %s", file,
                               header(t, names, sizeof names));
}

static tn_status find_levels(const tn_cfg *cfg, const tn_csv *t, columns *c, int *n_levels) {
    *n_levels = 0;
    for (int m = 0; m < TN_MAX_LEVELS; m++) {
        char name[8];
        snprintf(name, sizeof name, "cat%d", m + 1);
        TN_TRY(tn_csv_find(t, name, &c->cat[m]));
        if (c->cat[m] >= 0 && *n_levels == m) (*n_levels)++;
    }
    return *n_levels >= cfg->model.metadata_levels
               ? TN_OK
               : tn_fail(TN_EARG, "%s:1: no column `cat%d`, but model.metadata_levels = %d", cfg->data.metadata,
                         *n_levels + 1, cfg->model.metadata_levels);
}

static tn_status find_columns(const tn_cfg *cfg, const tn_csv *t, columns *c, int *n_levels) {
    const char *file = cfg->data.metadata;
    *c = (columns){.cfg = cfg, .t = t, .truth = -1};
    TN_TRY(find_path(file, t, &c->path));
    TN_TRY(tn_csv_find(t, "label", &c->label));
    TN_TRY(tn_csv_find(t, "split", &c->split));
    TN_TRY(tn_csv_find(t, "group", &c->group));
    if (*cfg->data.truth_column) TN_TRY(tn_csv_find(t, cfg->data.truth_column, &c->truth));
    if (*cfg->data.truth_column && c->truth < 0)
        return tn_fail(TN_EARG, "%s:1: no column `%s`, which data.truth_column names", file, cfg->data.truth_column);
    TN_TRY(find_levels(cfg, t, c, n_levels));
    if (tn_csv_rows(t) == 0) return tn_fail(TN_EARG, "%s: has a header but no rows", file);
    return TN_OK;
}

/* Remove blanks at the ends of all columns but path. */
static void trim_columns(const columns *c, tn_csv *t) {
    const int column[] = {c->label, c->truth, c->split, c->group};
    for (size_t i = 0; i < sizeof column / sizeof *column; i++)
        if (column[i] >= 0 && column[i] != c->path) tn_csv_trim(t, column[i]);
    for (int m = 0; m < TN_MAX_LEVELS; m++)
        if (c->cat[m] >= 0) tn_csv_trim(t, c->cat[m]);
}

static tn_status check_path(const columns *c, int64_t row, const char *path) {
    if (!*path) return tn_fail(TN_EARG, "%s:%lld: the path is empty", AT_LINE(c, row));
    if (path[0] == '/')
        return tn_fail(TN_EARG, "%s:%lld: %s is an absolute path: give it relative to data.images", AT_LINE(c, row),
                       path);
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return tn_fail(TN_EARG, "%s:%lld: %s leads out of its folder by `..`: give a path inside data.images",
                           AT_LINE(c, row), path);
    }
    return TN_OK;
}

/* Words that other programs write for an empty field. */
static bool means_nothing(const char *text) {
    static const char *const WORD[] = {"na",      "n/a",        "#n/a",      "<na>",    "nan",   "null", "none", "nil",
                                       "unknown", "unlabelled", "unlabeled", "missing", "empty", "-",    "--",   "?"};
    for (size_t i = 0; i < sizeof WORD / sizeof *WORD; i++)
        if (strcasecmp(text, WORD[i]) == 0) return true;
    return false;
}

static tn_status no_class(const columns *c, int64_t row, int column, const char *text) {
    const char *names[TN_MAX_CLASSES], *name = tn_csv_name(c->t, column);
    int n = c->cfg->data.n_classes;
    for (int k = 0; k < n; k++) names[k] = c->cfg->data.classes[k];
    const char *alike = tn_alike(text, n, names), *near = tn_nearest(text, n, names);
    if (alike)
        return tn_fail(TN_EARG,
                       "%s:%lld: %s `%s` looks like `%s` of data.classes, but has other characters (composed or "
                       "decomposed letters, wide or invisible ones): write both alike, best in Unicode's form NFC",
                       AT_LINE(c, row), name, text, alike);
    if (means_nothing(text) && !(near && strcasecmp(near, text) == 0))
        return tn_fail(TN_EARG,
                       "%s:%lld: %s `%s` is not in data.classes: for no label, leave the field empty instead of `%s`",
                       AT_LINE(c, row), name, text, text);
    return tn_fail(TN_EARG, "%s:%lld: %s `%s` is not in data.classes%s%s%s", AT_LINE(c, row), name, text,
                   near ? ": did you mean `" : "", near ? near : "", near ? "`?" : "");
}

/* -1 for an empty field. */
static tn_status class_at(const columns *c, int64_t row, int column, int32_t *out) {
    const char *text = column < 0 ? "" : tn_csv_at(c->t, row, column);
    *out = *text ? tn_class_map_find(&c->classes, text) : -1;
    return !*text || *out >= 0 ? TN_OK : no_class(c, row, column, text);
}

static tn_status split_at(const columns *c, int64_t row, uint8_t *is_test) {
    const char *text = c->split < 0 ? "" : tn_csv_at(c->t, row, c->split);
    *is_test = strcmp(text, "test") == 0;
    if (*is_test || !*text || strcmp(text, "train") == 0) return TN_OK;
    return tn_fail(TN_EARG, "%s:%lld: split `%s`: give train, test or nothing", AT_LINE(c, row), text);
}

static tn_status fill(const columns *c, tn_meta *m) {
    for (int64_t i = 0; i < m->n; i++) {
        m->path[i] = tn_csv_at(c->t, i, c->path);
        TN_TRY(check_path(c, i, m->path[i]));
        TN_TRY(class_at(c, i, c->label, &m->label[i]));
        TN_TRY(class_at(c, i, c->truth, &m->truth[i]));
        TN_TRY(split_at(c, i, &m->is_test[i]));
        for (int l = 0; l < m->n_levels; l++) m->cat[l][i] = tn_csv_at(c->t, i, c->cat[l]);
        if (m->group) m->group[i] = tn_csv_at(c->t, i, c->group);
    }
    return TN_OK;
}

/* --- duplicate paths: sort row numbers by path -------------------------------------------------------------------- */

typedef struct {
    const char *path;
    int64_t row;
} path_row;

static int by_path(const void *a, const void *b) {
    const path_row *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static tn_status check_duplicates(const columns *c, const tn_meta *m) {
    path_row *p = malloc((size_t)m->n * sizeof *p);
    if (!p) return tn_fail_memory((size_t)m->n * sizeof *p, "the paths");
    for (int64_t i = 0; i < m->n; i++) p[i] = (path_row){m->path[i], i};
    qsort(p, (size_t)m->n, sizeof *p, by_path);
    int64_t worst = -1, first = -1; /* the message names the earliest repeated line */
    for (int64_t i = 1; i < m->n; i++)
        if (strcmp(p[i].path, p[i - 1].path) == 0 && (worst < 0 || p[i].row < worst)) {
            worst = p[i].row;
            first = p[i - 1].row;
        }
    free(p);
    if (worst < 0) return TN_OK;
    return tn_fail(TN_EARG, "%s:%lld: path %s is there already, on line %lld: every row needs a path of its own",
                   AT_LINE(c, worst), m->path[worst], (long long)tn_csv_line(c->t, first));
}

static tn_status allocate(tn_meta *m, bool with_group) {
    size_t n = (size_t)m->n;
    m->path = calloc(n, sizeof *m->path);
    m->label = calloc(n, sizeof *m->label);
    m->truth = calloc(n, sizeof *m->truth);
    m->is_test = calloc(n, 1);
    bool ok = m->path && m->label && m->truth && m->is_test;
    for (int l = 0; l < m->n_levels; l++) ok = (m->cat[l] = calloc(n, sizeof *m->cat[l])) && ok;
    if (with_group) ok = (m->group = calloc(n, sizeof *m->group)) && ok;
    return ok ? TN_OK : tn_fail_memory(n * 64, "the metadata");
}

static tn_status read_into(const tn_cfg *cfg, tn_meta *m) {
    columns c;
    TN_TRY(tn_csv_read(cfg->data.metadata, &m->table));
    TN_TRY(find_columns(cfg, m->table, &c, &m->n_levels));
    trim_columns(&c, m->table);
    m->n = tn_csv_rows(m->table);
    TN_TRY(allocate(m, c.group >= 0));
    TN_TRY(tn_class_map_new(cfg, &c.classes));
    tn_status st = fill(&c, m);
    tn_class_map_free(&c.classes);
    TN_TRY(st);
    return check_duplicates(&c, m);
}

tn_status tn_meta_read(const tn_cfg *cfg, tn_meta **out) {
    tn_meta *m = calloc(1, sizeof *m);
    if (!m) return tn_fail_memory(sizeof *m, "the metadata");
    tn_status st = read_into(cfg, m);
    if (st == TN_OK)
        *out = m;
    else
        tn_meta_free(&m);
    return st;
}

void tn_meta_free(tn_meta **meta) {
    tn_meta *m = *meta;
    if (!m) return;
    free(m->path);
    free(m->label);
    free(m->truth);
    free(m->is_test);
    for (int l = 0; l < TN_MAX_LEVELS; l++) free(m->cat[l]);
    free(m->group);
    tn_csv_free(&m->table);
    free(m);
    *meta = NULL;
}
