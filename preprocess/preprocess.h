/*
 * preprocess.h - images and metadata.csv -> shards/ and folds/.
 *
 *   TN_TRY(tn_preprocess(run, cfg));
 *
 * Writes     <run>/shards: shard-NNNNN.h5, dataset.h5, quarantine.csv (row,path,reason), DONE
 *            <run>/folds: folds.h5, certificate.txt, DONE
 * Two artefacts, so that another folds.seed needs no new decoding (docs/decisions/shards-and-folds.md).
 * Identity   shards: settings of the stage, digest of metadata.csv. The image files are taken as unchanging: reading
 *            them all to find out would cost as much as preprocessing. folds: settings of the stage, digest of shards.
 * Holes      Before DONE, rows without an image are tried again with every start. With DONE they stay: another start
 *            only says which missing files are there now.
 * Invariant  The bytes of all files are the same for any number of ranks.
 */
#ifndef TN_PREPROCESS_PREPROCESS_H
#define TN_PREPROCESS_PREPROCESS_H

#include "cfg/cfg.h"
#include "base/run.h"

/* Collective. Idempotent: what is done is said and left alone.
 * Errors  TN_EARG metadata, settings, folder of another job file, fewer groups of a class than folds; TN_EFORMAT more
 *         bad images than data.max_bad_fraction (the first ones are named, quarantine.csv lists all); TN_EIO, among
 *         others an image that is there and cannot be read: failures of the moment quarantine nothing (decoder.h). */
tn_status tn_preprocess(tn_run *run, const tn_cfg *cfg);

/* The same for new pictures that a finished run shall predict: shards alone, no folds; rows may all be labelled, or
 * none; the vocabulary has the values of all rows. cfg: the models' with another data.metadata and run_dir. The stage
 * in DONE is TN_NEW_DATA, so that neither kind of folder passes for the other. Collective.
 * Errors  as above. */
tn_status tn_preprocess_new(tn_run *run, const tn_cfg *cfg);

/* Are both folders done, with the settings and the table of now? Local. TN_EARG: made with other settings. */
tn_status tn_preprocess_done(const tn_cfg *cfg, bool *out);

#endif
