/*
 * posteriors.h - reads class probabilities of a round's models, or of models trained elsewhere. All functions are local.
 *
 *   TN_TRY(tn_posteriors_fold(cfg, ix, round, f, "z", z));        mean over the sizes and seeds of fold f
 *   TN_TRY(tn_posteriors_with_probe(cfg, ix, f, z));              with what the probe says
 *   TN_TRY(tn_posteriors_out_of_fold(cfg, ix, round, p));         each row from models that were not trained on it
 *   TN_TRY(tn_posteriors_foreign("p.h5", ix, p));
 *
 * Round TN_ROUND_OF_PROBE: probe/posteriors.h5, version 1: p f32 (F,N,K), for the model of each fold; it has no z, p is taken.
 * File train/<cell>/posteriors.h5, version 1: z, p f32 (N,W), written by rank 0 alone: rows as in score/prow.h, W = K up to
 *   TN_WHOLE_CLASSES classes.
 * File of models trained elsewhere (HDF5, in the root group): `p` (n,K) of any floating-point type; `row` (n) whole
 *   numbers, the rows of metadata.csv counted from 0, each once; attributes `index_digest` (text: the digest of this data set
 *   and fold map, printed by `tenfold filter` and stored in predictions.h5) and `classes` (strings: the classes in the order of
 *   p). Every row with a fold must be in the file; other rows are ignored. The posteriors should be out-of-fold, which cannot be
 *   checked. Such a file is read by a process of its own (store/guard.h), with memory for 3 N K floats and 9 N bytes, and only for
 *   up to TN_WHOLE_CLASSES classes.
 * Errors  TN_EFORMAT names the file and the row: values are not probabilities (probability.h), rows are missing or there
 *         twice, classes or their order differ, another data set or fold map.
 */
#ifndef TN_FILTER_POSTERIORS_H
#define TN_FILTER_POSTERIORS_H

#include "cfg/cell.h"
#include "data/index.h"
#include "score/prow.h"

/* Read the posteriors of one cell, or the mean over the cells of a fold. name: "z" or "p". out: N rows (prow.h). The cells must be done
 * (tn_train_digest). Memory besides out: a block of rows. */
tn_status tn_posteriors_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, const char *name, float *out);
tn_status tn_posteriors_fold(const tn_cfg *cfg, const tn_index *ix, int round, int fold, const char *name, float *out);
/* Join z (N,K) of fold f with what the probe's classifiers say of the same rows: the geometric mean, with the sum 1. Their product, as of
 * independent witnesses, would count twice what both see, and flag many right labels where classes are imbalanced
 * (docs/decisions/probe.md). Only with self.probe. */
tn_status tn_posteriors_with_probe(const tn_cfg *cfg, const tn_index *ix, int fold, float *z);
/* out (N rows): each row of fold f from p of the models of fold f; rows without fold are zeros. */
tn_status tn_posteriors_out_of_fold(const tn_cfg *cfg, const tn_index *ix, int round, float *out);
/* Read a file of models trained elsewhere. out (N,K). Errors TN_EARG more than TN_WHOLE_CLASSES classes. */
tn_status tn_posteriors_foreign(const char *path, const tn_index *ix, float *out);

/* Write <folder>/posteriors.h5: virtual datasets z and p (C,N,W) that refer to the files of the C cells used by the filter
 * (tn_self_uses_fold), in cell order, and fold, size_px, seed (C). */
tn_status tn_posteriors_join(const tn_cfg *cfg, const tn_index *ix, int round, const char *folder);

#endif
