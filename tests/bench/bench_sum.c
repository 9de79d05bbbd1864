/*
 * bench_sum.c - the sum over lanes, timed: mpirun -n R bench_sum NET LANES REPEATS BUCKET      (BUCKET: floats, Ki)
 *
 * The vector of a training step of NET with five classes. Prints one line
 *   R floats sent_bytes sum_s allreduce_s latency_s byte_s float_s
 * Medians over REPEATS of the slowest rank, the ways taken in turn: tn_lane_sum_finish alone (nothing is hidden); the
 * rank's own lanes added, then MPI_Allreduce; an exchange of one float with the neighbour (rank 0 with 1, 2 with 3,
 * ...; latency_s); one of the whole vector in messages of half a bucket (byte_s, per byte in one direction while both
 * send); an addition of two vectors (float_s, per float). R is 1 or even. tests/bench/sum_over_ranks makes a table of
 * it.
 */
#include "base/progress.h"
#include "net/net.h"
#include "net/sync.h"

#include <stdio.h>
#include <stdlib.h>

enum { K = 5, SLOTS = 3, MOST_REPEATS = 1000, SMALL = 100, MOST_PIECES = 4096 };
enum { SUM, ALLREDUCE, LATENCY, BYTES, ADD, WAYS };

typedef struct {
    tn_run run;
    tn_lane_sum *sum;
    tn_lanes mine;
    int64_t n, bucket;
    float **vector, *other;
} bench;

static void add(int64_t n, const float *restrict x, float *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* In messages of at most `most` floats, all at once. */
static void exchange(const bench *b, int64_t n, int64_t most) {
    static MPI_Request request[2 * MOST_PIECES];
    int n_requests = 0, peer = b->run.rank ^ 1;
    if (b->run.n_ranks == 1) return;
    for (int64_t at = 0; at < n; at += most) {
        int piece = (int)(n - at < most ? n - at : most);
        TN_ASSERT(n_requests < 2 * MOST_PIECES);
        MPI_Irecv(b->other + at, piece, MPI_FLOAT, peer, 1, b->run.comm, &request[n_requests++]);
        MPI_Isend(b->vector[0] + at, piece, MPI_FLOAT, peer, 1, b->run.comm, &request[n_requests++]);
    }
    MPI_Waitall(n_requests, request, MPI_STATUSES_IGNORE);
}

static void go(bench *b, int way) {
    switch (way) {
    case SUM:
        tn_lane_sum_begin(&b->run, b->sum);
        tn_lane_sum_finish(&b->run, b->sum);
        break;
    case ALLREDUCE:
        for (int i = 1; i < b->mine.n; i++) add(b->n, b->vector[i], b->vector[0]);
        MPI_Allreduce(MPI_IN_PLACE, b->vector[0], (int)b->n, MPI_FLOAT, MPI_SUM, b->run.comm);
        break;
    case LATENCY:
        for (int i = 0; i < SMALL; i++) exchange(b, 1, 1);
        break;
    case BYTES:
        exchange(b, b->n, b->bucket / 2);
        break;
    case ADD:
        add(b->n, b->other, b->vector[0]);
        break;
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(bench *b, int n_repeats, double median_out[WAYS]) {
    static double seconds[WAYS][MOST_REPEATS];
    for (int k = -2; k < n_repeats; k++)
        for (int way = 0; way < WAYS; way++) {
            for (int i = 0; i < b->mine.n; i++)
                for (int64_t j = 0; j < b->n; j++) b->vector[i][j] = 1; /* sums of sums would overflow */
            MPI_Barrier(b->run.comm);
            double begin_s = tn_now_s(), mine;
            go(b, way);
            mine = tn_now_s() - begin_s;
            if (k >= 0) MPI_Allreduce(&mine, &seconds[way][k], 1, MPI_DOUBLE, MPI_MAX, b->run.comm);
        }
    for (int way = 0; way < WAYS; way++) {
        qsort(seconds[way], (size_t)n_repeats, sizeof **seconds, ascending);
        median_out[way] = seconds[way][n_repeats / 2];
    }
}

static tn_status floats_of(const char *name, int64_t *n_out) {
    tn_net_spec spec = {.stem_stride = 2, .n_classes = K, .dropout = -1};
    snprintf(spec.name, sizeof spec.name, "%s", name);
    tn_net *net = NULL;
    TN_TRY(tn_net_new(&spec, &net));
    *n_out = SLOTS + tn_net_state(net) + tn_net_params(net);
    tn_net_free(&net);
    return TN_OK;
}

static float *made(int64_t n) {
    float *x = calloc((size_t)n, sizeof *x);
    TN_ASSERT(x != NULL);
    return x;
}

static tn_status begin(bench *b, const char *net, int L) {
    TN_TRY(floats_of(net, &b->n));
    b->mine = tn_lanes_of(L, b->run.n_ranks, b->run.rank);
    b->vector = calloc((size_t)b->mine.n, sizeof *b->vector);
    TN_ASSERT(b->vector != NULL);
    for (int i = 0; i < b->mine.n; i++) b->vector[i] = made(b->n);
    b->other = made(b->n);
    return tn_lane_sum_new(L, b->run.n_ranks, b->run.rank, b->n, b->bucket, NULL, b->vector, &b->sum);
}

static void end(bench *b) {
    tn_lane_sum_free(&b->sum);
    for (int i = 0; i < b->mine.n; i++) free(b->vector[i]);
    free(b->vector);
    free(b->other);
}

int main(int argc, char **argv) {
    bench b = {.sum = NULL};
    double s[WAYS];
    if (tn_run_begin(&b.run) != TN_OK) return 1;
    int n_repeats = argc == 5 ? atoi(argv[3]) : 0, R = b.run.n_ranks;
    if (n_repeats < 1 || n_repeats > MOST_REPEATS || (R > 1 && R % 2 == 1)) {
        fprintf(stderr, "usage: mpirun -n 1|2|4|... bench_sum NET LANES REPEATS BUCKET\n");
        MPI_Abort(MPI_COMM_WORLD, TN_EARG);
    }
    b.bucket = (int64_t)atoi(argv[4]) * 1024;
    tn_status st = begin(&b, argv[1], atoi(argv[2]));
    if (st == TN_OK) measure(&b, n_repeats, s);
    if (st == TN_OK && b.run.rank == 0)
        printf("%d %lld %lld %.6f %.6f %.9f %.3e %.3e\n", R, (long long)b.n, (long long)tn_lane_sum_bytes(b.sum),
               s[SUM], s[ALLREDUCE], s[LATENCY] / SMALL, (s[BYTES] - s[LATENCY] / SMALL) / (4.0 * (double)b.n),
               s[ADD] / (double)b.n);
    end(&b);
    tn_run_end(&b.run, st, false);
    return (int)st;
}
