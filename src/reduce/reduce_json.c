/* reduce_json.c - writes metrics.json. */
#include "reduce/reduce_priv.h"

#include "base/build.h"
#include "store/done.h"
#include "store/libraries.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *interval_json(const tn_bootstrap *b, tn_metric metric) {
    tn_interval i = tn_bootstrap_interval(b, metric);
    return json_pack("[f,f]", i.low, i.high);
}

/* Put the F1 values by class into a score, and the names of classes with F1 0. */
static void put_classes(const tn_table *t, const tn_counts *c, json_t *score) {
    json_t *f1 = json_object(), *zero = json_array();
    for (int k = 0; k < t->n_classes; k++) {
        json_object_set_new(f1, t->class_name[k], json_real(tn_f1(c, k)));
        if (tn_f1(c, k) <= 0) json_array_append_new(zero, json_string(t->class_name[k]));
    }
    json_object_set_new(score, "f1", f1);
    json_object_set_new(score, "classes_with_f1_zero", zero);
}

/* A score as JSON. spread NULL: without intervals and, of more than TN_WHOLE_CLASSES classes, without F1 values. */
static json_t *score_json(const tn_table *t, const tn_counts *c, const tn_bootstrap *spread) {
    tn_score s = tn_score_of(c);
    if (s.N == 0) return json_null();
    json_t *score = json_pack("{s:I,s:f,s:f,s:f}", "n", (json_int_t)s.N, "geometric_mean", s.gmean, "macro_f1", s.macro,
                              "accuracy", s.accuracy);
    if (spread || tn_prow_whole(t->n_classes)) put_classes(t, c, score);
    if (spread && spread->n > 0)
        json_object_set_new(score, "interval_95",
                            json_pack("{s:o,s:o,s:o}", "geometric_mean", interval_json(spread, TN_METRIC_GMEAN),
                                      "macro_f1", interval_json(spread, TN_METRIC_MACRO), "accuracy",
                                      interval_json(spread, TN_METRIC_ACCURACY)));
    return score;
}

static json_t *classes_json(const tn_table *t) {
    json_t *list = json_array();
    for (int k = 0; k < t->n_classes; k++) json_array_append_new(list, json_string(t->class_name[k]));
    return list;
}

static json_t *lines_json(const char *text) {
    json_t *list = json_array();
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        json_array_append_new(list, json_stringn(at, strcspn(at, "\n")));
    return list;
}

/* With many classes: the pairs that are confused most, as [label, predicted, rows]. */
static json_t *confused_json(const tn_table *t, const tn_confusion *c) {
    enum { MOST_PAIRS = 1000 };
    int64_t n = 0;
    tn_confused *list = NULL;
    if (tn_confusion_most(c, MOST_PAIRS, &n, &list) != TN_OK) return json_null();
    json_t *rows = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(rows, json_pack("[s,s,I]", t->class_name[list[i].label], t->class_name[list[i].predicted],
                                              (json_int_t)list[i].n));
    free(list);
    return rows;
}

static json_t *confusion_json(const tn_table *t, const tn_confusion *c) {
    if (c->K > TN_MOST_COLUMNS) return confused_json(t, c);
    json_t *rows = json_array();
    for (int k = 0; k < c->K; k++) {
        json_t *row = json_array();
        for (int j = 0; j < c->K; j++) json_array_append_new(row, json_integer(c->n[(int64_t)k * c->K + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* Reasons why out-of-fold scores of this round may be higher than scores on new data: mark -> reason. */
static json_t *caveats(const tn_cfg *cfg, int round) {
    json_t *marks = json_object();
    if (cfg->folds.validation == TN_VALIDATION_HELD_OUT)
        json_object_set_new(marks, "optimistic",
                            json_string("the kept model was chosen on the same fold (folds.validation = held_out)"));
    bool shared = cfg->self.view == TN_VIEW_SHARED || cfg->self.method != TN_SELF_SELF;
    if (round > 0 && shared)
        json_object_set_new(
            marks, "not independent",
            json_string("the training labels were filtered by models that had been trained on the scored fold"));
    return marks;
}

static json_t *folds_json(const tn_reduction *r, int i) {
    json_t *folds = json_array();
    for (int f = 0; f < r->cfg->folds.count; f++) {
        int n = r->members.round[i].in_fold[f];
        if (n == 0) continue;
        json_array_append_new(folds, json_pack("{s:i,s:i,s:o,s:o}", "fold", f, "members", n, "out_of_fold",
                                               score_json(r->table, &r->rounds.blend[i].own[f], NULL), "test",
                                               score_json(r->table, &r->rounds.blend[i].test[f], NULL)));
    }
    return folds;
}

static json_t *round_json(const tn_reduction *r, int i) {
    const tn_round_members *m = &r->members.round[i];
    const tn_blend *b = &r->rounds.blend[i];
    json_t *j = json_pack("{s:i,s:i,s:i,s:o,s:o}", "round", m->round, "members", m->n_members, "planned",
                          tn_cell_count(r->cfg), "missing", lines_json(m->missing), "folds", folds_json(r, i));
    json_object_set_new(j, "out_of_fold", score_json(r->table, &b->pooled, &b->own_spread));
    json_object_set_new(j, "out_of_fold_confusion", confusion_json(r->table, &b->own_pairs));
    json_object_set_new(j, "out_of_fold_by_truth", score_json(r->table, &b->pooled_truth, NULL));
    json_object_set_new(j, "out_of_fold_caveats", caveats(r->cfg, m->round));
    json_object_set_new(j, "test", score_json(r->table, &b->whole_test, &b->test_spread));
    json_object_set_new(j, "test_confusion", confusion_json(r->table, &b->test_pairs));
    return j;
}

/* Weights and offsets, and three scores of the same rows: untuned; honest, where each fold uses what was tuned on the other folds,
 * which is what to expect on new data; and in sample, on the rows used for tuning. */
static json_t *tuned_json(const tn_reduction *r) {
    json_t *members = json_array(), *offsets = json_object();
    int total = 0;
    for (int c = 0; c < r->members.n_groups; c++) total += r->tuning.final.times[c];
    for (int c = 0; c < r->members.n_groups; c++) {
        const tn_cell *cell = &r->members.group[c].cell;
        if (r->tuning.final.times[c] == 0) continue;
        json_array_append_new(members,
                              json_pack("{s:i,s:i,s:I,s:f}", "round", cell->round, "size_px", cell->size_px, "seed",
                                        (json_int_t)cell->seed, "weight", (double)r->tuning.final.times[c] / total));
    }
    for (int k = 0; k < r->table->n_classes; k++)
        json_object_set_new(offsets, r->table->class_name[k], json_real(r->tuning.final.offset[k]));
    const tn_blend *plain = &r->rounds.blend[r->rounds.chosen], *honest = &r->tuning.honest;
    json_t *j = json_pack("{s:b,s:I,s:o,s:o}", "used", r->tuning.used, "rows", (json_int_t)r->tuning.sample.n,
                          "members", members, "offsets", offsets);
    json_object_set_new(j, "untuned", score_json(r->table, &plain->pooled, &plain->own_spread));
    json_object_set_new(j, "honest", score_json(r->table, &honest->pooled, &honest->own_spread));
    json_object_set_new(j, "honest_confusion", confusion_json(r->table, &honest->own_pairs));
    json_object_set_new(j, "in_sample",
                        score_json(r->table, &r->tuning.in_sample.pooled, &r->tuning.in_sample.own_spread));
    json_object_set_new(j, "test", score_json(r->table, &honest->whole_test, &honest->test_spread));
    json_object_set_new(j, "test_confusion", confusion_json(r->table, &honest->test_pairs));
    if (r->cfg->reduce.bootstrap > 0) {
        double better = 0;
        tn_interval d = tn_bootstrap_difference(&plain->own_spread, &honest->own_spread, TN_METRIC_GMEAN, &better);
        json_object_set_new(j, "honest_minus_untuned",
                            json_pack("{s:[f,f],s:f}", "interval_95", d.low, d.high, "better", better));
    }
    return j;
}

/* Add what filter.json says of classes and of the noise matrix (filter/tally.h). */
static tn_status add_estimate(const tn_cfg *cfg, int round, json_t *filter) {
    static const char *const KEY[] = {"overlays", "classes", "noise"};
    char path[TN_PATH_BYTES];
    TN_TRY(tn_ledger_file(cfg, round, "filter.json", path));
    json_t *all = json_load_file(path, 0, NULL);
    if (!all) return tn_fail(TN_EFORMAT, "%s: damaged: delete its folder and run `tenfold filter` again", path);
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

static json_t *matches_json(const tn_reduction *r) {
    json_t *list = json_array();
    for (int i = 0; i < r->rounds.n_matches; i++) {
        const tn_round_match *m = &r->rounds.match[i];
        const tn_match_result *d = &m->result;
        json_t *match = json_pack("{s:i,s:i,s:b}", "round", m->newer, "against", m->older, "kept", m->kept);
        json_t *how = m->n_folds > 0
                          ? json_pack("{s:s,s:i,s:I,s:f,s:f,s:f,s:[f,f],s:f,s:i}", "metric", d->metric, "folds",
                                      m->n_folds, "rows", (json_int_t)d->rows, "score", d->newer, "score_against",
                                      d->older, "difference", d->newer - d->older, "interval_95", d->low, d->high,
                                      "share_of_resamples_worse", d->share_worse, "resamples", TN_MATCH_RESAMPLES)
                          : json_pack("{s:s}", "not_compared", m->why);
        json_object_update_new(match, how);
        json_array_append_new(list, match);
    }
    return list;
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
    for (int i = 1; st == TN_OK && i <= r->cfg->self.max_rounds; i++) st = filter_json(r, i, filters);
    json_t *all = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:i,s:s,s:o,s:o,s:i,s:o,s:o,s:o}", "format", "tenfold metrics 2", "run",
        r->cfg->name, "version", tn_build_version(), "commit", tn_build_commit(), "libraries", tn_libraries(),
        "classes", classes, "method", method_of(r->cfg), "chosen_round", r->members.round[r->rounds.chosen].round,
        "chosen_because",
        r->rounds.n_matches ? r->rounds.match[r->rounds.n_matches - 1].why : "the only round with predictions",
        "round_comparisons", matches_json(r), "rounds_skipped", skipped, "resamples", r->cfg->reduce.bootstrap,
        "rounds", rounds, "tuned", r->tuning.asked ? tuned_json(r) : json_null(), "filter", filters);
    if (st == TN_OK) st = publish_metrics(r->cfg, all);
    json_decref(all);
    return st;
}

/* The scores of each fold's models alone, if the new images have labels; otherwise an empty list. */
static json_t *new_folds_json(const tn_reduction *r) {
    json_t *folds = json_array();
    for (int f = 0; f < r->cfg->folds.count && tn_score_of(&r->rounds.blend[0].whole_test).N > 0; f++)
        if (r->members.round[0].in_fold[f] > 0)
            json_array_append_new(folds,
                                  json_pack("{s:i,s:i,s:o}", "fold", f, "members", r->members.round[0].in_fold[f],
                                            "score", score_json(r->table, &r->rounds.blend[0].test[f], NULL)));
    return folds;
}

tn_status tn_reduce_metrics_new(const tn_reduction *r) {
    const tn_round_members *m = &r->members.round[0];
    const tn_blend *b = &r->rounds.blend[0];
    json_t *classes = classes_json(r->table), *unknown = json_array();
    for (int l = 0; l < r->given->n_levels; l++) json_array_append_new(unknown, json_integer(r->n_unknown[l]));
    json_t *all =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:b,s:i,s:i,s:i,s:o,s:I,s:I,s:o,s:i,s:o,s:o,s:o}", "format",
                  "tenfold metrics of new data 1", "run", r->cfg->name, "version", tn_build_version(), "commit",
                  tn_build_commit(), "libraries", tn_libraries(), "classes", classes, "method", method_of(r->cfg),
                  "tuned", (int)r->given->tuned, "chosen_round", m->round, "members", m->n_members, "planned",
                  r->given->n_members, "missing", lines_json(m->missing), "rows", (json_int_t)r->table->n, "predicted",
                  (json_int_t)r->counts.predicted, "unknown_categories", unknown, "resamples", r->cfg->reduce.bootstrap,
                  "score", score_json(r->table, &b->whole_test, &b->test_spread), "confusion",
                  tn_score_of(&b->whole_test).N > 0 ? confusion_json(r->table, &b->test_pairs) : json_null(), "folds",
                  new_folds_json(r));
    tn_status st = publish_metrics(r->cfg, all);
    json_decref(all);
    return st;
}
