/*
 * targets.h - what the student learns: the ensemble's probabilities of a row, by the members that never saw it.
 *
 * Formula  of a row of fold f: the mean (reduce.h) of the chosen members of fold f, with their weights; no prior of categories, no
 *          temperature
 *          A row without a fold and without a label has the mean of all chosen members, since none of them has seen it. A test row
 *          with a label has no target, so that the student's score is that of images it has not seen.
 * File     distil/targets/overlay.h5 (data/overlay.h): soft targets of these rows
 * Memory   a block of rows, 4 K + 8 bytes for each row, 8 K more for each without a fold
 */
#ifndef TN_DISTIL_TARGETS_H
#define TN_DISTIL_TARGETS_H

#include "data/index.h"
#include "data/soft.h"
#include "predict/ensemble_spec.h"

/* Check that each fold has a member, and warn if one has fewer than another. Local.
 * Errors  TN_EARG names the fold and what to do. */
tn_status tn_targets_check(const tn_cfg *cfg, const tn_spec *teacher);

/* Read the predictions of all members and combine them. The caller frees *out. Local.
 * Errors  TN_EARG predictions are not there, or by other models than those of the ensemble; TN_EFORMAT damaged; TN_EUNFINISHED stopped
 *         on request. */
tn_status tn_targets_make(const tn_cfg *cfg, const tn_index *index, const tn_spec *teacher, tn_soft *out);

#endif
