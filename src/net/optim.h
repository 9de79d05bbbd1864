/*
 * optim.h - optimiser step, and schedules over images seen. All functions are local.
 *
 *   rate = tn_learning_rate(cfg, images_seen);
 *   tn_optim_step(dev, net, cfg, rate, step, grads, params, m, v);
 *
 * AdamW's beta1 is train.momentum, beta2 and epsilon are 0.999 and 1e-8 (Kingma & Ba 2015; PyTorch's defaults).
 * Learning rate of stage s of n (net.h): rate x train.layer_decay^(n - s); of the head: rate, or that of train.head_learning_rate, which
 * follows the same schedule. While a stage is frozen, nothing of it changes, moments included; the steps of AdamW's bias correction
 * are counted from its end, as by PyTorch for parameters without gradient. Batch norm of a frozen stage still computes with the
 * moments of the batch, and follows them.
 * Weight decay acts only on convolution and dense weights, not on biases, gamma and beta (as in timm and the papers).
 * Source  Loshchilov & Hutter 2017 (cosine with restarts, SGDR eq. 5), 2019 (AdamW)
 */
#ifndef TN_NET_OPTIM_H
#define TN_NET_OPTIM_H

#include "net/net.h"

/* The learning rate. It rises linearly from 0 during the first train.warmup_images. Then
 * constant  r
 * step      r train.step_factor^n, n = floor((seen - warmup) / train.step_images)
 * cosine    r (1 + cos(pi t)) / 2, where t rises from 0 to 1 in each of train.restarts + 1 cycles, which fill images - warmup; each
 *           is train.restart_growth times as long as the one before
 * images_seen: before the step. */
double tn_learning_rate(const tn_cfg *cfg, int64_t images_seen);

/* The decay of the weight average in a step, counted from 1: min(1 - 1 / (step + 1), d). At first the average is the mean of all
 * steps so far, so that the initial weights are forgotten quickly. d is train.ema_decay, or by default, for a training of n steps,
 *   d = 1 - 10 / n, at least 0.99, at most 0.9999.
 * An average of decay d remembers about 1 / (1 - d) steps: a tenth of the training. At 15,000 steps d is 0.99933, at 20,000 0.9995.
 * Up to 1,000 steps it is 0.99, above 100,000 0.9999, with which timm trains EfficientNets.
 * Source  Tarvainen & Valpola 2017 (mean teacher), as used by SELF */
double tn_ema_decay(const tn_cfg *cfg, int64_t step);

/* The weight of the consistency loss: self.consistency_weight exp(-5 (1 - t)^2), t = min(seen / self.rampup_images, 1). Source:
 * Laine & Aila 2017; Tarvainen & Valpola 2017. */
double tn_consistency_weight(const tn_cfg *cfg, int64_t images_seen);

/* How many steps train.freeze_stages stages stay frozen: train.freeze_images, rounded up to whole steps. */
int64_t tn_frozen_steps(const tn_cfg *cfg);

/* One optimiser step: clip grads to train.clip_norm (global norm), then sgd or adamw per tensor. step counts from 1. grads, params, m, v
 * (n_params): device memory; v is NULL for sgd. Clipping changes grads. grads of frozen stages must be zeros if there is clipping. */
void tn_optim_step(tn_dev *dev, const tn_net *net, const tn_cfg *cfg, double rate, int64_t step, float *grads,
                   float *params, float *m, float *v);

#endif
