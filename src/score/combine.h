/*
 * combine.h - combines the probabilities of ensemble members one by one, so that only one member is in memory.
 *
 *   double sum[B * tn_psum_width(K)] = {0};   for each member: tn_combine_add(kind, 1, B, K, p, sum);
 *   tn_combine_end(kind, n, B, K, sum, p_out);
 *
 * Formula  reduce/reduce.h: mean, gmean. Rows and sums as in score/prow.h. Works on blocks of rows. All functions are pure.
 */
#ifndef TN_SCORE_COMBINE_H
#define TN_SCORE_COMBINE_H

#include "score/prow.h"

/* Add a member. p: B rows, sum: B sums. times: the member's weight. TN_REDUCE_GREEDY averages arithmetically. */
void tn_combine_add(tn_reduce_kind kind, int times, int64_t B, int K, const float *p, double *sum);
/* Finish: p_out, B rows, from sum. n: sum of the members' weights. */
void tn_combine_end(tn_reduce_kind kind, int n, int64_t B, int K, const double *sum, float *p_out);

#endif
