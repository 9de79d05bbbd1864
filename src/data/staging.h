/*
 * staging.h - the shards copied to a disk of the node, for the time of a job.       layer: data, uses: base, index
 *
 *   TN_TRY(tn_staging_begin(run, cfg->data.stage_folder, index, &stage));   // index->shards_dir is the copy's now
 *   TN_TRY(tn_shards_open(run, index, &shards));
 *   ...  tn_shards_close(&shards);  tn_staging_end(run, &stage);
 *
 * FOLDER/tenfold-<user number>/  mode 0700; flock: shared by all who use it, the last one removes it; in it
 *     <digest of the index>/      the shard files; `COPIED` when all are there
 *     <digest of the index>.lock  flock: exclusive while copying or removing, shared while using.
 * The disk is the node's own, where flock is the truth and ends with its process.
 *
 * FOLDER may be everybody's, like /tmp, if it has the sticky bit, else others could exchange our folder. That one must
 * belong to this user and be closed to others. A folder that fails this is left alone. So only this user's processes put
 * files there, and nothing of others is removed.
 *
 * The first rank of each node copies, compares each copy's hash with the bytes that it read, and the node's other ranks
 * wait for it. A user's jobs of the same data set on one node share one copy; the last one removes it, and what a killed
 * job left is removed by that user's next start of any job there. A disk that is too small, or fails, is one warning per
 * node, and that node uses the shared shards. The bytes are the same, and so are all results.
 */
#ifndef TN_DATA_STAGING_H
#define TN_DATA_STAGING_H

#include "data/index.h"

typedef struct tn_staging tn_staging;

/* Collective. folder "": nothing is done. *out NULL where the shared shards are used.
 * Errors  TN_EUNFINISHED asked to stop while copying; TN_ENOMEM */
tn_status tn_staging_begin(tn_run *run, const char *folder, tn_index *ix, tn_staging **out);
void tn_staging_end(tn_run *run, tn_staging **stage); /* collective, after the shards are closed; NULL fine */

#endif
