/* metric.c - scores from a confusion matrix. */
#include "score/metric.h"

#include <math.h>
#include <stdlib.h>

int tn_argmax(int K, const float *p) {
    int best = 0;
    float most = p[0];
    for (int k = 1; k < K; k++) { /* no branch depends on p */
        best = p[k] > most ? k : best;
        most = p[k] > most ? p[k] : most;
    }
    return best;
}

double tn_share(int64_t part, int64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* --- counts by class ---------------------------------------------------------------------------------------------- */

tn_status tn_counts_new(int K, tn_counts *out) {
    *out = (tn_counts){.K = K, .n = calloc(3 * (size_t)K, sizeof *out->n)};
    return out->n ? TN_OK : tn_fail_memory(3 * (size_t)K * sizeof *out->n, "the scores");
}

void tn_counts_free(tn_counts *c) {
    free(c->n);
    *c = (tn_counts){.K = 0};
}

void tn_counts_add(tn_counts *c, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < c->K && predicted >= 0 && predicted < c->K);
    c->n[label] += label == predicted;
    c->n[c->K + label]++;
    c->n[2 * c->K + predicted]++;
}

void tn_counts_rows(tn_counts *c, int64_t N, const float *p, const int32_t *label, const uint8_t *use) {
    for (int64_t i = 0; i < N; i++)
        if (label[i] >= 0 && (!use || use[i])) tn_counts_add(c, label[i], tn_argmax(c->K, p + i * c->K));
}

double tn_f1(const tn_counts *c, int k) {
    return tn_share(2 * c->n[k], c->n[c->K + k] + c->n[2 * c->K + k]);
}

tn_score tn_score_of(const tn_counts *c) {
    tn_score s = {.N = 0};
    double log_sum = 0, sum = 0;
    int64_t right = 0;
    for (int k = 0; k < c->K; k++) {
        double f1 = tn_f1(c, k);
        right += c->n[k];
        s.N += c->n[c->K + k];
        sum += f1;
        log_sum += log(f1);
    }
    s.gmean = exp(log_sum / c->K); /* log 0 = -inf, and exp(-inf) = 0 */
    s.macro = sum / c->K;
    s.accuracy = tn_share(right, s.N);
    return s;
}

/* --- the confusion matrix ----------------------------------------------------------------------------------------- */

tn_status tn_confusion_new(int K, tn_confusion *out) {
    size_t n = (size_t)K * (size_t)K;
    *out = (tn_confusion){.K = K, .n = calloc(n, sizeof *out->n)};
    return out->n ? TN_OK : tn_fail_memory(n * sizeof *out->n, "a confusion matrix");
}

void tn_confusion_free(tn_confusion *c) {
    free(c->n);
    *c = (tn_confusion){.K = 0};
}

void tn_confusion_add(tn_confusion *c, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < c->K && predicted >= 0 && predicted < c->K);
    c->n[(int64_t)label * c->K + predicted]++;
}

/* --- comparison --------------------------------------------------------------------------------------------------- */

bool tn_score_better(const tn_score *a, const tn_score *b) {
    if (a->gmean != b->gmean) return a->gmean > b->gmean;
    if (a->macro != b->macro) return a->macro > b->macro;
    return a->accuracy > b->accuracy;
}
