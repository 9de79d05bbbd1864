/* combine.c - arithmetic and geometric mean of members' probabilities. */
#include "reduce/combine.h"

#include <math.h>

static const double LEAST_P = 1e-7; /* one probability that was rounded to 0 must not make the geometric mean 0 */

double tn_log_p(float p) {
    return log(fmax((double)p, LEAST_P));
}

void tn_combine_add(tn_reduce_kind kind, int times, int64_t n_values, const float *p, double *sum) {
    if (kind == TN_REDUCE_GMEAN)
        for (int64_t i = 0; i < n_values; i++) sum[i] += times * tn_log_p(p[i]);
    else
        for (int64_t i = 0; i < n_values; i++) sum[i] += times * (double)p[i];
}

static void end_row(int n, int K, const double *sum, float *p_out) {
    double total = 0, value[TN_MAX_CLASSES];
    for (int k = 0; k < K; k++) total += value[k] = exp(sum[k] / n);
    for (int k = 0; k < K; k++) p_out[k] = (float)(value[k] / total);
}

void tn_combine_end(tn_reduce_kind kind, int n, int64_t B, int K, const double *sum, float *p_out) {
    if (kind == TN_REDUCE_GMEAN)
        for (int64_t i = 0; i < B; i++) end_row(n, K, sum + i * K, p_out + i * K);
    else
        for (int64_t i = 0; i < B * K; i++) p_out[i] = (float)(sum[i] / n);
}
