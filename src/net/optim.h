/*
 * optim.h - optimiser step and learning-rate schedule, in images seen.              layer: net, uses: dev, net, cfg
 *
 *   rate = tn_learning_rate(cfg, images_seen);
 *   tn_optim_step(dev, net, cfg, rate, step, grads, params, m, v);
 *
 * AdamW's beta1 is train.momentum, beta2 and epsilon are 0.999 and 1e-8 (Kingma & Ba 2015; PyTorch's defaults).
 * Weight decay acts on convolution and dense weights only, not on biases, gamma and beta (as timm and the papers).
 * Source  Loshchilov & Hutter 2017 (cosine, SGDR eq. 5 without restarts), 2019 (AdamW)
 */
#ifndef TN_NET_OPTIM_H
#define TN_NET_OPTIM_H

#include "net/net.h"

/* constant: r; cosine: r (1 + cos(pi t)) / 2, t = (seen - warmup) / (images - warmup). Linear from 0 during the first
 * warmup_images. seen: images seen before the step, 0 <= seen < images rounded up to steps. */
double tn_learning_rate(const tn_cfg *cfg, int64_t images_seen);

/* min(1 - 1 / (step + 1), train.ema_decay), steps from 1: the average forgets the initial weights at once. Source:
 * Tarvainen & Valpola 2017 (mean teacher), as SELF uses it. */
double tn_ema_decay(const tn_cfg *cfg, int64_t step);

/* Weight of the consistency loss: self.consistency_weight exp(-5 (1 - t)^2), t = seen / self.rampup_images, at most 1
 * (Laine & Aila 2017; Tarvainen & Valpola 2017). */
double tn_consistency_weight(const tn_cfg *cfg, int64_t images_seen);

/* One step: clip to train.clip_norm (global norm), then sgd or adamw per tensor. step counts from 1. Vectors in device
 * memory; m, v (n_params), v unused by sgd and may be NULL. grads are changed by clipping. */
void tn_optim_step(tn_dev *dev, const tn_net *net, const tn_cfg *cfg, double rate, int64_t step, float *grads,
                   float *params, float *m, float *v);

#endif
