/* improved.c - compares the validation scores of a round with those of the round before. */
#include "filter/filter.h"

#include "data/fold.h"
#include "filter/posteriors.h"
#include "score/metric.h"

#include <stdlib.h>

typedef struct {
    double gmean, macro;
    int n_cells;
} mean_score;

/* Compute the validation score of a cell's kept evaluation again, from its p and the given labels. */
static tn_status score_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, float *p, uint8_t *validation,
                            mean_score *sum) {
    tn_counts c = {.K = 0};
    TN_TRY(tn_validation_draw(cfg, ix, cell->fold, validation));
    TN_TRY(tn_posteriors_cell(cfg, ix, cell, "p", p));
    TN_TRY(tn_counts_new(ix->n_classes, &c));
    tn_counts_rows(&c, ix->n, p, ix->label, validation);
    tn_score s = tn_score_of(&c);
    tn_counts_free(&c);
    sum->gmean += s.gmean;
    sum->macro += s.macro;
    sum->n_cells++;
    return TN_OK;
}

static tn_status score_round(const tn_cfg *cfg, const tn_index *ix, int round, mean_score *out) {
    size_t n_bytes = (size_t)(ix->n * tn_prow_width(ix->n_classes)) * sizeof(float) + 1;
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    float *p = malloc(n_bytes);
    uint8_t *validation = malloc((size_t)ix->n + 1);
    tn_status st = cell && p && validation ? TN_OK : tn_fail_memory(n_bytes, "the validation scores");
    *out = (mean_score){.n_cells = 0};
    if (cell) tn_cell_list(cfg, round, cell);
    for (int i = 0; st == TN_OK && i < tn_cell_count(cfg); i++)
        if (tn_self_uses_fold(cfg, cell[i].fold)) st = score_cell(cfg, ix, &cell[i], p, validation, out);
    out->gmean /= out->n_cells ? out->n_cells : 1;
    out->macro /= out->n_cells ? out->n_cells : 1;
    free(cell);
    free(p);
    free(validation);
    return st;
}

tn_status tn_round_improved(const tn_cfg *cfg, const tn_index *ix, int round, bool *out, char reason_out[256]) {
    mean_score now, before;
    TN_TRY(score_round(cfg, ix, round, &now));
    TN_TRY(score_round(cfg, ix, round - 1, &before));
    *out = now.gmean != before.gmean ? now.gmean > before.gmean : now.macro > before.macro;
    snprintf(
        reason_out, 256,
        "mean validation score over %d models: round %d geometric mean F1 %.4f, macro F1 %.4f; round %d %.4f, %.4f",
        now.n_cells, round, now.gmean, now.macro, round - 1, before.gmean, before.macro);
    return TN_OK;
}
