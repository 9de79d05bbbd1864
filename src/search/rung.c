/* rung.c - the end of a rung: scores, ranking, ranking.json. */
#include "search/rung_priv.h"

#include "base/progress.h"
#include "score/metric.h"
#include "store/done.h"
#include "train/journal.h"
#include "train/train.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- scores ------------------------------------------------------------------------------------------------------- */

/* Add the validation score of the kept evaluation: the last one in the journal that is marked as best. */
static tn_status add_journal(const tn_cfg *trial_cfg, const tn_cell *cell, tn_ranked *sum) {
    char folder[TN_PATH_BYTES];
    tn_journal journal;
    const tn_journal_entry *kept = NULL;
    TN_TRY(tn_cell_folder(trial_cfg, "train", cell, folder));
    TN_TRY(tn_journal_read(trial_cfg, cell, &journal));
    for (int i = 0; i < journal.n; i++)
        if (journal.at[i].best) kept = &journal.at[i];
    if (kept) {
        sum->gmean += kept->gmean;
        sum->macro += kept->macro;
        sum->accuracy += kept->accuracy;
    }
    tn_journal_free(&journal);
    if (!kept)
        return tn_fail(TN_EFORMAT, "%s/journal.jsonl: has no kept evaluation: delete %s and run again", folder, folder);
    return TN_OK;
}

/* Write a cell's line of the ranking's inputs, and add its score to sum. */
static tn_status add_cell(const tn_cfg *t, const tn_cell *cell, tn_ranked *sum, FILE *inputs) {
    char digest[TN_HEX_BYTES], name[TN_CELL_NAME_BYTES];
    bool done = false;
    tn_cell_name(cell, name);
    TN_TRY(tn_train_done(t, cell, &done));
    if (!done)
        return tn_fail(TN_EUNFINISHED, "the rung cannot be ranked: trial %d, %s, is not trained yet in %s", sum->trial,
                       name, t->run_dir);
    TN_TRY(tn_train_digest(t, cell, digest));
    fprintf(inputs, "t%03d-%s %s\n", sum->trial, name, digest);
    return add_journal(t, cell, sum);
}

static tn_status add_trial(const tn_cfg *cfg, int rung, tn_ranked *out, FILE *inputs) {
    tn_cfg *t = NULL;
    tn_cell cell[TN_MAX_TRIAL_CELLS];
    int fold[TN_MAX_FOLDS], n_folds = tn_rung_folds(cfg, rung, fold), n_all = 0;
    tn_status st = tn_search_cfg(cfg, out->trial, tn_rung_images(cfg, rung), &t);
    for (int f = 0; f < n_folds && st == TN_OK; f++) {
        char why[512];
        st = tn_trial_diverged(t, fold[f], why);
        int n = st == TN_OK ? tn_trial_cells(t, fold[f], cell) : 0;
        if (*why) {
            fprintf(inputs, "t%03d-f%d diverged\n", out->trial, fold[f]);
            out->diverged = true;
            memcpy(out->why, why, sizeof out->why);
            n = 0;
        }
        for (int i = 0; i < n && st == TN_OK; i++, n_all++) st = add_cell(t, &cell[i], out, inputs);
    }
    if (n_all) {
        out->gmean /= n_all;
        out->macro /= n_all;
        out->accuracy /= n_all;
    }
    tn_cfg_free(&t);
    return st;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

tn_status tn_rung_folder(const tn_cfg *cfg, int rung, char out[TN_PATH_BYTES]) {
    if (rung == cfg->search.n_rungs) return tn_path(out, "%s/search/judge", cfg->run_dir);
    return tn_path(out, "%s/search/rung%d", cfg->run_dir, rung);
}

static json_t *ranked_json(const tn_cfg *cfg, const tn_ranked *r, bool goes_on) {
    tn_values v = {.n = 0};
    json_t *set = json_array();
    if (tn_search_values(cfg, r->trial, &v) == TN_OK)
        for (int d = 0; d < v.n; d++) json_array_append_new(set, json_string(v.text[d]));
    return json_pack("{s:i,s:f,s:f,s:f,s:b,s:s,s:b,s:o}", "trial", r->trial, "geometric_mean", r->gmean, "macro_f1",
                     r->macro, "accuracy", r->accuracy, "diverged", r->diverged, "why", r->why, "goes_on", goes_on,
                     "set", set);
}

static tn_status publish_ranking(const tn_cfg *cfg, int rung, int n, const tn_ranked *all, const char *folder,
                                 char digest_out[TN_HEX_BYTES]) {
    char path[TN_PATH_BYTES];
    bool last = rung + 1 == cfg->search.n_rungs;
    int n_on = last ? 1 : tn_rung_slots(cfg, rung + 1);
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, ranked_json(cfg, &all[i], i < n_on));
    json_t *j = json_pack("{s:s,s:i,s:I,s:o}", "format", "tenfold rung 1", "rung", rung, "images",
                          (json_int_t)tn_rung_images(cfg, rung), "trials", list);
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(TN_SCORE_DIGITS)) : NULL;
    json_decref(j);
    tn_status st = text ? tn_path(path, "%s/ranking.json", folder) : tn_fail_memory(4096, "a ranking");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    if (st == TN_OK) tn_hash_once(text, strlen(text), digest_out);
    free(text);
    return st;
}

tn_status tn_rung_read(const tn_cfg *cfg, int rung, tn_ranked *out) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], *text = NULL;
    size_t n_bytes = 0, i;
    TN_TRY(tn_rung_folder(cfg, rung, folder));
    TN_TRY(tn_done_file(folder, "ranking.json", "rank", path));
    TN_TRY(tn_file_read(path, &text, &n_bytes));
    json_t *j = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, NULL), *list = json_object_get(j, "trials"), *one;
    free(text);
    bool ok = json_array_size(list) == (size_t)tn_rung_slots(cfg, rung);
    json_array_foreach(list, i, one) {
        tn_ranked r = {.trial = 0};
        const char *why = "";
        int diverged = 0;
        ok = ok && json_unpack(one, "{s:i,s:F,s:F,s:F,s:b,s:s}", "trial", &r.trial, "geometric_mean", &r.gmean,
                               "macro_f1", &r.macro, "accuracy", &r.accuracy, "diverged", &diverged, "why", &why) == 0;
        if (!ok) break;
        r.diverged = diverged;
        snprintf(r.why, sizeof r.why, "%s", why);
        out[i] = r;
    }
    json_decref(j);
    return ok ? TN_OK
              : tn_fail(TN_EFORMAT, "%s: not the ranking of %d trials: delete %s and run again", path,
                        tn_rung_slots(cfg, rung), folder);
}

/* --- the step ----------------------------------------------------------------------------------------------------- */

static tn_status collect(const tn_cfg *cfg, int rung, tn_ranked *all, FILE *inputs) {
    for (int p = 0; p < tn_rung_slots(cfg, rung); p++) {
        TN_TRY(tn_slot_trial(cfg, rung, p, &all[p].trial));
        if (all[p].trial < 0)
            return tn_fail(TN_EUNFINISHED, "rung %d waits for the ranking of rung %d", rung, rung - 1);
        TN_TRY(add_trial(cfg, rung, &all[p], inputs));
    }
    return TN_OK;
}

static tn_status say_best(int rung, int n, tn_ranked *all) {
    int n_diverged = 0;
    for (int i = 0; i < n; i++) n_diverged += all[i].diverged;
    for (int i = 0; i < n; i++)
        if (all[i].diverged) tn_say("rung %d: trial %d diverged: %s", rung, all[i].trial, all[i].why);
    if (n_diverged == n)
        return tn_fail(TN_EDIVERGED, "rung %d: all %d trials diverged: lower the learning rates of search.space", rung,
                       n);
    tn_result("trial %d is best of %d", all[0].trial, n);
    tn_say("rung %d: trial %d is best of %d: validation geometric mean F1 %.4f, macro %.4f", rung, all[0].trial, n,
           all[0].gmean, all[0].macro);
    return TN_OK;
}

/* The trials of a rung, and settings and inputs of its ranking. */
typedef struct {
    tn_ranked *all; /* (slots) */
    char *settings, *inputs, folder[TN_PATH_BYTES];
    tn_done want;
} rung_end;

static void close_end(rung_end *e) {
    free(e->all);
    free(e->settings);
    free(e->inputs);
}

/* Errors TN_EUNFINISHED not all trials are trained: then the inputs are incomplete, but all other fields are set. */
static tn_status open_end(const tn_cfg *cfg, int rung, rung_end *e) {
    size_t n_bytes = 0;
    *e = (rung_end){.all = calloc((size_t)tn_rung_slots(cfg, rung), sizeof *e->all),
                    .settings = tn_cfg_canonical(cfg, TN_KEYS_SEARCH)};
    FILE *f = open_memstream(&e->inputs, &n_bytes);
    tn_status st = e->all && e->settings && f ? TN_OK : tn_fail_memory(sizeof *e->all, "a ranking");
    if (st == TN_OK) st = tn_rung_folder(cfg, rung, e->folder);
    if (st == TN_OK) st = collect(cfg, rung, e->all, f);
    st = tn_text_end(f, st, "a ranking");
    e->want = (tn_done){
        .stage = rung == cfg->search.n_rungs ? "judge" : "rank", .settings = e->settings, .inputs = e->inputs};
    return st;
}

static tn_status publish_end(const tn_cfg *cfg, const tn_index *index, int rung, rung_end *e) {
    char digest[TN_HEX_BYTES] = "";
    int n = tn_rung_slots(cfg, rung);
    if (rung == cfg->search.n_rungs) {
        TN_TRY(tn_rung_judge(cfg, index, e->all, e->folder, digest));
        return tn_done_publish(e->folder, &e->want, digest, (const char *[]){"judge.json", NULL});
    }
    tn_search_rank(n, e->all);
    TN_TRY(say_best(rung, n, e->all));
    TN_TRY(publish_ranking(cfg, rung, n, e->all, e->folder, digest));
    return tn_done_publish(e->folder, &e->want, digest, (const char *[]){"ranking.json", NULL});
}

static tn_status end_here(const tn_cfg *cfg, const tn_index *index, int rung) {
    rung_end e;
    char name[32];
    bool valid = false;
    snprintf(name, sizeof name, rung == cfg->search.n_rungs ? "judge" : "rung %d", rung);
    tn_status st = open_end(cfg, rung, &e);
    if (st == TN_OK) st = tn_done_begin(e.folder, name, &e.want, &valid);
    if (st == TN_OK && !valid) st = publish_end(cfg, index, rung, &e);
    close_end(&e);
    return st;
}

tn_status tn_rung_end(tn_run *run, const tn_cfg *cfg, const tn_index *index, int rung) {
    return tn_agree(run, run->rank == 0 ? end_here(cfg, index, rung) : TN_OK);
}

static tn_status find_complete(const tn_cfg *cfg, int rung, bool *out) {
    rung_end e;
    tn_status st = open_end(cfg, rung, &e);
    *out = st == TN_OK;
    close_end(&e);
    return st == TN_EUNFINISHED ? TN_OK : st;
}

tn_status tn_rung_end_if_complete(tn_run *run, const tn_cfg *cfg, const tn_index *index, int rung) {
    bool here = false;
    TN_TRY(tn_agree(run, run->rank == 0 ? find_complete(cfg, rung, &here) : TN_OK));
    int complete = here;
    tn_bcast(run, 0, &complete, sizeof complete);
    if (!complete && run->rank == 0) tn_say("rank: not yet, other trials of the rung are not trained");
    tn_status st = complete ? tn_rung_end(run, cfg, index, rung) : TN_OK;
    if (st != TN_EBUSY) return st;
    if (run->rank == 0) tn_say("rank: nothing to do, another process makes the ranking");
    return TN_OK;
}

/* The settings are compared even if a trial is missing. */
tn_status tn_rung_done(const tn_cfg *cfg, int rung, bool *done_out) {
    rung_end e;
    tn_done_state state = TN_DONE_ABSENT;
    tn_status st = open_end(cfg, rung, &e);
    bool trained = st == TN_OK;
    if (st == TN_OK || st == TN_EUNFINISHED) st = tn_done_find(e.folder, &e.want, &state);
    *done_out = st == TN_OK && trained && state == TN_DONE_VALID;
    close_end(&e);
    return st;
}
