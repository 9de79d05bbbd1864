/*
 * consistency.h - consistency loss: the distance between a student's and a teacher's probabilities, and its gradient.
 *
 *   tn_consistency(TN_CONSISTENCY_MSE, B, K, logits, teacher, weight, 1.0F / B, loss, dlogits);
 *
 * Formula   p = softmax(logits); q: the teacher's probabilities, which get no gradient.
 *           mse: d = (1/K) sum_k (p_k - q_k)^2;       dd/dlogit_j = (2/K) p_j (p_j - q_j - sum_k p_k (p_k - q_k))
 *           kl:  d = sum_k q_k (log q_k - log p_k);   dd/dlogit_j = p_j sum_k q_k - q_j
 *           elr: d = log u, u = e + (1 - e) a, a = sum_k p_k (1 - q_k), e = TN_ELR_LEAST;
 *                                                     dd/dlogit_j = (1 - e) p_j (1 - q_j - a) / u
 *           a is 1 - <p, q>, summed so that nothing cancels where both are sure. log a itself has no least value: the loss would
 *           fall for ever by ever larger logits. The published code clamps p to [1e-4, 1 - 1e-4] and so cuts the gradient off at
 *           once; with e of the same size d is at least log 1e-4 = -9.2 and the gradient goes to 0 smoothly. Each of its
 *           components lies between -1 and 1 for any p and q. d is negative, and so may be the whole loss.
 * Collapse  elr pays for agreement, also on one class for all rows. Where all rows have nearly even predictions and p = q, it pushes a
 *           common shift of the logits on with weight / (K - 1) times the force by which cross entropy takes it back (both linear in p -
 *           1/K). So a net that starts at random runs into one class if weight >= K - 1, unless the weight is ramped up.
 * Source    elr: Liu et al. 2020, "Early-learning regularization" (arXiv 2007.00151), the loss L_ELR, with the averaged weights'
 *           probabilities in place of an average of a row's predictions.
 *           mse, kl: Tarvainen & Valpola 2017, "Mean teachers", and its published code (losses.py: softmax_mse_loss divides by
 *           K, softmax_kl_loss does not)
 * Local. All arrays are in host memory.
 */
#ifndef TN_NET_CONSISTENCY_H
#define TN_NET_CONSISTENCY_H

#include "cfg/cfg.h"

#define TN_ELR_LEAST 1e-4

/* Add weight * d to loss (B), and scale * weight * (gradient of d) to dlogits (B,K). logits, teacher (B,K). */
void tn_consistency(tn_consistency_kind kind, int B, int K, const float *logits, const float *teacher, double weight,
                    double scale, float *loss, float *dlogits);

#endif
