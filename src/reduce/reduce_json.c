/* reduce_json.c - writes metrics.json. */
#include "reduce/reduce_priv.h"

#include "base/build.h"
#include "store/done.h"
#include "store/libraries.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *classes_json(const tn_table *t) {
    json_t *list = json_array();
    for (int k = 0; k < t->n_classes; k++) json_array_append_new(list, json_string(t->class_name[k]));
    return list;
}

static json_t *folds_json(const tn_reduction *r, int i) {
    json_t *folds = json_array();
    for (int f = 0; f < r->cfg->folds.count; f++) {
        int n = r->members.round[i].in_fold[f];
        if (n == 0) continue;
        json_array_append_new(folds, json_pack("{s:i,s:i,s:o,s:o}", "fold", f, "members", n, "out_of_fold",
                                               tn_score_json(r->table, &r->rounds.blend[i].own[f], NULL), "test",
                                               tn_score_json(r->table, &r->rounds.blend[i].test[f], NULL)));
    }
    return folds;
}

static json_t *round_json(const tn_reduction *r, int i) {
    const tn_round_members *m = &r->members.round[i];
    const tn_blend *b = &r->rounds.blend[i];
    json_t *j = json_pack("{s:i,s:i,s:i,s:o,s:o}", "round", m->round, "members", m->n_members, "planned",
                          tn_cell_count(r->cfg), "missing", tn_lines_json(m->missing), "folds", folds_json(r, i));
    json_object_set_new(j, "out_of_fold", tn_score_json(r->table, &b->pooled, &b->own_spread));
    json_object_set_new(j, "out_of_fold_confusion", tn_confusion_json(r->table, &b->own_pairs));
    json_object_set_new(j, "out_of_fold_by_truth", tn_score_json(r->table, &b->pooled_truth, NULL));
    json_object_set_new(j, "out_of_fold_caveats", tn_caveats_json(r, m->round, false));
    json_object_set_new(j, "test", tn_score_json(r->table, &b->whole_test, &b->test_spread));
    json_object_set_new(j, "test_confusion", tn_confusion_json(r->table, &b->test_pairs));
    return j;
}

/* Add what filter.json says of classes and of the noise matrix (filter/tally.h). */
static tn_status add_estimate(const tn_cfg *cfg, int round, json_t *filter) {
    static const char *const KEY[] = {"overlays", "classes", "noise"};
    char path[TN_PATH_BYTES];
    TN_TRY(tn_ledger_file(cfg, round, "filter.json", path));
    json_t *all = json_load_file(path, 0, NULL);
    if (!all)
        return tn_fail(TN_EFORMAT, "%s: damaged: delete its folder and run `tenfold %s` again", path,
                       tn_filter_verb(round));
    for (size_t i = 0; i < sizeof KEY / sizeof *KEY; i++) json_object_set(filter, KEY[i], json_object_get(all, KEY[i]));
    json_decref(all);
    return TN_OK;
}

/* What a filter flagged; if there is a truth column, how much of that is wrong. */
static tn_status filter_json(const tn_reduction *r, int round, json_t *list) {
    char path[TN_PATH_BYTES];
    tn_filter_score s;
    TN_TRY(tn_ledger_file(r->cfg, round, "ledger.h5", path));
    if (!*path) return TN_OK;
    TN_TRY(tn_filter_judge(path, r->table, &s));
    json_t *by_truth = json_null();
    if (*r->cfg->data.truth_column)
        by_truth = json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "judged", (json_int_t)s.judged, "wrong",
                             (json_int_t)s.wrong, "flagged", (json_int_t)s.dropped, "found", (json_int_t)s.found,
                             "found_by_chance", tn_share(s.dropped, s.judged) * (double)s.wrong, "precision",
                             tn_share(s.found, s.dropped), "recall", tn_share(s.found, s.wrong));
    json_t *filter = json_pack("{s:i,s:I,s:I,s:o}", "round", round, "judged", (json_int_t)s.labels, "flagged",
                               (json_int_t)s.flagged, "by_truth", by_truth);
    json_array_append_new(list, filter);
    return add_estimate(r->cfg, round, filter);
}

/* The first round that was skipped, and why; null if none was. */
static tn_status skipped_json(const tn_cfg *cfg, json_t **out) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    bool skipped = false;
    int round = 0;
    while (!skipped && round++ < cfg->self.max_rounds) {
        TN_TRY(tn_filter_folder(cfg, round, folder));
        TN_TRY(tn_done_skipped(folder, &skipped));
    }
    *out = json_null();
    if (!skipped) return TN_OK;
    TN_TRY(tn_done_file(folder, "skipped.txt", "filter", path));
    TN_TRY(tn_file_read(path, &text, &n));
    *out = json_pack("{s:i,s:o}", "first", round, "because", json_stringn(text, n));
    free(text);
    return TN_OK;
}

static const char *method_of(const tn_cfg *cfg) {
    static const char *const NAME[] = {"mean", "gmean", "greedy"};
    return NAME[cfg->reduce.method];
}

static tn_status publish_metrics(const tn_cfg *cfg, json_t *all) {
    char path[TN_PATH_BYTES];
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(TN_SCORE_DIGITS)) : NULL;
    tn_status st = text ? tn_path(path, "%s/metrics.json", cfg->run_dir) : tn_fail_memory(4096, "metrics.json");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}

tn_status tn_reduce_metrics(const tn_reduction *r) {
    json_t *classes = classes_json(r->table), *rounds = json_array(), *filters = json_array();
    for (int i = 0; i < r->members.n_rounds; i++) json_array_append_new(rounds, round_json(r, i));
    json_t *skipped = NULL;
    tn_status st = skipped_json(r->cfg, &skipped);
    for (int i = tn_is_filtered(r->cfg, 0) ? 0 : 1; st == TN_OK && i <= r->cfg->self.max_rounds; i++)
        st = filter_json(r, i, filters);
    json_t *all = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:o,s:o,s:i,s:o,s:o,s:O,s:o,s:o}", "format", "tenfold metrics 3", "run",
        r->cfg->name, "version", tn_build_version(), "commit", tn_build_commit(), "libraries", tn_libraries(),
        "classes", classes, "method", method_of(r->cfg), "choice", tn_gate_json(r), "rounds_skipped", skipped,
        "resamples", r->cfg->reduce.bootstrap, "submitted", tn_submitted_json(r), "rounds", rounds, "decision",
        r->gate.decision, "tuned", r->tuning.asked ? tn_tuned_json(r) : json_null(), "filter", filters);
    if (st == TN_OK) st = publish_metrics(r->cfg, all);
    json_decref(all);
    return st;
}

/* The scores of each fold's models alone, if the new images have labels; otherwise an empty list. */
static json_t *new_folds_json(const tn_reduction *r) {
    json_t *folds = json_array();
    bool has = tn_score_of(&r->gate.candidate[0].honest.whole_test).N > 0 && !tn_is_student(&r->members.group[0].cell);
    for (int f = 0; has && f < r->cfg->folds.count; f++)
        if (r->members.round[0].in_fold[f] > 0)
            json_array_append_new(
                folds, json_pack("{s:i,s:i,s:o}", "fold", f, "members", r->members.round[0].in_fold[f], "score",
                                 tn_score_json(r->table, &r->gate.candidate[0].honest.test[f], NULL)));
    return folds;
}

/* Writes what the ensemble scores on the rows of its student. For new images it writes null. */
static tn_status ensemble_json(const tn_reduction *r, json_t **out) {
    char path[TN_PATH_BYTES];
    *out = json_null();
    if (r->table->n_folds == 0) return TN_OK;
    TN_TRY(tn_path(path, "%s/../metrics.json", r->cfg->run_dir));
    json_t *all = json_load_file(path, 0, NULL);
    json_t *submitted = json_object_get(all, "submitted");
    *out = json_pack("{s:O?,s:O?}", "what", json_object_get(submitted, "what"), "test",
                     json_object_get(submitted, "test"));
    json_decref(all);
    return *out ? TN_OK : tn_fail(TN_EFORMAT, "%s: damaged: run `tenfold reduce` again", path);
}

tn_status tn_reduce_metrics_new(const tn_reduction *r) {
    const tn_round_members *m = &r->members.round[0];
    const tn_blend *b = &r->gate.candidate[0].honest;
    json_t *classes = classes_json(r->table), *unknown = json_array();
    for (int l = 0; l < r->given->n_levels; l++) json_array_append_new(unknown, json_integer(r->n_unknown[l]));
    json_t *ensemble = NULL;
    TN_TRY(ensemble_json(r, &ensemble));
    json_t *all = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:s,s:f,s:f,s:i,s:i,s:o,s:I,s:I,s:o,s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "format",
        "tenfold metrics of new data 3", "run", r->cfg->name, "version", tn_build_version(), "commit",
        tn_build_commit(), "libraries", tn_libraries(), "classes", classes, "method", method_of(r->cfg), "what",
        r->given->what, "tau", r->given->tau, "temperature", r->given->temperature, "members", m->n_members, "planned",
        r->given->n_members, "missing", tn_lines_json(m->missing), "rows", (json_int_t)r->table->n, "predicted",
        (json_int_t)r->counts.predicted, "unknown_categories", unknown, "resamples", r->cfg->reduce.bootstrap, "score",
        tn_score_json(r->table, &b->whole_test, &b->test_spread), "beside_training", tn_beside_json(r, b),
        "calibration", tn_calibration_json(b->test_calibration), "confusion",
        tn_score_of(&b->whole_test).N > 0 ? tn_confusion_json(r->table, &b->test_pairs) : json_null(), "folds",
        new_folds_json(r), "ensemble", ensemble);
    tn_status st = publish_metrics(r->cfg, all);
    json_decref(all);
    return st;
}
