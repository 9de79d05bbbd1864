/*
 * cost.h - checks before training: can the cell be trained, and how much memory will a rank need? All functions are local.
 *
 *   TN_TRY(tn_train_cost_of(cfg, size_px, lanes_here, extra_units, &cost));
 *   printf("%zu", cost.host_bytes);
 *
 * Accuracy  within 10 % of the peak resident size of a rank (measured in docs/performance.md), without the data set's index,
 *           which takes about 100 bytes per row.
 */
#ifndef TN_TRAIN_COST_H
#define TN_TRAIN_COST_H

#include "cfg/cfg.h"
#include "net/net.h"

#include <stddef.h>

typedef struct {
    size_t
        lane_bytes; /* activations and their gradients of one lane (micro-batch), also the teacher's. A rank computes its lanes
                            one after another, so their number does not matter */
    size_t
        host_bytes; /* all host memory of the rank: on the processor the lane and the weights, averages, moments and gradients;
                            images loaded ahead; the program */
    size_t
        device_bytes; /* all memory of the rank's GPU, without what CUDA itself takes (about half a GiB); 0 on the processor */
} tn_train_cost;

/* The network that the job file describes. extra_units: width of the metadata input of the head. */
tn_net_spec tn_train_net(const tn_cfg *cfg, int extra_units);

/* The memory of a rank with lanes_here lanes. Errors those of tn_net_new and tn_exec_new. */
tn_status tn_train_cost_of(const tn_cfg *cfg, int size_px, int lanes_here, int extra_units, tn_train_cost *out);

/* The memory of a rank that predicts with a model trained at size_px, at the size of predict.size_factor, on the most nodes that
 * slurm.nodes allows: a wave grows with the ranks. Errors as above. */
tn_status tn_predict_cost_of(const tn_cfg *cfg, int size_px, int extra_units, tn_train_cost *out);

/* Prediction computes rows in waves. Every rank holds a wave's rows of all ranks until rank 0 has written them. Their size changes no
 * bits. */
/* The bytes of such a row: with one view of a kept row (score/prow.h), with several of K values and their sums in double. */
size_t tn_predict_row_bytes(const tn_cfg *cfg);
/* The lanes of each rank in a wave: at most 64, and so many that the rows of all ranks take at most 128 MiB, but at least one. */
int tn_predict_wave_lanes(const tn_cfg *cfg, int n_ranks);

/* The number of optimiser steps of a cell. Errors TN_EARG there are fewer than train.evaluations. */
tn_status tn_train_steps(const tn_cfg *cfg, int64_t *out);

/* Check everything about training that can be checked without data.
 * Errors  those of tn_train_steps, of tn_train_cost_of and tn_predict_cost_of for each size, and of tn_pretrained_open if the file exists. */
tn_status tn_train_check(const tn_cfg *cfg);

#endif
