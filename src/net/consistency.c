/* consistency.c - computes in double, because K is small. */
#include "net/consistency.h"

#include <math.h>

static void softmax(int K, const float *logits, double *p) {
    double largest = (double)logits[0], sum = 0;
    for (int k = 1; k < K; k++) largest = fmax(largest, (double)logits[k]);
    for (int k = 0; k < K; k++) sum += p[k] = exp((double)logits[k] - largest);
    for (int k = 0; k < K; k++) p[k] /= sum;
}

static double mse(int K, const double *p, const float *q, double *grad) {
    double loss = 0, mean = 0;
    for (int k = 0; k < K; k++) {
        double d = p[k] - (double)q[k];
        loss += d * d / K;
        mean += p[k] * d;
    }
    for (int k = 0; k < K; k++) grad[k] = 2.0 / K * p[k] * (p[k] - (double)q[k] - mean);
    return loss;
}

static double kl(int K, const double *p, const float *q, double *grad) {
    double loss = 0, sum = 0;
    for (int k = 0; k < K; k++) {
        sum += (double)q[k];
        if (q[k] > 0) loss += (double)q[k] * (log((double)q[k]) - log(fmax(p[k], 1e-300)));
    }
    for (int k = 0; k < K; k++) grad[k] = p[k] * sum - (double)q[k];
    return loss;
}

void tn_consistency(tn_consistency_kind kind, int B, int K, const float *logits, const float *teacher, double weight,
                    double scale, float *loss, float *dlogits) {
    double p[TN_MAX_CLASSES], grad[TN_MAX_CLASSES];
    TN_ASSERT(K <= TN_MAX_CLASSES);
    for (int b = 0; b < B; b++, logits += K, teacher += K, dlogits += K) {
        softmax(K, logits, p);
        double d = kind == TN_CONSISTENCY_KL ? kl(K, p, teacher, grad) : mse(K, p, teacher, grad);
        loss[b] += (float)(weight * d);
        for (int k = 0; k < K; k++) dlogits[k] += (float)(scale * weight * grad[k]);
    }
}
