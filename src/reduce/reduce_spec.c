/* reduce_spec.c - writes reduce/ensemble.json, the ensemble for new images. */
#include "reduce/reduce_priv.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The cells of the written recipe that have predictions, in the order of member groups, then of folds. */
static json_t *members_json(const tn_reduction *r, const tn_recipe *recipe) {
    json_t *list = json_array();
    for (int c = 0; c < r->members.n_groups; c++)
        for (int f = 0; recipe->times[c] > 0 && f < r->cfg->folds.count; f++) {
            const tn_cell *cell = &r->members.group[c].cell;
            const tn_pred *pr = r->members.group[c].pred[f];
            if (!pr) continue;
            json_array_append_new(list, json_pack("{s:i,s:i,s:i,s:I,s:i,s:s}", "round", cell->round, "fold", f,
                                                  "size_px", cell->size_px, "seed", (json_int_t)cell->seed, "times",
                                                  recipe->times[c], "model", tn_pred_info_of(pr)->model_digest));
        }
    return list;
}

static json_t *labels_json(const tn_prior *p, int n_folds, int K) {
    json_t *values = json_array();
    for (int32_t v = 0; v < p->n_values; v++) {
        json_t *row = json_array();
        for (int k = 0; k < K; k++) {
            int64_t n = 0;
            for (int f = 0; f < n_folds; f++) n += p->n[((int64_t)f * p->n_values + v) * K + k];
            json_array_append_new(row, json_integer(n));
        }
        json_array_append_new(values, row);
    }
    return values;
}

static json_t *prior_json(const tn_reduction *r) {
    const tn_prior *p = &r->counts.prior;
    if (p->level == 0 || !tn_written(r)->final.prior) return json_null();
    return json_pack("{s:i,s:f,s:o}", "level", p->level, "count", p->count, "labels",
                     labels_json(p, r->cfg->folds.count, r->table->n_classes));
}

/* The values of the category columns that the models or the prior use. */
static tn_status categories_json(const tn_reduction *r, json_t *levels) {
    int n = r->cfg->model.metadata_levels;
    if (tn_written(r)->final.prior && r->counts.prior.level > n) n = r->counts.prior.level;
    for (int m = 0; m < n; m++) {
        json_t *names = json_array();
        char **name = NULL;
        json_array_append_new(levels, names);
        TN_TRY(tn_table_values(r->table, m, &name));
        for (int32_t v = 1; v < r->table->n_values[m]; v++) json_array_append_new(names, json_string(name[v]));
        free(name);
    }
    return TN_OK;
}

static json_t *all_json(const tn_reduction *r, const char *settings, json_t *levels) {
    const tn_recipe *recipe = &tn_written(r)->final;
    json_t *classes = json_array(), *labels = json_array(), *offsets = json_array();
    for (int k = 0; k < r->table->n_classes; k++) {
        json_array_append_new(classes, json_string(r->table->class_name[k]));
        json_array_append_new(labels, json_integer(r->counts.trainable[k]));
        json_array_append_new(offsets, json_real(recipe->offset ? recipe->offset[k] : 0));
    }
    return json_pack("{s:s,s:s,s:o,s:o,s:s,s:s,s:b,s:f,s:o,s:f,s:o,s:O,s:o}", "format", "tenfold ensemble 2",
                     "settings", settings, "classes", classes, "labels", labels, "what", tn_written(r)->what, "mean",
                     recipe->kind == TN_REDUCE_GMEAN ? "geometric" : "arithmetic", "decides", recipe->offset != NULL,
                     "tau", recipe->tau, "offsets", offsets, "temperature", recipe->temperature, "members",
                     members_json(r, recipe), "categories", levels, "prior", prior_json(r));
}

tn_status tn_reduce_spec(const tn_reduction *r, const char *folder) {
    char path[TN_PATH_BYTES];
    char *settings = tn_cfg_canonical(r->cfg, TN_KEYS_PREDICT | TN_KEYS_REDUCE), *text = NULL;
    json_t *levels = json_array();
    tn_status st = settings ? categories_json(r, levels) : tn_fail_memory(4096, "the settings");
    if (st == TN_OK) {
        json_t *all = all_json(r, settings, levels);
        text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
        json_decref(all);
        st = text ? tn_path(path, "%s/ensemble.json", folder) : tn_fail_memory(4096, "ensemble.json");
    }
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    json_decref(levels);
    free(settings);
    free(text);
    return st;
}
