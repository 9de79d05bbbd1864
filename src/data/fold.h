/*
 * fold.h - assigns rows to folds, and draws validation slices. All functions are local.
 *
 * Folds are stratified by label, never split a component, and are determined by folds.seed.
 * Component  rows that must stay together: connected by an equal given group, an equal content hash, or perceptual hashes that
 *            differ in at most folds.duplicate_bits bits (0: equal hashes). The hash of a constant image connects nothing.
 * Method     components, largest first (ties: a Philox permutation), go to the fold whose class counts stay nearest to
 *            N_class / F (least sum of squares after adding); ties: the smaller fold.
 * Rows       labelled good rows that are not test rows ("trainable") get folds 0..F-1; test or unlabelled rows -1; quarantined
 *            rows -2. Components connect rows of all kinds; only trainable rows are assigned to folds.
 */
#ifndef TN_DATA_FOLD_H
#define TN_DATA_FOLD_H

#include "data/index.h"
#include "data/meta.h"

typedef struct {
    int64_t n_components, largest_component;
    int64_t groups_across, duplicates_across; /* must be 0; counted independently from the finished map */
    int64_t test_duplicates;                  /* trainable rows in a component with a test row */
    int64_t n_large;                          /* components with several rows, more than 1 % of all trainable ones */
    int32_t largest_row;                      /* a row of the largest component; -1: there is none */
} tn_fold_certificate;

/* Set ix->component and ix->fold.
 * Errors  TN_EARG a class has fewer components than there are folds, or folds.count < 3 */
tn_status tn_fold_assign(const tn_cfg *cfg, tn_index *ix, tn_fold_certificate *cert_out);

/* Relations that connect two rows; bits may be combined. LOOK: similar perceptual hashes. Quarantined rows have no content and no
 * perceptual hash. */
enum { TN_SAME_GROUP = 1, TN_SAME_CONTENT = 2, TN_SAME_LOOK = 4, TN_SAME_ANY = 7 };

/* Connected components of the rows under the relations `same`. component_out (N): the lowest row of each row's component.
 * Errors  TN_ENOMEM; TN_EUNFINISHED this process was asked to stop. */
tn_status tn_components_find(const tn_cfg *cfg, const tn_index *ix, unsigned same, int32_t *component_out);

/* Check before any image is read that each class has enough groups in the table: later, components can only become fewer, because
 * duplicates connect rows. Errors as above, and TN_EARG the table has no row to train on. */
tn_status tn_fold_foresee(const tn_cfg *cfg, const tn_meta *meta);
/* Read data.metadata and make this check. Errors also those of tn_meta_read. */
tn_status tn_table_check(const tn_cfg *cfg);

/* Check that a fold map of n_folds folds (index.h, table.h) has folds.count folds. Errors TN_EARG names both numbers. */
tn_status tn_fold_check(const tn_cfg *cfg, int n_folds);

/* Draw the validation slice of model f: a stratified share of the rows with fold >= 0 and fold != f, which splits no component, drawn
 * by Philox(folds.seed, TN_STREAM_VALIDATION, f). With folds.validation = held_out: the rows of fold f. is_validation (N): the
 * caller's, gets 0/1. Errors TN_ENOMEM. */
tn_status tn_validation_draw(const tn_cfg *cfg, const tn_index *ix, int f, uint8_t *is_validation);

#endif
