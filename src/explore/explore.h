/*
 * explore.h - what is in a data set, as tables for people.
 *
 *   TN_TRY(tn_explore(run, cfg));
 *
 * Reads      <run>/shards: dataset.h5, quarantine.csv; <run>/folds: folds.h5
 * Writes     <run>/explore: explore.md, DONE, which vouches for it; prints explore.md on stdout
 * Tables     classes, image sizes, category columns, duplicates, quarantined images
 * Identity   no settings: all that it says follows from its inputs, the digests of shards and folds
 */
#ifndef TN_EXPLORE_EXPLORE_H
#define TN_EXPLORE_EXPLORE_H

#include "base/run.h"
#include "cfg/cfg.h"
#include "data/index.h"

#include <stdio.h>

/* Rank 0 does the work, the others wait. What is done is said, and printed again. Collective.
 * Errors  TN_EARG no shards or folds: names the verb that makes them; TN_EFORMAT a damaged file of theirs; TN_EIO */
tn_status tn_explore(tn_run *run, const tn_cfg *cfg);

/* The tables alone. quarantine: path of quarantine.csv, read only where a row is quarantined. Local.
 * Errors  TN_EFORMAT a label, fold or category that is none, or reasons that are not those of the quarantined rows; TN_EIO; TN_ENOMEM;
 *         TN_EUNFINISHED this process was asked to stop */
tn_status tn_explore_write(const tn_cfg *cfg, const tn_index *ix, const char *quarantine, FILE *out);

#endif
