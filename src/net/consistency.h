/*
 * consistency.h - consistency loss: the distance between a student's and a teacher's probabilities, and its gradient.
 *
 *   tn_consistency(TN_CONSISTENCY_MSE, B, K, logits, teacher, weight, 1.0F / B, loss, dlogits);
 *
 * Formula   p = softmax(logits); q: the teacher's probabilities, which get no gradient.
 *           mse: d = (1/K) sum_k (p_k - q_k)^2;       dd/dlogit_j = (2/K) p_j (p_j - q_j - sum_k p_k (p_k - q_k))
 *           kl:  d = sum_k q_k (log q_k - log p_k);   dd/dlogit_j = p_j sum_k q_k - q_j
 * Source    Tarvainen & Valpola 2017, "Mean teachers", and its published code (losses.py: softmax_mse_loss divides by
 *           K, softmax_kl_loss does not)
 * Local. All arrays are in host memory.
 */
#ifndef TN_NET_CONSISTENCY_H
#define TN_NET_CONSISTENCY_H

#include "cfg/cfg.h"

/* Add weight * d to loss (B), and scale * weight * (gradient of d) to dlogits (B,K). logits, teacher (B,K). */
void tn_consistency(tn_consistency_kind kind, int B, int K, const float *logits, const float *teacher, double weight,
                    double scale, float *loss, float *dlogits);

#endif
