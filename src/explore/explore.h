/*
 * explore.h - the stage explore: tables about a data set, for people.
 *
 *   TN_TRY(tn_explore(run, cfg));
 *
 * Reads      <run>/shards: dataset.h5, quarantine.csv; <run>/folds: folds.h5
 * Writes     <run>/explore: explore.md, DONE; prints explore.md on stdout
 * Tables     classes (a line for each, however many they are), image sizes, category columns and how many of their levels help
 *            (levels.h), duplicates, quarantined images
 * Identity   no settings, only inputs: the digests of shards and folds, and reduce.prior_count, which levels.h needs
 */
#ifndef TN_EXPLORE_EXPLORE_H
#define TN_EXPLORE_EXPLORE_H

#include "base/run.h"
#include "cfg/cfg.h"
#include "data/index.h"

#include <stdio.h>

/* Make and print the tables. If the stage is done, they are printed again. Collective; rank 0 does the work.
 * Errors  TN_EARG no shards or folds: names the verb that makes them; TN_EFORMAT one of their files is damaged; TN_EIO */
tn_status tn_explore(tn_run *run, const tn_cfg *cfg);

/* Write the tables to out. quarantine: path of quarantine.csv, which is read only if a row is quarantined. Local.
 * Errors  TN_EFORMAT a label, fold or category is out of range, or quarantine.csv does not match the quarantined rows; TN_EIO; TN_ENOMEM;
 *         TN_EUNFINISHED this process was asked to stop */
tn_status tn_explore_write(const tn_cfg *cfg, const tn_index *ix, const char *quarantine, FILE *out);

#endif
