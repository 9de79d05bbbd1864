/* inputs.c - the digests of a filter's inputs, for its DONE. */
#include "filter/inputs.h"

#include "filter/filter.h"
#include "store/done.h"
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

/* Check that the cell has posteriors of all rows. Models of the last round and of searches are evaluated on fewer rows
 * (train_priv.h: tn_evaluated). */
static tn_status check_judged(const tn_cfg *cfg, const tn_cell *cell, const char *name) {
    char folder[TN_PATH_BYTES];
    bool few = false;
    TN_TRY(tn_cell_folder(cfg, "train", cell, folder));
    TN_TRY(tn_done_made_from(folder, "judged", &few));
    if (few && cfg->search.n_space)
        return tn_fail(
            TN_EARG,
            "%s is a cell of a search (search.space): it has no posteriors of all rows, and cannot be filtered", name);
    return !few ? TN_OK
                : tn_fail(TN_EARG,
                          "%s has no posteriors of all rows, because round %d was the last (self.max_rounds). Set "
                          "self.max_rounds to %d and run `tenfold train --round %d`, which trains its cells again",
                          name, cell->round, cell->round + 1, cell->round);
}

/* Write a line "cell digest" for every cell of a round that the filter uses. Errors TN_EARG one is not done. */
static tn_status put_cells(const tn_cfg *cfg, int round, FILE *f, bool *skipped) {
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    if (!cell) return tn_fail_memory((size_t)tn_cell_count(cfg) * sizeof *cell, "the filter");
    tn_cell_list(cfg, round, cell);
    tn_status st = TN_OK;
    for (int i = 0; st == TN_OK && i < tn_cell_count(cfg); i++) {
        char name[TN_CELL_NAME_BYTES], digest[TN_HEX_BYTES];
        if (!tn_self_uses_fold(cfg, cell[i].fold)) continue;
        tn_cell_name(&cell[i], name);
        st = tn_train_digest(cfg, &cell[i], digest);
        if (st == TN_OK) st = check_judged(cfg, &cell[i], name);
        if (st == TN_OK) fprintf(f, "%s %s\n", name, digest);
        if (st == TN_OK && strcmp(digest, TN_SKIPPED) == 0) *skipped = true;
    }
    free(cell);
    return st;
}

static tn_status put_file(const char *path, FILE *f) {
    char digest[TN_HEX_BYTES];
    TN_TRY(tn_hash_file(path, digest));
    fprintf(f, TN_INPUT_FOREIGN " %s\n", digest);
    return TN_OK;
}

static tn_status put_probe(const tn_cfg *cfg, FILE *f) {
    char folder[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    TN_TRY(tn_path(folder, "%s/probe", cfg->run_dir));
    TN_TRY(tn_done_digest(folder, "probe", digest));
    fprintf(f, "probe %s\n", digest);
    return TN_OK;
}

tn_status tn_filter_inputs(const tn_cfg *cfg, const tn_index *ix, int round, const char *posteriors, char **out,
                           bool *skipped_out) {
    size_t n_bytes = 0;
    char truth[TN_HEX_BYTES];
    FILE *f = open_memstream(out, &n_bytes);
    if (!f) return tn_fail_memory(4096, "the filter");
    tn_status st = TN_OK;
    if (posteriors) {
        st = put_file(posteriors, f);
    } else if (round == TN_ROUND_OF_PROBE) {
        st = put_probe(cfg, f);
    } else {
        if (round > 0) st = put_cells(cfg, round - 1, f, skipped_out); /* tn_round_improved */
        if (st == TN_OK) st = put_cells(cfg, round, f, skipped_out);
        if (st == TN_OK && cfg->self.probe && cfg->self.method == TN_SELF_SELF) st = put_probe(cfg, f);
    }
    tn_truth_digest(ix, truth);
    fprintf(f, "index %s\ntruth %s\n", ix->digest, truth);
    return tn_text_end(f, st, "the filter");
}
