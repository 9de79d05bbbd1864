/* reduce_json_choice.c - what metrics.json says of the choice of rounds, the decision, and the ensemble that is submitted; scores as JSON. */
#include "reduce/reduce_priv.h"

#include "score/true_class.h"

#include <stdlib.h>
#include <string.h>

/* --- scores ------------------------------------------------------------------------------------------------------- */

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

json_t *tn_score_json(const tn_table *t, const tn_counts *c, const tn_bootstrap *spread) {
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

json_t *tn_confusion_json(const tn_table *t, const tn_confusion *c) {
    if (c->K > TN_MOST_COLUMNS) return confused_json(t, c);
    json_t *rows = json_array();
    for (int k = 0; k < c->K; k++) {
        json_t *row = json_array();
        for (int j = 0; j < c->K; j++) json_array_append_new(row, json_integer(c->n[(int64_t)k * c->K + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* Expected calibration error and negative log likelihood with temperature 1 and with the recipe's; by bin [rows, mean confidence, accuracy].
 * null: there are no rows. */
json_t *tn_calibration_json(const tn_calibration c[2]) {
    static const char *const WHEN[] = {"before", "after"};
    if (tn_calibration_rows(&c[0]) == 0) return json_null();
    json_t *both = json_pack("{s:I}", "n", (json_int_t)tn_calibration_rows(&c[0]));
    for (int i = 0; i < 2; i++) {
        json_t *bins = json_array();
        for (int m = 0; m < TN_CALIBRATION_BINS; m++)
            json_array_append_new(bins, c[i].n[m] == 0 ? json_pack("[i,n,n]", 0)
                                                       : json_pack("[I,f,f]", (json_int_t)c[i].n[m],
                                                                   tn_calibration_confidence(&c[i], m),
                                                                   tn_share(c[i].right[m], c[i].n[m])));
        json_object_set_new(both, WHEN[i],
                            json_pack("{s:f,s:f,s:o}", "expected_calibration_error", tn_calibration_error(&c[i]),
                                      "negative_log_likelihood", tn_calibration_nll(&c[i]), "bins", bins));
    }
    return both;
}

/* --- caveats ------------------------------------------------------------------------------------------------------ */

/* Did one overlay serve all folds, up to this round? */
static bool is_shared(const tn_cfg *cfg, int last_round) {
    return cfg->self.view == TN_VIEW_SHARED || cfg->self.method != TN_SELF_SELF ||
           (cfg->self.view == TN_VIEW_OUT_OF_FOLD && last_round > 0);
}

/* Did a filter up to this round judge by posteriors of another program? */
static bool has_foreign(const tn_reduction *r, int last_round) {
    bool foreign = false;
    for (int round = 1; round <= last_round && round < TN_MAX_ROUNDS; round++) foreign |= r->foreign[round];
    return foreign;
}

/* Reasons why out-of-fold scores may be higher than scores on new data: mark -> reason. last_round: the latest of the members. tuned: weights
 * or decisions were tuned, or rounds were chosen. */
json_t *tn_caveats_json(const tn_reduction *r, int last_round, bool tuned) {
    const tn_cfg *cfg = r->cfg;
    json_t *marks = json_object();
    if (cfg->folds.validation == TN_VALIDATION_HELD_OUT)
        json_object_set_new(marks, "optimistic",
                            json_string("the kept model was chosen on the same fold (folds.validation = held_out)"));
    if (last_round > 0 && has_foreign(r, last_round))
        json_object_set_new(
            marks, "not independent",
            json_string("the training labels were filtered by given posteriors (filter --posteriors), whose "
                        "models may have been trained on the scored fold"));
    else if (tn_is_filtered(cfg, last_round) && is_shared(cfg, last_round))
        json_object_set_new(
            marks, "not independent",
            json_string("the training labels were filtered by models that had been trained on the scored fold"));
    if (tuned)
        json_object_set_new(
            marks, "second order",
            json_string("what was tuned for a fold comes from other folds, whose models had been trained "
                        "on it; and rounds are chosen on all folds"));
    return marks;
}

/* --- the choice of rounds ----------------------------------------------------------------------------------------- */

static json_t *pair(tn_interval i) {
    return json_pack("[f,f]", i.low, i.high);
}

static json_t *compared_json(const tn_gate *g, int i) {
    const tn_candidate *c = &g->candidate[i];
    const tn_comparison *d = &g->compared[i];
    json_t *j = json_pack("{s:s,s:i,s:i,s:f,s:f,s:f,s:f,s:I}", "what", c->what, "first", c->first, "last", c->last,
                          "smoothed", d->smoothed, "geometric_mean", d->score.gmean, "macro_f1", d->score.macro,
                          "accuracy", d->score.accuracy, "rows", (json_int_t)d->score.N);
    if (i > 0)
        json_object_set_new(j, "minus_first",
                            json_pack("{s:o,s:o,s:o,s:b,s:b,s:b}", "geometric_mean", pair(d->gmean), "macro_f1",
                                      pair(d->macro), "accuracy", pair(d->accuracy), "better", (int)d->better,
                                      "macro_f1_worse", (int)d->macro_worse, "accuracy_worse", (int)d->accuracy_worse));
    return j;
}

json_t *tn_lines_json(const char *text) {
    json_t *list = json_array();
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        json_array_append_new(list, json_stringn(at, strcspn(at, "\n")));
    return list;
}

json_t *tn_gate_json(const tn_reduction *r) {
    const tn_gate *g = &r->gate;
    const tn_candidate *chosen = &g->candidate[g->chosen];
    json_t *compared = json_array(), *caveats = json_object(), *rounds = json_array();
    for (int i = 0; g->n > 1 && i < g->n; i++) json_array_append_new(compared, compared_json(g, i));
    json_array_append_new(rounds, json_integer(chosen->first));
    if (chosen->last != chosen->first) json_array_append_new(rounds, json_integer(chosen->last));
    if (g->n > 1 && (is_shared(r->cfg, g->candidate[1].last) || has_foreign(r, g->candidate[1].last)))
        json_object_set_new(
            caveats, "not independent",
            json_string(
                r->cfg->self.probe && is_shared(r->cfg, 0)
                    ? "the labels of both rounds were filtered by models that had been trained on the scored folds"
                    : "a later round, whose labels were filtered by models that had been trained on the "
                      "scored folds, is compared with a first round whose were not"));
    return json_pack("{s:s,s:o,s:s,s:i,s:i,s:o,s:o,s:o}", "chosen", chosen->what, "rounds", rounds, "because", g->why,
                     "folds", r->rounds.n_common, "resamples", TN_MATCH_RESAMPLES, "compared", compared, "left_out",
                     tn_lines_json(g->left_out), "caveats", caveats);
}

/* --- the ensemble ------------------------------------------------------------------------------------------------- */

/* The latest round of a recipe's members. */
static int last_round_of(const tn_reduction *r, const tn_recipe *recipe) {
    int last = 0;
    for (int c = 0; c < r->members.n_groups; c++)
        if (recipe->times[c] > 0 && r->members.group[c].cell.round > last) last = r->members.group[c].cell.round;
    return last;
}

static json_t *by_fold_json(const tn_reduction *r, const tn_candidate *c, bool temperature) {
    json_t *list = json_array();
    for (int f = 0; f < r->cfg->folds.count; f++)
        json_array_append_new(list, c->honest.by_fold[f]
                                        ? json_real(temperature ? c->nested[f].temperature : c->nested[f].tau)
                                        : json_null());
    return list;
}

static json_t *offsets_json(const tn_reduction *r, const tn_recipe *recipe) {
    json_t *offsets = json_object();
    if (!recipe->offset) return offsets;
    for (int k = 0; k < r->table->n_classes; k++)
        json_object_set_new(offsets, r->table->class_name[k], json_real(recipe->offset[k]));
    return offsets;
}

/* Test rows that resemble rows which models were trained on, and the scores of these and of the others; null if there are none. */
json_t *tn_beside_json(const tn_reduction *r, const tn_blend *b) {
    tn_counts beside = {.K = 0};
    if (r->counts.beside.n == 0 || tn_counts_new(b->apart.K, &beside) != TN_OK) return json_null();
    for (int i = 0; i < 3 * beside.K; i++) beside.n[i] = b->whole_test.n[i] - b->apart.n[i];
    json_t *j =
        json_pack("{s:I,s:o,s:o}", "training_rows", (json_int_t)r->counts.beside.n, "test",
                  tn_score_json(r->table, &beside, NULL), "test_without", tn_score_json(r->table, &b->apart, NULL));
    tn_counts_free(&beside);
    return j;
}

/* Was anything of the submission chosen by out-of-fold scores: its decision, its weights, its rounds? */
static bool was_tuned(const tn_reduction *r, const tn_candidate *c) {
    return c->final.offset || r->tuning.used || r->gate.n > 1;
}

json_t *tn_submitted_json(const tn_reduction *r) {
    const tn_candidate *c = tn_written(r);
    const tn_blend *b = &c->honest;
    json_t *j = json_pack("{s:s,s:i,s:f,s:o,s:f,s:o}", "what", c->what, "members", tn_member_count(r, &c->final), "tau",
                          c->final.tau, "tau_by_fold", by_fold_json(r, c, false), "temperature", c->final.temperature,
                          "temperature_by_fold", by_fold_json(r, c, true));
    json_object_set_new(j, "temperature_explains",
                        json_string(r->table->n_classes > TN_TRUE_CLASS_MOST ? "labels" : "true classes"));
    json_object_set_new(j, "offsets", offsets_json(r, &c->final));
    json_object_set_new(j, "out_of_fold", tn_score_json(r->table, &b->pooled, &b->own_spread));
    json_object_set_new(j, "out_of_fold_confusion", tn_confusion_json(r->table, &b->own_pairs));
    json_object_set_new(j, "out_of_fold_by_truth", tn_score_json(r->table, &b->pooled_truth, NULL));
    json_object_set_new(j, "out_of_fold_caveats", tn_caveats_json(r, last_round_of(r, &c->final), was_tuned(r, c)));
    json_object_set_new(j, "test", tn_score_json(r->table, &b->whole_test, &b->test_spread));
    json_object_set_new(j, "test_confusion", tn_confusion_json(r->table, &b->test_pairs));
    json_object_set_new(j, "beside_training", tn_beside_json(r, b));
    json_object_set_new(j, "out_of_fold_calibration", tn_calibration_json(b->own_calibration));
    json_object_set_new(j, "test_calibration", tn_calibration_json(b->test_calibration));
    return j;
}

static void put_difference(const tn_reduction *r, const tn_blend *from, const tn_blend *to, json_t *j) {
    static const struct {
        const char *name;
        tn_metric metric;
    } METRIC[] = {{"geometric_mean", TN_METRIC_GMEAN}, {"macro_f1", TN_METRIC_MACRO}, {"accuracy", TN_METRIC_ACCURACY}};
    json_t *gain = json_pack("{s:f}", "smoothed", tn_smoothed(&to->pooled) - tn_smoothed(&from->pooled));
    for (size_t i = 0; r->cfg->reduce.bootstrap > 0 && i < sizeof METRIC / sizeof *METRIC; i++)
        json_object_set_new(gain, METRIC[i].name,
                            pair(tn_bootstrap_difference(&from->own_spread, &to->own_spread, METRIC[i].metric, NULL)));
    json_object_set_new(j, "gain", gain);
}

/* What the decision is worth: the chosen rounds by argmax, and each fold by what was tuned on the others. pays: it is used. */
json_t *tn_decision_json(const tn_reduction *r, bool tested, bool pays) {
    static const char *const BY[] = {"prior", "offsets", "argmax"};
    const tn_candidate *c = &r->gate.candidate[r->gate.chosen];
    const tn_blend *plain = &r->rounds.blend[c->at];
    json_t *j = json_pack("{s:s,s:b,s:b,s:I,s:f,s:o}", "by", BY[r->cfg->reduce.decision], "tested", (int)tested, "used",
                          (int)(pays && c->final.offset), "rows", (json_int_t)c->n_rows, "tau", c->final.tau,
                          "tau_by_fold", by_fold_json(r, c, false));
    json_object_set_new(j, "argmax", tn_score_json(r->table, &plain->pooled, &plain->own_spread));
    json_object_set_new(j, "honest", tn_score_json(r->table, &c->honest.pooled, &c->honest.own_spread));
    json_object_set_new(j, "argmax_test", tn_score_json(r->table, &plain->whole_test, &plain->test_spread));
    json_object_set_new(j, "test", tn_score_json(r->table, &c->honest.whole_test, &c->honest.test_spread));
    put_difference(r, plain, &c->honest, j);
    return j;
}

static json_t *weights_json(const tn_reduction *r, const tn_recipe *recipe) {
    json_t *members = json_array();
    int total = 0;
    for (int c = 0; c < r->members.n_groups; c++) total += recipe->times[c];
    for (int c = 0; c < r->members.n_groups; c++) {
        const tn_cell *cell = &r->members.group[c].cell;
        if (recipe->times[c] == 0) continue;
        json_array_append_new(members,
                              json_pack("{s:i,s:i,s:I,s:f}", "round", cell->round, "size_px", cell->size_px, "seed",
                                        (json_int_t)cell->seed, "weight", (double)recipe->times[c] / total));
    }
    return members;
}

/* Weights, and three scores of the same rows: untuned (the chosen rounds with their decision); honest, where each fold uses what was tuned on
 * the other folds, which is what to expect on new data; and in sample, on the rows used for tuning. */
json_t *tn_tuned_json(const tn_reduction *r) {
    const tn_candidate *best = r->tuning.best;
    const tn_blend *plain = &r->gate.candidate[r->gate.chosen].honest, *honest = &best->honest;
    json_t *j = json_pack("{s:b,s:I,s:o,s:o}", "used", (int)r->tuning.used, "rows", (json_int_t)best->n_rows, "members",
                          weights_json(r, &best->final), "offsets", offsets_json(r, &best->final));
    json_object_set_new(j, "untuned", tn_score_json(r->table, &plain->pooled, &plain->own_spread));
    json_object_set_new(j, "honest", tn_score_json(r->table, &honest->pooled, &honest->own_spread));
    json_object_set_new(j, "honest_confusion", tn_confusion_json(r->table, &honest->own_pairs));
    json_object_set_new(j, "honest_caveats", tn_caveats_json(r, last_round_of(r, &best->final), true));
    json_object_set_new(j, "in_sample",
                        tn_score_json(r->table, &r->tuning.in_sample.pooled, &r->tuning.in_sample.own_spread));
    json_object_set_new(j, "test", tn_score_json(r->table, &honest->whole_test, &honest->test_spread));
    json_object_set_new(j, "test_confusion", tn_confusion_json(r->table, &honest->test_pairs));
    put_difference(r, plain, honest, j);
    return j;
}
