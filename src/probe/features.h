/*
 * features.h - pooled features of the rows that have a fold, in a file.
 *
 *   TN_TRY(tn_features_make(run, cfg, index, shards, path));
 *
 * File probe/features.h5, version 1: row i64 (n), ascending; features f32 (n,d). One writer, rank 0.
 */
#ifndef TN_PROBE_FEATURES_H
#define TN_PROBE_FEATURES_H

#include "base/run.h"
#include "data/index.h"
#include "data/shard.h"
#include "store/h5.h"

/* May the probe go on? Local. Errors TN_EUNFINISHED this process was asked to stop. */
tn_status tn_probe_go_on(void);

/* Compute and write the features of all rows with a fold. Not published: DONE does that. The bits do not depend on the number of
 * ranks. Collective. Errors those of tn_model_open_features and the loader; TN_EUNFINISHED stopped on request. */
tn_status tn_features_make(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                           const char *path);

#endif
