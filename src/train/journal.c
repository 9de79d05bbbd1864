/* journal.c - see journal.h. */
#include "train/journal.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(json_t *j, const char *key) {
    return json_number_value(json_object_get(j, key));
}

static void read_counts(const tn_cfg *cfg, json_t *by_class, int64_t *out) {
    for (int k = 0; k < cfg->data.n_classes; k++)
        out[k] = json_integer_value(json_object_get(by_class, cfg->data.classes[k]));
}

/* False: not an evaluation. Its counts by class replace those of the evaluation before. */
static bool read_entry(const tn_cfg *cfg, const char *line, tn_journal_entry *out, tn_journal *counts) {
    json_t *j = json_loads(line, 0, NULL), *noise = json_object_get(j, "noise_scale_images");
    json_int_t images = 0;
    int best = 0;
    *out = (tn_journal_entry){.noise_images = !noise ? -1 : json_is_null(noise) ? HUGE_VAL : json_number_value(noise)};
    bool ok = json_unpack(j, "{s?I,s?b}", "images", &images, "best", &best) == 0;
    json_t *score = json_object_get(j, "validation");
    out->images = images;
    out->best = best;
    out->gmean = number(score, "geometric_mean");
    out->macro = number(score, "macro_f1");
    out->accuracy = number(score, "accuracy");
    out->training_s = number(j, "training_seconds");
    out->evaluation_s = number(j, "evaluation_seconds");
    if (ok) {
        read_counts(cfg, json_object_get(j, "images_by_class"), counts->images_of);
        read_counts(cfg, json_object_get(j, "rows_by_class"), counts->rows_of);
    }
    json_decref(j);
    return ok;
}

tn_status tn_journal_read(const tn_cfg *cfg, const tn_cell *cell, tn_journal *out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n_bytes = 0, n_lines = 0;
    *out = (tn_journal){.n = 0};
    TN_TRY(tn_cell_folder(cfg, "train", cell, path));
    TN_TRY(tn_path(path, "%s/journal.jsonl", path));
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_file_read(path, &text, &n_bytes));
    for (size_t i = 0; i < n_bytes; i++) n_lines += text[i] == '\n';
    out->at = calloc(n_lines + 1, sizeof *out->at);
    out->images_of = calloc((size_t)cfg->data.n_classes + 1, sizeof *out->images_of);
    out->rows_of = calloc((size_t)cfg->data.n_classes + 1, sizeof *out->rows_of);
    bool ok = out->at && out->images_of && out->rows_of;
    char *rest = text;
    for (char *line; ok && rest && (line = strtok_r(rest, "\n", &rest));)
        out->n += read_entry(cfg, line, &out->at[out->n], out);
    free(text);
    if (ok) return TN_OK;
    tn_journal_free(out);
    return tn_fail_memory(n_lines * sizeof *out->at, "a journal");
}

void tn_journal_free(tn_journal *j) {
    free(j->at);
    free(j->images_of);
    free(j->rows_of);
    *j = (tn_journal){.n = 0};
}
