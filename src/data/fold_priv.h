/* fold_priv.h - which rows are kin: shared by fold.c (dealing), fold_kin.c (components, certificate). */
#ifndef TN_DATA_FOLD_PRIV_H
#define TN_DATA_FOLD_PRIV_H

#include "data/fold.h"

/* Fills ix->component: the lowest row of each connected component. TN_ENOMEM. */
tn_status tn_components_find(const tn_cfg *cfg, tn_index *ix);

/* The leakage fields of the certificate, counted from the finished map. */
tn_status tn_leakage_count(const tn_cfg *cfg, const tn_index *ix, tn_fold_certificate *cert);

static inline bool tn_trainable(const tn_index *ix, int64_t row) {
    return ix->label[row] >= 0 && !ix->is_test[row] && ix->state[row] == 0;
}

#endif
