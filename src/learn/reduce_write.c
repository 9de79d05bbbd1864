/* reduce_write.c - ensemble.h5, submission.csv, metrics.json, ledger.csv. */
#include "learn/reduce_priv.h"

#include "base/build.h"
#include "base/csv.h"
#include "base/done.h"
#include "base/h5.h"
#include "base/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Test or unlabelled, quarantined ones included: they get a line too. */
static bool is_submitted(const tn_index *ix, int64_t i) {
    return ix->is_test[i] || ix->label[i] < 0;
}

/* --- submission.csv
 * ---------------------------------------------------------------------------------------------------- */

/* Shares of the classes among the training rows: the answer for an image that nobody could read. */
static void class_shares(const tn_index *ix, float *out) {
    int64_t n = 0, count[TN_MAX_CLASSES] = {0};
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->fold[i] >= 0) {
            count[ix->label[i]]++;
            n++;
        }
    for (int k = 0; k < ix->n_classes; k++)
        out[k] = n ? (float)((double)count[k] / (double)n) : 1.0F / (float)ix->n_classes;
}

static tn_status write_submission(const tn_reduction *r) {
    const tn_index *ix = r->ix;
    int K = ix->n_classes;
    float shares[TN_MAX_CLASSES];
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    int64_t n_unread = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return tn_fail_memory((size_t)ix->n * 64, "submission.csv");
    class_shares(ix, shares);
    fputs("path,label", f);
    for (int k = 0; k < K; k++) {
        char column[TN_NAME_BYTES + 2];
        snprintf(column, sizeof column, "p_%s", ix->class_name[k]);
        tn_csv_put(f, ",", column);
    }
    fputc('\n', f);
    for (int64_t i = 0; i < ix->n; i++) {
        if (!is_submitted(ix, i)) continue;
        const float *p = ix->state[i] ? shares : r->round[r->chosen].p + i * K;
        n_unread += ix->state[i] != 0;
        tn_csv_put(f, "", ix->path[i]);
        tn_csv_put(f, ",", ix->class_name[tn_argmax(K, p)]);
        for (int k = 0; k < K; k++) fprintf(f, ",%.7g", (double)p[k]);
        fputc('\n', f);
    }
    fclose(f);
    if (n_unread)
        tn_warn("submission.csv: %" PRId64
                " images could not be read; they get the most frequent class and the class shares",
                n_unread);
    tn_status st = tn_path(path, "%s/submission.csv", r->cfg->run_dir);
    if (st == TN_OK) st = tn_file_publish(path, text, n);
    free(text);
    return st;
}

/* --- ensemble.h5
 * ------------------------------------------------------------------------------------------------------- */

static tn_status fill_ensemble(const tn_reduction *r, tn_h5 *f, int64_t n, const int64_t *row, const float *p) {
    TN_TRY(tn_h5_stamp(f, "ensemble", 1));
    TN_TRY(tn_h5_set_int(f, "round", r->round[r->chosen].round));
    TN_TRY(tn_h5_set_int(f, "members", r->round[r->chosen].n_members));
    TN_TRY(tn_h5_set_text(f, "index_digest", r->ix->digest));
    TN_TRY(tn_h5_write(f, "row", TN_H5_I64, 1, &n, row));
    return tn_h5_write(f, "p", TN_H5_F32, 2, (int64_t[]){n, r->ix->n_classes}, p);
}

static tn_status write_ensemble(const tn_reduction *r, char digest_out[TN_HEX_BYTES]) {
    const tn_index *ix = r->ix;
    int K = ix->n_classes;
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    int64_t n = 0, *row = malloc((size_t)ix->n * sizeof *row + 1);
    float *p = malloc((size_t)(ix->n * K) * sizeof *p + 1);
    tn_status st = row && p ? tn_path(path, "%s/ensemble.h5", r->cfg->run_dir)
                            : tn_fail_memory((size_t)ix->n * 28, "the ensemble");
    for (int64_t i = 0; st == TN_OK && i < ix->n; i++) {
        if (ix->fold[i] != TN_FOLD_NONE) continue;
        memcpy(p + n * K, r->round[r->chosen].p + i * K, (size_t)K * sizeof *p);
        row[n++] = i;
    }
    if (st == TN_OK) st = tn_publish_name(path, tmp);
    if (st == TN_OK) st = tn_h5_create(tmp, &f);
    if (st == TN_OK) st = fill_ensemble(r, f, n, row, p);
    tn_status closed = tn_h5_close(&f);
    if (st == TN_OK) st = closed;
    if (st == TN_OK) st = tn_publish_end(path);
    if (st == TN_OK) {
        tn_hash *h = tn_hash_new();
        tn_hash_add(h, row, (size_t)n * sizeof *row);
        tn_hash_add(h, p, (size_t)(n * K) * sizeof *p);
        tn_hash_add(h, r->round[r->chosen].p, (size_t)(ix->n * K) * sizeof *p); /* out-of-fold rows too: the scores */
        tn_hash_hex(h, digest_out);
        tn_hash_free(&h);
    }
    free(row);
    free(p);
    return st;
}

/* --- metrics.json
 * ------------------------------------------------------------------------------------------------------ */

static json_t *score_json(const tn_index *ix, const tn_score *s) {
    if (s->N == 0) return json_null();
    json_t *f1 = json_object(), *zero = json_array();
    for (int k = 0; k < ix->n_classes; k++) {
        json_object_set_new(f1, ix->class_name[k], json_real(s->f1[k]));
        if (s->f1[k] <= 0) json_array_append_new(zero, json_string(ix->class_name[k]));
    }
    return json_pack("{s:I,s:f,s:f,s:f,s:o,s:o}", "n", (json_int_t)s->N, "geometric_mean", s->gmean, "macro_f1",
                     s->macro, "accuracy", s->accuracy, "f1", f1, "classes_with_f1_zero", zero);
}

static json_t *lines_json(const char *text) {
    json_t *list = json_array();
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        json_array_append_new(list, json_stringn(at, strcspn(at, "\n")));
    return list;
}

static json_t *confusion_json(const tn_confusion *c) {
    json_t *rows = json_array();
    for (int k = 0; k < c->K; k++) {
        json_t *row = json_array();
        for (int j = 0; j < c->K; j++) json_array_append_new(row, json_integer(c->n[k][j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* Why out-of-fold scores of this round are not what they would be on new data: mark -> reason. */
static json_t *caveats(const tn_cfg *cfg, int round) {
    json_t *marks = json_object();
    if (cfg->folds.validation == TN_VALIDATION_HELD_OUT)
        json_object_set_new(
            marks, "optimistic",
            json_string("the best evaluation point was chosen on the same fold (folds.validation = held_out)"));
    bool shared = cfg->self.view == TN_VIEW_SHARED || cfg->self.method != TN_SELF_SELF;
    if (round > 0 && shared)
        json_object_set_new(
            marks, "not independent",
            json_string("labels of a fold reached the filter of its own models through the other folds' models"));
    return marks;
}

static json_t *round_json(const tn_reduction *r, const tn_round_result *x) {
    json_t *folds = json_array();
    for (int f = 0; f < r->cfg->folds.count; f++) {
        if (x->fold[f].n_members == 0) continue;
        json_array_append_new(folds, json_pack("{s:i,s:i,s:o,s:o}", "fold", f, "members", x->fold[f].n_members,
                                               "out_of_fold", score_json(r->ix, &x->fold[f].out_of_fold), "test",
                                               score_json(r->ix, &x->fold[f].test)));
    }
    return json_pack("{s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "round", x->round, "members", x->n_members, "planned",
                     x->n_planned, "missing", lines_json(x->missing), "folds", folds, "out_of_fold",
                     score_json(r->ix, &x->pooled), "out_of_fold_confusion", confusion_json(&x->pooled_confusion),
                     "out_of_fold_by_truth", score_json(r->ix, &x->pooled_truth), "out_of_fold_caveats",
                     caveats(r->cfg, x->round), "test", score_json(r->ix, &x->test));
}

static double share(int64_t part, int64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* Only with a truth column can a filter be judged. */
static tn_status filter_json(const tn_reduction *r, int round, json_t *list) {
    char folder[TN_PATH_BYTES];
    tn_filter_score s;
    TN_TRY(tn_filter_folder(r->cfg, round, folder));
    if (!*r->cfg->data.truth_column || tn_done_skipped(folder)) return TN_OK;
    TN_TRY(tn_path(folder, "%s/DONE", folder));
    if (!tn_file_exists(folder)) return TN_OK;
    TN_TRY(tn_filter_judge(r->cfg, round, &s));
    json_array_append_new(list, json_pack("{s:i,s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "round", round, "judged",
                                          (json_int_t)s.judged, "wrong", (json_int_t)s.wrong, "dropped",
                                          (json_int_t)s.dropped, "found", (json_int_t)s.found, "found_by_chance",
                                          share(s.dropped, s.judged) * (double)s.wrong, "precision",
                                          share(s.found, s.dropped), "recall", share(s.found, s.wrong)));
    return TN_OK;
}

/* Why there are no more rounds: of the first that was skipped; null where none was. */
static json_t *skipped_json(const tn_cfg *cfg) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    for (int round = 1; round <= cfg->self.max_rounds; round++) {
        if (tn_filter_folder(cfg, round, folder) != TN_OK || !tn_done_skipped(folder)) continue;
        if (tn_done_file(folder, "skipped.txt", "filter", path) != TN_OK || tn_file_read(path, &text, &n) != TN_OK)
            break;
        json_t *why = json_pack("{s:i,s:o}", "first", round, "because", json_stringn(text, n));
        free(text);
        return why;
    }
    return json_null();
}

static json_t *matches_json(const tn_reduction *r) {
    json_t *list = json_array();
    for (int i = 0; i < r->n_matches; i++) {
        const tn_round_match *m = &r->match[i];
        const tn_match_result *d = &m->result;
        json_array_append_new(list,
                              json_pack("{s:i,s:i,s:b,s:s,s:i,s:I,s:f,s:f,s:f,s:[f,f],s:f,s:i}", "round", m->newer,
                                        "against", m->older, "kept", !d->worse, "metric", d->metric, "folds",
                                        m->n_folds, "rows", (json_int_t)d->rows, "score", d->newer, "score_against",
                                        d->older, "difference", d->newer - d->older, "interval_95", d->low, d->high,
                                        "share_of_resamples_worse", d->share_worse, "resamples", TN_MATCH_RESAMPLES));
    }
    return list;
}

static tn_status write_metrics(const tn_reduction *r) {
    char path[TN_PATH_BYTES];
    json_t *classes = json_array(), *rounds = json_array(), *filters = json_array();
    for (int k = 0; k < r->ix->n_classes; k++) json_array_append_new(classes, json_string(r->ix->class_name[k]));
    for (int i = 0; i < r->n_rounds; i++) json_array_append_new(rounds, round_json(r, &r->round[i]));
    tn_status st = TN_OK;
    for (int i = 1; st == TN_OK && i <= r->cfg->self.max_rounds; i++) st = filter_json(r, i, filters);
    json_t *all = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:i,s:s,s:o,s:o,s:o,s:o}", "format", "tenfold metrics 1", "run", r->cfg->name,
        "version", tn_build_version(), "commit", tn_build_commit(), "libraries", tn_build_libraries(), "classes",
        classes, "method", r->cfg->reduce.method == TN_REDUCE_MEAN ? "mean" : "gmean", "chosen_round",
        r->round[r->chosen].round, "chosen_because", r->reason, "round_comparisons", matches_json(r), "rounds_skipped",
        skipped_json(r->cfg), "rounds", rounds, "filter", filters);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(all);
    if (st == TN_OK && !text) st = tn_fail_memory(4096, "metrics.json");
    if (st == TN_OK) st = tn_path(path, "%s/metrics.json", r->cfg->run_dir);
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}

/* --- ledger.csv
 * -------------------------------------------------------------------------------------------------------- */

/* No filter ran: what the out-of-fold predictions think of the labels; nothing was dropped. */
static tn_status ledger_of_predictions(const tn_reduction *r, const char *path) {
    const tn_index *ix = r->ix;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return tn_fail_memory((size_t)ix->n * 64, "ledger.csv");
    fputs("path,label,suggested,margin,verdict\n", f);
    for (int64_t i = 0; i < ix->n; i++) {
        if (ix->fold[i] < 0) continue;
        const float *p = r->round[r->chosen].p + i * ix->n_classes;
        float other = 0;
        for (int k = 0; k < ix->n_classes; k++)
            if (k != ix->label[i] && p[k] > other) other = p[k];
        tn_csv_put(f, "", ix->path[i]);
        tn_csv_put(f, ",", ix->class_name[ix->label[i]]);
        tn_csv_put(f, ",", ix->class_name[tn_argmax(ix->n_classes, p)]);
        fprintf(f, ",%.6f,keep\n", (double)(other - p[ix->label[i]]));
    }
    fclose(f);
    tn_status st = tn_file_publish(path, text, n);
    free(text);
    return st;
}

static tn_status write_ledger(const tn_reduction *r) {
    char path[TN_PATH_BYTES], from[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/ledger.csv", r->cfg->run_dir));
    for (int round = r->cfg->self.max_rounds; round > 0; round--) {
        TN_TRY(tn_filter_folder(r->cfg, round, from));
        TN_TRY(tn_path(from, "%s/ledger.csv", from));
        if (!tn_file_exists(from)) continue;
        TN_TRY(tn_file_read(from, &text, &n));
        tn_status st = tn_file_publish(path, text, n);
        free(text);
        return st;
    }
    return ledger_of_predictions(r, path);
}

tn_status tn_reduce_write(const tn_reduction *r, char digest_out[TN_HEX_BYTES]) {
    TN_TRY(write_ensemble(r, digest_out));
    TN_TRY(write_submission(r));
    TN_TRY(write_ledger(r));
    return write_metrics(r);
}
