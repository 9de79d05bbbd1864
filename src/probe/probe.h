/*
 * probe.h - the stage probe: a classifier on the features of a pretrained net, and the filter before round 0 that uses it.
 *
 *   TN_TRY(tn_probe(run, cfg, index, shards));          // with self.probe = true; afterwards `train --round 0` uses filter/r0
 *
 * Reads      shards/, folds/, model.pretrained
 * Writes     <run>/probe: features.h5, posteriors.h5, DONE; and <run>/filter/r0 (filter.h), by which the cells of round 0 train
 * Features   the d pooled features of the net as it is in model.pretrained, of the centre square at the size that those weights were
 *            made for, which is also right where models are trained on smaller images (docs/decisions/probe.md)
 * Classifier discriminant.h with shrinkage 1/2. Nobody judges a row that he learned from. Each fold is cut into ceil(12 / F) parts, which split
 *            no component (index.h). For the model of fold f, a part of another fold is judged by a classifier of all rows but f and that
 *            part, and the rows of f by one of all rows but f. So fold f stays unseen by all that its model is trained from.
 *            That holds for the own view of method self; with the shared view, or another method, one overlay of all classifiers serves
 *            every fold, and the scores say so (reduce: "not independent").
 * Categories with model.metadata_levels: the shares of the classes among rows with the same categories, of the same other rows, joined with what
 *            the classifier says after its temperature (categories.h)
 * Temperature of fold f's classifiers: the one with which they explain the given labels of the rows outside f best
 *            (score/calibration.h)
 * Memory     on rank 0: 8 (G + 4) d (d + K) + 4 G d K bytes for G parts, and 4 K + 9 bytes per row (with categories 8 K + 53); on every rank 64 MiB of features (tn_probe_mib)
 * Source     Ahn et al. 2023, "Fine tuning pre trained models for robustness under noisy labels" (arXiv 2310.17668), filters by a probe
 *            first; docs/decisions/probe.md
 */
#ifndef TN_PROBE_PROBE_H
#define TN_PROBE_PROBE_H

#include "base/run.h"
#include "data/index.h"
#include "data/shard.h"

/* Make both folders, unless they are done. Collective.
 * Errors  TN_EARG self.probe is false, a folder was made with other settings; TN_EUNFINISHED stopped on request; those of tn_filter, of reading images and weights. */
tn_status tn_probe(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards);

/* The memory that rank 0 needs, in MiB, beside that of a cell's net. Local. Errors TN_EARG unknown net; TN_ENOMEM. */
tn_status tn_probe_mib(const tn_cfg *cfg, int64_t rows, double *out);

/* Predict how long rank 0 takes for the classifiers of n rows, from one that is fitted here in a second or so. For this it starts threads: do not
 * fork afterwards. Local. Errors TN_EARG unknown net; TN_ENOMEM. */
tn_status tn_probe_classify_s(const tn_cfg *cfg, int64_t n, double *out);

/* Is filter/r0 there, and made from the probe with the present settings? Local. Errors TN_EARG made with other settings. */
tn_status tn_probe_done(const tn_cfg *cfg, bool *out);

#endif
