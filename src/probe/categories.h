/*
 * categories.h - joins what categories tell of a label with what a picture tells. All functions are local.
 *
 *   tn_backoff *b = NULL;
 *   TN_TRY(tn_backoff_new(ix, cfg->model.metadata_levels, TN_CATEGORY_ROWS, &b));
 *   tn_categories_of(b, ix, f, n_parts, part, q);                 // (N,K): of all rows, for the model of fold f
 *   tn_categories_join(ix, q, use, p, weight);                    // p (N,K): from pictures
 *
 * Formula  p'_k proportional to p_k^a q_k^b, of every row; q as in score/backoff.h. a and b have the maximum likelihood of the labels of the
 *          rows in `use`: the sum of log p'_y is concave in both, Newton's method finds its top. A weight below 0 becomes 0.
 * Why not the product: what is visible and what is in the categories is much the same, and would count twice. Other ways were measured:
 *          docs/decisions/probe.md.
 * Source   logarithmic opinion pool: Heskes 1998, "Selecting weighting factors in logarithmic opinion pools"
 */
#ifndef TN_PROBE_CATEGORIES_H
#define TN_PROBE_CATEGORIES_H

#include "score/backoff.h"

enum { TN_CATEGORY_ROWS = 10 }; /* prior_count of the back-off */

/* Write q_out (N,K) of the rows with a fold, for the model of fold f: rows of f from the labels of all other folds, rows of another part from
 * those that are neither in f nor in this part. part (N): the part of each row; n_parts: of all folds together, ascending by fold. */
void tn_categories_of(tn_backoff *b, const tn_index *ix, int f, int n_parts, const int32_t *part, float *q_out);

/* p (N,K) becomes p' for the rows with a fold. use (N): rows whose labels decide. weight_out: a, b; 1, 0 without a row in use. */
void tn_categories_join(const tn_index *ix, const float *q, const uint8_t *use, float *p, double weight_out[2]);

#endif
