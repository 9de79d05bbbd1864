/*
 * chosen.h - what a reduction decided on, and new pictures to apply it to.         layer: learn, uses: base, data
 *
 *   tn_chosen c = {.json = NULL};
 *   TN_TRY(tn_chosen_open(run, cfg, &c));                         // of a run that is reduced
 *   TN_TRY(tn_chosen_index(run, cfg, &c, data_dir, &index));      // new pictures, categories in the models' numbers
 *   tn_chosen_close(&c);
 *
 * File       reduce/chosen.json, "tenfold chosen 1" (docs/file-formats.md). Numbers have 17 digits: what is read is
 *            what was written.
 * Invariant  new rows change nothing of it: neither members nor weights, offsets, priors.
 * Decision   docs/decisions/new-pictures.md
 */
#ifndef TN_LEARN_CHOSEN_H
#define TN_LEARN_CHOSEN_H

#include "base/hash.h"
#include "base/run.h"
#include "data/index.h"
#include "data/table.h"
#include "learn/cell.h"

#include <jansson.h>

typedef struct {
    tn_cell cell;
    int times;
    const char *model_digest;
} tn_chosen_member;

typedef struct {
    json_t *json; /* owns all texts */
    char digest[TN_HEX_BYTES];
    int n_classes, round;
    char *class_name[TN_MAX_CLASSES];
    int64_t labels[TN_MAX_CLASSES];
    tn_reduce_kind kind; /* mean or gmean */
    bool tuned;
    double offset[TN_MAX_CLASSES];
    int n_members;
    tn_chosen_member *member;
    int n_levels;
    int32_t n_values[TN_MAX_LEVELS]; /* 0 = unknown included */
    char **value_name[TN_MAX_LEVELS];
    int prior_level; /* 0: none */
    double prior_count;
    int64_t *prior_labels; /* (n_values of the level, K) */
} tn_chosen;

/* Collective.
 * Errors  TN_EARG the run is not reduced, or was with other settings of predict and reduce than cfg's; TN_EFORMAT
 *         damaged. Close it in any case. */
tn_status tn_chosen_open(tn_run *run, const tn_cfg *cfg, tn_chosen *out);
void tn_chosen_close(tn_chosen *c);

/* Collective. Shards of DIR that tn_preprocess_new made. Values that the models do not know become unknown, and are
 * counted in a warning.
 * Errors  TN_EARG a folder of another kind, other classes or their order, levels missing. */
tn_status tn_chosen_index(tn_run *run, const tn_cfg *cfg, const tn_chosen *c, const char *data_dir, tn_index **out);
/* The same as a table; n_unknown_out (TN_MAX_LEVELS): usable rows with unknown values, by level. */
tn_status tn_chosen_table(tn_run *run, const tn_cfg *cfg, const tn_chosen *c, const char *data_dir, tn_table **out,
                          int64_t *n_unknown_out);

/* Of everything that models and their predictions depend on: whose predictions a folder of new pictures holds. Caller
 * frees; NULL: no memory. */
char *tn_chosen_settings(const tn_cfg *cfg);

#endif
