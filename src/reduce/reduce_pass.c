/* reduce_pass.c - one pass over all rows: combines members, counts scores, samples rows, passes results on to be written. */
#include "reduce/reduce_priv.h"

#include "base/progress.h"
#include "score/combine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Most memory per rank for a block's probabilities. */
static const int64_t BLOCK_BYTES = 64 << 20;
enum { MOST_BLOCK_ROWS = 32768, LEAST_BLOCK_ROWS = 256 };

typedef struct {
    tn_reduction *r;
    int n_blends;
    tn_blend *const *blend;
    tn_sample *sample;
    tn_rows rows;
    int64_t block_rows;
    int64_t at[TN_MAX_FOLDS + 1]; /* rows of each fold, and of no fold, before this block: positions in the files */
    int64_t *mine, *read;         /* (block_rows): indices in the block of the rows of a file; rows as read */
    float **p;                    /* (n_groups): block_rows rows (score/prow.h), from the files of one fold */
    double *sum;                  /* block_rows sums over member groups */
    float **one;                  /* (n_blends): block_rows rows: the blend's prediction */
    double **all;                 /* (n_blends): block_rows sums over folds, only for rows with fold -1 */
    int *n_all;                   /* (n_blends): number of members in these sums */
    float *p_out;                 /* block_rows rows of the last blend */
    int32_t *decided;             /* (block_rows): their classes; -1: no prediction */
    int n_draws;                  /* largest number of resamples of a blend; all blends use the same first ones */
    uint8_t *w;                   /* (n_draws): how often each resample takes the row */
} pass;

/* --- memory ------------------------------------------------------------------------------------------------------- */

static int64_t block_rows_of(const tn_reduction *r, int n_blends) {
    size_t W = (size_t)tn_prow_width(r->table->n_classes), sum_width = (size_t)tn_psum_width(r->table->n_classes);
    size_t row_bytes = (size_t)(r->members.n_groups + 1 + n_blends) * W * sizeof(float) + /* p, p_out, one */
                       (size_t)(1 + n_blends) * sum_width * sizeof(double);               /* sum, all */
    int64_t n = BLOCK_BYTES / (int64_t)row_bytes;
    return n > MOST_BLOCK_ROWS ? MOST_BLOCK_ROWS : n < LEAST_BLOCK_ROWS ? LEAST_BLOCK_ROWS : n;
}

static tn_status allocate(pass *x) {
    size_t n = (size_t)x->block_rows, floats = n * (size_t)tn_prow_width(x->r->table->n_classes),
           doubles = n * (size_t)tn_psum_width(x->r->table->n_classes);
    int n_groups = x->r->members.n_groups;
    x->mine = malloc(n * sizeof *x->mine);
    x->read = malloc(n * sizeof *x->read);
    x->p = calloc((size_t)n_groups, sizeof *x->p);
    x->sum = malloc(doubles * sizeof *x->sum);
    x->one = calloc((size_t)x->n_blends, sizeof *x->one);
    x->all = calloc((size_t)x->n_blends, sizeof *x->all);
    x->n_all = calloc((size_t)x->n_blends, sizeof *x->n_all);
    x->p_out = malloc(floats * sizeof *x->p_out);
    x->decided = malloc(n * sizeof *x->decided);
    for (int b = 0; b < x->n_blends; b++) {
        int most = x->blend[b]->match.n > x->blend[b]->own_spread.n ? x->blend[b]->match.n : x->blend[b]->own_spread.n;
        x->n_draws = most > x->n_draws ? most : x->n_draws;
    }
    x->w = malloc((size_t)x->n_draws + 1);
    bool ok = x->mine && x->read && x->p && x->sum && x->one && x->all && x->n_all && x->p_out && x->decided && x->w;
    for (int c = 0; ok && c < n_groups; c++) ok = (x->p[c] = malloc(floats * sizeof **x->p)) != NULL;
    for (int b = 0; ok && b < x->n_blends; b++) {
        x->one[b] = malloc(floats * sizeof **x->one);
        x->all[b] = malloc(doubles * sizeof **x->all);
        ok = x->one[b] && x->all[b];
    }
    return ok ? tn_rows_new(x->r->table, x->block_rows, &x->rows)
              : tn_fail_memory((size_t)n_groups * floats * sizeof(float), "a block of predictions");
}

static void release(pass *x) {
    for (int c = 0; x->p && c < x->r->members.n_groups; c++) free(x->p[c]);
    for (int b = 0; x->one && x->all && b < x->n_blends; b++) {
        free(x->one[b]);
        free(x->all[b]);
    }
    void *all[] = {x->mine, x->read, x->p, x->sum, x->one, x->all, x->n_all, x->p_out, x->decided, x->w};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    tn_rows_free(&x->rows);
}

/* --- the rows of a fold's files ----------------------------------------------------------------------------------- */

static int64_t find_rows(pass *x, int f) {
    int64_t n = 0;
    for (int64_t i = 0; i < x->rows.n; i++)
        if (x->rows.fold[i] == f || x->rows.fold[i] == TN_FOLD_NONE) x->mine[n++] = i;
    return n;
}

/* A file must have exactly the rows of the fold map. n: rows expected; n_read: rows that were read. */
static tn_status check_rows(const pass *x, const tn_pred *pr, int64_t n, int64_t n_read) {
    char name[TN_CELL_NAME_BYTES];
    int64_t i = 0;
    while (i < n_read && x->read[i] == x->rows.first + x->mine[i]) i++;
    if (i == n) return TN_OK;
    tn_cell_name(&tn_pred_info_of(pr)->cell, name);
    return tn_fail(TN_EFORMAT,
                   "predict/%s: row %" PRId64 " of the data set is missing: delete the folder and run `tenfold "
                   "predict` again",
                   name, x->rows.first + x->mine[i]);
}

static tn_status read_fold(pass *x, int f, int64_t n) {
    int64_t at = x->at[f] + x->at[TN_MAX_FOLDS];
    for (int c = 0; c < x->r->members.n_groups; c++) {
        tn_pred *pr = x->r->members.group[c].pred[f];
        if (!pr || n == 0) continue;
        int64_t left = tn_pred_info_of(pr)->n - at, n_read = left < 0 ? 0 : left < n ? left : n;
        TN_TRY(tn_pred_read(pr, at, n_read, x->read, x->p[c]));
        TN_TRY(check_rows(x, pr, n, n_read));
    }
    return TN_OK;
}

/* --- a row -------------------------------------------------------------------------------------------------------- */

static int32_t category_of(const pass *x, int64_t i) {
    int level = x->r->counts.prior.level;
    return level ? x->rows.cat[i * x->r->table->n_levels + level - 1] : 0;
}

static bool is_judged_test(const pass *x, int64_t i) {
    return x->rows.is_test[i] && x->rows.label[i] >= 0;
}

static int decide(const pass *x, const tn_recipe *recipe, int fold, int64_t i, float *p) {
    return tn_recipe_decide(recipe, &x->r->counts, x->r->cfg->folds.count, fold, category_of(x, i),
                            x->r->table->n_classes, p);
}

/* Give the row of the last blend on, with its recipe's temperature. */
static void keep(pass *x, int b, int64_t i, int predicted, const float *p) {
    int W = tn_prow_width(x->r->table->n_classes);
    if (b != x->n_blends - 1) return;
    memcpy(x->p_out + i * W, p, (size_t)W * sizeof *p);
    x->decided[i] = predicted;
}

/* Change the temperature of p. label: that of a row which is scored, or -1. */
static void calibrate(const pass *x, const tn_recipe *recipe, int label, float *p, tn_calibration c[2]) {
    int K = x->r->table->n_classes;
    if (label >= 0) tn_calibration_add(&c[0], K, p, label);
    tn_recipe_temper(recipe, K, p);
    if (label >= 0) tn_calibration_add(&c[1], K, p, label);
}

static tn_status judge_own(pass *x, int b, int f, int64_t i, float *p) {
    tn_blend *blend = x->blend[b];
    const tn_recipe *recipe = blend->by_fold[f];
    int label = x->rows.label[i], predicted = decide(x, recipe, f, i, p);
    calibrate(x, recipe, label, p, blend->own_calibration);
    tn_counts_add(&blend->own[f], label, predicted);
    tn_counts_add(&blend->pooled, label, predicted);
    TN_TRY(tn_confusion_add(&blend->own_pairs, label, predicted));
    TN_TRY(tn_bootstrap_add(&blend->own_spread, x->rows.component[i], x->w, label, predicted));
    if (blend->match.n > 0 && x->r->rounds.in_common[f])
        TN_TRY(tn_bootstrap_add(&blend->match, x->rows.component[i], x->w, label, predicted));
    if (x->rows.truth[i] >= 0) tn_counts_add(&blend->pooled_truth, x->rows.truth[i], predicted);
    keep(x, b, i, predicted, p);
    return TN_OK;
}

/* Score a row with fold -1 by the members of one fold. */
static void judge_part(pass *x, int b, int f, int64_t i, float *p) {
    if (is_judged_test(x, i))
        tn_counts_add(&x->blend[b]->test[f], x->rows.label[i], decide(x, x->blend[b]->whole, -1, i, p));
}

/* Score a row with fold -1 by the members of all folds. */
static tn_status judge_whole(pass *x, int b, int64_t i, float *p) {
    tn_blend *blend = x->blend[b];
    int predicted = decide(x, blend->whole, -1, i, p);
    calibrate(x, blend->whole, is_judged_test(x, i) ? x->rows.label[i] : -1, p, blend->test_calibration);
    keep(x, b, i, predicted, p);
    if (!is_judged_test(x, i)) return TN_OK;
    tn_counts_add(&blend->whole_test, x->rows.label[i], predicted);
    if (!tn_is_beside(&x->r->counts.beside, x->rows.component[i]))
        tn_counts_add(&blend->apart, x->rows.label[i], predicted);
    TN_TRY(tn_confusion_add(&blend->test_pairs, x->rows.label[i], predicted));
    return tn_bootstrap_add(&blend->test_spread, x->rows.component[i], x->w, x->rows.label[i], predicted);
}

/* Add out-of-fold row j of fold f to the sample, if it is drawn. */
static tn_status sample_row(pass *x, int f, int64_t i, int64_t j) {
    int64_t row = x->rows.first + i;
    int32_t label = x->rows.label[i];
    if (!tn_sample_wants(x->sample, (uint64_t)x->r->cfg->folds.seed, row, label)) return TN_OK;
    float *to;
    TN_TRY(tn_sample_add(x->sample, row, label, f, category_of(x, i), &to));
    for (int c = 0, W = tn_prow_width(x->sample->K); c < x->r->members.n_groups; c++)
        if (x->r->members.group[c].pred[f]) memcpy(to + c * W, x->p[c] + j * W, (size_t)W * sizeof *to);
    return TN_OK;
}

/* --- a stretch ---------------------------------------------------------------------------------------------------- */

/* A stretch: consecutive rows of a fold's files that are either all of this fold or all of no fold. */
typedef struct {
    bool own;
    int64_t first, n; /* in the block's part of the files */
    int64_t at;       /* index of its first row among the block's rows with fold -1 */
} stretch;

static bool is_own(const pass *x, int f, int64_t j) {
    return x->rows.fold[x->mine[j]] == f;
}

/* The stretch after s; n: rows of the block in the files. {.n = 0} gives the first. */
static stretch next_stretch(const pass *x, int f, int64_t n, stretch s) {
    stretch next = {.first = s.first + s.n, .at = s.at + (s.own ? 0 : s.n)};
    if (next.first == n) return next;
    next.own = is_own(x, f, next.first);
    while (next.first + next.n < n && is_own(x, f, next.first + next.n) == next.own) next.n++;
    return next;
}

/* How many members a recipe has in a fold. */
static int count_members(const pass *x, const tn_recipe *recipe, int f) {
    int n = 0;
    for (int c = 0; recipe && c < x->r->members.n_groups; c++)
        if (x->r->members.group[c].pred[f]) n += recipe->times[c];
    return n;
}

static bool has_judged(const pass *x, stretch s) {
    int64_t j = s.first;
    while (j < s.first + s.n && !is_judged_test(x, x->mine[j])) j++;
    return s.own || j < s.first + s.n;
}

/* Combine the members of fold f into x->one[b], and add them to the sums over all folds. False: there are no members. */
static bool combine(pass *x, int b, int f, stretch s) {
    const tn_recipe *recipe = s.own ? x->blend[b]->by_fold[f] : x->blend[b]->whole;
    int n = count_members(x, recipe, f), K = x->r->table->n_classes;
    if (n == 0) return false;
    int64_t first = s.first * tn_prow_width(K), sum_width = tn_psum_width(K);
    memset(x->sum, 0, (size_t)(s.n * sum_width) * sizeof *x->sum);
    for (int c = 0; c < x->r->members.n_groups; c++)
        if (recipe->times[c] > 0 && x->r->members.group[c].pred[f])
            tn_combine_add(recipe->kind, recipe->times[c], s.n, K, x->p[c] + first, x->sum);
    if (!s.own) tn_psum_merge(K, s.n, x->sum, x->all[b] + s.at * sum_width);
    if (has_judged(x, s)) tn_combine_end(recipe->kind, n, s.n, K, x->sum, x->one[b] + first);
    return true;
}

/* Draw how often each resample takes the row; the same for all blends. With many classes the rows are listed without weights. */
static void draw(pass *x, int64_t i) {
    if (tn_bootstrap_takes_weights(x->r->table->n_classes, x->n_draws))
        tn_bootstrap_weights((uint64_t)x->r->cfg->folds.seed, x->rows.component[i], x->n_draws, x->w);
}

static tn_status judge_stretch(pass *x, int f, stretch s) {
    bool says[TN_MAX_ROUNDS + 1] = {false};
    int W = tn_prow_width(x->r->table->n_classes);
    for (int b = 0; b < x->n_blends; b++) says[b] = combine(x, b, f, s);
    for (int64_t j = s.first; j < s.first + s.n; j++) {
        int64_t i = x->mine[j];
        if (s.own) draw(x, i);
        for (int b = 0; b < x->n_blends; b++)
            if (says[b] && s.own)
                TN_TRY(judge_own(x, b, f, i, x->one[b] + j * W));
            else if (says[b])
                judge_part(x, b, f, i, x->one[b] + j * W);
        if (s.own && x->sample) TN_TRY(sample_row(x, f, i, j));
    }
    return TN_OK;
}

/* --- a block ------------------------------------------------------------------------------------------------------ */

static tn_status judge_fold(pass *x, int f) {
    int64_t n = find_rows(x, f);
    TN_TRY(read_fold(x, f, n));
    for (stretch s = next_stretch(x, f, n, (stretch){.n = 0}); s.n > 0; s = next_stretch(x, f, n, s))
        TN_TRY(judge_stretch(x, f, s));
    return TN_OK;
}

static tn_status judge_all(pass *x) {
    int K = x->r->table->n_classes, W = tn_prow_width(K);
    int64_t n = 0;
    for (int64_t i = 0; i < x->rows.n; i++)
        if (x->rows.fold[i] == TN_FOLD_NONE) x->mine[n++] = i;
    for (int b = 0; b < x->n_blends; b++)
        if (x->n_all[b] > 0) tn_combine_end(x->blend[b]->whole->kind, x->n_all[b], n, K, x->all[b], x->one[b]);
    for (int64_t j = 0; j < n; j++) {
        if (is_judged_test(x, x->mine[j])) draw(x, x->mine[j]);
        for (int b = 0; b < x->n_blends; b++)
            if (x->n_all[b] > 0) TN_TRY(judge_whole(x, b, x->mine[j], x->one[b] + j * W));
    }
    return TN_OK;
}

static tn_status judge_block(pass *x) {
    size_t n = (size_t)x->rows.n, sum_width = (size_t)tn_psum_width(x->r->table->n_classes);
    for (int b = 0; b < x->n_blends; b++) memset(x->all[b], 0, n * sum_width * sizeof **x->all);
    for (size_t i = 0; i < n; i++) x->decided[i] = -1;
    for (int f = 0; f < x->r->cfg->folds.count; f++) TN_TRY(judge_fold(x, f));
    return judge_all(x);
}

static tn_status read_table(pass *x, int64_t block, bool paths) {
    int64_t N = x->r->table->n, first = block * x->block_rows, n = N - first;
    if (first > N) first = N;
    n = n < 0 ? 0 : n < x->block_rows ? n : x->block_rows;
    unsigned columns = TN_COLUMN_LABEL | TN_COLUMN_TRUTH | (paths ? TN_COLUMN_PATH : 0U) |
                       (x->n_draws > 0 || x->r->counts.beside.trained ? TN_COLUMN_COMPONENT : 0U) |
                       (x->r->counts.prior.level ? TN_COLUMN_CAT : 0U);
    TN_TRY(tn_table_read(x->r->table, columns, first, n, &x->rows));
    for (int64_t i = 0; x->r->given && i < n; i++) /* of a run's own data set: rows that a student has learned from */
        if (x->rows.fold[i] >= 0) x->rows.fold[i] = TN_FOLD_QUARANTINED;
    return TN_OK;
}

/* Set x->at for this rank's block. before_wave: rows before this wave; on return, before the next. Collective. */
static void find_places(tn_run *run, pass *x, int64_t before_wave[TN_MAX_FOLDS + 1]) {
    int64_t here[TN_MAX_FOLDS + 1] = {0}, before[TN_MAX_FOLDS + 1] = {0}, all[TN_MAX_FOLDS + 1];
    for (int64_t i = 0; i < x->rows.n; i++) {
        int f = x->rows.fold[i];
        if (f >= 0 && f < x->r->cfg->folds.count) here[f]++;
        if (f == TN_FOLD_NONE) here[TN_MAX_FOLDS]++;
    }
    MPI_Exscan(here, before, TN_MAX_FOLDS + 1, MPI_INT64_T, MPI_SUM, run->comm);
    if (run->rank == 0) memset(before, 0, sizeof before);
    MPI_Allreduce(here, all, TN_MAX_FOLDS + 1, MPI_INT64_T, MPI_SUM, run->comm);
    for (int f = 0; f <= TN_MAX_FOLDS; f++) {
        x->at[f] = before_wave[f] + before[f];
        before_wave[f] += all[f];
    }
}

/* --- over ranks --------------------------------------------------------------------------------------------------- */

/* Check that no file has more rows than the table. */
static tn_status check_ends(const tn_reduction *r, const int64_t total[TN_MAX_FOLDS + 1]) {
    for (int c = 0; c < r->members.n_groups; c++)
        for (int f = 0; f < r->cfg->folds.count; f++) {
            const tn_pred *pr = r->members.group[c].pred[f];
            int64_t n = total[f] + total[TN_MAX_FOLDS];
            if (!pr || tn_pred_info_of(pr)->n == n) continue;
            char name[TN_CELL_NAME_BYTES];
            tn_cell_name(&tn_pred_info_of(pr)->cell, name);
            return tn_fail(TN_EFORMAT, "predict/%s: has %" PRId64 " rows, not %" PRId64 ": run `tenfold predict` again",
                           name, tn_pred_info_of(pr)->n, n);
        }
    return TN_OK;
}

static tn_status waves(tn_run *run, pass *x, tn_outputs *written) {
    int64_t N = x->r->table->n, n_blocks = (N + x->block_rows - 1) / x->block_rows;
    int64_t before_wave[TN_MAX_FOLDS + 1] = {0};
    tn_progress bar;
    if (run->rank == 0) tn_progress_begin(&bar, "reduce", N, "rows");
    tn_status st = TN_OK;
    for (int64_t wave = 0; st == TN_OK && wave * run->n_ranks < n_blocks; wave++) {
        st = tn_stop_wanted() ? tn_fail(TN_EUNFINISHED, "reduce: stopped on request: run the same command again")
                              : read_table(x, wave * run->n_ranks + run->rank, written != NULL);
        st = tn_agree(run, st);
        if (st != TN_OK) break;
        find_places(run, x, before_wave);
        st = tn_agree(run, judge_block(x));
        if (st == TN_OK && written) st = tn_outputs_add(run, written, &x->rows, x->p_out, x->decided);
        int64_t done = (wave + 1) * run->n_ranks * x->block_rows;
        if (run->rank == 0) tn_progress_at(&bar, done < N ? done : N, NULL);
    }
    if (run->rank == 0) tn_progress_end(&bar, NULL);
    return st == TN_OK ? check_ends(x->r, before_wave) : st;
}

tn_status tn_reduce_pass(tn_run *run, tn_reduction *r, int n_blends, tn_blend *const *blend, tn_sample *sample,
                         tn_outputs *written) {
    pass x = {.r = r, .n_blends = n_blends, .blend = blend, .sample = sample, .block_rows = block_rows_of(r, n_blends)};
    tn_status st = tn_agree(run, allocate(&x));
    for (int b = 0; st == TN_OK && b < n_blends; b++)
        for (int f = 0; f < r->cfg->folds.count; f++) x.n_all[b] += count_members(&x, blend[b]->whole, f);
    if (st == TN_OK) st = waves(run, &x, written);
    release(&x);
    for (int b = 0; st == TN_OK && b < n_blends; b++) st = tn_blend_sum(run, r->cfg->folds.count, blend[b]);
    return st == TN_OK && sample ? tn_sample_gather(run, sample) : st;
}
