/*
 * drill_priv.h - shared by the drills on this machine (drill.c) and under Slurm (drill_slurm.c); implemented in drill_table.c.
 */
#ifndef TN_DRILL_DRILL_PRIV_H
#define TN_DRILL_DRILL_PRIV_H

#include "base/hash.h"
#include "drill/drill.h"

#include <stdio.h>

typedef enum { TN_DRILL_PREPROCESS, TN_DRILL_TRAIN, TN_DRILL_PREDICT, TN_DRILL_STAGES } tn_drill_stage;
const char *tn_drill_stage_name(tn_drill_stage s); /* "train" */

/* The digest of everything that a stage published in the run folder for a fold: bytes of files and tensors, without records of the build
 * or of times. Errors TN_EARG it is not done; TN_EFORMAT damaged. */
tn_status tn_drill_digest(const tn_cfg *cfg, tn_drill_stage s, int fold, const char *folder,
                          char hex_out[TN_HEX_BYTES]);

const char *tn_drill_says(bool ended, bool equal); /* "yes", "NO", "did not end" */

/* Publish RUN/<name> with the text that print writes. */
tn_status tn_drill_publish(const tn_cfg *cfg, const char *name, void (*print)(const void *context, FILE *f),
                           const void *context);

/* The status of the drill. Errors TN_EBUG not all runs ended with the same bits. */
tn_status tn_drill_verdict(const tn_cfg *cfg, int n_equal, int n_runs);

#endif
