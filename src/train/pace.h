/*
 * pace.h - measures how fast this machine trains, evaluates and loads images.
 *
 *   tn_pace p;
 *   TN_TRY(tn_pace_measure(cfg, 240, 2, n_images, image, &p));
 *   double s = tn_pace_step_s(cfg, &p, 2, 2);          // seconds of a step with two ranks on two cores
 *
 * Method     n_processes work at the same time, as ranks do, because cores share memory bandwidth and clock; each has
 *            train.lane_threads threads. Each times training lanes (micro-batches), the rest of a step (optimiser, averages) and
 *            evaluation lanes as train.c computes them, and decodes, crops and resizes images as the loader does. The result
 *            is the median time of each, in the slowest process.
 * Excluded   the sum over ranks of several nodes, reading files, checkpoints.
 * Call it before this process opens a device: OpenMP's threads do not survive a fork. All functions are local.
 */
#ifndef TN_TRAIN_PACE_H
#define TN_TRAIN_PACE_H

#include "cfg/cfg.h"

#include <stddef.h>

typedef struct {
    double lane_s; /* a training lane, forward and backward, and the teacher's forward */
    double rest_s; /* the rest of a step: optimiser, averages, preparing weights, the sum over ranks of one machine */
    double eval_s; /* an evaluation lane */
    double load_s, eval_load_s;       /* one thread loads an image for training, for evaluation */
    double predict_s, predict_load_s; /* eval_s, eval_load_s at the size of predict.size_factor */
} tn_pace;

/* An image as shards store it. */
typedef struct {
    unsigned char *bytes;
    size_t n_bytes;
    int w, h;
} tn_pace_image;

/* image (n_images); n_images 0: one artificial image of preprocess.size_px. Errors those of tn_net_new and tn_exec_new; TN_EIO a
 * process ended. */
tn_status tn_pace_measure(const tn_cfg *cfg, int size_px, int n_processes, int n_images, const tn_pace_image *image,
                          tn_pace *out);

/* Seconds of a step, and of evaluating or predicting an image, if n_ranks ranks share n_cores cores with their loader threads.
 * Formula  a piece of work takes max(c, (R T c + l) / C), where c is the computing time of a rank, l the loading time of all ranks,
 *          T train.lane_threads, R ranks, C cores */
double tn_pace_step_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores);
double tn_pace_eval_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores);
double tn_pace_predict_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores);

#endif
