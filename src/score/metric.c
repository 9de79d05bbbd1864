/* metric.c - scores from a confusion matrix. */
#include "score/metric.h"

#include <math.h>

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

void tn_confusion_add(tn_confusion *c, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < c->K && predicted >= 0 && predicted < c->K);
    c->n[label][predicted]++;
}

void tn_confusion_rows(tn_confusion *c, int64_t N, const float *p, const int32_t *label, const uint8_t *use) {
    for (int64_t i = 0; i < N; i++)
        if (label[i] >= 0 && (!use || use[i])) tn_confusion_add(c, label[i], tn_argmax(c->K, p + i * c->K));
}

tn_score tn_score_of(const tn_confusion *c) {
    tn_score s = {.K = c->K};
    double log_sum = 0, sum = 0;
    int64_t right = 0;
    for (int k = 0; k < c->K; k++) {
        int64_t labelled = 0, predicted = 0;
        for (int j = 0; j < c->K; j++) {
            labelled += c->n[k][j];
            predicted += c->n[j][k];
        }
        s.N += labelled;
        right += c->n[k][k];
        s.f1[k] = tn_share(2 * c->n[k][k], labelled + predicted);
        sum += s.f1[k];
        log_sum += log(s.f1[k]);
    }
    s.gmean = exp(log_sum / c->K); /* log 0 = -inf, and exp(-inf) = 0 */
    s.macro = sum / c->K;
    s.accuracy = tn_share(right, s.N);
    return s;
}

bool tn_score_better(const tn_score *a, const tn_score *b) {
    if (a->gmean != b->gmean) return a->gmean > b->gmean;
    if (a->macro != b->macro) return a->macro > b->macro;
    return a->accuracy > b->accuracy;
}
