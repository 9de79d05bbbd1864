/*
 * fold.h - which row belongs to which fold.                                  layer: data, uses: base (rng, cfg)
 *
 * Folds are stratified by label, never split a component, and are deterministic from folds.seed.
 * Component = connected component of: equal given group, equal content hash, perceptual-hash distance <=
 *   folds.duplicate_bits (0: equal hashes; a hash of a constant image joins nothing).
 * Method     components in order of falling size (ties: a Philox permutation) go to the fold whose class counts
 *            stay nearest to N_class / F (least sum of squares after adding), ties to the smaller fold.
 * Rows       labelled, non-test, good rows get 0..F-1; test or unlabelled -1; quarantined -2. A component joins rows
 *            of all kinds; only the trainable rows are dealt out.
 */
#ifndef TN_DATA_FOLD_H
#define TN_DATA_FOLD_H

#include "data/index.h"
#include "data/meta.h"

typedef struct {
    int64_t n_components, largest_component;
    int64_t groups_across, duplicates_across; /* must be 0: counted anew from the finished map, not from the method */
    int64_t test_duplicates;                  /* trainable rows that share content or group with a test row */
    int64_t count[TN_MAX_FOLDS][TN_MAX_CLASSES];
} tn_fold_certificate;

/* Fills ix->component and ix->fold. Local.
 * Errors  TN_EARG: a class of the list with fewer components than folds ("class x has 4 samples in 2 groups, fewer than
 *         folds.count = 10: ..."); count < 3.
 * Warns   (tn_warn) a component above 1 % of the rows, with an example path. */
tn_status tn_fold_assign(const tn_cfg *cfg, tn_index *ix, tn_fold_certificate *cert_out);

/* Before any image is read: will each class have enough components? The table's groups are at least as many; content and
 * look can only join some. Errors as above, and for a table without a row to train on. */
tn_status tn_fold_foresee(const tn_cfg *cfg, const tn_meta *meta);
/* Reads data.metadata and foresees. Errors also those of tn_meta_read. */
tn_status tn_table_check(const tn_cfg *cfg);

/* Is the map, of n_folds (index.h, table.h), one of cfg? Errors TN_EARG both numbers. */
tn_status tn_fold_check(const tn_cfg *cfg, int n_folds);

/* The certificate as text, one per line, ends with "leakage: 0 groups, 0 duplicate pairs across folds". */
void tn_fold_certificate_print(const tn_cfg *cfg, const tn_fold_certificate *c, FILE *out);

/* Validation slice of model f: of the rows with fold >= 0 and fold != f, a stratified, component-safe share drawn by
 * Philox(folds.seed, TN_STREAM_VALIDATION, f). is_validation (N) 0/1, caller owns. held_out: the rows of fold f. */
tn_status tn_validation_draw(const tn_cfg *cfg, const tn_index *ix, int f, uint8_t *is_validation);

#endif
