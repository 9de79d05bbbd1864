/* self.c - the judgement of given labels by posteriors. */
#include "learn/self.h"

#include "learn/metric.h"

#include <stdlib.h>

typedef struct {
    float z_label;
    int64_t row;
} dropped;

/* The most believed first: highest z of the given label, then the lower row. */
static int most_believed(const void *a, const void *b) {
    const dropped *x = a, *y = b;
    if (x->z_label != y->z_label) return x->z_label > y->z_label ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static float margin_of(int K, const float *z, int label) {
    float other = -1;
    for (int k = 0; k < K; k++)
        if (k != label && z[k] > other) other = z[k];
    return other - z[label];
}

/* Restores the best of the dropped rows of class k until its share is reached. list: (N). */
static void keep_floor(int64_t N, int K, int k, const float *z, const int32_t *label, double floor_share,
                       uint8_t *verdict, dropped *list) {
    int64_t n_judged = 0, n_dropped = 0;
    for (int64_t i = 0; i < N; i++) {
        if (label[i] != k || verdict[i] == TN_VERDICT_NOT_JUDGED) continue;
        n_judged++;
        if (verdict[i] == TN_VERDICT_DROP) list[n_dropped++] = (dropped){z[i * K + k], i};
    }
    double wanted = floor_share * (double)n_judged;
    int64_t least = (int64_t)wanted + ((double)(int64_t)wanted < wanted); /* rounded up */
    int64_t restore = least - (n_judged - n_dropped);
    if (restore <= 0) return;
    qsort(list, (size_t)n_dropped, sizeof *list, most_believed);
    for (int64_t i = 0; i < restore; i++) verdict[list[i].row] = TN_VERDICT_KEEP;
}

tn_status tn_self_judge(int64_t N, int K, const float *z, const int32_t *label, const uint8_t *judged, double floor,
                        uint8_t *verdict_out, float *margin_out, int32_t *suggested_out) {
    dropped *list = malloc((size_t)N * sizeof *list + 1);
    if (!list) return tn_fail_memory((size_t)N * sizeof *list, "the filter");
    for (int64_t i = 0; i < N; i++) {
        suggested_out[i] = tn_argmax(K, z + i * K);
        verdict_out[i] = TN_VERDICT_NOT_JUDGED;
        margin_out[i] = 0;
        if (!judged[i]) continue;
        TN_ASSERT(label[i] >= 0 && label[i] < K);
        margin_out[i] = margin_of(K, z + i * K, label[i]);
        verdict_out[i] = margin_out[i] > 0 ? TN_VERDICT_DROP : TN_VERDICT_KEEP;
    }
    for (int k = 0; k < K; k++) keep_floor(N, K, k, z, label, floor, verdict_out, list);
    free(list);
    return TN_OK;
}
