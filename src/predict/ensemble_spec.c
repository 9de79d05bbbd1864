/* ensemble_spec.c - reads reduce/ensemble.json, and translates new images to the classes and categories of its models. */
#include "predict/ensemble_spec.h"

#include "base/progress.h"
#include "data/vocabulary.h"
#include "predict/pred.h"
#include "store/done.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The verb that chose the models, which is also the name of its folder. */
static const char *maker_of(const tn_cfg *cfg) {
    return cfg->is_student ? "distil" : "reduce";
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static char *text_at(json_t *list, size_t i) {
    return (char *)(uintptr_t)json_string_value(json_array_get(list, i));
}

static bool take_classes(json_t *classes, json_t *labels, json_t *offsets, tn_spec *c) {
    size_t K = json_array_size(classes);
    if (K < 2 || K > TN_MAX_CLASSES || json_array_size(labels) != K || json_array_size(offsets) != K) return false;
    c->n_classes = (int)K;
    for (size_t k = 0; k < K; k++) {
        c->class_name[k] = text_at(classes, k);
        c->labels[k] = json_integer_value(json_array_get(labels, k));
        c->offset[k] = json_number_value(json_array_get(offsets, k));
        if (!c->class_name[k]) return false;
    }
    return true;
}

static bool take_members(json_t *list, tn_spec *c) {
    size_t n = json_array_size(list);
    c->member = calloc(n + 1, sizeof *c->member);
    for (size_t i = 0; c->member && i < n; i++) {
        tn_spec_member *m = &c->member[i];
        json_int_t seed = 0;
        if (json_unpack(json_array_get(list, i), "{s:i,s:i,s:i,s:I,s:i,s:s}", "round", &m->cell.round, "fold",
                        &m->cell.fold, "size_px", &m->cell.size_px, "seed", &seed, "times", &m->times, "model",
                        &m->model_digest) != 0 ||
            m->cell.fold >= TN_MAX_FOLDS || m->cell.fold < (tn_is_student(&m->cell) ? -1 : 0) || m->times < 1)
            return false;
        m->cell.seed = seed;
    }
    c->n_members = (int)n;
    return c->member && n > 0;
}

static bool take_categories(json_t *levels, tn_spec *c) {
    static char unknown[] = "unknown";
    if (json_array_size(levels) > TN_MAX_LEVELS) return false;
    for (; c->n_levels < (int)json_array_size(levels); c->n_levels++) {
        json_t *names = json_array_get(levels, (size_t)c->n_levels);
        size_t n = json_array_size(names);
        char **name = malloc((n + 1) * sizeof *name);
        if (!name) return false;
        c->value_name[c->n_levels] = name;
        c->n_values[c->n_levels] = (int32_t)n + 1;
        name[0] = unknown;
        for (size_t v = 0; v < n; v++)
            if (!(name[v + 1] = text_at(names, v))) return false;
    }
    return true;
}

static bool take_prior(json_t *prior, tn_spec *c) {
    json_t *labels = NULL;
    if (json_is_null(prior)) return true;
    if (json_unpack(prior, "{s:i,s:F,s:o}", "level", &c->prior_level, "count", &c->prior_count, "labels", &labels) !=
            0 ||
        c->prior_level < 1 || c->prior_level > c->n_levels)
        return false;
    size_t n = (size_t)c->n_values[c->prior_level - 1], K = (size_t)c->n_classes;
    c->prior_labels = malloc(n * K * sizeof *c->prior_labels);
    if (!c->prior_labels || json_array_size(labels) != n) return false;
    for (size_t v = 0; v < n; v++) {
        json_t *row = json_array_get(labels, v);
        if (json_array_size(row) != K) return false;
        for (size_t k = 0; k < K; k++) c->prior_labels[v * K + k] = json_integer_value(json_array_get(row, k));
    }
    return true;
}

static bool take_all(tn_spec *c, const char **settings_out) {
    json_t *classes, *labels, *offsets, *members, *categories, *prior;
    const char *format, *mean;
    int decides = 0;
    if (json_unpack(c->json, "{s:s,s:s,s:o,s:o,s:s,s:s,s:b,s:F,s:o,s:F,s:o,s:o,s:o}", "format", &format, "settings",
                    settings_out, "classes", &classes, "labels", &labels, "what", &c->what, "mean", &mean, "decides",
                    &decides, "tau", &c->tau, "offsets", &offsets, "temperature", &c->temperature, "members", &members,
                    "categories", &categories, "prior", &prior) != 0 ||
        strcmp(format, "tenfold ensemble 2") != 0 || !(c->temperature > 0))
        return false;
    c->kind = strcmp(mean, "geometric") == 0 ? TN_REDUCE_GMEAN : TN_REDUCE_MEAN;
    c->decides = decides != 0;
    return take_classes(classes, labels, offsets, c) && take_members(members, c) && take_categories(categories, c) &&
           take_prior(prior, c);
}

tn_status tn_spec_parse(const tn_cfg *cfg, const char *folder, const char *text, size_t n, tn_spec *c) {
    const char *settings = NULL;
    *c = (tn_spec){.json = NULL};
    c->json = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    if (!c->json || !take_all(c, &settings))
        return tn_fail(TN_EFORMAT,
                       "%s/ensemble.json: is of another version: delete that folder and run `tenfold %s` again", folder,
                       maker_of(cfg));
    tn_hash_once(text, n, c->digest);
    char *now = tn_cfg_canonical(cfg, TN_KEYS_PREDICT | TN_KEYS_REDUCE);
    tn_status st = now ? tn_settings_same(folder, settings, now) : tn_fail_memory(4096, "the settings");
    free(now);
    return st;
}

/* Called on rank 0. Read the text after its hash was compared with DONE. */
static tn_status read_text(const char *folder, const char *maker, char **text_out) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    size_t n = 0;
    TN_TRY(tn_done_digest(folder, maker, digest));
    TN_TRY(tn_path(path, "%s/ensemble.json", folder));
    if (!tn_file_exists(path))
        return tn_fail(TN_EARG, "%s: missing, because an earlier version made the ensemble: run `tenfold reduce` again",
                       path);
    TN_TRY(tn_done_file(folder, "ensemble.json", maker, path));
    return tn_file_read(path, text_out, &n);
}

tn_status tn_spec_open(tn_run *run, const tn_cfg *cfg, tn_spec *out) {
    char folder[TN_PATH_BYTES], *text = NULL;
    *out = (tn_spec){.json = NULL};
    tn_status st = tn_path(folder, "%s/%s", cfg->run_dir, maker_of(cfg));
    if (st == TN_OK && run->rank == 0) st = read_text(folder, maker_of(cfg), &text);
    TN_TRY(tn_agree(run, st));
    st = tn_bcast_text(run, &text, "the ensemble");
    if (st == TN_OK) st = tn_agree(run, tn_spec_parse(cfg, folder, text, strlen(text), out));
    free(text);
    return st;
}

void tn_spec_close(tn_spec *c) {
    for (int m = 0; m < TN_MAX_LEVELS; m++) free(c->value_name[m]);
    free(c->member);
    free(c->prior_labels);
    json_decref(c->json);
    *c = (tn_spec){.json = NULL};
}

char *tn_spec_settings(const tn_cfg *cfg) {
    unsigned stages = TN_KEYS_PREPROCESS | TN_KEYS_FOLDS | TN_KEYS_TRAIN | TN_KEYS_FILTER | TN_KEYS_PREDICT;
    return tn_cfg_canonical(cfg, (tn_keys_of)stages);
}

/* --- new images --------------------------------------------------------------------------------------------------- */

static tn_status check_folder(const char *shards) {
    static const char *const MAKE = "preprocess RUN --data DIR --set data.metadata=FILE";
    char stage[TN_STAGE_NAME_BYTES];
    TN_TRY(tn_done_stage(shards, MAKE, stage));
    return strcmp(stage, TN_NEW_DATA) == 0
               ? TN_OK
               : tn_fail(TN_EARG,
                         "%s: is a run's own data set, not new images: make a folder of new images by `tenfold %s`",
                         shards, MAKE);
}

/* Collective. */
static tn_status find_pictures(tn_run *run, const char *data_dir, char shards_out[TN_PATH_BYTES]) {
    tn_status st = tn_path(shards_out, "%s/shards", data_dir);
    if (st == TN_OK && run->rank == 0) st = check_folder(shards_out);
    return tn_agree(run, st);
}

static bool same_names(int n_a, char *const *a, int n_b, char *const *b) {
    bool same = n_a == n_b;
    for (int i = 0; same && i < n_a; i++) same = strcmp(a[i], b[i]) == 0;
    return same;
}

static tn_status refuse_classes(const tn_cfg *cfg, const tn_spec *c, const char *shards, int n_classes,
                                char *const *class_name) {
    char *mine = NULL, *wanted = NULL, text[2][TN_CLASS_TEXT_BYTES];
    tn_status st = tn_pred_classes(n_classes, class_name, &mine);
    if (st == TN_OK) st = tn_pred_classes(c->n_classes, c->class_name, &wanted);
    if (st == TN_OK) {
        tn_pred_difference(mine, wanted, text[0], text[1]);
        st = tn_fail(TN_EARG,
                     "%s: classes or their order differ: %s; in the models of %s %s: preprocess the images for these "
                     "models, into another folder",
                     shards, text[0], cfg->run_dir, text[1]);
    }
    free(mine);
    free(wanted);
    return st;
}

static tn_status check_terms(const tn_cfg *cfg, const tn_spec *c, const char *shards, int n_classes,
                             char *const *class_name, int n_levels) {
    if (!same_names(n_classes, class_name, c->n_classes, c->class_name))
        return refuse_classes(cfg, c, shards, n_classes, class_name);
    if (n_levels < c->n_levels)
        return tn_fail(
            TN_EARG,
            "%s: its table has no column `cat%d`, which the ensemble of %s needs: add it, and preprocess the "
            "images again",
            shards, n_levels + 1, cfg->run_dir);
    return TN_OK;
}

static void warn_unknown(const tn_run *run, const char *shards, int level, int64_t n_unknown, int64_t n) {
    if (n_unknown > 0 && run->rank == 0)
        tn_warn("%s: %" PRId64 " of %" PRId64 " rows have a value of cat%d that did not occur in training: they are "
                "predicted as rows without a value",
                shards, n_unknown, n, level + 1);
}

tn_status tn_spec_index(tn_run *run, const tn_cfg *cfg, const tn_spec *c, const char *data_dir, tn_index **out) {
    char shards[TN_PATH_BYTES];
    tn_index *ix = NULL;
    TN_TRY(find_pictures(run, data_dir, shards));
    TN_TRY(tn_index_open(run, shards, NULL, &ix));
    tn_status st = check_terms(cfg, c, shards, ix->n_classes, ix->class_name, ix->n_levels);
    for (int m = 0; st == TN_OK && m < c->n_levels; m++) {
        int64_t n_unknown = 0;
        st = tn_index_translate(ix, m, c->n_values[m], c->value_name[m], &n_unknown);
        warn_unknown(run, shards, m, n_unknown, ix->n);
    }
    st = tn_agree(run, st);
    if (st == TN_OK)
        *out = ix;
    else
        tn_index_free(&ix);
    return st;
}

/* --- new images in blocks ----------------------------------------------------------------------------------------- */

static tn_status map_level(tn_table *t, int m, const tn_spec *c, int32_t **out) {
    char **name = NULL;
    TN_TRY(tn_table_values(t, m, &name));
    tn_status st = tn_vocabulary_map(t->n_values[m], name, c->n_values[m], c->value_name[m], out);
    free(name);
    return st;
}

/* Count the unknown values in this rank's blocks, before the table translates them. */
static tn_status count_unknown(const tn_run *run, tn_table *t, int n_levels, int32_t *const *map, int64_t *n_unknown) {
    enum { BLOCK = 65536 };
    tn_rows rows = {.room = 0};
    tn_status st = tn_rows_new(t, BLOCK, &rows);
    int64_t step = (int64_t)run->n_ranks * BLOCK;
    for (int64_t first = (int64_t)run->rank * BLOCK; st == TN_OK && first < t->n; first += step) {
        int64_t n = t->n - first < BLOCK ? t->n - first : BLOCK;
        st = tn_table_read(t, TN_COLUMN_LABEL | TN_COLUMN_CAT, first, n, &rows);
        for (int64_t i = 0; st == TN_OK && i < n; i++)
            for (int m = 0; m < n_levels; m++) {
                int32_t value = rows.cat[i * t->n_levels + m];
                n_unknown[m] += rows.state[i] == 0 && value > 0 && map[m][value] == 0;
            }
    }
    tn_rows_free(&rows);
    return st;
}

static tn_status translate_table(const tn_run *run, tn_table *t, const tn_spec *c, int64_t *n_unknown) {
    int32_t *map[TN_MAX_LEVELS] = {NULL};
    tn_status st = TN_OK;
    for (int m = 0; st == TN_OK && m < c->n_levels; m++) st = map_level(t, m, c, &map[m]);
    if (st == TN_OK && c->n_levels > 0) st = count_unknown(run, t, c->n_levels, map, n_unknown);
    for (int m = 0; m < c->n_levels; m++) {
        t->map[m] = map[m];
        t->n_values[m] = c->n_values[m];
    }
    return st;
}

tn_status tn_spec_table(tn_run *run, const tn_cfg *cfg, const tn_spec *c, const char *data_dir, tn_table **out,
                        int64_t *n_unknown_out) {
    char shards[TN_PATH_BYTES];
    tn_table *t = NULL;
    TN_TRY(find_pictures(run, data_dir, shards));
    TN_TRY(tn_table_open(run, shards, NULL, &t));
    memset(n_unknown_out, 0, TN_MAX_LEVELS * sizeof *n_unknown_out);
    tn_status st = check_terms(cfg, c, shards, t->n_classes, t->class_name, t->n_levels);
    st = tn_agree(run, st == TN_OK ? translate_table(run, t, c, n_unknown_out) : st);
    if (st == TN_OK) {
        MPI_Allreduce(MPI_IN_PLACE, n_unknown_out, TN_MAX_LEVELS, MPI_INT64_T, MPI_SUM, run->comm);
        *out = t;
    } else {
        tn_table_close(&t);
    }
    return st;
}
