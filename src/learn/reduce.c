/* reduce.c - members of every round, their scores, and the choice of the round. */
#include "learn/reduce_priv.h"

#include "base/done.h"
#include "base/progress.h"
#include "learn/combine.h"
#include "learn/pred.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 65536 };

/* Sums over members, per row of the data set. */
typedef struct {
    double *sum;    /* (N,K) */
    int32_t *count; /* (N) */
} sums;

static tn_status sums_new(const tn_index *ix, sums *s) {
    s->sum = calloc((size_t)(ix->n * ix->n_classes) + 1, sizeof *s->sum);
    s->count = calloc((size_t)ix->n + 1, sizeof *s->count);
    return s->sum && s->count ? TN_OK
                              : tn_fail_memory((size_t)(ix->n * ix->n_classes) * sizeof *s->sum, "the ensemble");
}

static void sums_free(sums *s) {
    free(s->sum);
    free(s->count);
}

static void sums_clear(const tn_index *ix, sums *s) {
    memset(s->sum, 0, (size_t)(ix->n * ix->n_classes) * sizeof *s->sum);
    memset(s->count, 0, (size_t)ix->n * sizeof *s->count);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

/* Predictions of a model that was trained again since, by a verb called by hand, are of no use. A train folder that was
 * thrown away to save space says nothing against them. */
static tn_status check_model(const tn_cfg *cfg, const tn_cell *cell, const char *path, const char *model_digest) {
    char folder[TN_PATH_BYTES], done[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    TN_TRY(tn_cell_folder(cfg, "train", cell, folder));
    TN_TRY(tn_path(done, "%s/DONE", folder));
    if (!tn_file_exists(done)) return TN_OK;
    TN_TRY(tn_done_digest(folder, "train", digest));
    return strcmp(digest, model_digest) == 0
               ? TN_OK
               : tn_fail(TN_EARG, "%s: its model was trained again since: run `tenfold predict` again", path);
}

static tn_status check_member(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, const char *path,
                              const tn_pred *pr) {
    const tn_pred_info *info = tn_pred_info_of(pr);
    TN_TRY(check_model(cfg, cell, path, info->model_digest));
    if (strcmp(info->index_digest, ix->digest) != 0 || info->K != ix->n_classes)
        return tn_fail(TN_EARG, "%s: was made with another data set or fold map: run `tenfold predict` again", path);
    if (info->n > 0 && tn_pred_rows(pr)[info->n - 1] >= ix->n)
        return tn_fail(TN_EFORMAT, "%s: names rows that there are not", path);
    return TN_OK;
}

/* Adds a member to its fold's sums, in blocks. */
static tn_status add_blocks(const tn_cfg *cfg, tn_pred *pr, float *block, sums *fold) {
    const tn_pred_info *info = tn_pred_info_of(pr);
    for (int64_t first = 0; first < info->n; first += BLOCK_ROWS) {
        int64_t n = info->n - first < BLOCK_ROWS ? info->n - first : BLOCK_ROWS;
        TN_TRY(tn_pred_read(pr, first, n, block));
        for (int64_t i = 0; i < n; i++) {
            int64_t row = tn_pred_rows(pr)[first + i];
            tn_combine_add(cfg->reduce.method, info->K, block + i * info->K, fold->sum + row * info->K);
            fold->count[row]++;
        }
    }
    return TN_OK;
}

static tn_status add_member(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, sums *fold) {
    char path[TN_PATH_BYTES];
    tn_pred *pr = NULL;
    TN_TRY(tn_cell_folder(cfg, "predict", cell, path));
    TN_TRY(tn_done_file(path, "predictions.h5", "predict", path));
    TN_TRY(tn_pred_open(path, &pr));
    float *block = malloc((size_t)BLOCK_ROWS * (size_t)ix->n_classes * sizeof *block);
    tn_status st =
        block ? check_member(cfg, ix, cell, path, pr) : tn_fail_memory((size_t)BLOCK_ROWS * 4, "the ensemble");
    if (st == TN_OK) st = add_blocks(cfg, pr, block, fold);
    free(block);
    tn_pred_close(&pr);
    return st;
}

/* Rounds end with the first that was skipped. */
static int last_round(const tn_cfg *cfg) {
    char folder[TN_PATH_BYTES];
    int round = 0;
    while (round < cfg->self.max_rounds && tn_filter_folder(cfg, round + 1, folder) == TN_OK &&
           !tn_done_skipped(folder))
        round++;
    return round;
}

/* Is its predictions file published? */
static tn_status is_there(const tn_cfg *cfg, const tn_cell *cell, bool *out) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_cell_folder(cfg, "predict", cell, path));
    TN_TRY(tn_path(path, "%s/DONE", path));
    *out = tn_file_exists(path);
    return TN_OK;
}

/* --- scores ------------------------------------------------------------------------------------------------------- */

typedef enum { ROWS_OF_FOLD, ROWS_OF_TEST } row_kind;

static bool is_row(const tn_index *ix, row_kind kind, int fold, int64_t i) {
    if (kind == ROWS_OF_FOLD) return ix->fold[i] == fold;
    return ix->fold[i] == TN_FOLD_NONE && ix->is_test[i] && ix->label[i] >= 0;
}

/* Confusion of p (N,K) with `label` over rows of a kind. */
static void count_rows(const tn_index *ix, row_kind kind, int fold, const int32_t *label, const float *p,
                       tn_confusion *c) {
    for (int64_t i = 0; i < ix->n; i++)
        if (is_row(ix, kind, fold, i) && label[i] >= 0) tn_confusion_add(c, label[i], tn_argmax(c->K, p + i * c->K));
}

static void finish_rows(const tn_cfg *cfg, const tn_index *ix, const sums *s, float *p) {
    int K = ix->n_classes;
    for (int64_t i = 0; i < ix->n; i++)
        if (s->count[i] > 0) tn_combine_end(cfg->reduce.method, s->count[i], K, s->sum + i * K, p + i * K);
}

static void score_fold(const tn_index *ix, int f, const float *p, tn_round_result *out) {
    tn_confusion own = {.K = ix->n_classes}, test = {.K = ix->n_classes};
    count_rows(ix, ROWS_OF_FOLD, f, ix->label, p, &own);
    count_rows(ix, ROWS_OF_TEST, f, ix->label, p, &test);
    out->fold[f].out_of_fold = tn_score_of(&own);
    out->fold[f].test = tn_score_of(&test);
}

static void score_round(const tn_cfg *cfg, const tn_index *ix, tn_round_result *out) {
    tn_confusion truth = {.K = ix->n_classes}, test = {.K = ix->n_classes};
    out->pooled_confusion.K = ix->n_classes;
    for (int f = 0; f < cfg->folds.count; f++) {
        if (out->fold[f].n_members == 0) continue;
        count_rows(ix, ROWS_OF_FOLD, f, ix->label, out->p, &out->pooled_confusion);
        count_rows(ix, ROWS_OF_FOLD, f, ix->truth, out->p, &truth);
    }
    count_rows(ix, ROWS_OF_TEST, 0, ix->label, out->p, &test);
    out->pooled = tn_score_of(&out->pooled_confusion);
    out->pooled_truth = tn_score_of(&truth);
    out->test = tn_score_of(&test);
}

/* --- a round ------------------------------------------------------------------------------------------------------ */

static void add_sums(const tn_index *ix, const sums *from, sums *to) {
    for (int64_t i = 0; i < ix->n; i++) to->count[i] += from->count[i];
    for (int64_t i = 0; i < ix->n * ix->n_classes; i++) to->sum[i] += from->sum[i];
}

static tn_status collect_fold(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, int f, FILE *missing,
                              sums *fold, tn_round_result *out) {
    sums_clear(ix, fold);
    for (int i = 0; i < tn_cell_count(cfg); i++) {
        if (cell[i].fold != f) continue;
        bool there = false;
        TN_TRY(is_there(cfg, &cell[i], &there));
        if (there) {
            TN_TRY(add_member(cfg, ix, &cell[i], fold));
            out->fold[f].n_members++;
            out->n_members++;
        } else {
            char name[TN_CELL_NAME_BYTES];
            tn_cell_name(&cell[i], name);
            fprintf(missing, "%s\n", name);
        }
    }
    return TN_OK;
}

static tn_status collect_folds(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, FILE *missing,
                               tn_round_result *out) {
    sums fold = {.sum = NULL}, all = {.sum = NULL};
    float *p = calloc((size_t)(ix->n * ix->n_classes) + 1, sizeof *p);
    tn_status st = p ? sums_new(ix, &fold) : tn_fail_memory((size_t)ix->n * 4, "the ensemble");
    if (st == TN_OK) st = sums_new(ix, &all);
    for (int f = 0; st == TN_OK && f < cfg->folds.count; f++) {
        st = collect_fold(cfg, ix, cell, f, missing, &fold, out);
        if (st != TN_OK || out->fold[f].n_members == 0) continue;
        finish_rows(cfg, ix, &fold, p);
        score_fold(ix, f, p, out);
        add_sums(ix, &fold, &all);
    }
    if (st == TN_OK) {
        finish_rows(cfg, ix, &all, out->p);
        score_round(cfg, ix, out);
    }
    sums_free(&fold);
    sums_free(&all);
    free(p);
    return st;
}

static tn_status collect_round(const tn_cfg *cfg, const tn_index *ix, int round, tn_round_result *out) {
    size_t n_bytes = 0;
    *out = (tn_round_result){.round = round, .n_planned = tn_cell_count(cfg)};
    out->p = calloc((size_t)(ix->n * ix->n_classes) + 1, sizeof *out->p);
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    FILE *missing = open_memstream(&out->missing, &n_bytes);
    tn_status st = out->p && cell && missing ? TN_OK : tn_fail_memory((size_t)ix->n * 4, "the ensemble");
    if (st == TN_OK) {
        tn_cell_list(cfg, round, cell);
        st = collect_folds(cfg, ix, cell, missing, out);
    }
    if (missing) fclose(missing);
    free(cell);
    return st;
}

/* Two rounds are compared on the folds that both have: with folds missing, their pooled scores are of other rows. */
static tn_status match_rounds(const tn_reduction *r, int older, int newer, tn_round_match *out) {
    const tn_index *ix = r->ix;
    const tn_round_result *a = &r->round[older], *b = &r->round[newer];
    int K = ix->n_classes;
    tn_match m;
    *out = (tn_round_match){.older = a->round, .newer = b->round};
    tn_status st = tn_match_new(K, (uint64_t)r->cfg->folds.seed, &m);
    for (int f = 0; st == TN_OK && f < r->cfg->folds.count; f++) {
        if (a->fold[f].n_members == 0 || b->fold[f].n_members == 0) continue;
        out->n_folds++;
        for (int64_t i = 0; i < ix->n; i++)
            if (is_row(ix, ROWS_OF_FOLD, f, i))
                tn_match_add(&m, ix->component[i], ix->label[i], tn_argmax(K, a->p + i * K),
                             tn_argmax(K, b->p + i * K));
    }
    if (st == TN_OK) out->result = tn_match_end(&m);
    tn_match_free(&m);
    return st;
}

static void explain_choice(tn_reduction *r) {
    if (r->n_matches == 0) {
        snprintf(r->reason, sizeof r->reason, "the only round with predictions");
        return;
    }
    const tn_round_match *m = &r->match[r->n_matches - 1];
    const tn_match_result *d = &m->result;
    snprintf(r->reason, sizeof r->reason,
             "round %d is %s than round %d over the out-of-fold rows of their %d common folds: %s %.4f against %.4f, "
             "difference %+.4f (95 %% interval %+.4f to %+.4f by resampled groups)",
             m->newer, d->worse ? "worse" : "not worse", m->older, m->n_folds, d->metric, d->newer, d->older,
             d->newer - d->older, d->low, d->high);
}

/* The newer one is kept unless it is worse (rounds.h). */
static tn_status choose_round(tn_reduction *r) {
    r->chosen = 0;
    for (int i = 1; i < r->n_rounds; i++) {
        tn_round_match *m = &r->match[r->n_matches++];
        TN_TRY(match_rounds(r, r->chosen, i, m));
        if (!m->result.worse) r->chosen = i;
    }
    explain_choice(r);
    return TN_OK;
}

/* Rounds that were planned but have no member at all are not part of the reduction when the user allows it. */
static tn_status collect(tn_reduction *r) {
    const tn_cfg *cfg = r->cfg;
    for (int round = 0; round <= last_round(cfg); round++) {
        tn_round_result *x = &r->round[r->n_rounds];
        r->n_rounds++; /* so that it is freed */
        TN_TRY(collect_round(cfg, r->ix, round, x));
        if (x->n_members == x->n_planned) continue;
        tn_warn("round %d: %d of %d predictions are there", round, x->n_members, x->n_planned);
        if (x->n_members > 0) continue;
        free(x->p);
        free(x->missing);
        r->n_rounds--;
    }
    return r->n_rounds > 0
               ? TN_OK
               : tn_fail(TN_EUNFINISHED, "there are no predictions in %s: run `tenfold predict`", cfg->run_dir);
}

/* --- identity and the verb
 * --------------------------------------------------------------------------------------------- */

static void put_digest(FILE *f, const char *folder, const char *name) {
    char digest[TN_HEX_BYTES], done[TN_PATH_BYTES];
    if (tn_path(done, "%s/DONE", folder) == TN_OK && tn_file_exists(done) &&
        tn_done_digest(folder, "", digest) == TN_OK)
        fprintf(f, "%s %s\n", name, digest);
}

/* What is there now: cells and filters of all planned rounds. Caller frees. */
static char *inputs_of(const tn_cfg *cfg, const tn_index *ix) {
    char *text = NULL, folder[TN_PATH_BYTES];
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    for (int round = 0; f && cell && round <= cfg->self.max_rounds; round++) {
        tn_cell_list(cfg, round, cell);
        for (int i = 0; i < tn_cell_count(cfg); i++) {
            char name[TN_CELL_NAME_BYTES];
            tn_cell_name(&cell[i], name);
            if (tn_cell_folder(cfg, "predict", &cell[i], folder) == TN_OK) put_digest(f, folder, name);
        }
        char name[32];
        snprintf(name, sizeof name, "filter-r%d", round);
        if (round > 0 && tn_filter_folder(cfg, round, folder) == TN_OK) put_digest(f, folder, name);
    }
    char truth[TN_HEX_BYTES];
    tn_truth_digest(ix, truth);
    if (f) fprintf(f, "index %s\ntruth %s\n", ix->digest, truth);
    if (f) fclose(f);
    free(cell);
    return text;
}

/* Every planned cell of a round; asked before DONE, which may be that of an incomplete reduction that was allowed. */
static tn_status check_round(const tn_cfg *cfg, int round, tn_cell *cell) {
    char *missing = NULL;
    size_t n_bytes = 0;
    int n = 0, n_there = 0;
    FILE *f = open_memstream(&missing, &n_bytes);
    if (!f) return tn_fail_memory(4096, "the ensemble");
    tn_cell_list(cfg, round, cell);
    tn_status st = TN_OK;
    for (; st == TN_OK && n < tn_cell_count(cfg); n++) {
        bool there = false;
        char name[TN_CELL_NAME_BYTES];
        st = is_there(cfg, &cell[n], &there);
        n_there += there;
        tn_cell_name(&cell[n], name);
        if (!there) fprintf(f, "%s\n", name);
    }
    fclose(f);
    if (st == TN_OK && n_there < n)
        st = tn_fail(TN_EUNFINISHED,
                     "round %d: %d of %d predictions are there; missing:\n%sfinish them (tenfold resume, tenfold "
                     "predict) or give --allow-missing",
                     round, n_there, n, missing);
    free(missing);
    return st;
}

static tn_status check_complete(const tn_cfg *cfg) {
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    tn_status st = cell ? TN_OK : tn_fail_memory((size_t)tn_cell_count(cfg) * sizeof *cell, "the cells");
    for (int round = 0; st == TN_OK && round <= last_round(cfg); round++) st = check_round(cfg, round, cell);
    free(cell);
    return st;
}

/* They lie outside the folder that DONE stands for: what was deleted is made again. */
static bool has_outputs(const tn_cfg *cfg) {
    static const char *const NAME[] = {"ensemble.h5", "submission.csv", "ledger.csv", "metrics.json"};
    char path[TN_PATH_BYTES];
    bool all = true;
    for (size_t i = 0; i < sizeof NAME / sizeof *NAME; i++)
        all = all && tn_path(path, "%s/%s", cfg->run_dir, NAME[i]) == TN_OK && tn_file_exists(path);
    if (!all) tn_say("reduce: %s is missing: made again", path);
    return all;
}

static tn_status reduce_anew(const tn_cfg *cfg, const tn_index *ix, const char *folder, const tn_done *done) {
    char digest[TN_HEX_BYTES];
    tn_reduction r = {.cfg = cfg, .ix = ix};
    r.round = calloc((size_t)cfg->self.max_rounds + 1, sizeof *r.round);
    tn_status st = r.round ? collect(&r) : tn_fail_memory(sizeof *r.round, "the rounds");
    if (st == TN_OK) st = choose_round(&r);
    if (st == TN_OK) st = tn_reduce_write(&r, digest);
    for (int i = 0; i < r.n_rounds; i++) {
        free(r.round[i].p);
        free(r.round[i].missing);
    }
    free(r.round);
    if (st == TN_OK) st = tn_done_publish(folder, done, digest, NULL);
    if (st == TN_OK)
        tn_say("reduce: %s/submission.csv, metrics.json, ledger.csv, ensemble.h5 (digest %s)", cfg->run_dir, digest);
    return st;
}

static tn_status reduce_here(const tn_cfg *cfg, const tn_index *ix, bool allow_missing) {
    char folder[TN_PATH_BYTES];
    TN_TRY(tn_path(folder, "%s/reduce", cfg->run_dir));
    if (!allow_missing) TN_TRY(check_complete(cfg));
    char *settings = tn_cfg_canonical(cfg, TN_STAGE_REDUCE), *inputs = inputs_of(cfg, ix);
    tn_status st = settings && inputs ? TN_OK : tn_fail_memory(4096, "the settings");
    if (st == TN_OK) {
        tn_done want = {.stage = "reduce", .settings = settings, .inputs = inputs};
        bool valid = false;
        st = tn_done_begin(folder, "reduce", &want, &valid);
        if (st == TN_OK && !(valid && has_outputs(cfg))) st = reduce_anew(cfg, ix, folder, &want);
    }
    free(settings);
    free(inputs);
    return st;
}

tn_status tn_reduce(tn_run *run, const tn_cfg *cfg, const tn_index *index, bool allow_missing) {
    return tn_agree(run, run->rank == 0 ? reduce_here(cfg, index, allow_missing) : TN_OK);
}
