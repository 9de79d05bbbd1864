/* sync.c - the fixed tree over lanes. Invariant and formula: sync.h. */
#include "net/sync.h"

#include <limits.h>

enum { TAG_LANE_SUM = 71 };

tn_lanes tn_lanes_of(int L, int n_ranks, int rank) {
    TN_ASSERT(L > 0 && (L & (L - 1)) == 0 && n_ranks <= L);
    int64_t first = (int64_t)L * rank / n_ranks, end = (int64_t)L * (rank + 1) / n_ranks;
    return (tn_lanes){(int)first, (int)(end - first)};
}

static int owner_of(int L, int n_ranks, int lane) {
    return (int)(((int64_t)(lane + 1) * n_ranks - 1) / L);
}

static void add(int64_t n, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* MPI counts are int; vectors may be longer. */
enum { PIECE = 1 << 28 };
static void send(tn_run *run, int64_t n, const float *x, int to) {
    for (int64_t at = 0; at < n; at += PIECE)
        MPI_Send(x + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_FLOAT, to, TAG_LANE_SUM, run->comm);
}
static void receive(tn_run *run, int64_t n, float *x, int from) {
    for (int64_t at = 0; at < n; at += PIECE)
        MPI_Recv(x + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_FLOAT, from, TAG_LANE_SUM, run->comm,
                 MPI_STATUS_IGNORE);
}

/* Afterwards the owner of lane lo holds S(lo,hi) in its vector of lane lo. */
static void sum_node(tn_run *run, int L, int lo, int hi, int64_t n, tn_lanes mine, float *const *vector,
                     float *scratch) {
    if (hi - lo == 1) return;
    int mid = lo + (hi - lo) / 2;
    int left = owner_of(L, run->n_ranks, lo), right = owner_of(L, run->n_ranks, mid);
    bool has_part = mine.first < hi && mine.first + mine.n > lo;
    if (!has_part) return;
    sum_node(run, L, lo, mid, n, mine, vector, scratch);
    sum_node(run, L, mid, hi, n, mine, vector, scratch);
    if (run->rank == left && left == right) {
        add(n, vector[mid - mine.first], vector[lo - mine.first]);
    } else if (run->rank == left) {
        receive(run, n, scratch, right);
        add(n, scratch, vector[lo - mine.first]);
    } else if (run->rank == right) {
        send(run, n, vector[mid - mine.first], left);
    }
}

void tn_lane_sum(tn_run *run, int L, int64_t n, float *const *vector, float *scratch) {
    tn_lanes mine = tn_lanes_of(L, run->n_ranks, run->rank);
    sum_node(run, L, 0, L, n, mine, vector, scratch);
    for (int64_t at = 0; at < n; at += PIECE)
        MPI_Bcast(vector[0] + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_FLOAT, 0, run->comm);
}
