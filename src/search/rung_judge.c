/* rung_judge.c - the final comparison: the best trial and the job file as it stands, on out-of-fold rows that ranked no trial. A model of
 * search.folds draws its validation slice from all other folds, those of this comparison among them; these rows are left out here. */
#include "search/rung_priv.h"

#include "base/progress.h"
#include "data/fold.h"
#include "score/match.h"
#include "score/metric.h"
#include "score/probability.h"
#include "store/done.h"
#include "store/h5.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16384 }; /* rows in memory at a time */

/* The posteriors of a trial's models of one fold. The trial's prediction is their mean. */
typedef struct {
    int n;
    tn_h5 *file[TN_MAX_TRIAL_CELLS];
    char (*path)[TN_PATH_BYTES];
    float *p;    /* BLOCK rows (score/prow.h) of one model at a time */
    double *sum; /* BLOCK sums of rows */
} members;

static void close_members(members *m) {
    for (int i = 0; i < m->n; i++) tn_h5_close(&m->file[i]);
    free(m->p);
    free(m->sum);
    free(m->path);
    *m = (members){.n = 0};
}

static tn_status open_members(const tn_cfg *trial_cfg, int fold, int K, members *out) {
    tn_cell cell[TN_MAX_TRIAL_CELLS];
    char folder[TN_PATH_BYTES];
    int n = tn_trial_cells(trial_cfg, fold, cell);
    size_t sum_bytes = sizeof *out->sum * BLOCK * (size_t)tn_psum_width(K);
    out->p = malloc(sizeof *out->p * BLOCK * (size_t)tn_prow_width(K));
    out->sum = malloc(sum_bytes);
    out->path = malloc(sizeof *out->path * (size_t)n);
    if (!out->p || !out->sum || !out->path) return tn_fail_memory(sum_bytes, "predictions");
    for (; out->n < n; out->n++) {
        TN_TRY(tn_cell_folder(trial_cfg, "train", &cell[out->n], folder));
        TN_TRY(tn_done_file(folder, "posteriors.h5", "train", out->path[out->n]));
        TN_TRY(tn_h5_open(out->path[out->n], &out->file[out->n]));
    }
    return TN_OK;
}

/* Was the row not evaluated? It is neither in the model's own fold nor in the validation slice. */
static bool is_empty(int K, const float *p) {
    for (int i = 0; i < tn_prow_width(K); i++)
        if (p[i] != 0) return false;
    return true;
}

static tn_status read_block(members *m, const tn_index *ix, int fold, int64_t first, int64_t n) {
    int K = ix->n_classes, W = tn_prow_width(K);
    memset(m->sum, 0, sizeof *m->sum * (size_t)(n * tn_psum_width(K)));
    for (int i = 0; i < m->n; i++) {
        TN_TRY(tn_h5_read_rows(m->file[i], "p", TN_H5_F32, first, n, m->p));
        for (int64_t r = 0; r < n; r++)
            if (ix->fold[first + r] == fold || !is_empty(K, m->p + r * W))
                TN_TRY(tn_probability_check(m->path[i], ix, first + r, m->p + r * W,
                                            "delete its folder and run `tenfold run` again"));
        tn_psum_add(K, false, 1, n, m->p, m->sum);
    }
    return TN_OK;
}

static int predicted(const members *m, int64_t i, int K) {
    float mean[TN_PROW_MOST];
    tn_psum_end(K, false, m->n, 1, m->sum + i * tn_psum_width(K), mean);
    return tn_prow_argmax(K, mean);
}

/* ranked (N): 1 where a row was in the validation slice of a model that ranked trials. The caller frees it. */
static tn_status find_ranked(const tn_cfg *cfg, const tn_index *ix, uint8_t **ranked_out) {
    size_t n = (size_t)ix->n + 1;
    uint8_t *ranked = calloc(n, 1), *slice = calloc(n, 1);
    tn_status st = ranked && slice ? TN_OK : tn_fail_memory(2 * n, "the validation slices");
    for (int f = 0; st == TN_OK && f < cfg->search.n_folds; f++) {
        st = tn_validation_draw(cfg, ix, cfg->search.folds[f], slice);
        for (int64_t i = 0; st == TN_OK && i < ix->n; i++) ranked[i] |= slice[i];
    }
    free(slice);
    *ranked_out = ranked;
    return st;
}

static tn_status compare_fold(tn_cfg *const *t, const tn_index *ix, int fold, const uint8_t *ranked, members *m,
                              tn_match *match) {
    int K = ix->n_classes;
    for (int p = 0; p < 2; p++) TN_TRY(open_members(t[p], fold, K, &m[p]));
    for (int64_t first = 0; first < ix->n; first += BLOCK) {
        int64_t n = ix->n - first < BLOCK ? ix->n - first : BLOCK;
        for (int p = 0; p < 2; p++) TN_TRY(read_block(&m[p], ix, fold, first, n));
        for (int64_t i = 0; i < n; i++)
            if (ix->fold[first + i] == fold && !ranked[first + i])
                TN_TRY(tn_match_add(match, ix->component[first + i], ix->label[first + i], predicted(&m[0], i, K),
                                    predicted(&m[1], i, K)));
    }
    return TN_OK;
}

static tn_status compare(const tn_cfg *cfg, const tn_index *ix, const tn_ranked two[2], tn_match *match) {
    tn_cfg *t[2] = {NULL, NULL};
    int fold[TN_MAX_FOLDS], n = tn_rung_folds(cfg, cfg->search.n_rungs, fold);
    uint8_t *ranked = NULL;
    tn_status st = find_ranked(cfg, ix, &ranked);
    for (int p = 0; p < 2 && st == TN_OK; p++) st = tn_search_cfg(cfg, two[p].trial, cfg->train.images, &t[p]);
    for (int f = 0; f < n && st == TN_OK; f++) {
        members m[2] = {{.n = 0}, {.n = 0}};
        st = compare_fold(t, ix, fold[f], ranked, m, match);
        for (int p = 0; p < 2; p++) close_members(&m[p]);
    }
    for (int p = 0; p < 2; p++) tn_cfg_free(&t[p]);
    free(ranked);
    return st;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static json_t *score_json(const tn_ranked *r, const tn_counts *c) {
    tn_score s = tn_score_of(c);
    return json_pack("{s:i,s:b,s:s,s:f,s:f,s:f}", "trial", r->trial, "diverged", r->diverged, "why", r->why,
                     "geometric_mean", s.gmean, "macro_f1", s.macro, "accuracy", s.accuracy);
}

static json_t *judge_json(const tn_cfg *cfg, const tn_ranked two[2], const tn_match *match, const tn_match_result *r) {
    int fold[TN_MAX_FOLDS], n = tn_rung_folds(cfg, cfg->search.n_rungs, fold);
    json_t *folds = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(folds, json_integer(fold[i]));
    return json_pack("{s:s,s:o,s:I,s:I,s:o,s:o,s:s,s:f,s:f,s:f,s:f}", "format", "tenfold judge 1", "folds", folds,
                     "images", (json_int_t)cfg->train.images, "rows", (json_int_t)r->rows, "start",
                     score_json(&two[0], &match->older_rows), "best", score_json(&two[1], &match->newer_rows), "metric",
                     r->metric, "difference", r->newer - r->older, "low", r->low, "high", r->high, "share_worse",
                     r->share_worse);
}

static tn_status publish_judgement(json_t *j, const char *folder, char digest_out[TN_HEX_BYTES]) {
    char path[TN_PATH_BYTES];
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(TN_SCORE_DIGITS)) : NULL;
    tn_status st = text ? tn_path(path, "%s/judge.json", folder) : tn_fail_memory(4096, "judge.json");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    if (st == TN_OK) tn_hash_once(text, strlen(text), digest_out);
    free(text);
    return st;
}

/* If one of the two has diverged, nothing is compared: the scores stay 0 and no row is counted. */
tn_status tn_rung_judge(const tn_cfg *cfg, const tn_index *index, const tn_ranked two[2], const char *folder,
                        char digest_out[TN_HEX_BYTES]) {
    tn_match match = {.seed = 0};
    tn_status st = tn_match_new(index->n_classes, (uint64_t)cfg->search.seed, &match);
    if (st == TN_OK && !two[0].diverged && !two[1].diverged) st = compare(cfg, index, two, &match);
    if (st == TN_OK) {
        tn_match_result r = tn_match_end(&match);
        json_t *j = judge_json(cfg, two, &match, &r);
        st = publish_judgement(j, folder, digest_out);
        json_decref(j);
        tn_say("final comparison: %s of trial %d minus that of the job file: %+.4f, 95 %% interval %+.4f to %+.4f, "
               "%lld rows",
               r.metric, two[1].trial, r.newer - r.older, r.low, r.high, (long long)r.rows);
    }
    tn_match_free(&match);
    return st;
}
