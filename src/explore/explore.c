/* explore.c - the stage: reads the data set, publishes explore.md. */
#include "explore/explore_priv.h"

#include "base/progress.h"
#include "store/done.h"

#include <stdlib.h>

void tn_explore_cell(FILE *out, const char *text) {
    fputs("| ", out);
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
    }
    fputc(' ', out);
}

void tn_explore_share(FILE *out, int64_t part, int64_t all) {
    if (all > 0)
        fprintf(out, "| %.1f %% ", 100.0 * (double)part / (double)all);
    else
        fputs("| - ", out);
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

/* Check the numbers of a row, because tables use them as indices. */
static tn_status check_row(const tn_index *ix, int64_t i) {
    bool train = tn_row_kind_of(ix, i) == TN_ROW_TRAIN;
    bool ok = ix->label[i] >= -1 && ix->label[i] < ix->n_classes && ix->component[i] >= 0 && ix->component[i] < ix->n &&
              (!train || (ix->fold[i] >= 0 && ix->fold[i] < ix->n_folds));
    for (int m = 0; ok && m < ix->n_levels; m++) {
        int32_t value = ix->cat[i * ix->n_levels + m];
        ok = value >= 0 && value < ix->n_values[m];
    }
    return ok ? TN_OK
              : tn_fail(TN_EFORMAT,
                        "row %lld (%s): its label, fold or category is out of range: delete the folders shards "
                        "and folds and preprocess again",
                        (long long)i, ix->path[i]);
}

static tn_status write_head(const tn_cfg *cfg, const tn_index *ix, FILE *out) {
    int64_t n[TN_ROW_KINDS] = {0};
    for (int64_t i = 0; i < ix->n; i++) {
        TN_TRY(check_row(ix, i));
        n[tn_row_kind_of(ix, i)]++;
    }
    fprintf(out,
            "# Data set of %s\n\n%lld rows: %lld to train on, %lld of the test split, %lld without a label, %lld "
            "quarantined.\n",
            cfg->name, (long long)ix->n, (long long)n[TN_ROW_TRAIN], (long long)n[TN_ROW_TEST],
            (long long)n[TN_ROW_UNLABELLED], (long long)n[TN_ROW_QUARANTINED]);
    return TN_OK;
}

tn_status tn_explore_write(const tn_cfg *cfg, const tn_index *ix, const char *quarantine, FILE *out) {
    TN_TRY(write_head(cfg, ix, out));
    TN_TRY(tn_explore_classes(ix, out));
    TN_TRY(tn_explore_sizes(cfg, ix, out));
    TN_TRY(tn_explore_categories(cfg, ix, out));
    TN_TRY(tn_explore_duplicates(cfg, ix, out));
    return tn_explore_quarantine(ix, quarantine, out);
}

/* --- the folder --------------------------------------------------------------------------------------------------- */

/* The paths and inputs of the stage. */
typedef struct {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES], folder[TN_PATH_BYTES];
    char inputs[2 * TN_HEX_BYTES + 64];
} places;

static tn_status find_places(const tn_cfg *cfg, places *p) {
    TN_TRY(tn_path(p->shards, "%s/shards", cfg->run_dir));
    TN_TRY(tn_path(p->folds, "%s/folds", cfg->run_dir));
    return tn_path(p->folder, "%s/explore", cfg->run_dir);
}

/* The smoothing of the category levels counts as an input: with another one the tables are made anew, not refused. */
static tn_status find_inputs(const tn_cfg *cfg, places *p) {
    char shards[TN_HEX_BYTES], folds[TN_HEX_BYTES];
    TN_TRY(tn_done_digest(p->shards, "preprocess", shards));
    TN_TRY(tn_done_digest(p->folds, "preprocess", folds));
    snprintf(p->inputs, sizeof p->inputs, "shards %s\nfolds %s\nprior_count %.17g\n", shards, folds,
             cfg->reduce.prior_count);
    return TN_OK;
}

static tn_status write_page(const tn_cfg *cfg, const places *p, char **text_out, size_t *n_out) {
    char quarantine[TN_PATH_BYTES];
    tn_index *ix = NULL;
    FILE *f = open_memstream(text_out, n_out);
    if (!f) return tn_fail_memory(4096, "explore.md");
    tn_status st = tn_path(quarantine, "%s/quarantine.csv", p->shards);
    if (st == TN_OK) st = tn_index_read(p->shards, p->folds, &ix);
    if (st == TN_OK) st = tn_explore_write(cfg, ix, quarantine, f);
    tn_index_free(&ix);
    return tn_text_end(f, st, "explore.md");
}

static tn_status make(const tn_cfg *cfg, const places *p, const tn_done *done) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES], *text = NULL;
    size_t n = 0;
    tn_status st = write_page(cfg, p, &text, &n);
    if (st == TN_OK) st = tn_path(path, "%s/explore.md", p->folder);
    if (st == TN_OK) st = tn_file_publish(path, text, n);
    if (st == TN_OK) tn_hash_once(text, n, digest);
    if (st == TN_OK) st = tn_done_publish(p->folder, done, digest, (const char *[]){"explore.md", NULL});
    if (st == TN_OK) tn_print(stdout, "%s", text);
    free(text);
    return st;
}

static tn_status print_again(const places *p) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_done_file(p->folder, "explore.md", "explore", path));
    TN_TRY(tn_file_read(path, &text, &n));
    tn_print(stdout, "%s", text);
    free(text);
    return TN_OK;
}

tn_status tn_explore(tn_run *run, const tn_cfg *cfg) {
    places p = {.inputs = ""};
    bool valid = false;
    tn_status st = find_places(cfg, &p);
    if (st == TN_OK && run->rank == 0) st = find_inputs(cfg, &p);
    TN_TRY(tn_agree(run, st));
    tn_done want = {.stage = "explore", .settings = "", .inputs = p.inputs};
    TN_TRY(tn_done_begin_all(run, p.folder, "explore", &want, &valid));
    if (run->rank == 0) st = valid ? print_again(&p) : make(cfg, &p, &want);
    return tn_agree(run, st);
}
