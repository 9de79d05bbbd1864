/* improved.c - compares the validation scores of a round with those of the round before. */
#include "filter/filter.h"

#include "data/fold.h"
#include "filter/posteriors.h"
#include "score/metric.h"

#include <stdlib.h>

/* Count the validation rows of a cell's kept evaluation, by its p and the given labels. */
static tn_status count_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, float *p, uint8_t *validation,
                            tn_counts *c) {
    TN_TRY(tn_validation_draw(cfg, ix, cell->fold, validation));
    TN_TRY(tn_posteriors_cell(cfg, ix, cell, "p", p));
    tn_counts_rows(c, ix->n, p, ix->label, validation);
    return TN_OK;
}

/* Count the validation rows of all cells of a round. Returns the number of cells in n_out. */
static tn_status count_round(const tn_cfg *cfg, const tn_index *ix, int round, tn_counts *c, int *n_out) {
    size_t n_bytes = (size_t)(ix->n * tn_prow_width(ix->n_classes)) * sizeof(float) + 1;
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    float *p = malloc(n_bytes);
    uint8_t *validation = malloc((size_t)ix->n + 1);
    tn_status st = cell && p && validation ? TN_OK : tn_fail_memory(n_bytes, "the validation scores");
    *n_out = 0;
    if (cell) tn_cell_list(cfg, round, cell);
    for (int i = 0; st == TN_OK && i < tn_cell_count(cfg); i++) {
        if (!tn_self_uses_fold(cfg, cell[i].fold)) continue;
        st = count_cell(cfg, ix, &cell[i], p, validation, c);
        ++*n_out;
    }
    free(cell);
    free(p);
    free(validation);
    return st;
}

tn_status tn_round_improved(const tn_cfg *cfg, const tn_index *ix, int round, bool *out, char reason_out[256]) {
    tn_counts c[2] = {{.K = 0}, {.K = 0}};
    double smoothed[2] = {0, 0};
    int n_cells = 0;
    tn_status st = TN_OK;
    for (int i = 0; i < 2 && st == TN_OK; i++) {
        st = tn_counts_new(ix->n_classes, &c[i]);
        if (st == TN_OK) st = count_round(cfg, ix, round - i, &c[i], &n_cells);
        if (st == TN_OK) smoothed[i] = tn_smoothed(&c[i]);
    }
    *out = smoothed[0] > smoothed[1];
    snprintf(reason_out, 256, "smoothed score of the validation slices of %d models: round %d %.4f, round %d %.4f",
             n_cells, round, smoothed[0], round - 1, smoothed[1]);
    for (int i = 0; i < 2; i++) tn_counts_free(&c[i]);
    return st;
}
