/*
 * combine.h - combines the probabilities of ensemble members one by one, so that only one member is in memory.
 *
 *   double sum[B * K] = {0};   for each member: tn_combine_add(kind, 1, B * K, p, sum);
 *   tn_combine_end(kind, n, B, K, sum, p_out);
 *
 * Formula  reduce.h: mean, gmean. Works on blocks of rows, because a loop over the few classes of one row has too much overhead.
 * All functions are pure.
 */
#ifndef TN_REDUCE_COMBINE_H
#define TN_REDUCE_COMBINE_H

#include "cfg/cfg.h"

double tn_log_p(float p); /* log max(p, 1e-7) */

/* Add a member. p, sum (n_values): rows x classes. times: the member's weight. TN_REDUCE_GREEDY averages arithmetically. */
void tn_combine_add(tn_reduce_kind kind, int times, int64_t n_values, const float *p, double *sum);
/* Finish: p_out (B,K) from sum (B,K). n: sum of the members' weights. */
void tn_combine_end(tn_reduce_kind kind, int n, int64_t B, int K, const double *sum, float *p_out);

#endif
