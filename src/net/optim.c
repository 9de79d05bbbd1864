/* optim.c - one optimiser step over all tensors, and the schedules. */
#include "net/optim.h"

#include <math.h>

static const float BETA2 = 0.999F, EPS = 1e-8F; /* Kingma & Ba 2015, section 2; beta1 is train.momentum */

/* Where in its cycle the cosine is, 0 to 1. t: the same of the whole training. The first of n cycles takes the share
 * 1 / (1 + g + ... + g^(n-1)), each further one g times as much. */
static double cycle_at(const tn_cfg *cfg, double t) {
    double length = 1, all = 1, begin = 0;
    for (int i = 0; i < cfg->train.restarts; i++) all += length *= cfg->train.restart_growth;
    length = 1;
    for (int i = 0; i < cfg->train.restarts && t * all >= begin + length; i++) {
        begin += length;
        length *= cfg->train.restart_growth;
    }
    return fmin((t * all - begin) / length, 1.0);
}

double tn_learning_rate(const tn_cfg *cfg, int64_t images_seen) {
    double rate = cfg->train.learning_rate, seen = (double)images_seen;
    double warmup = (double)cfg->train.warmup_images, images = (double)cfg->train.images;
    if (seen < warmup) return rate * seen / warmup;
    if (cfg->train.schedule == TN_SCHEDULE_CONSTANT) return rate;
    if (cfg->train.schedule == TN_SCHEDULE_STEP)
        return rate * pow(cfg->train.step_factor, floor((seen - warmup) / (double)cfg->train.step_images));
    double t = images > warmup ? fmin((seen - warmup) / (images - warmup), 1.0) : 1.0;
    return rate * (1.0 + cos(acos(-1.0) * cycle_at(cfg, t))) / 2.0;
}

/* The number of optimiser steps of the whole training. */
static double all_steps(const tn_cfg *cfg) {
    return (double)tn_cfg_steps(cfg, cfg->train.images);
}

double tn_ema_decay(const tn_cfg *cfg, int64_t step) {
    double most = cfg->train.ema_decay;
    if (most < 0) most = fmin(fmax(1.0 - 10.0 / all_steps(cfg), 0.99), 0.9999);
    return fmin(1.0 - 1.0 / (double)(step + 1), most);
}

double tn_consistency_weight(const tn_cfg *cfg, int64_t images_seen) {
    double rampup = (double)cfg->self.rampup_images;
    double left = (double)images_seen < rampup ? 1.0 - (double)images_seen / rampup : 0.0;
    return cfg->self.consistency_weight * exp(-5.0 * left * left);
}

static void clip(tn_dev *dev, int64_t n, double most, float *grads) {
    double norm = sqrt(tn_dev_squares(dev, n, grads));
    if (norm > most) dev->op->scale(dev, n, (float)(most / norm), grads);
}

static bool decays(const tn_tensor *t) {
    return t->kind == TN_TENSOR_CONV || t->kind == TN_TENSOR_DEPTHWISE || t->kind == TN_TENSOR_DENSE;
}

int64_t tn_frozen_steps(const tn_cfg *cfg) {
    int64_t images = (int64_t)cfg->train.lanes * cfg->train.lane_images;
    return cfg->train.freeze_images > 0 ? (cfg->train.freeze_images + images - 1) / images : 0;
}

/* The learning rate of a stage, as a factor of the rate of the schedule. */
static double stage_factor(const tn_net *net, const tn_cfg *cfg, int stage) {
    int behind = tn_net_stages(net) - stage;
    if (behind > 0) return pow(cfg->train.layer_decay, behind);
    return cfg->train.head_learning_rate > 0 ? cfg->train.head_learning_rate / cfg->train.learning_rate : 1;
}

void tn_optim_step(tn_dev *dev, const tn_net *net, const tn_cfg *cfg, double rate, int64_t step, float *grads,
                   float *params, float *m, float *v) {
    float momentum = (float)cfg->train.momentum;
    int64_t n_frozen = tn_frozen_steps(cfg);
    if (cfg->train.clip_norm > 0) clip(dev, tn_net_params(net), cfg->train.clip_norm, grads);
    for (int i = 0; i < tn_net_tensors(net); i++) {
        const tn_tensor *t = tn_net_tensor(net, i);
        int64_t at = t->offset, began = t->stage < cfg->train.freeze_stages ? n_frozen : 0;
        if (tn_tensor_is_state(t) || step <= began) continue;
        float decay = decays(t) ? (float)cfg->train.weight_decay : 0.0F;
        float own = (float)(rate * stage_factor(net, cfg, t->stage));
        if (cfg->train.optimizer == TN_OPTIM_SGD)
            dev->op->sgd(dev, t->n, own, momentum, decay, grads + at, m + at, params + at);
        else
            dev->op->adamw(dev, t->n, own, momentum, BETA2, EPS, decay, step - began, grads + at, m + at, v + at,
                           params + at);
    }
}
