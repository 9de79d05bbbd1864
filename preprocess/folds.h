/* folds.h - <run>/folds: folds.h5, certificate.txt, DONE. */
#ifndef TN_PREPROCESS_FOLDS_H
#define TN_PREPROCESS_FOLDS_H

#include "cfg/cfg.h"
#include "base/run.h"

/* Deals the rows of the finished folder shards to folds. What is done is said and left alone. Collective.
 * Errors  of tn_fold_assign (data/fold.h) and of writing; TN_EARG folder of another job file. */
tn_status tn_folds_make(tn_run *run, const tn_cfg *cfg, const char *shards);

#endif
