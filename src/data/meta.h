/*
 * meta.h - reads metadata.csv into typed columns. All functions are local.
 *
 * File   RFC 4180: path[,label][,cat1..cat4][,group][,split][,<truth_column>][,others], in any order.
 *        split is empty, "train" or "test". label may be empty (NA, nan and the like are no empty labels). Rows with split test
 *        or without label are never trained on. Without a label column every row is unlabelled (images to predict).
 *        Blanks at the ends of a path belong to it; at the ends of other columns they are removed. Columns with other names are
 *        ignored. A column that is read must not occur twice, or with other capitals.
 * Errors TN_EARG with file:line: duplicate path; absolute path; a path with a ".." part; empty path; label not in the class
 *        list (suggests a class, or an empty field); truth not in the class list; unknown split; no rows; missing column path;
 *        missing catN that model.metadata_levels requires; missing truth column.
 */
#ifndef TN_DATA_META_H
#define TN_DATA_META_H

#include "cfg/cfg.h"
#include "store/csv.h"

typedef struct tn_meta {
    int64_t n;                       /* N rows                                                        */
    const char **path;               /* (N) owned by table                                            */
    int32_t *label;                  /* (N) class, -1 = empty                                         */
    int32_t *truth;                  /* (N) class, -1 = unknown; all -1 without truth column          */
    uint8_t *is_test;                /* (N)                                                           */
    int n_levels;                    /* number of category columns, cat1.. without a gap              */
    const char **cat[TN_MAX_LEVELS]; /* (N) each                                              */
    const char **group;              /* (N); NULL: no such column; "" = a group of its own            */
    tn_csv *table;
} tn_meta;

tn_status tn_meta_read(const tn_cfg *cfg, tn_meta **out);
void tn_meta_free(tn_meta **meta);

#endif
