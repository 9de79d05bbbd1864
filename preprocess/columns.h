/* columns.h - from the metadata's text to the index's numbers. */
#ifndef TN_PREPROCESS_COLUMNS_H
#define TN_PREPROCESS_COLUMNS_H

#include "base/hash.h"
#include "data/index.h"
#include "data/meta.h"

/* path, label, truth, is_test, classes, category values and ids, group ids. all_values: the vocabulary has the values
 * of all rows, not of those alone that can be trained on. Local, the same on every rank. TN_ENOMEM. */
tn_status tn_index_fill_columns(const tn_cfg *cfg, const tn_meta *meta, bool all_values, tn_index *ix);

/* One hash of everything in dataset.h5 that results depend on. */
void tn_index_columns_digest(const tn_index *ix, char hex_out[TN_HEX_BYTES]);

#endif
