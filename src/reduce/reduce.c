/* reduce.c - the stage: finds members, makes two passes over the rows, and chooses the round between them. */
#include "reduce/reduce_priv.h"

#include "base/progress.h"
#include "data/fold.h"
#include "store/done.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- the choice of the round -------------------------------------------------------------------------------------- */

static int fullest_round(const tn_members *m) {
    int fullest = 0;
    for (int i = 1; i < m->n_rounds; i++)
        if (m->round[i].n_members > m->round[fullest].n_members) fullest = i;
    return fullest;
}

/* Rounds are compared on the folds that all of them have, because pooled scores of different folds are of different rows. A round with
 * fewer than half of the members of another takes no part: it would leave few rows to compare the others on. Returns the number of
 * common folds. */
static int find_common(tn_reduction *r) {
    const tn_members *m = &r->members;
    int n = 0, most = m->round[fullest_round(m)].n_members;
    for (int i = 0; i < m->n_rounds; i++) r->rounds.takes_part[i] = 2 * m->round[i].n_members >= most;
    for (int f = 0; f < r->cfg->folds.count; f++) {
        r->rounds.in_common[f] = true;
        for (int i = 0; i < m->n_rounds; i++)
            r->rounds.in_common[f] = r->rounds.in_common[f] && (!r->rounds.takes_part[i] || m->round[i].in_fold[f] > 0);
        n += r->rounds.in_common[f];
    }
    return n;
}

static tn_status rows_in_common(const tn_reduction *r, const tn_blend *b, tn_counts *out) {
    TN_TRY(tn_counts_new(r->table->n_classes, out));
    for (int f = 0; f < r->cfg->folds.count; f++)
        for (int i = 0; r->rounds.in_common[f] && i < 3 * out->K; i++) out->n[i] += b->own[f].n[i];
    return TN_OK;
}

static tn_status match_rounds(const tn_reduction *r, int older, int newer, tn_match_result *out) {
    tn_match m = {.seed = (uint64_t)r->cfg->folds.seed,
                  .older = r->rounds.blend[older].match,
                  .newer = r->rounds.blend[newer].match};
    tn_status st = rows_in_common(r, &r->rounds.blend[older], &m.older_rows);
    if (st == TN_OK) st = rows_in_common(r, &r->rounds.blend[newer], &m.newer_rows);
    if (st == TN_OK) *out = tn_match_end(&m);
    tn_counts_free(&m.older_rows);
    tn_counts_free(&m.newer_rows);
    return st;
}

static void explain_match(const tn_reduction *r, int older, int newer, tn_round_match *m) {
    const tn_match_result *d = &m->result;
    const tn_round_members *lacks = &r->members.round[r->rounds.takes_part[newer] ? older : newer];
    if (m->n_folds > 0)
        snprintf(m->why, sizeof m->why,
                 "round %d is %s than round %d on the out-of-fold rows of their %d common folds: %s %.4f against "
                 "%.4f, difference %+.4f (95 %% interval %+.4f to %+.4f by resampled groups)",
                 m->newer, d->worse ? "worse" : "not worse", m->older, m->n_folds, d->metric, d->newer, d->older,
                 d->newer - d->older, d->low, d->high);
    else if (r->rounds.takes_part[older] && r->rounds.takes_part[newer])
        snprintf(m->why, sizeof m->why, "no fold has predictions of all rounds");
    else
        snprintf(m->why, sizeof m->why, "round %d has %d of %d predictions, fewer than half as many as round %d",
                 lacks->round, lacks->n_members, tn_cell_count(r->cfg),
                 r->members.round[fullest_round(&r->members)].round);
}

/* The newer round is chosen unless it is worse (match.h). If they cannot be compared, the one with more members is chosen. */
static tn_status choose_round(tn_reduction *r) {
    int n_folds = find_common(r);
    r->rounds.chosen = 0;
    for (int i = 1; i < r->members.n_rounds; i++) {
        tn_round_match *m = &r->rounds.match[r->rounds.n_matches++];
        bool both = r->rounds.takes_part[r->rounds.chosen] && r->rounds.takes_part[i];
        *m = (tn_round_match){.older = r->members.round[r->rounds.chosen].round,
                              .newer = r->members.round[i].round,
                              .n_folds = both ? n_folds : 0,
                              .kept = r->rounds.takes_part[i] && !both};
        if (m->n_folds > 0) {
            TN_TRY(match_rounds(r, r->rounds.chosen, i, &m->result));
            m->kept = !m->result.worse;
        }
        explain_match(r, r->rounds.chosen, i, m);
        if (m->kept) r->rounds.chosen = i;
    }
    return TN_OK;
}

/* --- the passes --------------------------------------------------------------------------------------------------- */

static tn_status begin_rounds(tn_reduction *r) {
    int n = r->members.n_rounds, F = r->cfg->folds.count, K = r->table->n_classes;
    find_common(r);
    r->rounds.mean = calloc((size_t)n, sizeof *r->rounds.mean);
    r->rounds.blend = calloc((size_t)n, sizeof *r->rounds.blend);
    if (!r->rounds.mean || !r->rounds.blend) return tn_fail_memory(4096, "the rounds");
    for (int i = 0; i < n; i++) {
        tn_recipe *plain = &r->rounds.mean[i];
        *plain = (tn_recipe){.kind = r->cfg->reduce.method == TN_REDUCE_GMEAN ? TN_REDUCE_GMEAN : TN_REDUCE_MEAN,
                             .times = calloc((size_t)r->members.n_groups, sizeof *plain->times)};
        if (!plain->times) return tn_fail_memory(4096, "the rounds");
        for (int c = 0; c < r->members.n_groups; c++)
            plain->times[c] = r->members.group[c].cell.round == r->members.round[i].round;
        TN_TRY(tn_blend_new(F, K, r->cfg->reduce.bootstrap, (uint64_t)r->cfg->folds.seed, &r->rounds.blend[i]));
        if (n > 1 && r->rounds.takes_part[i])
            TN_TRY(tn_bootstrap_new(K, TN_MATCH_RESAMPLES, (uint64_t)r->cfg->folds.seed, &r->rounds.blend[i].match));
        r->rounds.blend[i].whole = plain;
        for (int f = 0; f < F; f++) r->rounds.blend[i].by_fold[f] = plain;
    }
    return TN_OK;
}

static tn_status begin_tuned(tn_reduction *r) {
    int F = r->cfg->folds.count, K = r->table->n_classes, resamples = r->cfg->reduce.bootstrap;
    TN_TRY(tn_blend_new(F, K, resamples, (uint64_t)r->cfg->folds.seed, &r->tuning.honest));
    TN_TRY(tn_blend_new(F, K, resamples, (uint64_t)r->cfg->folds.seed, &r->tuning.in_sample));
    r->tuning.honest.whole = &r->tuning.final;
    for (int f = 0; f < F; f++) {
        if (r->members.round[r->rounds.chosen].in_fold[f] == 0)
            continue; /* tuned and untuned scores must be of the same rows */
        r->tuning.honest.by_fold[f] = &r->tuning.nested[f];
        r->tuning.in_sample.by_fold[f] = &r->tuning.final;
    }
    return TN_OK;
}

/* First pass: scores of all rounds, and the sample of rows to tune on. */
static tn_status first_pass(tn_run *run, tn_reduction *r, tn_outputs *written) {
    tn_blend *blend[TN_MAX_ROUNDS];
    for (int i = 0; i < r->members.n_rounds; i++) blend[i] = &r->rounds.blend[i];
    if (r->tuning.asked)
        tn_sample_begin(&r->counts, r->members.n_groups, r->table->n_classes, r->cfg->reduce.tune_rows,
                        &r->tuning.sample);
    TN_TRY(tn_reduce_pass(run, r, r->members.n_rounds, blend, r->tuning.asked ? &r->tuning.sample : NULL, written));
    return tn_agree(run, choose_round(r));
}

/* Write the chosen round untuned; its scores are known from the first pass. */
static tn_status write_untuned(tn_run *run, tn_reduction *r, tn_outputs *written) {
    tn_blend again = {.own = NULL};
    tn_status st = tn_agree(run, tn_blend_new(r->cfg->folds.count, r->table->n_classes, 0, 0, &again));
    memcpy(again.by_fold, r->rounds.blend[r->rounds.chosen].by_fold, sizeof again.by_fold);
    again.whole = r->rounds.blend[r->rounds.chosen].whole;
    if (st == TN_OK) st = tn_reduce_pass(run, r, 1, (tn_blend *[]){&again}, NULL, written);
    tn_blend_free(&again, r->cfg->folds.count);
    return st;
}

/* The tuned ensemble is used unless its score on rows that it was not tuned on is below the untuned one. */
static bool tuning_pays(const tn_reduction *r) {
    tn_score a = tn_score_of(&r->tuning.honest.pooled), b = tn_score_of(&r->rounds.blend[r->rounds.chosen].pooled);
    return !tn_score_better(&b, &a);
}

/* Second pass: write the chosen ensemble, and count the scores of the tuned one. */
static tn_status second_pass(tn_run *run, tn_reduction *r, tn_outputs **written) {
    if (!r->tuning.asked) return write_untuned(run, r, *written);
    TN_TRY(tn_reduce_tune(run, r));
    TN_TRY(tn_agree(run, begin_tuned(r)));
    TN_TRY(tn_reduce_pass(run, r, 2, (tn_blend *[]){&r->tuning.in_sample, &r->tuning.honest}, NULL, *written));
    r->tuning.used = tuning_pays(r);
    if (r->tuning.used) return TN_OK;
    if (run->rank == 0)
        tn_say(
            "reduce: on rows that it was not tuned on, the tuned ensemble scores less than the plain mean: the mean of "
            "round %d is written",
            r->members.round[r->rounds.chosen].round);
    tn_outputs_drop(written);
    TN_TRY(tn_outputs_open(run, r, written));
    return write_untuned(run, r, *written);
}

/* With one round and no tuning one pass is enough, because it is known before what will be written. */
static tn_status both_passes(tn_run *run, tn_reduction *r, tn_outputs **written) {
    bool known = r->members.n_rounds == 1 && !r->tuning.asked;
    if (!known) TN_TRY(first_pass(run, r, NULL));
    TN_TRY(tn_outputs_open(run, r, written));
    return known ? first_pass(run, r, *written) : second_pass(run, r, written);
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
    if (round == 0) return TN_OK;
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
    if (f && fclose(f) != 0 && st == TN_OK) st = tn_fail_memory(n, "the inputs");
    free(cell);
    return st;
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
    for (int i = 0; i <= r->members.n_rounds; i++) {
        const tn_blend *b = i < r->members.n_rounds ? &r->rounds.blend[i] : &r->tuning.honest;
        if (!b->own) continue; /* not used: nothing was tuned */
        hash_pairs(&b->own_pairs, h);
        hash_pairs(&b->test_pairs, h);
    }
    tn_hash_hex(h, out);
    tn_hash_free(&h);
}

void tn_reduce_release(tn_reduction *r) {
    for (int i = 0; r->rounds.mean && r->rounds.blend && i < r->members.n_rounds; i++) {
        free(r->rounds.mean[i].times);
        tn_blend_free(&r->rounds.blend[i], r->cfg->folds.count);
    }
    for (int f = 0; f < TN_MAX_FOLDS; f++) free(r->tuning.nested[f].times);
    free(r->tuning.final.times);
    tn_blend_free(&r->tuning.honest, r->cfg->folds.count);
    tn_blend_free(&r->tuning.in_sample, r->cfg->folds.count);
    tn_sample_free(&r->tuning.sample);
    free(r->rounds.mean);
    free(r->rounds.blend);
    free(r->counts.prior.n);
    free(r->counts.prior.of_class);
}

static tn_status reduce_anew(tn_run *run, tn_reduction *r, const char *folder, const tn_done *done) {
    char outputs[TN_HEX_BYTES], digest[TN_HEX_BYTES];
    tn_outputs *written = NULL;
    const tn_cfg *cfg = r->cfg;
    r->tuning.asked = cfg->reduce.method == TN_REDUCE_GREEDY || cfg->reduce.offsets || cfg->reduce.category_prior > 0;
    tn_status st = tn_members_open(run, cfg, r->table, &r->members);
    if (st == TN_OK) st = tn_reduce_count(run, r);
    if (st == TN_OK) st = tn_agree(run, begin_rounds(r));
    if (st == TN_OK) st = both_passes(run, r, &written);
    if (st == TN_OK) st = tn_outputs_publish(run, written, outputs);
    tn_outputs_drop(&written);
    if (st == TN_OK && run->rank == 0) {
        st = tn_reduce_metrics(r);
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
