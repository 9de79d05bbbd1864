/* consistency.c - computes in double; probabilities are computed again where they are needed,
 * because there may be 21,999 of them. */
#include "net/consistency.h"

#include <math.h>

/* A sample's probabilities. */
typedef struct {
    const float *logits;
    double largest, sum;
} softmax;

static softmax softmax_of(int K, const float *logits) {
    softmax s = {.logits = logits, .largest = (double)logits[0]};
    for (int k = 1; k < K; k++) s.largest = fmax(s.largest, (double)logits[k]);
    for (int k = 0; k < K; k++) s.sum += exp((double)logits[k] - s.largest);
    return s;
}

static double p_of(const softmax *s, int k) {
    return exp((double)s->logits[k] - s->largest) / s->sum;
}

/* Add factor * gradient to dlogits, and return the distance. */
static double mse(int K, const softmax *s, const float *q, double factor, float *dlogits) {
    double loss = 0, mean = 0;
    for (int k = 0; k < K; k++) {
        double p = p_of(s, k), d = p - (double)q[k];
        loss += d * d / K;
        mean += p * d;
    }
    for (int k = 0; k < K; k++) {
        double p = p_of(s, k);
        dlogits[k] += (float)(factor * (2.0 / K * p * (p - (double)q[k] - mean)));
    }
    return loss;
}

static double kl(int K, const softmax *s, const float *q, double factor, float *dlogits) {
    double loss = 0, sum = 0;
    for (int k = 0; k < K; k++) {
        sum += (double)q[k];
        if (q[k] > 0) loss += (double)q[k] * (log((double)q[k]) - log(fmax(p_of(s, k), 1e-300)));
    }
    for (int k = 0; k < K; k++) dlogits[k] += (float)(factor * (p_of(s, k) * sum - (double)q[k]));
    return loss;
}

static double elr(int K, const softmax *s, const float *q, double factor, float *dlogits) {
    double apart = 0;
    for (int k = 0; k < K; k++) apart += p_of(s, k) * (1 - (double)q[k]);
    double u = TN_ELR_LEAST + (1 - TN_ELR_LEAST) * fmax(apart, 0); /* a sum of q may be rounded to just above 1 */
    for (int k = 0; k < K; k++)
        dlogits[k] += (float)(factor * (1 - TN_ELR_LEAST) * p_of(s, k) * (1 - (double)q[k] - apart) / u);
    return log(u);
}

static double (*const DISTANCE[])(int, const softmax *, const float *, double, float *) = {
    [TN_CONSISTENCY_MSE] = mse, [TN_CONSISTENCY_KL] = kl, [TN_CONSISTENCY_ELR] = elr};

void tn_consistency(tn_consistency_kind kind, int B, int K, const float *logits, const float *teacher, double weight,
                    double scale, float *loss, float *dlogits) {
    for (int b = 0; b < B; b++, logits += K, teacher += K, dlogits += K) {
        softmax s = softmax_of(K, logits);
        loss[b] += (float)(weight * DISTANCE[kind](K, &s, teacher, scale * weight, dlogits));
    }
}
