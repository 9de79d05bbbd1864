/*
 * vocabulary.h - the categories of one data set in the numbers of another.              layer: data, uses: base
 *
 *   int32_t *map = NULL;
 *   TN_TRY(tn_vocabulary_map(n_from, from, n_to, to, &map));      // map[v]: the number in `to` of the name from[v]
 *   TN_TRY(tn_index_translate(ix, level, n_to, to, &n_unknown));
 *
 * Invariant  value 0 is "unknown" on both sides (index.h), and what a name that `to` lacks becomes. A value whose name
 *            is the word unknown is an ordinary value.
 */
#ifndef TN_DATA_VOCABULARY_H
#define TN_DATA_VOCABULARY_H

#include "data/index.h"

/* map_out (n_from), caller frees. TN_ENOMEM. */
tn_status tn_vocabulary_map(int32_t n_from, char *const *from, int32_t n_to, char *const *to, int32_t **map_out);

/* ix->cat of a level (0..) and its n_values become those of `to`; its value_name is gone. n_unknown_out: usable rows
 * whose value `to` lacks (empty fields do not count). Local. */
tn_status tn_index_translate(tn_index *ix, int level, int32_t n_to, char *const *to, int64_t *n_unknown_out);

#endif
