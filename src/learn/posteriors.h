/*
 * posteriors.h - class probabilities of a round's models, or of models trained elsewhere.
 *                                                                              layer: learn, uses: base, data
 *
 *   TN_TRY(tn_posteriors_fold(cfg, ix, round, f, "z", z));        mean over the sizes and seeds of fold f
 *   TN_TRY(tn_posteriors_out_of_fold(cfg, ix, round, p));         row by row, from the models that never saw it
 *   TN_TRY(tn_posteriors_foreign("p.h5", ix, p));
 *
 * File train/<cell>/posteriors.h5, version 1: z, p f32 (N,K), written by rank 0 alone.
 * File of models trained elsewhere (HDF5, in the root group): `p` (n,K) of any floating-point type; `row` (n) whole
 *   numbers, the rows of metadata.csv counted from 0, each once; attributes `index_digest` (text: of this data set and
 *   fold map, said by `tenfold filter` and found in predictions.h5) and `classes` (strings: what the columns are).
 * Every row with a fold must be there; others are ignored. They ought to be out-of-fold: nothing here can know.
 * Errors  TN_EFORMAT names the file and the row: not probabilities (probability.h), rows
 *         missing or twice, other classes or another order of them, another data set or fold map.
 * Memory of a foreign file: three times N K floats and 9 N bytes while it is read (a process of its own reads it,
 * base/guard.h).
 */
#ifndef TN_LEARN_POSTERIORS_H
#define TN_LEARN_POSTERIORS_H

#include "data/index.h"
#include "learn/cell.h"

/* A block of rows is in memory beside out. name: "z" or "p". out (N,K). The cells must be done (tn_train_digest).
 * Local. */
tn_status tn_posteriors_cell(const tn_cfg *cfg, const tn_index *ix, const tn_cell *cell, const char *name, float *out);
tn_status tn_posteriors_fold(const tn_cfg *cfg, const tn_index *ix, int round, int fold, const char *name, float *out);
/* out (N,K): rows of fold f from p of fold f; zeros elsewhere. Local. */
tn_status tn_posteriors_out_of_fold(const tn_cfg *cfg, const tn_index *ix, int round, float *out);
/* out (N,K). Local. */
tn_status tn_posteriors_foreign(const char *path, const tn_index *ix, float *out);

/* One file for all slabs of a round: <folder>/posteriors.h5, virtual datasets z and p (C,N,K) over the files of the C
 * cells that are judged by (tn_self_uses_fold) in cell order, which stay where they are, with fold, size_px, seed (C).
 * Local. */
tn_status tn_posteriors_join(const tn_cfg *cfg, const tn_index *ix, int round, const char *folder);

#endif
