/*
 * combine.h - rows' ensemble, member by member, so that no more than one member is in memory.
 *                                                                                   layer: learn, uses: base
 *
 *   double sum[B * K] = {0};   for each member: tn_combine_add(kind, 1, B * K, p, sum);
 *   tn_combine_end(kind, n, B, K, sum, p_out);
 *
 * Formula  ensemble.h. Blocks of rows at a time: a loop over the few classes of one row costs more than it does.
 */
#ifndef TN_LEARN_COMBINE_H
#define TN_LEARN_COMBINE_H

#include "base/cfg.h"

double tn_log_p(float p); /* log max(p, 1e-7) */

/* p, sum (n_values): rows x classes. times: how often the member counts. Greedy selection averages arithmetically. */
void tn_combine_add(tn_reduce_kind kind, int times, int64_t n_values, const float *p, double *sum);
/* n: sum of the members' times. sum, p_out (B,K). */
void tn_combine_end(tn_reduce_kind kind, int n, int64_t B, int K, const double *sum, float *p_out);

#endif
