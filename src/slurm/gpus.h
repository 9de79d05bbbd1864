/*
 * gpus.h - do the jobs of a run ask Slurm for the GPUs that train.device computes on?
 *
 *   TN_TRY(tn_gpus_check(cfg));     // after tn_site_read: site.env may set slurm.gpus_per_node
 *
 * Only tasks that compute nets ask (train, predict, trial); preprocess, reduce and report never do. A job file may name GPUs in its own
 * words instead, in slurm.options or slurm.train.options: --gres=gpu:2, --gpus-per-node=2. --exclusive counts, too: Slurm then gives
 * all GPUs of a node.
 */
#ifndef TN_SLURM_GPUS_H
#define TN_SLURM_GPUS_H

#include "cfg/cfg.h"

/* Warns if a node has GPUs that no rank uses, or ranks that share one. Local.
 * Errors TN_EARG train.device = "cuda", and nothing asks for a GPU: every cell would end on a node without one. */
tn_status tn_gpus_check(const tn_cfg *cfg);

/* The GPUs that a cell takes of each of its nodes: slurm.gpus_per_node, or 1 if the job file asks in its own words. Local. */
int tn_gpus_of_node(const tn_cfg *cfg);

#endif
