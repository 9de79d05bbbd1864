/*
 * drill_priv.h - what the rehearsals here (drill.c) and through Slurm (drill_slurm.c) share: drill_table.c.
 */
#ifndef TN_DRILL_DRILL_PRIV_H
#define TN_DRILL_DRILL_PRIV_H

#include "base/hash.h"
#include "drill/drill.h"

#include <stdio.h>

typedef enum { TN_DRILL_PREPROCESS, TN_DRILL_TRAIN, TN_DRILL_PREDICT, TN_DRILL_STAGES } tn_drill_stage;
const char *tn_drill_stage_name(tn_drill_stage s); /* "train" */

/* Everything that the stage published in the run folder, for that fold: bytes of files and tensors, not what records
 * the build or the time.
 * Errors  where it is not done or damaged. */
tn_status tn_drill_digest(const tn_cfg *cfg, tn_drill_stage s, int fold, const char *folder,
                          char hex_out[TN_HEX_BYTES]);

const char *tn_drill_says(bool ended, bool equal); /* "yes", "NO", "did not end" */

/* RUN/<name>, as print writes it. */
tn_status tn_drill_publish(const tn_cfg *cfg, const char *name, void (*print)(const void *context, FILE *f),
                           const void *context);

/* TN_EBUG unless all runs ended in the same bits. */
tn_status tn_drill_verdict(const tn_cfg *cfg, int n_equal, int n_runs);

#endif
