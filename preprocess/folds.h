/* folds.h - makes the folder <run>/folds: folds.h5, certificate.txt, DONE. */
#ifndef TN_PREPROCESS_FOLDS_H
#define TN_PREPROCESS_FOLDS_H

#include "base/run.h"
#include "cfg/cfg.h"

/* Assign the rows of the finished folder `shards` to folds. A folder that is done is only reported. Collective.
 * Errors  those of tn_fold_assign (data/fold.h); TN_EARG the folder was made with other settings; TN_EIO. */
tn_status tn_folds_make(tn_run *run, const tn_cfg *cfg, const char *shards);

#endif
