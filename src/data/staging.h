/*
 * staging.h - copies the shards to a local disk of each node while a job runs.
 *
 *   TN_TRY(tn_staging_begin(run, cfg->data.stage_folder, index, &stage));   // index->shards_dir is now the local copy
 *   TN_TRY(tn_shards_open(run, index, &shards));
 *   ...  tn_shards_close(&shards);  tn_staging_end(run, &stage);
 *
 * FOLDER/tenfold-<user number>/  mode 0700; its users hold a shared flock, and the last one removes it; it contains
 *     <digest of the index>/      the shard files, and `COPIED` when all are complete
 *     <digest of the index>.lock  flock: exclusive while copying or removing, shared while reading
 * On a local disk flock is reliable and ends with its process.
 *
 * FOLDER may be writable for everybody, like /tmp, if it has the sticky bit; otherwise others could replace our folder. Our
 * folder must belong to this user and be closed to others; if not, it is not used. So only processes of this user put files
 * there, and no files of others are removed.
 *
 * The first rank of each node copies the shards and verifies the hash of each copy; the node's other ranks wait for it. A user's
 * jobs with the same data set on a node share one copy; the last of them removes it. The copy of a killed job is removed when
 * that user's next job starts there. If the disk is too small or fails, there is a warning, and the node reads the shared shards.
 * Results are the same in both cases.
 */
#ifndef TN_DATA_STAGING_H
#define TN_DATA_STAGING_H

#include "data/index.h"

typedef struct tn_staging tn_staging;

/* Copy the shards, and set ix->shards_dir to the copy. folder "": nothing is done. *out is NULL if the shared shards are used.
 * Collective.
 * Errors  TN_EUNFINISHED asked to stop while copying; TN_ENOMEM */
tn_status tn_staging_begin(tn_run *run, const char *folder, tn_index *ix, tn_staging **out);
void tn_staging_end(tn_run *run, tn_staging **stage); /* collective, after closing the shards; *stage may be NULL */

#endif
