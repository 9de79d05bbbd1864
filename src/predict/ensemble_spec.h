/*
 * ensemble_spec.h - the ensemble that reduce chose (members, weights, decision, temperature, priors), and new images to apply it to.
 *
 *   tn_spec c = {.json = NULL};
 *   TN_TRY(tn_spec_open(run, cfg, &c));                         // the run must be reduced
 *   TN_TRY(tn_spec_index(run, cfg, &c, data_dir, &index));      // new images, with the models' numbers of categories
 *   tn_spec_close(&c);
 *
 * File       reduce/ensemble.json, "tenfold ensemble 2" (docs/file-formats.md); distil/ensemble.json of the student, whose settings
 *            (cfg/student.h) tell to read that instead. Numbers have 17 digits, so that they are read
 *            back exactly.
 * Invariant  new rows never change it.
 * Decision   docs/decisions/new-pictures.md
 */
#ifndef TN_PREDICT_ENSEMBLE_SPEC_H
#define TN_PREDICT_ENSEMBLE_SPEC_H

#include "base/hash.h"
#include "base/run.h"
#include "cfg/cell.h"
#include "data/index.h"
#include "data/table.h"

struct json_t; /* of the library jansson */

typedef struct {
    tn_cell cell;
    int times; /* its weight: how often greedy selection took it, else 1 */
    const char *model_digest;
} tn_spec_member;

typedef struct {
    struct json_t *json; /* owns all texts */
    char digest[TN_HEX_BYTES];
    int n_classes;
    const char *what; /* "round 1", "rounds 0 and 1 pooled" */
    char *class_name[TN_MAX_CLASSES];
    int64_t labels[TN_MAX_CLASSES];
    tn_reduce_kind kind; /* mean or gmean */
    bool decides;        /* offset is added to log p where the class is decided; else the most probable one is taken */
    double tau, offset[TN_MAX_CLASSES], temperature;
    int n_members;
    tn_spec_member *member;
    int n_levels;
    int32_t n_values[TN_MAX_LEVELS]; /* includes value 0 = unknown */
    char **value_name[TN_MAX_LEVELS];
    int prior_level; /* 0: none */
    double prior_count;
    int64_t *prior_labels; /* (n_values of the level, K) */
} tn_spec;

/* Read the ensemble of the run, or its student. Call tn_spec_close also after an error. Collective.
 * Errors  TN_EARG the run is not reduced, or was reduced with other settings of predict and reduce; TN_EFORMAT damaged. */
tn_status tn_spec_open(tn_run *run, const tn_cfg *cfg, tn_spec *out);
void tn_spec_close(tn_spec *c);
/* Take it from the text of such a file; folder: for messages. Call tn_spec_close also after an error. Local. Errors as above. */
tn_status tn_spec_parse(const tn_cfg *cfg, const char *folder, const char *text, size_t n, tn_spec *out);

/* Open the index of new images in data_dir/shards, made by tn_preprocess_new. Category values that the models do not know become
 * unknown; a warning counts them. The caller frees *out. Collective.
 * Errors  TN_EARG not a folder of new images, other classes or order of classes, a category column is missing. */
tn_status tn_spec_index(tn_run *run, const tn_cfg *cfg, const tn_spec *c, const char *data_dir, tn_index **out);
/* Opens the table to be read in blocks, instead of as an index. n_unknown_out (TN_MAX_LEVELS) gets, for each category column, the number of
 * usable rows whose value is unknown. */
tn_status tn_spec_table(tn_run *run, const tn_cfg *cfg, const tn_spec *c, const char *data_dir, tn_table **out,
                        int64_t *n_unknown_out);

/* The settings that models and predictions depend on. They are part of the identity of predictions of new images, so that one
 * folder never mixes predictions of two runs. The caller frees the text; NULL: no memory. Local. */
char *tn_spec_settings(const tn_cfg *cfg);

#endif
