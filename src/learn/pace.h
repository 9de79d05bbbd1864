/*
 * pace.h - how fast this machine trains, evaluates and decodes, measured with made-up images.   layer: learn, uses: net, data
 *
 *   tn_pace p;
 *   TN_TRY(tn_pace_measure(cfg, 240, 2, n_images, image, &p));
 *   double s = tn_pace_step_s(cfg, &p, 2, 2);          // of two ranks on two cores
 *
 * How        n_processes, each with train.lane_threads threads, do the same at the same time, as ranks do: the cores share memory
 *            and clock. Each does training lanes, the rest of a step (optimiser, averages) and evaluation lanes as train.c
 *            does them, and decodes, crops and resizes images as the loader does. What is told is the median of each of the
 *            slowest process.
 * Not in it  the sum over ranks of several nodes, reading files, checkpoints.
 * Must be called before this process has opened a device: OpenMP's threads do not survive a fork.
 */
#ifndef TN_LEARN_PACE_H
#define TN_LEARN_PACE_H

#include "base/cfg.h"

#include <stddef.h>

typedef struct {
    double lane_s; /* a training lane, forward and backward, and the teacher's forward */
    double rest_s; /* of a step: optimiser, averages, weights made ready, the sum over ranks of one machine */
    double eval_s; /* an evaluation lane */
    double load_s, eval_load_s; /* of a thread: an image for training, for evaluation */
} tn_pace;

/* An image as shards store it. */
typedef struct {
    unsigned char *bytes;
    size_t n_bytes;
    int w, h;
} tn_pace_image;

/* n_images 0: one that is made up, with preprocess.size_px. Errors of tn_net_new and tn_exec_new; TN_EIO a process ended. */
tn_status tn_pace_measure(const tn_cfg *cfg, int size_px, int n_processes, int n_images, const tn_pace_image *image,
                          tn_pace *out);

/* Seconds of a step of n_ranks ranks, and of evaluating an image, which share n_cores cores with their loader threads.
 * Formula  a piece of work takes max(c, (R T c + l) / C): c computing of a rank, l loading of all ranks, T train.lane_threads */
double tn_pace_step_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores);
double tn_pace_eval_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores);

#endif
