/*
 * sync.h - the sum over lanes in one fixed tree, whatever the number of ranks.      layer: net, uses: base (run)
 *
 *   tn_lanes mine = tn_lanes_of(L, run->n_ranks, run->rank);     // contiguous block of lanes
 *   vector[i] = result of lane mine.first + i                    // (n) floats each, host memory
 *   tn_lane_sum(run, L, n, vector, scratch);                     // vector[0] of every rank = the sum
 *
 * Formula   S(lo,hi) = S(lo,mid) + S(mid,hi), mid = (lo+hi)/2, S(l,l+1) = lane l. L is a power of two.
 * Invariant The bits of the sum do not depend on the number of ranks.
 * Cost      at most ceil(log2 R) messages of n floats per rank, then one broadcast.
 */
#ifndef TN_NET_SYNC_H
#define TN_NET_SYNC_H

#include "base/run.h"

#include <stdint.h>

typedef struct {
    int first, n;
} tn_lanes;

tn_lanes tn_lanes_of(int L, int n_ranks, int rank);

/* Collective. vector: one (n) array per lane of this rank, all are overwritten; scratch (n). R <= L (asserted). */
void tn_lane_sum(tn_run *run, int L, int64_t n, float *const *vector, float *scratch);

#endif
