/*
 * distil.h - the stage distil: one model, the student, is trained on what the ensemble predicts of each row, and takes its place where
 * new images are predicted at the cost of one model.
 *
 *   TN_TRY(tn_distil(run, cfg, index, shards, false));         // with distil.student = true, after reduce
 *
 * Reads      shards/, folds/, reduce/ensemble.json, predict/ of its members
 * Writes     <run>/distil/targets, <run>/train/<student>, <run>/distil (cell.h). distil/ is like a folder of new images: it has the
 *            student's predictions of the rows that no model was trained on, their scores beside the ensemble's, and ensemble.json, the
 *            ensemble of this one model.
 * Targets    of each row with a fold, and of each that has no label: the mean that reduce chose, of the members that never saw the row
 *            (targets.h). The given label has no share; it counts only where a sampler or the validation slice asks for it.
 * Decision   that of the ensemble: prior of categories, tau or offsets, temperature. The targets are the mean before these, so that they
 *            apply to the student as to the ensemble. They were tuned on the ensemble's out-of-fold rows; the student has none.
 * Source     Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network" (arXiv 1503.02531), with temperature 1
 */
#ifndef TN_DISTIL_DISTIL_H
#define TN_DISTIL_DISTIL_H

#include "base/run.h"
#include "data/index.h"
#include "data/shard.h"

/* Train and score the student, unless it is done. An interrupted one continues, and ends with the same bits. Collective.
 * Errors  TN_EARG distil.student is false, the run is not reduced, a fold has no model in the ensemble; those of tn_train_cell,
 *         tn_predict_new, tn_reduce_new. */
tn_status tn_distil(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                    bool allow_other_bits);

/* Is it done, with the present settings and ensemble? Local. Errors TN_EARG made with other settings. */
tn_status tn_distil_done(const tn_cfg *cfg, bool *out);

#endif
