/*
 * consistency.h - the distance of a student's probabilities to a teacher's, and its gradient.    layer: net, uses: base
 *
 *   tn_consistency(TN_CONSISTENCY_MSE, B, K, logits, teacher, weight, 1.0F / B, loss, dlogits);
 *
 * Formula   p = softmax(logits), q the teacher's probabilities, which are given: no gradient runs to the teacher.
 *           mse: d = (1/K) sum_k (p_k - q_k)^2;       dd/dlogit_j = (2/K) p_j (p_j - q_j - sum_k p_k (p_k - q_k))
 *           kl:  d = sum_k q_k (log q_k - log p_k);   dd/dlogit_j = p_j sum_k q_k - q_j
 * Source    Tarvainen & Valpola 2017, "Mean teachers", and its published code (losses.py: softmax_mse_loss divides by
 *           K, softmax_kl_loss does not)
 * Host memory: B K numbers, nothing beside a lane.
 */
#ifndef TN_NET_CONSISTENCY_H
#define TN_NET_CONSISTENCY_H

#include "base/cfg.h"

/* Adds weight d to loss (B) and scale weight times its gradient to dlogits (B,K). */
void tn_consistency(tn_consistency_kind kind, int B, int K, const float *logits, const float *teacher, double weight,
                    double scale, float *loss, float *dlogits);

#endif
