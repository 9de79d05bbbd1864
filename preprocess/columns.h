/* columns.h - converts the table's text columns to the index's numbers. All functions are local. */
#ifndef TN_PREPROCESS_COLUMNS_H
#define TN_PREPROCESS_COLUMNS_H

#include "base/hash.h"
#include "data/index.h"
#include "data/meta.h"

/* Set path, label, truth, is_test, classes, category values and ids, and group ids of the index. all_values: the vocabulary of categories
 * has the values of all rows, not only of rows that can be trained on. Every rank gets the same result. Errors TN_ENOMEM. */
tn_status tn_index_fill_columns(const tn_cfg *cfg, const tn_meta *meta, bool all_values, tn_index *ix);

/* One hash of everything in dataset.h5 that results depend on. */
void tn_index_columns_digest(const tn_index *ix, char hex_out[TN_HEX_BYTES]);

#endif
