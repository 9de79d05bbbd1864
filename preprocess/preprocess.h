/*
 * preprocess.h - the stage preprocess: makes shards/ and folds/ from images and metadata.csv.
 *
 *   TN_TRY(tn_preprocess(run, cfg));
 *
 * Writes     <run>/shards: shard-NNNNN.h5, dataset.h5, quarantine.csv (row,path,reason), DONE
 *            <run>/folds: folds.h5, certificate.txt, DONE
 * There are two folders, so that another folds.seed needs no new decoding (docs/decisions/shards-and-folds.md).
 * Identity   shards: settings of the stage, digest of metadata.csv. Image files are assumed not to change, because reading all of
 *            them would cost as much as preprocessing. folds: settings of the stage, digest of shards.
 * Missing    until DONE, rows without an image are tried again at every start. After DONE they stay quarantined; another start only
 *            reports missing files that exist now.
 * Invariant  The bytes of all files are the same for any number of ranks.
 */
#ifndef TN_PREPROCESS_PREPROCESS_H
#define TN_PREPROCESS_PREPROCESS_H

#include "base/run.h"
#include "cfg/cfg.h"

/* Make both folders; a folder that is done is only reported. Collective.
 * Errors  TN_EARG table or settings, a folder was made with other settings, a class has fewer groups than folds; TN_EFORMAT more bad
 *         images than data.max_bad_fraction (the first are named, quarantine.csv lists all); TN_EIO, for example an image that exists
 *         but cannot be read now: temporary failures quarantine nothing (decoder.h). */
tn_status tn_preprocess(tn_run *run, const tn_cfg *cfg);

/* The same for new images that a finished run will predict: only shards, no folds. Any rows may be labelled; the vocabulary has the
 * values of all rows. cfg: the settings of the models with another data.metadata and run_dir. DONE names the stage TN_NEW_DATA, so that
 * the two kinds of folders cannot be confused. Collective. Errors as above. */
tn_status tn_preprocess_new(tn_run *run, const tn_cfg *cfg);

/* Are both folders done, with the present settings and table? Local. Errors TN_EARG made with other settings. */
tn_status tn_preprocess_done(const tn_cfg *cfg, bool *out);

#endif
