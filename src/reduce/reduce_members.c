/* reduce_members.c - finds the predictions files of a reduction, and checks that they belong together. */
#include "reduce/reduce_priv.h"

#include "base/progress.h"
#include "store/done.h"
#include "store/visible.h"

#include <stdlib.h>
#include <string.h>

/* --- finding them ------------------------------------------------------------------------------------------------- */

/* The rounds end before the first one that was skipped. */
tn_status tn_last_round(const tn_cfg *cfg, int *out) {
    char folder[TN_PATH_BYTES];
    bool skipped = false;
    for (*out = 0; *out < cfg->self.max_rounds; ++*out) {
        TN_TRY(tn_filter_folder(cfg, *out + 1, folder));
        TN_TRY(tn_done_skipped(folder, &skipped));
        if (skipped) break;
    }
    return TN_OK;
}

static tn_status is_there(const tn_cfg *cfg, const tn_cell *cell, bool *out) {
    char folder[TN_PATH_BYTES];
    TN_TRY(tn_cell_folder(cfg, "predict", cell, folder));
    *out = tn_done_exists(folder);
    return TN_OK;
}

/* Find out which predictions of a list of cells are done. Only rank 0 calls it, so that all ranks get the same answer. what: "round
 * 1", for messages. cell, there (n). */
static tn_status look(const tn_cfg *cfg, const char *what, int n, const tn_cell *cell, bool allow_missing,
                      tn_round_members *r, uint8_t *there) {
    size_t n_bytes = 0;
    FILE *missing = open_memstream(&r->missing, &n_bytes);
    tn_status st = missing ? TN_OK : tn_fail_memory(4096, "the ensemble");
    for (int i = 0; st == TN_OK && i < n; i++) {
        bool yes = false;
        char name[TN_CELL_NAME_BYTES];
        st = is_there(cfg, &cell[i], &yes);
        there[i] = yes;
        r->n_members += yes;
        tn_cell_name(&cell[i], name);
        if (!yes) fprintf(missing, "%s\n", name);
    }
    st = tn_text_end(missing, st, "the ensemble");
    if (st != TN_OK || r->n_members == n) return st;
    if (!allow_missing)
        return tn_fail(TN_EUNFINISHED,
                       "%s: only %d of %d predictions are done; missing:\n%sfinish them (tenfold run, tenfold predict) "
                       "or give --allow-missing",
                       what, r->n_members, n, r->missing);
    if (r->n_members > 0) tn_warn("%s: only %d of %d predictions are done, and are combined", what, r->n_members, n);
    return TN_OK;
}

/* --- checking that they belong together --------------------------------------------------------------------------- */

/* If the model was trained again since (a verb was called by hand), its predictions are refused. If the train folder was deleted to
 * save space, they are accepted. */
static tn_status check_model(const tn_cfg *cfg, const tn_cell *cell, const char *path, const char *model_digest) {
    char folder[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    TN_TRY(tn_cell_folder(cfg, "train", cell, folder));
    if (!tn_done_exists(folder)) return TN_OK;
    TN_TRY(tn_done_digest(folder, "train", digest));
    return strcmp(digest, model_digest) == 0
               ? TN_OK
               : tn_fail(TN_EARG, "%s: its model was trained again since: run `tenfold predict` again", path);
}

static tn_status check_names(const tn_table *t, const char *path, const tn_pred_info *info) {
    char *classes = NULL, text[2][TN_CLASS_TEXT_BYTES];
    TN_TRY(tn_pred_classes(t->n_classes, t->class_name, &classes));
    bool same = strcmp(info->classes, classes) == 0 && info->K == t->n_classes;
    if (!same) tn_pred_difference(info->classes, classes, text[0], text[1]);
    free(classes);
    return same ? TN_OK
                : tn_fail(TN_EARG, "%s: classes or their order differ: %s; in the data set %s", path, text[0], text[1]);
}

static tn_status check_member(const tn_cfg *cfg, const tn_table *t, const tn_cell *cell, const char *path,
                              const tn_pred_info *info) {
    char name[2][TN_CELL_NAME_BYTES];
    TN_TRY(check_names(t, path, info));
    tn_cell_name(&info->cell, name[0]);
    tn_cell_name(cell, name[1]);
    if (strcmp(name[0], name[1]) != 0)
        return tn_fail(TN_EARG, "%s: holds the predictions of %s, not of %s: delete its folder and predict it again",
                       path, name[0], name[1]);
    if (strcmp(info->shards_digest, t->shards_digest) != 0)
        return tn_fail(TN_EARG, "%s: was made with another data set: run `tenfold predict` again", path);
    if (strcmp(info->index_digest, t->digest) != 0)
        return tn_fail(TN_EARG,
                       "%s: was made with another fold map: its model was trained on rows that it would be scored on; "
                       "run `tenfold predict` again",
                       path);
    return check_model(cfg, cell, path, info->model_digest);
}

/* A model must not count twice in a round. The next round trains the same model again where the filter took no label. */
static tn_status check_unique(const tn_members *m, int n_folds) {
    for (int a = 0; a < m->n_groups * n_folds; a++)
        for (int b = 0; b < a; b++) {
            const tn_pred *pa = m->group[a / n_folds].pred[a % n_folds];
            const tn_pred *pb = m->group[b / n_folds].pred[b % n_folds];
            if (!pa || !pb) continue;
            const tn_pred_info *ia = tn_pred_info_of(pa), *ib = tn_pred_info_of(pb);
            if (ia->cell.round != ib->cell.round || strcmp(ia->model_digest, ib->model_digest) != 0) continue;
            char name[2][TN_CELL_NAME_BYTES];
            tn_cell_name(&ia->cell, name[0]);
            tn_cell_name(&ib->cell, name[1]);
            return tn_fail(TN_EARG, "predict/%s and predict/%s are of the same model: train one of them again", name[0],
                           name[1]);
        }
    return TN_OK;
}

/* A group's cell of fold f. A student is of no fold, and has the place of fold 0. */
static tn_cell cell_of(const tn_members *m, int group, int f) {
    tn_cell cell = m->group[group].cell;
    if (!tn_is_student(&cell)) cell.fold = f;
    return cell;
}

int tn_member_place(const tn_cell *cell) {
    return tn_is_student(cell) ? 0 : cell->fold;
}

/* The folder of a member's predictions for fold f. */
static tn_status member_folder(const tn_cfg *cfg, const tn_members *m, int group, int f, char out[TN_PATH_BYTES]) {
    tn_cell cell = cell_of(m, group, f);
    return tn_cell_folder(cfg, "predict", &cell, out);
}

/* Wait until all ranks see the same files. A file that is missing is reported later, by the rank that compares it with DONE. */
static tn_status see_members(tn_run *run, const tn_cfg *cfg, const tn_members *m, int f) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES];
    for (int c = 0; c < m->n_groups; c++) {
        if (!m->group[c].there[f]) continue;
        TN_TRY(member_folder(cfg, m, c, f, folder));
        TN_TRY(tn_done_wait_visible(run, folder));
        TN_TRY(tn_path(path, "%s/predictions.h5", folder));
        int there = run->rank == 0 && tn_file_exists(path);
        MPI_Bcast(&there, 1, MPI_INT, 0, run->comm);
        if (there) TN_TRY(tn_wait_visible_ends(run, path));
    }
    return TN_OK;
}

/* Each file's hash is compared with DONE by one of the ranks. */
static tn_status verify(tn_run *run, const tn_cfg *cfg, const tn_members *m, int f) {
    char path[TN_PATH_BYTES];
    for (int c = 0; c < m->n_groups; c++) {
        if (!m->group[c].there[f] || (f * m->n_groups + c) % run->n_ranks != run->rank) continue;
        TN_TRY(member_folder(cfg, m, c, f, path));
        TN_TRY(tn_done_file(path, "predictions.h5", "predict", path));
    }
    return TN_OK;
}

static tn_status open_fold(const tn_cfg *cfg, const tn_table *t, tn_members *m, int f) {
    char path[TN_PATH_BYTES];
    for (int c = 0; c < m->n_groups; c++) {
        tn_cell cell = cell_of(m, c, f);
        if (!m->group[c].there[f]) continue;
        TN_TRY(tn_cell_folder(cfg, "predict", &cell, path));
        TN_TRY(tn_path(path, "%s/predictions.h5", path));
        TN_TRY(tn_pred_open(path, &m->group[c].pred[f]));
        TN_TRY(check_member(cfg, t, &cell, path, tn_pred_info_of(m->group[c].pred[f])));
    }
    return TN_OK;
}

tn_status tn_members_open(tn_run *run, const tn_cfg *cfg, const tn_table *table, tn_members *m) {
    tn_status st = TN_OK;
    for (int f = 0; f < cfg->folds.count; f++) TN_TRY(see_members(run, cfg, m, f));
    for (int f = 0; st == TN_OK && f < cfg->folds.count; f++) st = verify(run, cfg, m, f);
    st = tn_agree(run, st); /* no rank opens a file before all are verified: a damaged one can crash libhdf5 */
    for (int f = 0; st == TN_OK && f < cfg->folds.count; f++) st = open_fold(cfg, table, m, f);
    if (st == TN_OK) st = check_unique(m, cfg->folds.count);
    return tn_agree(run, st);
}

/* --- all members -------------------------------------------------------------------------------------------------- */

static void add_columns(const tn_cfg *cfg, const tn_cell *cell, const uint8_t *there, tn_members *m,
                        tn_round_members *r) {
    int per_fold = tn_cell_count(cfg) / cfg->folds.count;
    for (int i = 0; i < tn_cell_count(cfg); i++) {
        tn_member_group *group = &m->group[m->n_groups + i % per_fold];
        if (i < per_fold) group->cell = cell[i];
        group->there[cell[i].fold] = there[i];
        r->in_fold[cell[i].fold] += there[i];
    }
    m->n_groups += per_fold;
}

static tn_status find_rounds(tn_run *run, const tn_cfg *cfg, bool allow_missing, tn_cell *cell, uint8_t *there,
                             tn_members *m) {
    int last = 0;
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_last_round(cfg, &last) : TN_OK));
    MPI_Bcast(&last, 1, MPI_INT, 0, run->comm);
    for (int round = 0; round <= last; round++) {
        tn_round_members *r = &m->round[m->n_rounds];
        *r = (tn_round_members){.round = round};
        m->n_rounds++; /* counted before it is complete, so that it is freed */
        tn_cell_list(cfg, round, cell);
        char what[32];
        snprintf(what, sizeof what, "round %d", round);
        TN_TRY(
            tn_agree(run, run->rank == 0 ? look(cfg, what, tn_cell_count(cfg), cell, allow_missing, r, there) : TN_OK));
        TN_TRY(tn_bcast_text(run, &r->missing, "the names of cells"));
        MPI_Bcast(&r->n_members, 1, MPI_INT, 0, run->comm);
        MPI_Bcast(there, tn_cell_count(cfg), MPI_UINT8_T, 0, run->comm);
        if (r->n_members > 0) {
            add_columns(cfg, cell, there, m, r);
            continue;
        }
        if (run->rank == 0) tn_warn("%s: no prediction is done: it takes no part", what);
        free(r->missing);
        m->n_rounds--;
    }
    return m->n_rounds > 0
               ? TN_OK
               : tn_fail(TN_EUNFINISHED, "there are no predictions in %s: run `tenfold predict`", cfg->run_dir);
}

/* The member group of a cell's round, size and seed. They stand in the order of the ensemble, so that sums have the same bits. */
static tn_member_group *group_of(const tn_cell *cell, tn_members *m) {
    for (int c = 0; c < m->n_groups; c++) {
        const tn_cell *have = &m->group[c].cell;
        if (have->round == cell->round && have->size_px == cell->size_px && have->seed == cell->seed)
            return &m->group[c];
    }
    m->group[m->n_groups].cell = *cell;
    if (!tn_is_student(cell)) m->group[m->n_groups].cell.fold = 0;
    return &m->group[m->n_groups++];
}

tn_status tn_members_of(tn_run *run, const tn_cfg *cfg, const tn_spec *chosen, bool allow_missing, tn_members *out) {
    int n = chosen->n_members;
    *out = (tn_members){.group = calloc((size_t)n, sizeof *out->group), .n_rounds = 1};
    tn_round_members *r = &out->round[0];
    tn_cell *cell = calloc((size_t)n, sizeof *cell);
    uint8_t *there = calloc((size_t)n, 1);
    tn_status st = out->group && cell && there ? TN_OK : tn_fail_memory((size_t)n * 64, "the members");
    for (int i = 0; st == TN_OK && i < n; i++) cell[i] = chosen->member[i].cell;
    if (st == TN_OK && run->rank == 0) st = look(cfg, cfg->run_dir, n, cell, allow_missing, r, there);
    st = tn_agree(run, st);
    if (st == TN_OK) st = tn_bcast_text(run, &r->missing, "the names of cells");
    if (st == TN_OK) {
        MPI_Bcast(there, n, MPI_UINT8_T, 0, run->comm);
        for (int i = 0; i < n; i++) {
            int place = tn_member_place(&cell[i]);
            group_of(&cell[i], out)->there[place] = there[i];
            r->in_fold[place] += there[i];
        }
        MPI_Bcast(&r->n_members, 1, MPI_INT, 0, run->comm);
        if (r->n_members == 0)
            st = tn_fail(TN_EUNFINISHED, "there are no predictions in %s: run `tenfold predict RUN --data DIR`",
                         cfg->run_dir);
    }
    free(cell);
    free(there);
    return st;
}

tn_status tn_members_find(tn_run *run, const tn_cfg *cfg, bool allow_missing, tn_members *out) {
    size_t n = (size_t)tn_cell_count(cfg);
    *out = (tn_members){.group = calloc(n / (size_t)cfg->folds.count * TN_MAX_ROUNDS, sizeof *out->group)};
    tn_cell *cell = calloc(n, sizeof *cell);
    uint8_t *there = calloc(n, 1);
    tn_status st = tn_agree(run, out->group && cell && there ? TN_OK : tn_fail_memory(n * 64, "the members"));
    if (st == TN_OK) st = find_rounds(run, cfg, allow_missing, cell, there, out);
    free(cell);
    free(there);
    return st;
}

void tn_members_close(tn_members *m) {
    for (int c = 0; c < m->n_groups; c++)
        for (int f = 0; f < TN_MAX_FOLDS; f++) tn_pred_close(&m->group[c].pred[f]);
    for (int i = 0; i < m->n_rounds; i++) free(m->round[i].missing);
    free(m->group);
    *m = (tn_members){.n_rounds = 0};
}
