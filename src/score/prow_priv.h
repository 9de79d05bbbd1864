/* prow_priv.h - shared by prow.c (rows) and psum.c (sums of rows): rows of largest values, and their order. */
#ifndef TN_SCORE_PROW_PRIV_H
#define TN_SCORE_PROW_PRIV_H

#include "score/prow.h"

typedef struct {
    int class;
    double value;
} tn_prow_entry;

/* Larger values come first; ties: the lower class. */
static inline bool tn_prow_before(const tn_prow_entry *a, const tn_prow_entry *b) {
    return a->value > b->value || (a->value >= b->value && a->class < b->class);
}
/* Bring the first TN_PROW_TOP of n >= TN_PROW_TOP entries to the front of the list, in order. */
void tn_prow_sort_top(int n, tn_prow_entry *list);

/* The place of a class among the TN_PROW_TOP of a row; TN_PROW_TOP: none. All are compared, without a branch, because mostly none is
 * equal. */
static inline int tn_prow_place(const float *row, int k) {
    int at = TN_PROW_TOP;
    for (int j = 0; j < TN_PROW_TOP; j++) at = row[j] == (float)k ? j : at;
    return at;
}
/* The share of a class that is not among the first n listed ones. With n = TN_PROW_TOP the label is not looked at. */
float tn_prow_rest_after(int K, int n, const float *row);

#endif
