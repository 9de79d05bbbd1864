/* rung_priv.h - what rung.c, place.c and rung_judge.c share. */
#ifndef TN_SUITE_RUNG_PRIV_H
#define TN_SUITE_RUNG_PRIV_H

#include "learn/cell.h"
#include "base/hash.h"
#include "suite/rung.h"

/* The cells of a trial for one fold: its sizes x its seeds. cfg: the trial's. */
enum { TN_MAX_TRIAL_CELLS = TN_MAX_SIZES * TN_MAX_SIZES };
int tn_trial_cells(const tn_cfg *trial_cfg, int fold, tn_cell out[TN_MAX_TRIAL_CELLS]);
/* Why it diverged, into why_out, or "". Errors TN_EARG recorded with other settings. */
tn_status tn_trial_diverged(const tn_cfg *trial_cfg, int fold, char why_out[512]);

/* rung_judge.c: the out-of-fold rows of the judge folds by trial 0 and by the best; publishes judge.json. Local. */
tn_status tn_rung_judge(const tn_cfg *cfg, const tn_index *index, const tn_ranked two[2], const char *folder,
                        char digest_out[TN_HEX_BYTES]);

#endif
