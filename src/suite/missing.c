/* missing.c - walks over the DONE files of a run folder. */
#include "suite/missing.h"

#include "learn/self.h"
#include "learn/train.h"
#include "preprocess/preprocess.h"

#include <stdlib.h>

static tn_status has_done(const char *folder, bool *out) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/DONE", folder));
    *out = tn_file_exists(path);
    return TN_OK;
}

/* Whether a cell's predictions are of the model of now is for `predict` and `reduce` to say: here the model is. */
static tn_status find_cell(const tn_cfg *cfg, const tn_cell *cell, bool inputs_missing, bool *train, bool *predict) {
    char folder[TN_PATH_BYTES];
    bool done = false;
    if (!inputs_missing) TN_TRY(tn_train_done(cfg, cell, &done));
    *train = !done;
    TN_TRY(tn_cell_folder(cfg, "predict", cell, folder));
    if (done) TN_TRY(has_done(folder, &done));
    *predict = !done;
    return TN_OK;
}

static tn_status find_round(const tn_cfg *cfg, int round, bool inputs_missing, tn_cell *cell, tn_missing *m) {
    tn_cell_order(cfg, round, cell);
    for (int i = 0; i < m->n_cells; i++) {
        int at = round * m->n_cells + i;
        TN_TRY(find_cell(cfg, &cell[i], inputs_missing, &m->train[at], &m->predict[at]));
        m->finish = m->finish || m->predict[at];
    }
    return TN_OK;
}

static tn_status find_filter(const tn_cfg *cfg, int round, tn_missing *m) {
    char folder[TN_PATH_BYTES];
    bool done = true;
    TN_TRY(tn_filter_own(cfg, round - 1));
    for (int i = 0; i < m->n_cells; i++) done = done && !m->train[(round - 1) * m->n_cells + i];
    TN_TRY(tn_filter_folder(cfg, round, folder));
    if (done) TN_TRY(has_done(folder, &done));
    m->filter[round] = !done;
    return TN_OK;
}

static tn_status find_last(const tn_cfg *cfg, const char *name, tn_missing *m) {
    char folder[TN_PATH_BYTES];
    bool done = false;
    TN_TRY(tn_path(folder, "%s/%s", cfg->run_dir, name));
    TN_TRY(has_done(folder, &done));
    m->finish = m->finish || !done;
    return TN_OK;
}

static tn_status find_rounds(const tn_cfg *cfg, tn_cell *cell, tn_missing *m) {
    for (int round = 0; round < m->n_rounds; round++) {
        if (round > 0) TN_TRY(find_filter(cfg, round, m));
        TN_TRY(find_round(cfg, round, m->preprocess || m->filter[round], cell, m));
    }
    TN_TRY(find_last(cfg, "reduce", m));
    return find_last(cfg, "report", m);
}

static tn_status find_pipeline(const tn_cfg *cfg, tn_missing *m) {
    m->n_cells = tn_cell_count(cfg);
    m->n_rounds = cfg->self.max_rounds + 1;
    size_t n = (size_t)m->n_cells * (size_t)m->n_rounds;
    tn_cell *cell = calloc((size_t)m->n_cells, sizeof *cell);
    m->train = calloc(n, 1);
    m->predict = calloc(n, 1);
    m->filter = calloc((size_t)m->n_rounds, 1);
    tn_status st = cell && m->train && m->predict && m->filter ? find_rounds(cfg, cell, m)
                                                               : tn_fail_memory(n * sizeof *cell, "the plan");
    free(cell);
    return st;
}

/* --- a search ----------------------------------------------------------------------------------------------------- */

/* Place 0 of the judgement is known from the start. */
static bool is_known(const tn_missing *m, const tn_place *at) {
    bool judge = at->rung == m->n_rungs - 1;
    return !m->preprocess && (at->rung == 0 || (judge && at->place == 0) || !m->rung[at->rung - 1].rank);
}

static tn_status find_rung(const tn_cfg *cfg, int rung, tn_place *at, tn_missing *m) {
    bool ranked = false;
    if (!m->preprocess) TN_TRY(tn_rung_done(cfg, rung, &ranked));
    for (int i = 0; i < m->rung[rung].n; i++) {
        bool done = false;
        if (is_known(m, &at[i])) TN_TRY(tn_place_done(cfg, &at[i], &done));
        m->rung[rung].trial[i] = !done;
        ranked = ranked && done;
    }
    m->rung[rung].rank = !ranked;
    m->finish = m->finish || !ranked;
    return TN_OK;
}

static tn_status find_search(const tn_cfg *cfg, tn_missing *m) {
    tn_status st = TN_OK;
    m->n_rungs = cfg->tune.n_rungs + 1;
    for (int q = 0; q < m->n_rungs && st == TN_OK; q++) {
        int n = m->rung[q].n = tn_rung_list(cfg, q, NULL);
        tn_place *at = calloc((size_t)n, sizeof *at);
        m->rung[q].trial = calloc((size_t)n, 1);
        if (at) tn_rung_list(cfg, q, at);
        st = at && m->rung[q].trial ? find_rung(cfg, q, at, m) : tn_fail_memory((size_t)n * sizeof *at, "the plan");
        free(at);
    }
    return st == TN_OK ? find_last(cfg, "tune", m) : st;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

tn_status tn_missing_find(const tn_cfg *cfg, tn_missing **out) {
    bool done = false;
    TN_TRY(tn_preprocess_done(cfg, &done));
    tn_missing *m = calloc(1, sizeof *m);
    if (!m) return tn_fail_memory(sizeof *m, "the plan");
    m->preprocess = !done;
    tn_status st = tn_is_search(cfg) ? find_search(cfg, m) : find_pipeline(cfg, m);
    if (st == TN_OK)
        *out = m;
    else
        tn_missing_free(&m);
    return st;
}

void tn_missing_free(tn_missing **m) {
    if (!*m) return;
    free((*m)->train);
    free((*m)->predict);
    free((*m)->filter);
    for (int q = 0; q < (*m)->n_rungs; q++) free((*m)->rung[q].trial);
    free(*m);
    *m = NULL;
}
