/* targets.c - reads the members' predictions fold by fold. */
#include "distil/targets.h"

#include "base/progress.h"
#include "base/stop.h"
#include "base/watch.h"
#include "predict/pred.h"
#include "score/combine.h"
#include "score/prow.h"
#include "store/done.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 1024 };

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    const tn_spec *teacher;
    tn_pred **pred; /* (n_members) those of the fold at hand are open */
    int64_t *row, *first_row;
    float *p;
    double *sum;
    int64_t n_shared, *shared; /* rows of no fold without a label: all members have predicted them */
    double *shared_sum;        /* n_shared sums over the members so far */
} targets;

/* --- the members ---------------------------------------------------------------------------------------------------- */

static int members_of(const tn_spec *c, int f) {
    int n = 0;
    for (int i = 0; i < c->n_members; i++) n += c->member[i].cell.fold == f;
    return n;
}

tn_status tn_targets_check(const tn_cfg *cfg, const tn_spec *c) {
    int most = 0;
    for (int f = 0; f < cfg->folds.count; f++) most = members_of(c, f) > most ? members_of(c, f) : most;
    for (int f = 0; f < cfg->folds.count; f++) {
        int n = members_of(c, f);
        if (n == 0)
            return tn_fail(
                TN_EARG,
                "distil: the ensemble has no model of fold %d, so nobody can teach its rows: finish that fold "
                "(tenfold run), then run `tenfold reduce` without --allow-missing",
                f);
        if (n < most) tn_warn("distil: the rows of fold %d are taught by %d models, others by %d", f, n, most);
    }
    return TN_OK;
}

static tn_status open_member(targets *t, int i) {
    const tn_spec_member *m = &t->teacher->member[i];
    char path[TN_PATH_BYTES];
    TN_TRY(tn_cell_folder(t->cfg, "predict", &m->cell, path));
    TN_TRY(tn_done_file(path, "predictions.h5", "predict", path));
    TN_TRY(tn_pred_open(path, &t->pred[i]));
    const tn_pred_info *info = tn_pred_info_of(t->pred[i]);
    bool same = strcmp(info->model_digest, m->model_digest) == 0 && strcmp(info->index_digest, t->ix->digest) == 0 &&
                info->K == t->ix->n_classes;
    return same ? TN_OK
                : tn_fail(TN_EARG, "%s: is not what the ensemble was made of: run `tenfold reduce` again", path);
}

/* --- a fold --------------------------------------------------------------------------------------------------------- */

/* Add a member's rows [first, first + n) of its file. All members of a fold have the same rows. */
static tn_status add_member(targets *t, int i, bool is_first, int64_t first, int64_t n) {
    TN_TRY(tn_pred_read(t->pred[i], first, n, t->row, t->p));
    if (is_first) memcpy(t->first_row, t->row, (size_t)n * sizeof *t->row);
    if (memcmp(t->first_row, t->row, (size_t)n * sizeof *t->row) != 0) {
        char name[TN_CELL_NAME_BYTES];
        tn_cell_name(&t->teacher->member[i].cell, name);
        return tn_fail(TN_EFORMAT,
                       "predict/%s: has other rows than the models of its fold: delete that folder and run `tenfold "
                       "predict` again",
                       name);
    }
    tn_combine_add(t->teacher->kind, t->teacher->member[i].times, n, t->ix->n_classes, t->p, t->sum);
    return TN_OK;
}

/* Add the sums of the block's shared rows to those of the folds before. *at_io: the shared row to go on from; both ascend. */
static void share_block(targets *t, int64_t n, int64_t *at_io) {
    int64_t width = tn_psum_width(t->ix->n_classes);
    for (int64_t i = 0; i < n && *at_io < t->n_shared; i++)
        if (t->first_row[i] == t->shared[*at_io])
            tn_psum_merge(t->ix->n_classes, 1, t->sum + i * width, t->shared_sum + (*at_io)++ * width);
}

/* Combine a block of fold f into t->p. */
static tn_status combine(targets *t, int f, int64_t first, int64_t n, int64_t *n_shared_io) {
    int K = t->ix->n_classes, weights = 0;
    memset(t->sum, 0, (size_t)(n * tn_psum_width(K)) * sizeof *t->sum);
    for (int i = 0; i < t->teacher->n_members; i++) {
        if (t->teacher->member[i].cell.fold != f) continue;
        TN_TRY(add_member(t, i, weights == 0, first, n));
        weights += t->teacher->member[i].times;
    }
    share_block(t, n, n_shared_io);
    tn_combine_end(t->teacher->kind, weights, n, K, t->sum, t->p);
    return TN_OK;
}

/* Copy the rows of fold f. The files' other rows belong to no fold. *at_io: the row of `out` to go on from; both ascend. */
static void take_block(const targets *t, int f, int64_t n, int64_t *at_io, tn_soft *out, int64_t *n_taken_io) {
    int K = t->ix->n_classes;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = t->first_row[i];
        if (row >= t->ix->n || t->ix->fold[row] != f) continue;
        while (out->row[*at_io] < row) ++*at_io;
        memcpy(out->target + *at_io * K, t->p + i * K, (size_t)K * sizeof *t->p);
        ++*n_taken_io;
    }
}

static tn_status make_fold(targets *t, int f, tn_soft *out) {
    int64_t n_rows = 0, at = 0, n_taken = 0, n_wanted = 0, n_shared = 0;
    for (int i = 0; i < t->teacher->n_members; i++) {
        if (t->teacher->member[i].cell.fold != f) continue;
        TN_TRY(open_member(t, i));
        n_rows = tn_pred_info_of(t->pred[i])->n;
    }
    for (int64_t first = 0, n; first < n_rows; first += n) {
        n = n_rows - first < BLOCK_ROWS ? n_rows - first : BLOCK_ROWS;
        tn_watch_at("distil: targets", first);
        if (tn_stop_wanted()) return tn_fail(TN_EUNFINISHED, "distil: stopped on request: run the same command again");
        TN_TRY(combine(t, f, first, n, &n_shared));
        take_block(t, f, n, &at, out, &n_taken);
    }
    if (n_shared < t->n_shared)
        return tn_fail(TN_EFORMAT, "predict: the models of fold %d lack row %lld: run `tenfold predict` again", f,
                       (long long)t->shared[n_shared]);
    for (int64_t i = 0; i < t->ix->n; i++) n_wanted += t->ix->fold[i] == f;
    return n_taken == n_wanted
               ? TN_OK
               : tn_fail(TN_EFORMAT,
                         "predict: of fold %d %lld rows are predicted, not %lld: run `tenfold predict` again", f,
                         (long long)n_taken, (long long)n_wanted);
}

/* --- rows of no fold ------------------------------------------------------------------------------------------------ */

static bool is_shared(const tn_index *ix, int64_t row) {
    return ix->fold[row] == TN_FOLD_NONE && ix->label[row] < 0;
}

/* Write the targets of the shared rows, from the sums over all members. */
static void end_shared(targets *t, tn_soft *out) {
    int64_t K = t->ix->n_classes, width = tn_psum_width((int)K), at = 0;
    int weights = 0;
    for (int i = 0; i < t->teacher->n_members; i++) weights += t->teacher->member[i].times;
    for (int64_t i = 0; i < t->n_shared; i++) {
        while (out->row[at] < t->shared[i]) at++;
        tn_combine_end(t->teacher->kind, weights, 1, (int)K, t->shared_sum + i * width, out->target + at * K);
    }
}

static tn_status list_shared(targets *t) {
    size_t width = (size_t)tn_psum_width(t->ix->n_classes);
    for (int64_t i = 0; i < t->ix->n; i++) t->n_shared += is_shared(t->ix, i);
    t->shared = malloc((size_t)t->n_shared * sizeof *t->shared + 1);
    t->shared_sum = calloc((size_t)t->n_shared * width + 1, sizeof *t->shared_sum);
    if (!t->shared || !t->shared_sum)
        return tn_fail_memory((size_t)t->n_shared * width * sizeof *t->shared_sum, "the student's targets");
    for (int64_t i = 0, n = 0; i < t->ix->n; i++)
        if (is_shared(t->ix, i)) t->shared[n++] = i;
    return TN_OK;
}

/* --- all ------------------------------------------------------------------------------------------------------------ */

static tn_status allocate(targets *t, tn_soft *out) {
    int K = t->ix->n_classes;
    size_t block = BLOCK_ROWS, width = (size_t)tn_psum_width(K);
    *out = (tn_soft){.K = K};
    TN_TRY(list_shared(t));
    for (int64_t i = 0; i < t->ix->n; i++) out->n += t->ix->fold[i] >= 0;
    out->n += t->n_shared;
    size_t n_floats = (size_t)out->n * (size_t)K;
    t->pred = calloc((size_t)t->teacher->n_members, sizeof *t->pred);
    t->row = malloc(block * sizeof *t->row);
    t->first_row = malloc(block * sizeof *t->first_row);
    t->p = malloc(block * (size_t)K * sizeof *t->p);
    t->sum = malloc(block * width * sizeof *t->sum);
    out->row = malloc((size_t)out->n * sizeof *out->row + 1);
    out->target = malloc(n_floats * sizeof *out->target + 1);
    if (!t->pred || !t->row || !t->first_row || !t->p || !t->sum || !out->row || !out->target)
        return tn_fail_memory(n_floats * sizeof *out->target, "the student's targets");
    for (int64_t i = 0, n = 0; i < t->ix->n; i++)
        if (t->ix->fold[i] >= 0 || is_shared(t->ix, i)) out->row[n++] = i;
    return TN_OK;
}

static void close_members(targets *t) {
    for (int i = 0; t->pred && i < t->teacher->n_members; i++) tn_pred_close(&t->pred[i]);
}

tn_status tn_targets_make(const tn_cfg *cfg, const tn_index *index, const tn_spec *teacher, tn_soft *out) {
    targets t = {.cfg = cfg, .ix = index, .teacher = teacher};
    tn_status st = allocate(&t, out);
    for (int f = 0; st == TN_OK && f < cfg->folds.count; f++) {
        st = make_fold(&t, f, out);
        close_members(&t);
    }
    if (st == TN_OK) end_shared(&t, out);
    void *all[] = {t.pred, t.row, t.first_row, t.p, t.sum, t.shared, t.shared_sum};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    if (st != TN_OK) tn_soft_free(out);
    return st;
}
