/*
 * vocabulary.h - translates category values from the numbers of one data set to those of another. All functions are local.
 *
 *   int32_t *map = NULL;
 *   TN_TRY(tn_vocabulary_map(n_from, from, n_to, to, &map));      // map[v]: the number in `to` of the name from[v]
 *   TN_TRY(tn_index_translate(ix, level, n_to, to, &n_unknown));
 *
 * Invariant  value 0 is "unknown" on both sides (index.h); names that are not in `to` become 0. A value with the name "unknown"
 *            is an ordinary value.
 */
#ifndef TN_DATA_VOCABULARY_H
#define TN_DATA_VOCABULARY_H

#include "data/index.h"

/* *map_out (n_from), which the caller frees. Errors TN_ENOMEM. */
tn_status tn_vocabulary_map(int32_t n_from, char *const *from, int32_t n_to, char *const *to, int32_t **map_out);

/* Translate ix->cat and n_values of a category column (level, from 0) to `to`; its value_name is freed. n_unknown_out: usable rows
 * whose value is not in `to` (empty fields do not count). */
tn_status tn_index_translate(tn_index *ix, int level, int32_t n_to, char *const *to, int64_t *n_unknown_out);

#endif
