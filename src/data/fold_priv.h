/* fold_priv.h - shared by fold.c (folds) and fold_component.c (components, certificate). */
#ifndef TN_DATA_FOLD_PRIV_H
#define TN_DATA_FOLD_PRIV_H

#include "data/fold.h"

/* Count the leakage fields of the certificate from the finished map. */
tn_status tn_leakage_count(const tn_cfg *cfg, const tn_index *ix, tn_fold_certificate *cert);

static inline bool tn_trainable(const tn_index *ix, int64_t row) {
    return ix->label[row] >= 0 && !ix->is_test[row] && ix->state[row] == 0;
}

#endif
