/*
 * meta.h - metadata.csv as typed columns.                                    layer: data, uses: base (csv, cfg)
 *
 * File   RFC 4180: path[,label][,cat1..cat4][,group][,split][,<truth_column>][,others], order free.
 *        split is empty, "train" or "test"; label may be empty (NA, nan and the like are labels); rows with split test or no label are never
 *        trained on. No label column at all = every row unlabelled (a data set to predict).
 *        Blanks at the ends of a path belong to it; those of the other columns are taken away. Columns of other names
 *        count for nothing; one that is read must not be there twice, or in other capital letters.
 * Errors TN_EARG with file:line for: duplicate path; absolute path; a path with a ".." part; empty path; label not in
 *        the class list (with what was probably meant: a class, or none); truth not in the class list; unknown split; no rows; missing column
 *        path; missing catN while model.metadata_levels asks for it; missing truth column that the job file names.
 */
#ifndef TN_DATA_META_H
#define TN_DATA_META_H

#include "base/cfg.h"
#include "base/csv.h"

typedef struct tn_meta {
    int64_t n;                       /* N rows                                                        */
    const char **path;               /* (N) owned by table                                            */
    int32_t *label;                  /* (N) class, -1 = empty                                         */
    int32_t *truth;                  /* (N) class, -1 = unknown; all -1 without truth column          */
    uint8_t *is_test;                /* (N)                                                           */
    int n_levels;                    /* leading category columns present, cat1.. without a gap        */
    const char **cat[TN_MAX_LEVELS]; /* (N) each                                              */
    const char **group;              /* (N), NULL without the column; "" = a group of its own         */
    tn_csv *table;
} tn_meta;

/* class_of: index in cfg->data.classes or -1. */
int tn_class_of(const tn_cfg *cfg, const char *label);
tn_status tn_meta_read(const tn_cfg *cfg, tn_meta **out);
void tn_meta_free(tn_meta **meta);

#endif
