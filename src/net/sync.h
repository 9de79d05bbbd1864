/*
 * sync.h - the sum over lanes in one fixed tree, whatever the number of ranks.      layer: net, uses: base (run)
 *
 *   tn_lanes mine = tn_lanes_of(L, run->n_ranks, run->rank);       // contiguous block of lanes
 *   tn_lane_sum *sum = NULL;                                       // vector[i]: (n) floats of lane mine.first + i
 *   TN_TRY(tn_lane_sum_new(L, run->n_ranks, run->rank, n, bucket, vector, &sum));
 *   each step:
 *     ... vector[i] is written, that of the last lane from its end to its beginning ...
 *     tn_lane_sum_ready(run, sum, from);                           // from there to the end all lanes are final
 *     tn_lane_sum_finish(run, sum);                                // vector[0] of every rank = the sum
 *   tn_lane_sum_free(&sum);
 *
 * Formula    S(lo,hi) = S(lo,mid) + S(mid,hi), mid = (lo+hi)/2, S(l,l+1) = lane l. L is a power of two.
 * Invariants 1. The bits of the sum do not depend on the number of ranks.
 *            2. Every rank holds the same bits: each element is added up in one place and copied from there.
 * How        Buckets of the vector travel by themselves, the last first. At a node of the tree each of its ranks owns a
 *            slice of S; going up, ranks of both halves exchange what the other will own and add (reduce-scatter),
 *            going down the same exchanges run backwards with the sums (allgather): sync_route.c. R a power of two:
 *            recursive halving and doubling. Any other R <= L works; a rank whose lanes lie in both halves of a node
 *            then sends for both, and ranks wait for one another in turn: prefer powers of two.
 * Progress   Requests move on whenever ready or finish is called; there is no thread.
 *            Waiting spins for 0.2 ms, then sleeps 50 us at a time, since cores may be shared.
 * Cost       R a power of two: 2 log2 R messages a bucket and 2 (R-1)/R n floats sent and received per rank, as in a
 *            ring, with (R-1)/R n additions, after those of the rank's own lanes. Memory: n/2 floats when R > 1.
 */
#ifndef TN_NET_SYNC_H
#define TN_NET_SYNC_H

#include "base/run.h"

#include <stdint.h>
#include <stdio.h>

typedef struct {
    int first, n;
} tn_lanes;

tn_lanes tn_lanes_of(int L, int n_ranks, int rank);

typedef struct tn_lane_sum tn_lane_sum;

/* bucket: floats of one; larger ones are taken where there would be more than 64. vector: one (n) array of host memory
 * per lane of this rank, all are overwritten by every sum; they must stay valid. R <= L (asserted).
 * Errors  TN_ENOMEM */
tn_status tn_lane_sum_new(int L, int n_ranks, int rank, int64_t n, int64_t bucket, float *const *vector,
                          tn_lane_sum **out);
void tn_lane_sum_free(tn_lane_sum **sum);

/* Begins the buckets that lie at or above `from`, which never rises within a step, and moves on what was begun. Each
 * rank calls it as often as it likes; it does not wait. */
void tn_lane_sum_ready(tn_run *run, tn_lane_sum *sum, int64_t from);

/* Begins the rest and waits. Collective: once per step on every rank, with tn_lane_sum_ready or without. */
void tn_lane_sum_finish(tn_run *run, tn_lane_sum *sum);

int64_t tn_lane_sum_bytes(const tn_lane_sum *sum); /* sent by this rank in one sum */

/* Markdown: milliseconds a sum took in ready (behind the backward pass) and in finish (waited for), since it was
 * made */
void tn_lane_sum_profile(const tn_lane_sum *sum, FILE *out);

#endif
