/*
 * cost.h - whether training can be done, and the memory that it will take, before it begins.
 *                                                                                     layer: learn, uses: net, data
 *
 *   TN_TRY(tn_train_cost_of(cfg, size_px, lanes_here, extra_units, &cost));
 *   printf("%zu", tn_train_cost_bytes(&cost));
 *
 * Accuracy  within 10 % of the peak resident size of a rank (measured in docs/performance.md); the data set's index is
 *           not in it: about 100 bytes a row.
 */
#ifndef TN_LEARN_COST_H
#define TN_LEARN_COST_H

#include "base/cfg.h"
#include "net/net.h"

#include <stddef.h>

typedef struct {
    size_t lane_bytes; /* activations and their gradients: one lane at a time, however many a rank has; the teacher's */
    size_t weights_bytes; /* weights, averages, moments, gradients of every lane of the rank, products' copies */
    size_t loader_bytes;  /* images ahead */
    size_t program_bytes; /* the program, its libraries and buffers of the kernels */
} tn_train_cost;

/* The net that the job file describes. extra_units: of the metadata head. */
tn_net_spec tn_train_net(const tn_cfg *cfg, int extra_units);

/* Of a rank with lanes_here lanes. Errors of tn_net_new and tn_exec_new. */
tn_status tn_train_cost_of(const tn_cfg *cfg, int size_px, int lanes_here, int extra_units, tn_train_cost *out);

/* Steps of a cell. Errors TN_EARG fewer than train.evaluation_points. */
tn_status tn_train_steps(const tn_cfg *cfg, int64_t *out);

/* Can a cell be trained, as far as that shows without data?
 * Errors  those of tn_train_steps, of tn_train_cost_of for each size, and of tn_pretrained_open where the file is
 *         there. */
tn_status tn_train_check(const tn_cfg *cfg);

static inline size_t tn_train_cost_bytes(const tn_train_cost *c) {
    return c->lane_bytes + c->weights_bytes + c->loader_bytes + c->program_bytes;
}

#endif
