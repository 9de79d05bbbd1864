/* probability.c - see probability.h. */
#include "score/probability.h"

#include <inttypes.h>
#include <math.h>

/* False for NaN, which fails every comparison. */
static bool is_between(float p) {
    return p >= 0 && p <= 1 + TN_P_BEYOND_1;
}

static bool is_sound(int K, const float *p, double *sum_out) {
    bool sound = true;
    double sum = 0;
    for (int k = 0; k < K; k++) { /* no branch depends on p */
        sound &= is_between(p[k]);
        sum += (double)p[k];
    }
    *sum_out = sum;
    return sound && fabs(sum - 1) <= TN_P_SUM_OFF;
}

int64_t tn_probability_bad(int64_t n, int K, const float *p) {
    double sum;
    int W = tn_prow_width(K);
    for (int64_t i = 0; i < n; i++)
        if (tn_prow_whole(K) ? !is_sound(K, p + i * W, &sum) : tn_prow_wrong(K, p + i * W) != NULL) return i;
    return -1;
}

tn_status tn_probability_fail(const char *file, int64_t row, const char *image, int K, char *const *class_name,
                              const float *p, const char *advice) {
    char where[TN_PATH_BYTES + 64], class[TN_NAME_BYTES + 16];
    double sum = 0;
    int k = 0;
    snprintf(where, sizeof where, "row %" PRId64 "%s%s%s", row, image ? " (" : "", image ? image : "",
             image ? ")" : "");
    if (!tn_prow_whole(K))
        return tn_fail(TN_EFORMAT, "%s: %s: is not a row of largest probabilities, %s: %s", file, where,
                       tn_prow_wrong(K, p), advice);
    while (k < K && is_between(p[k])) k++;
    if (k < K) {
        if (class_name)
            snprintf(class, sizeof class, "%s", class_name[k]);
        else
            snprintf(class, sizeof class, "class %d", k);
        return tn_fail(TN_EFORMAT, "%s: %s: the probability of %s is %g, not a number from 0 to 1: %s", file, where,
                       class, (double)p[k], advice);
    }
    is_sound(K, p, &sum);
    return tn_fail(TN_EFORMAT, "%s: %s: the probabilities sum to %.6g, not to 1: %s", file, where, sum, advice);
}

tn_status tn_probability_check(const char *file, const tn_index *ix, int64_t row, const float *p, const char *advice) {
    int K = ix->n_classes;
    return tn_probability_bad(1, K, p) < 0
               ? TN_OK
               : tn_probability_fail(file, row, ix->path[row], K, ix->class_name, p, advice);
}
