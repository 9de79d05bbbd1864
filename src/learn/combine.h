/*
 * combine.h - a row's ensemble, member by member, so that no more than one member is in memory.
 *                                                                                   layer: learn, uses: base
 *
 *   double sum[K] = {0};   for each member: tn_combine_add(kind, 1, K, p, sum);   tn_combine_end(kind, n, K, sum,
 * p_out);
 */
#ifndef TN_LEARN_COMBINE_H
#define TN_LEARN_COMBINE_H

#include "base/cfg.h"

double tn_log_p(float p); /* log max(p, 1e-7) */

/* times: how often the member counts; n: sum of these. Greedy selection averages arithmetically. */
void tn_combine_add(tn_reduce_kind kind, int times, int K, const float *p, double *sum);
void tn_combine_end(tn_reduce_kind kind, int n, int K, const double *sum, float *p_out);

#endif
