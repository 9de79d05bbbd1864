/*
 * reduce.c - the stage: finds members, and passes over their rows two to five times:
 *
 *   1. scores of each round by argmax; a sample of rows      then decisions and temperatures are tuned on the sample
 *   2. scores of the candidates (reduce_gate.c)              then the rounds are chosen
 *   3. the chosen candidate is written; if there is but one and its decision pays, that was done in pass 2
 *
 * With greedy selection or a prior of categories, these are tuned before pass 3, which writes them. If something turns out not to pay on
 * rows that it was not tuned on, another pass counts or writes the ensemble without it.
 */
#include "reduce/reduce_priv.h"

#include "base/progress.h"
#include "data/fold.h"
#include "store/done.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- what gets scores --------------------------------------------------------------------------------------------- */

/* A plain mean of the members of two rounds; the same round twice: of one. */
static tn_status begin_mean(tn_reduction *r, int i, int first, int last) {
    tn_recipe *plain = &r->rounds.mean[i];
    int F = r->cfg->folds.count;
    *plain = (tn_recipe){.kind = r->cfg->reduce.method == TN_REDUCE_GMEAN ? TN_REDUCE_GMEAN : TN_REDUCE_MEAN,
                         .times = calloc((size_t)r->members.n_groups, sizeof *plain->times)};
    if (!plain->times) return tn_fail_memory(4096, "the rounds");
    for (int c = 0; c < r->members.n_groups; c++) {
        int round = r->members.group[c].cell.round;
        plain->times[c] = round == r->members.round[first].round || round == r->members.round[last].round;
    }
    r->rounds.blend[i].whole = plain;
    for (int f = 0; f < F; f++) r->rounds.blend[i].by_fold[f] = plain;
    return TN_OK;
}

/* All rounds, and the pooled one if there are two to compare. */
static tn_status begin_rounds(tn_reduction *r) {
    int n = r->members.n_rounds;
    tn_gate_find_common(r);
    TN_TRY(tn_gate_begin(r));
    r->rounds.n_blends = r->gate.n > 1 ? n + 1 : n;
    r->rounds.mean = calloc((size_t)n + 1, sizeof *r->rounds.mean);
    r->rounds.blend = calloc((size_t)n + 1, sizeof *r->rounds.blend);
    if (!r->rounds.mean || !r->rounds.blend) return tn_fail_memory(4096, "the rounds");
    for (int i = 0; i < r->rounds.n_blends; i++) {
        TN_TRY(tn_blend_new(r->cfg->folds.count, r->table->n_classes, r->cfg->reduce.bootstrap,
                            (uint64_t)r->cfg->folds.seed, &r->rounds.blend[i]));
        TN_TRY(i < n ? begin_mean(r, i, i, i) : begin_mean(r, i, r->gate.candidate[0].at, r->gate.candidate[1].at));
    }
    return TN_OK;
}

/* Let the candidate's honest blend count. Tuned and untuned scores must be of the same rows. */
static tn_status begin_honest(tn_reduction *r, int resamples, tn_candidate *c) {
    uint64_t seed = (uint64_t)r->cfg->folds.seed;
    TN_TRY(tn_blend_new(r->cfg->folds.count, r->table->n_classes, resamples, seed, &c->honest));
    c->honest.whole = &c->final;
    for (int f = 0; f < r->cfg->folds.count; f++)
        if (tn_has_fold(r, c->at, f)) c->honest.by_fold[f] = &c->nested[f];
    return TN_OK;
}

static tn_status begin_candidates(tn_reduction *r) {
    for (int i = 0; i < r->gate.n; i++) {
        tn_candidate *c = &r->gate.candidate[i];
        TN_TRY(begin_honest(r, r->cfg->reduce.bootstrap, c));
        if (r->gate.n > 1)
            TN_TRY(tn_bootstrap_new(r->table->n_classes, TN_MATCH_RESAMPLES, (uint64_t)r->cfg->folds.seed,
                                    &c->honest.match));
    }
    return TN_OK;
}

/* --- the passes --------------------------------------------------------------------------------------------------- */

/* Scores of all rounds by argmax, and the sample of rows to tune on. */
static tn_status pass_rounds(tn_run *run, tn_reduction *r) {
    tn_blend *blend[TN_MAX_ROUNDS + 1];
    for (int i = 0; i < r->rounds.n_blends; i++) blend[i] = &r->rounds.blend[i];
    tn_sample_begin(&r->counts, r->members.n_groups, r->table->n_classes, r->cfg->reduce.tune_rows, &r->tuning.sample);
    return tn_reduce_pass(run, r, r->rounds.n_blends, blend, &r->tuning.sample, NULL);
}

/* Scores of the candidates, each fold by what was tuned on the others. written: NULL, or gets the only candidate. */
static tn_status pass_candidates(tn_run *run, tn_reduction *r, tn_outputs *written) {
    tn_blend *blend[TN_MAX_CANDIDATES];
    TN_TRY(tn_agree(run, begin_candidates(r)));
    for (int i = 0; i < r->gate.n; i++) blend[i] = &r->gate.candidate[i].honest;
    return tn_reduce_pass(run, r, r->gate.n, blend, NULL, written);
}

static bool not_below(const tn_blend *a, const tn_blend *b) {
    return tn_smoothed(&a->pooled) >= tn_smoothed(&b->pooled);
}

/* What is tuned is tested on each fold by what the others say. So it takes two. */
static bool is_tested(const tn_reduction *r, const tn_candidate *c) {
    int n = 0;
    for (int f = 0; f < r->cfg->folds.count; f++) n += c->honest.by_fold[f] != NULL;
    return n > 1;
}

/* Take the decision away where it does not pay on rows that it was not tuned on. */
static void give_up_decision(const tn_run *run, const tn_reduction *r, tn_candidate *c) {
    for (int f = 0; f <= r->cfg->folds.count; f++) {
        tn_recipe *x = f < r->cfg->folds.count ? &c->nested[f] : &c->final;
        free(x->offset);
        x->offset = NULL;
        x->tau = 0;
    }
    if (run->rank == 0)
        tn_say("reduce: %sthe tuned decision of %s %s: it is given up",
               is_tested(r, c) ? "on rows that it was not tuned on, " : "", c->what,
               is_tested(r, c) ? "scores less than the most probable class"
                               : "cannot be tested, as only one fold has predictions");
}

/* Write the chosen candidate; its scores are known. */
static tn_status write_chosen(tn_run *run, tn_reduction *r, tn_outputs *written) {
    tn_candidate *c = &r->gate.candidate[r->gate.chosen];
    tn_blend again = {.own = NULL};
    tn_status st = tn_agree(run, tn_blend_new(r->cfg->folds.count, r->table->n_classes, 0, 0, &again));
    memcpy(again.by_fold, c->honest.by_fold, sizeof again.by_fold);
    again.whole = c->honest.whole;
    if (st == TN_OK) st = tn_reduce_pass(run, r, 1, (tn_blend *[]){&again}, NULL, written);
    tn_blend_free(&again, r->cfg->folds.count);
    return st;
}

/* Count the chosen candidate anew, after its decision was given up. */
static tn_status recount(tn_run *run, tn_reduction *r) {
    tn_candidate *c = &r->gate.candidate[r->gate.chosen];
    tn_blend_free(&c->honest, r->cfg->folds.count);
    TN_TRY(tn_agree(run, begin_honest(r, r->cfg->reduce.bootstrap, c)));
    return tn_reduce_pass(run, r, 1, (tn_blend *[]){&c->honest}, NULL, NULL);
}

static tn_status open_anew(tn_run *run, const tn_reduction *r, tn_outputs **written) {
    tn_outputs_drop(written);
    return tn_outputs_open(run, r, written);
}

/* Tune weights of members, and with the prior of categories; write that. */
static tn_status pass_tuned(tn_run *run, tn_reduction *r, tn_outputs *written) {
    tn_candidate *best = r->tuning.best;
    const tn_candidate *chosen = &r->gate.candidate[r->gate.chosen];
    uint64_t seed = (uint64_t)r->cfg->folds.seed;
    best->at = chosen->at;
    best->first = chosen->first;
    best->last = chosen->last;
    snprintf(best->what, sizeof best->what, "%s",
             r->cfg->reduce.method == TN_REDUCE_GREEDY ? "members of all rounds, selected" : chosen->what);
    TN_TRY(tn_reduce_tune(run, r, 1, best, true));
    tn_status st = begin_honest(r, r->cfg->reduce.bootstrap, best);
    if (st == TN_OK)
        st = tn_blend_new(r->cfg->folds.count, r->table->n_classes, r->cfg->reduce.bootstrap, seed,
                          &r->tuning.in_sample);
    TN_TRY(tn_agree(run, st));
    for (int f = 0; f < r->cfg->folds.count; f++)
        if (best->honest.by_fold[f]) r->tuning.in_sample.by_fold[f] = &best->final;
    return tn_reduce_pass(run, r, 2, (tn_blend *[]){&r->tuning.in_sample, &best->honest}, NULL, written);
}

/* Write what was tuned, unless its score on rows that it was not tuned on is below that of the chosen rounds. */
static tn_status write_tuned(tn_run *run, tn_reduction *r, tn_outputs **written) {
    TN_TRY(pass_tuned(run, r, *written));
    const tn_candidate *chosen = &r->gate.candidate[r->gate.chosen];
    r->tuning.used = is_tested(r, chosen) && not_below(&r->tuning.best->honest, &chosen->honest);
    if (r->tuning.used) return TN_OK;
    if (run->rank == 0)
        tn_say("reduce: %s: the mean of %s is written",
               is_tested(r, chosen)
                   ? "on rows that they were not tuned on, the tuned weights score less than the plain mean"
                   : "the tuned weights cannot be tested, as only one fold has predictions",
               chosen->what);
    TN_TRY(open_anew(run, r, written));
    return write_chosen(run, r, *written);
}

/* One candidate and nothing else to tune: two passes, as it is known what will be written. */
static tn_status all_passes(tn_run *run, tn_reduction *r, tn_outputs **written) {
    bool known = r->gate.n == 1 && !r->tuning.asked;
    TN_TRY(pass_rounds(run, r));
    TN_TRY(tn_reduce_tune(run, r, r->gate.n, r->gate.candidate, false));
    if (known) TN_TRY(tn_outputs_open(run, r, written));
    TN_TRY(pass_candidates(run, r, known ? *written : NULL));
    TN_TRY(tn_agree(run, tn_gate_choose(r)));
    tn_candidate *c = &r->gate.candidate[r->gate.chosen];
    bool pays = !c->final.offset || (is_tested(r, c) && not_below(&c->honest, &r->rounds.blend[c->at]));
    if (run->rank == 0) r->gate.decision = tn_decision_json(r, is_tested(r, c), pays);
    if (known && pays) return TN_OK;
    if (!pays) give_up_decision(run, r, c);
    if (!pays) TN_TRY(recount(run, r));
    TN_TRY(open_anew(run, r, written));
    return r->tuning.asked ? write_tuned(run, r, written) : write_chosen(run, r, *written);
}

/* --- identity and the stage --------------------------------------------------------------------------------------- */

tn_status tn_reduce_put_digest(FILE *f, const char *folder, const char *name) {
    char digest[TN_HEX_BYTES];
    if (!tn_done_exists(folder)) return TN_OK;
    TN_TRY(tn_done_digest(folder, "", digest));
    fprintf(f, "%s %s\n", name, digest);
    return TN_OK;
}

/* The digest of the truth column, as tn_truth_digest, but read in blocks. */
static tn_status truth_digest(tn_table *t, char hex_out[TN_HEX_BYTES]) {
    enum { BLOCK = 65536 };
    tn_rows rows = {.room = 0};
    tn_status st = tn_rows_new(t, BLOCK, &rows);
    tn_hash *h = tn_hash_new();
    for (int64_t first = 0; st == TN_OK && first < t->n; first += BLOCK) {
        st = tn_table_read(t, TN_COLUMN_TRUTH, first, t->n - first < BLOCK ? t->n - first : BLOCK, &rows);
        tn_hash_add(h, rows.truth, (size_t)rows.n * sizeof *rows.truth);
    }
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
    tn_rows_free(&rows);
    return st;
}

static tn_status put_round(const tn_cfg *cfg, int round, tn_cell *cell, FILE *f) {
    char folder[TN_PATH_BYTES], name[TN_CELL_NAME_BYTES];
    tn_cell_list(cfg, round, cell);
    for (int i = 0; i < tn_cell_count(cfg); i++) {
        tn_cell_name(&cell[i], name);
        TN_TRY(tn_cell_folder(cfg, "predict", &cell[i], folder));
        TN_TRY(tn_reduce_put_digest(f, folder, name));
    }
    if (!tn_is_filtered(cfg, round)) return TN_OK;
    snprintf(name, sizeof name, "filter-r%d", round);
    TN_TRY(tn_filter_folder(cfg, round, folder));
    return tn_reduce_put_digest(f, folder, name);
}

/* The inputs of the identity: digests of the cells and filters of all planned rounds that are done. The caller frees *out. */
static tn_status inputs_of(const tn_cfg *cfg, tn_table *t, char **out) {
    char truth[TN_HEX_BYTES];
    size_t n = 0;
    TN_TRY(truth_digest(t, truth));
    FILE *f = open_memstream(out, &n);
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    tn_status st = f && cell ? TN_OK : tn_fail_memory(4096, "the inputs");
    for (int round = 0; st == TN_OK && round <= cfg->self.max_rounds; round++) st = put_round(cfg, round, cell, f);
    if (st == TN_OK) fprintf(f, "index %s\ntruth %s\n", t->digest, truth);
    free(cell);
    return tn_text_end(f, st, "the inputs");
}

/* What is listed is sorted. */
static void hash_pairs(const tn_confusion *c, tn_hash *h) {
    if (c->n)
        tn_hash_add(h, c->n, (size_t)c->K * (size_t)c->K * sizeof *c->n);
    else
        tn_hash_add(h, c->listed, (size_t)c->n_listed * sizeof *c->listed);
}

/* The digest of the written files and of all scores. */
static void digest_of(const tn_reduction *r, const char *outputs, char out[TN_HEX_BYTES]) {
    tn_hash *h = tn_hash_new();
    tn_hash_text(h, outputs);
    for (int i = 0; i <= r->rounds.n_blends; i++) {
        const tn_blend *b = i < r->rounds.n_blends ? &r->rounds.blend[i] : &tn_written(r)->honest;
        hash_pairs(&b->own_pairs, h);
        hash_pairs(&b->test_pairs, h);
    }
    tn_hash_hex(h, out);
    tn_hash_free(&h);
}

static void candidate_free(tn_candidate *c, int n_folds) {
    for (int f = 0; f < n_folds; f++) tn_recipe_free(&c->nested[f]);
    tn_recipe_free(&c->final);
    tn_blend_free(&c->honest, n_folds);
}

void tn_reduce_release(tn_reduction *r) {
    int F = r->cfg->folds.count;
    for (int i = 0; r->rounds.mean && r->rounds.blend && i < r->rounds.n_blends; i++) {
        tn_recipe_free(&r->rounds.mean[i]);
        tn_blend_free(&r->rounds.blend[i], F);
    }
    for (int i = 0; r->gate.candidate && i < r->gate.n; i++) candidate_free(&r->gate.candidate[i], F);
    if (r->tuning.best) candidate_free(r->tuning.best, F);
    tn_blend_free(&r->tuning.in_sample, F);
    tn_sample_free(&r->tuning.sample);
    free(r->gate.candidate);
    json_decref(r->gate.decision);
    free(r->tuning.best);
    free(r->rounds.mean);
    free(r->rounds.blend);
    free(r->counts.prior.n);
    free(r->counts.prior.of_class);
    tn_beside_free(&r->counts.beside);
}

static tn_status find_foreign(tn_reduction *r) {
    for (int i = 0; i < r->members.n_rounds; i++) {
        int round = r->members.round[i].round;
        if (round > 0) TN_TRY(tn_filter_foreign(r->cfg, round, &r->foreign[round]));
    }
    return TN_OK;
}

static tn_status reduce_anew(tn_run *run, tn_reduction *r, const char *folder, const tn_done *done) {
    char outputs[TN_HEX_BYTES], digest[TN_HEX_BYTES];
    tn_outputs *written = NULL;
    const tn_cfg *cfg = r->cfg;
    r->tuning.asked = cfg->reduce.method == TN_REDUCE_GREEDY || cfg->reduce.category_prior > 0;
    r->tuning.best = calloc(1, sizeof *r->tuning.best);
    tn_status st = tn_agree(run, r->tuning.best ? TN_OK : tn_fail_memory(sizeof *r->tuning.best, "the ensemble"));
    if (st == TN_OK) st = tn_members_open(run, cfg, r->table, &r->members);
    if (st == TN_OK) st = tn_reduce_count(run, r);
    if (st == TN_OK) st = tn_beside_find(run, r->table, &r->counts.beside);
    if (st == TN_OK) st = tn_agree(run, begin_rounds(r));
    if (st == TN_OK) st = all_passes(run, r, &written);
    if (st == TN_OK) st = tn_outputs_publish(run, written, outputs);
    tn_outputs_drop(&written);
    if (st == TN_OK && run->rank == 0) {
        st = find_foreign(r);
        if (st == TN_OK) st = tn_reduce_metrics(r);
        if (st == TN_OK) st = tn_reduce_spec(r, folder);
        digest_of(r, outputs, digest);
        if (st == TN_OK)
            st = tn_done_publish(folder, done, digest,
                                 (const char *[]){"../ensemble.h5", "../submission.csv", "../ledger.csv",
                                                  "../metrics.json", "ensemble.json", NULL});
        if (st == TN_OK) tn_result("submission.csv, ledger.csv, metrics.json");
        if (st == TN_OK)
            tn_say("reduce: %s/submission.csv, metrics.json, ledger.csv, ensemble.h5 (digest %s)", cfg->run_dir,
                   digest);
    }
    tn_reduce_release(r);
    return tn_agree(run, st);
}

static tn_status reduce_table(tn_run *run, tn_reduction *r, bool allow_missing) {
    char folder[TN_PATH_BYTES], *inputs = NULL, *settings = tn_cfg_canonical(r->cfg, TN_KEYS_REDUCE);
    bool valid = false;
    tn_status st = settings ? tn_path(folder, "%s/reduce", r->cfg->run_dir) : tn_fail_memory(4096, "the settings");
    st = tn_agree(run, st);
    if (st == TN_OK) st = tn_members_find(run, r->cfg, allow_missing, &r->members);
    if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? inputs_of(r->cfg, r->table, &inputs) : TN_OK);
    if (st == TN_OK) {
        tn_done want = {.stage = "reduce", .settings = settings, .inputs = inputs};
        st = tn_done_begin_all(run, folder, "reduce", &want, &valid);
        if (st == TN_OK && !valid) st = reduce_anew(run, r, folder, &want);
    }
    tn_members_close(&r->members);
    free(inputs);
    free(settings);
    return st;
}

tn_status tn_reduce(tn_run *run, const tn_cfg *cfg, bool allow_missing) {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES];
    tn_reduction *r = calloc(1, sizeof *r);
    tn_status st = r ? tn_path(shards, "%s/shards", cfg->run_dir) : tn_fail_memory(sizeof *r, "the ensemble");
    if (st == TN_OK) st = tn_path(folds, "%s/folds", cfg->run_dir);
    st = tn_agree(run, st);
    if (st == TN_OK) {
        r->cfg = cfg;
        st = tn_table_open(run, shards, folds, &r->table);
        if (st == TN_OK) st = tn_agree(run, tn_fold_check(cfg, r->table->n_folds));
        if (st == TN_OK) st = reduce_table(run, r, allow_missing);
        tn_table_close(&r->table);
    }
    free(r);
    return st;
}
