/*
 * lane_sum.c - tn_lane_sum against the formula of sync.h, written down once more without ranks: mpirun -n 8 lane_sum
 *
 * For R = 1 .. 8 of the ranks, every L, several n and bucket sizes: the same bits as the tree on one rank, on every
 * rank, with tn_lane_sum_ready called at other places by each rank. Prints how many sums were compared.
 */
#include "net/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LANES = 32, MOST_N = 3001 };

static uint32_t mix(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

/* Of either sign and over 2^-12 .. 2^12, so that another order gives other bits. */
static float value(int lane, int64_t i, int turn) {
    uint32_t x = mix((uint32_t)i * 64U + (uint32_t)lane + mix((uint32_t)turn));
    float size = 1.0F / 4096;
    for (uint32_t k = x % 25; k > 0; k--) size *= 2;
    return size * (float)((int32_t)mix(x) / 0x1p31);
}

static float tree(int lo, int hi, int64_t i, int turn) {
    if (hi - lo == 1) return value(lo, i, turn);
    int mid = (lo + hi) / 2;
    return tree(lo, mid, i, turn) + tree(mid, hi, i, turn);
}

static float in_a_row(int L, int64_t i, int turn) {
    float sum = 0;
    for (int lane = 0; lane < L; lane++) sum += value(lane, i, turn);
    return sum;
}

static void fail(const tn_run *run, int L, int64_t n, int64_t bucket, int64_t i) {
    fprintf(stderr, "rank %d of %d, %d lanes, n %lld, bucket %lld: other bits at %lld\n", run->rank, run->n_ranks, L,
            (long long)n, (long long)bucket, (long long)i);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void compare(tn_run *run, int L, int64_t n, int64_t bucket) {
    static float memory[MOST_LANES][MOST_N];
    tn_lanes mine = tn_lanes_of(L, run->n_ranks, run->rank);
    float *vector[MOST_LANES];
    for (int k = 0; k < mine.n; k++) vector[k] = memory[k];
    tn_lane_sum *sum = NULL;
    if (tn_lane_sum_new(L, run->n_ranks, run->rank, n, bucket, NULL, vector, &sum) != TN_OK)
        MPI_Abort(MPI_COMM_WORLD, 1);
    for (int turn = 0; turn < 2; turn++) { /* nothing keeps a rank from being a sum ahead */
        for (int k = 0; k < mine.n; k++)
            for (int64_t i = 0; i < n; i++) vector[k][i] = value(mine.first + k, i, turn);
        tn_lane_sum_begin(run, sum);
        for (int64_t from = n, steps = turn * (run->rank + 1); steps > 0; steps--)
            tn_lane_sum_ready(sum, from -= from / (steps + 1));
        tn_lane_sum_finish(run, sum);
        for (int64_t i = 0; i < n; i++) {
            float want = tree(0, L, i, turn);
            if (memcmp(&want, &vector[0][i], sizeof want) != 0) fail(run, L, n, bucket, i);
        }
    }
    tn_lane_sum_free(&sum);
}

/* A power of two that divides the lanes moves what a ring moves. */
static void check_bytes(tn_run *run, int L) {
    enum { N = 2048 };
    static float memory[MOST_LANES][N];
    int R = run->n_ranks;
    float *vector[MOST_LANES];
    for (int k = 0; k < MOST_LANES; k++) vector[k] = memory[k];
    tn_lane_sum *sum = NULL;
    if (tn_lane_sum_new(L, R, run->rank, N, N / 2, NULL, vector, &sum) != TN_OK) MPI_Abort(MPI_COMM_WORLD, 1);
    if ((R & (R - 1)) == 0 && tn_lane_sum_bytes(sum) != 2 * (R - 1) * (N / R) * 4) fail(run, L, N, N / 2, -1);
    tn_lane_sum_free(&sum);
}

/* The comparison means something: the order of lanes one after another has other bits. */
static int order_shows(int L) {
    int n_other = 0;
    for (int64_t i = 0; i < 100; i++) n_other += tree(0, L, i, 0) != in_a_row(L, i, 0);
    return n_other > 20;
}

int main(void) {
    tn_run world, part;
    if (tn_run_begin(&world) != TN_OK) return 1;
    int n_compared = 0, fine = order_shows(4) && order_shows(MOST_LANES);
    for (int R = 1; R <= world.n_ranks; R++) {
        tn_run_split(&world, world.rank < R ? 0 : 1, &part);
        for (int L = 1; L <= MOST_LANES && world.rank < R; L *= 2) {
            static const int64_t n[] = {0, 1, 5, 64, MOST_N}, bucket[] = {1, 97, 1 << 20};
            if (L < R) continue;
            for (size_t i = 0; i < sizeof n / sizeof *n; i++)
                for (size_t j = 0; j < sizeof bucket / sizeof *bucket; j++, n_compared++)
                    compare(&part, L, n[i], bucket[j]);
            check_bytes(&part, L);
        }
        tn_run_leave(&part);
    }
    if (world.rank == 0) printf("compared %d\n", n_compared);
    tn_run_end(&world, TN_OK, false);
    return fine ? 0 : 1;
}
