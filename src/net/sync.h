/*
 * sync.h - sums the gradient vectors of all lanes (micro-batches) over ranks, in one fixed tree for any number of ranks.
 *
 *   tn_lanes mine = tn_lanes_of(L, run->n_ranks, run->rank);       // contiguous block of lanes
 *   tn_lane_sum *sum = NULL;                                       // vector[i]: (n) floats of lane mine.first + i
 *   TN_TRY(tn_lane_sum_new(L, run->n_ranks, run->rank, n, bucket, dev, vector, &sum));
 *   each step:
 *     tn_lane_sum_begin(run, sum);
 *     ... vector[i] is written, that of the last lane from its end to its beginning ...
 *     tn_lane_sum_ready(sum, from);                                // from there to the end all lanes are final
 *     tn_lane_sum_finish(run, sum);                                // vector[0] of every rank = the sum
 *   tn_lane_sum_free(&sum);
 *
 * Formula    S(lo,hi) = S(lo,mid) + S(mid,hi), mid = (lo+hi)/2, S(l,l+1) = lane l. L is a power of two.
 * Invariants 1. The bits of the sum do not depend on the number of ranks.
 *            2. Every rank gets the same bits: each element is summed on one rank and copied from there.
 * Method     The vector is cut into buckets, which are sent independently, the last one first. At a node of the tree each of
 *            its ranks owns a slice of S. On the way up, ranks of both halves send each other the slices that the other will
 *            own, and add (reduce-scatter); on the way down the same exchanges run in reverse with the sums (allgather): see
 *            sync_route.c. If R is a power of two, this is recursive halving and doubling. Any other R <= L works, but a rank
 *            with lanes in both halves of a node sends for both, and ranks wait for each other: prefer powers of two.
 * Progress   Messages advance only inside ready and finish; there is no thread. finish spins for 0.2 ms, then sleeps 50 us
 *            at a time, because cores may be shared.
 * Cost       R a power of two: 2 log2 R messages per bucket; 2 (R-1)/R n floats sent and received per rank, as in a ring;
 *            (R-1)/R n additions besides those of the rank's own lanes. Memory: n/2 floats if R > 1.
 * Device     A device whose memory MPI cannot send adds the rank's own lanes itself. What other ranks need (one vector if R is a
 *            power of two) is copied to host memory bucket by bucket, beside the computation, and the sum is copied back: n more
 *            floats of memory.
 */
#ifndef TN_NET_SYNC_H
#define TN_NET_SYNC_H

#include "base/run.h"
#include "dev/dev.h"

#include <stdint.h>
#include <stdio.h>

typedef struct {
    int first, n;
} tn_lanes;

/* The lanes of a rank. Local. */
tn_lanes tn_lanes_of(int L, int n_ranks, int rank);

typedef struct tn_lane_sum tn_lane_sum;

/* Local.
 * bucket  floats per bucket; larger buckets are used if there would be more than 64
 * dev     the device whose memory the vectors are in; NULL: host memory
 * vector  one array (n) per lane of this rank; every sum overwrites all of them; they must stay valid
 * R <= L (asserted). Errors TN_ENOMEM */
tn_status tn_lane_sum_new(int L, int n_ranks, int rank, int64_t n, int64_t bucket, tn_dev *dev, float *const *vector,
                          tn_lane_sum **out);
void tn_lane_sum_free(tn_lane_sum **sum);

/* Begin a sum; tn_lane_sum_ready sends to the ranks of run. Nothing is sent yet. Collective: once per step on every rank. */
void tn_lane_sum_begin(tn_run *run, tn_lane_sum *sum);

/* Start sending the buckets at or above `from`, and advance those that were started. `from` must not rise within a step. Local: a rank
 * may call it any number of times between begin and finish, and it does not wait. */
void tn_lane_sum_ready(tn_lane_sum *sum, int64_t from);

/* Sends the rest and waits. Collective: once per step on every rank, with tn_lane_sum_ready or without. */
void tn_lane_sum_finish(tn_run *run, tn_lane_sum *sum);

int64_t tn_lane_sum_bytes(const tn_lane_sum *sum); /* bytes that this rank sends in one sum */

/* Print as markdown the mean milliseconds per sum spent in ready (during the backward pass) and in finish (waiting). Local. */
void tn_lane_sum_profile(const tn_lane_sum *sum, FILE *out);

#endif
