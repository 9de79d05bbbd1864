/* combine.c - the two means of members' probabilities, member by member. */
#include "learn/combine.h"

#include "learn/ensemble.h"

#include <math.h>
#include <stdlib.h>

static const double LEAST_P = 1e-7; /* the geometric mean must not be vetoed by one rounded 0 */

double tn_log_p(float p) {
    return log(fmax((double)p, LEAST_P));
}

void tn_combine_add(tn_reduce_kind kind, int times, int K, const float *p, double *sum) {
    for (int k = 0; k < K; k++) sum[k] += times * (kind == TN_REDUCE_GMEAN ? tn_log_p(p[k]) : (double)p[k]);
}

void tn_combine_end(tn_reduce_kind kind, int n, int K, const double *sum, float *p_out) {
    double total = 0, value[TN_MAX_CLASSES];
    for (int k = 0; k < K; k++) {
        value[k] = kind == TN_REDUCE_GMEAN ? exp(sum[k] / n) : sum[k] / n;
        total += value[k];
    }
    for (int k = 0; k < K; k++) p_out[k] = (float)(kind == TN_REDUCE_GMEAN ? value[k] / total : value[k]);
}

void tn_combine(tn_reduce_kind kind, int n, int64_t B, int K, const float *const *p, float *p_out) {
    for (int64_t i = 0; i < B; i++) {
        double sum[TN_MAX_CLASSES] = {0};
        for (int m = 0; m < n; m++) tn_combine_add(kind, 1, K, p[m] + i * K, sum);
        tn_combine_end(kind, n, K, sum, p_out + i * K);
    }
}
