/* combine.c - see combine.h. */
#include "score/combine.h"

static bool sums_logs(tn_reduce_kind kind) {
    return kind == TN_REDUCE_GMEAN;
}

void tn_combine_add(tn_reduce_kind kind, int times, int64_t B, int K, const float *p, double *sum) {
    tn_psum_add(K, sums_logs(kind), times, B, p, sum);
}

void tn_combine_end(tn_reduce_kind kind, int n, int64_t B, int K, const double *sum, float *p_out) {
    tn_psum_end(K, sums_logs(kind), n, B, sum, p_out);
}
