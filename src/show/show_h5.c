/* show_h5.c - describes HDF5 files of a run, posteriors of models trained elsewhere, weights of Keras. */
#include "show/show_priv.h"

#include "base/progress.h"
#include "store/guard.h"
#include "store/h5.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ITEMS = 32, VALUE_BYTES = 140, LIBRARY_CPU_S = 60 };

typedef struct {
    const char *path;
    FILE *out;
    tn_h5 *f;
    int64_t n_items, n_attributes;
    tn_h5_item item[MOST_ITEMS], attribute[MOST_ITEMS];
} view;

static int least(int64_t n) {
    return (int)(n < MOST_ITEMS ? n : MOST_ITEMS);
}

static const char *value_of(const view *v, const char *name) {
    for (int i = 0; i < least(v->n_attributes); i++)
        if (strcmp(v->attribute[i].name, name) == 0) return v->attribute[i].what;
    return NULL;
}

static bool has(const view *v, const char *name) {
    return tn_h5_has(v->f, name);
}

/* Print a value; several lines (names of classes) are joined to one, which is cut if it is long. */
static void put_value(const char *name, const char *value, FILE *out) {
    char text[VALUE_BYTES];
    size_t n = 0;
    for (; *value && n + 6 < sizeof text; value++) {
        bool line = *value == '\n';
        if (line && !value[1]) break;
        text[n++] = line ? ',' : *value;
        if (line) text[n++] = ' ';
    }
    snprintf(text + n, sizeof text - n, "%s", *value && *value != '\n' ? " ..." : "");
    tn_print(out, "  %s %s\n", name, text);
}

static bool is_stamp(const char *name) {
    static const char *const STAMP[] = {"tenfold", "kind", "format_version", "commit", "libraries"};
    for (size_t i = 0; i < sizeof STAMP / sizeof *STAMP; i++)
        if (strcmp(STAMP[i], name) == 0) return true;
    return false;
}

static void put_items(const view *v) {
    for (int i = 0; i < least(v->n_attributes); i++)
        if (!is_stamp(v->attribute[i].name)) put_value(v->attribute[i].name, v->attribute[i].what, v->out);
    for (int i = 0; i < least(v->n_items); i++) tn_print(v->out, "    %-18s %s\n", v->item[i].name, v->item[i].what);
    if (v->n_items > MOST_ITEMS) fprintf(v->out, "    ... and %" PRId64 " more\n", v->n_items - MOST_ITEMS);
}

static tn_status show_ours(const view *v) {
    char vouched[64];
    const char *version = value_of(v, "format_version"), *commit = value_of(v, "commit"),
               *libraries = value_of(v, "libraries");
    TN_TRY(tn_show_vouched(v->path, vouched));
    tn_print(v->out, "%s: %s, version %s%s\n", v->path, value_of(v, "kind"), version ? version : "?", vouched);
    tn_print(v->out, "  written by tenfold %s, commit %s, with %s\n", value_of(v, "tenfold"), commit ? commit : "?",
             libraries ? libraries : "?");
    put_items(v);
    return TN_OK;
}

static tn_status show_open(view *v) {
    TN_TRY(tn_h5_items(v->f, MOST_ITEMS, v->item, &v->n_items));
    TN_TRY(tn_h5_attributes(v->f, MOST_ITEMS, v->attribute, &v->n_attributes));
    if (value_of(v, "tenfold") && value_of(v, "kind")) return show_ours(v);
    if (has(v, "p") && has(v, "row")) {
        tn_print(v->out, "%s: posteriors of models trained elsewhere, for `tenfold filter --posteriors`\n", v->path);
        put_items(v);
        return TN_OK;
    }
    tn_h5_close(&v->f);
    return tn_show_weights(v->path, v->out);
}

static tn_status show(void *arg) {
    view *v = arg;
    TN_TRY(tn_h5_open(v->path, &v->f));
    tn_status st = show_open(v);
    tn_h5_close(&v->f);
    fflush(v->out);
    return st;
}

tn_status tn_show_h5(const char *path, FILE *out) {
    view *v = calloc(1, sizeof *v);
    if (!v) return tn_fail_memory(sizeof *v, path);
    v->path = path;
    v->out = out;
    fflush(out);
    tn_status st = tn_guard(show, v, LIBRARY_CPU_S, path);
    free(v);
    return st;
}
