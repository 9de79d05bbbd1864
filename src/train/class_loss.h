/*
 * class_loss.h - what the loss makes of the sizes of the classes: class weights, and logit adjustment. Local.
 *
 *   TN_TRY(tn_class_loss_new(cfg, K, class_name, count, &c));
 *   lane.class_weight = c.weight, lane.logit_shift = c.shift;
 *
 * Formula   q_k: share of class k among the labelled images of an epoch of the sampler, so that a balanced sampler leaves nothing
 *           to do. Weight w_k = q_k^-a / sum_j q_j^(1-a), a = train.class_weight: their mean over the images is 1; a = 1 is
 *           scikit-learn's "balanced". Shift s_k = tau log q_k, tau = train.logit_adjustment.
 *           loss = - sum_k w_k target_k log softmax(logits + s)_k, as PyTorch's cross_entropy(logits + s, target, weight=w).
 *           Evaluations use the logits as they are: with tau = 1 they estimate what would be so if all classes had as many images.
 * Source    Menon et al. 2021, "Long-tail learning via logit adjustment", eq. 10
 */
#ifndef TN_TRAIN_CLASS_LOSS_H
#define TN_TRAIN_CLASS_LOSS_H

#include "base/status.h"
#include "cfg/cfg.h"

typedef struct {
    float *weight, *shift; /* (K); NULL: train.class_weight or train.logit_adjustment is 0 */
} tn_class_loss;

/* count (K): rows of each class in an epoch. The caller frees *out.
 * Errors TN_EARG one of the keys is not 0, and a class has no rows (named); TN_ENOMEM. */
tn_status tn_class_loss_new(const tn_cfg *cfg, int n_classes, char *const *class_name, const int64_t *count,
                            tn_class_loss *out);
void tn_class_loss_free(tn_class_loss *c);

#endif
