/* missing.c - walks over the DONE files of a run folder. */
#include "suite/missing.h"

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
    tn_cell_list(cfg, round, cell);
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
    for (int i = 0; i < m->n_cells; i++) done = done && !m->train[(round - 1) * m->n_cells + i];
    TN_TRY(tn_filter_folder(cfg, round, folder));
    if (done) TN_TRY(has_done(folder, &done));
    m->filter[round] = !done;
    return TN_OK;
}

static tn_status find_all(const tn_cfg *cfg, tn_cell *cell, tn_missing *m) {
    char folder[TN_PATH_BYTES];
    bool done = false;
    TN_TRY(tn_preprocess_done(cfg, &done));
    m->preprocess = !done;
    for (int round = 0; round < m->n_rounds; round++) {
        if (round > 0) TN_TRY(find_filter(cfg, round, m));
        TN_TRY(find_round(cfg, round, m->preprocess || m->filter[round], cell, m));
    }
    TN_TRY(tn_path(folder, "%s/reduce", cfg->run_dir));
    TN_TRY(has_done(folder, &done));
    m->finish = m->finish || !done;
    TN_TRY(tn_path(folder, "%s/report", cfg->run_dir));
    TN_TRY(has_done(folder, &done));
    m->finish = m->finish || !done;
    return TN_OK;
}

tn_status tn_missing_find(const tn_cfg *cfg, tn_missing **out) {
    tn_missing *m = calloc(1, sizeof *m);
    int n_cells = tn_cell_count(cfg), n_rounds = cfg->self.max_rounds + 1;
    size_t n = (size_t)n_cells * (size_t)n_rounds;
    tn_cell *cell = calloc((size_t)n_cells, sizeof *cell);
    bool ok = m && cell;
    if (ok) {
        *m = (tn_missing){.n_rounds = n_rounds,
                          .n_cells = n_cells,
                          .train = calloc(n, 1),
                          .predict = calloc(n, 1),
                          .filter = calloc((size_t)n_rounds, 1)};
        ok = m->train && m->predict && m->filter;
    }
    tn_status st = ok ? find_all(cfg, cell, m) : tn_fail_memory(n * sizeof *cell, "the plan");
    free(cell);
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
    free(*m);
    *m = NULL;
}
