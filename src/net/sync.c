/* sync.c - executes the exchanges of all buckets. Invariants and formula: sync.h; list of exchanges: sync_route.c. */
#include "net/sync_priv.h"

#include "base/progress.h"
#include "base/watch.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

enum {
    MOST_BUCKETS = TN_DEV_COPIES,
    TAG = 1000
}; /* the largest tag, TAG + 64 x 64, is below 32767, which every MPI allows */

typedef struct {
    tn_route route;
    int64_t at, n;
    bool copying;         /* from the device: the exchanges have not begun */
    int stage, n_waiting; /* present exchange; its messages that have not arrived */
} bucket;

struct tn_lane_sum {
    tn_run *run; /* between begin and finish */
    int n_lanes;
    float *const *vector; /* the caller's */
    tn_dev *dev;          /* NULL: MPI can send the vectors */
    float **host;         /* (n_lanes) what MPI sends and receives: the vectors, or copies of the roots' */
    int n_buckets, n_begun, n_done;
    bucket *bucket;       /* [0] is the end of the vector */
    int most;             /* most messages of an exchange */
    MPI_Request *request; /* (n_buckets, most) */
    float *scratch;
    double hidden_s, waited_s; /* in ready, in finish */
    int64_t n_sums;
};

/* --- begin, end --------------------------------------------------------------------------------------------------- */

static tn_status make_host(tn_lane_sum *s, int L, int n_ranks, int rank, int64_t n) {
    size_t n_lanes = (size_t)s->n_lanes;
    bool *root = calloc(n_lanes, sizeof *root);
    s->host = calloc(n_lanes, sizeof *s->host);
    tn_status st = root && s->host ? TN_OK : tn_fail_memory(n_lanes * sizeof *s->host, "the sum over lanes");
    if (st == TN_OK) tn_route_roots(L, n_ranks, rank, root);
    for (size_t i = 0; st == TN_OK && i < n_lanes; i++) {
        if (!s->dev)
            s->host[i] = s->vector[i];
        else if (root[i] && n_ranks > 1 && !(s->host[i] = s->dev->op->host_alloc(s->dev, n)))
            st = tn_fail_memory((size_t)n * sizeof **s->host, "the sum over lanes");
    }
    free(root);
    return st;
}

static tn_status make_buckets(tn_lane_sum *s, int L, int n_ranks, int rank, int64_t n, int64_t size) {
    TN_TRY(make_host(s, L, n_ranks, rank, n));
    for (int i = 0; i < s->n_buckets; i++) {
        bucket *b = &s->bucket[i];
        int64_t end = n - i * size;
        b->at = end > size ? end - size : 0;
        b->n = end - b->at;
        TN_TRY(tn_route_make(L, n_ranks, rank, b->at, b->n, s->host,
                             s->scratch ? s->scratch + b->at / 2 + (s->n_buckets - 1 - i) : NULL, &b->route));
        for (int j = 0; j < b->route.n_stages; j++)
            if (b->route.stage[j].n_messages > s->most) s->most = b->route.stage[j].n_messages;
    }
    return TN_OK;
}

tn_status tn_lane_sum_new(int L, int n_ranks, int rank, int64_t n, int64_t size, tn_dev *dev, float *const *vector,
                          tn_lane_sum **out) {
    int64_t least = (n + MOST_BUCKETS - 1) / MOST_BUCKETS;
    if (size < least) size = least;
    TN_ASSERT(size > 0 && size <= INT_MAX); /* MPI counts are int */
    tn_lane_sum *s = calloc(1, sizeof *s);
    if (!s) return tn_fail_memory(sizeof *s, "the sum over lanes");
    s->n_lanes = tn_lanes_of(L, n_ranks, rank).n;
    s->vector = vector;
    s->dev = dev && !dev->op->in_host_memory ? dev : NULL;
    s->n_buckets = (int)((n + size - 1) / size);
    size_t n_scratch = n_ranks > 1 ? (size_t)(n / 2 + s->n_buckets) : 0;
    s->bucket = calloc((size_t)s->n_buckets, sizeof *s->bucket);
    if (n_scratch) s->scratch = malloc(n_scratch * sizeof *s->scratch);
    tn_status st = s->bucket && (s->scratch || !n_scratch) ? make_buckets(s, L, n_ranks, rank, n, size)
                                                           : tn_fail_memory(n_scratch * 4, "the sum over lanes");
    size_t n_requests = (size_t)s->n_buckets * (size_t)s->most;
    if (st == TN_OK && n_requests && !(s->request = malloc(n_requests * sizeof *s->request)))
        st = tn_fail_memory(n_requests * sizeof *s->request, "the sum over lanes");
    for (size_t i = 0; st == TN_OK && i < n_requests; i++) s->request[i] = MPI_REQUEST_NULL;
    if (st == TN_OK)
        *out = s;
    else
        tn_lane_sum_free(&s);
    return st;
}

void tn_lane_sum_free(tn_lane_sum **sum) {
    tn_lane_sum *s = *sum;
    if (!s) return;
    for (int i = 0; s->bucket && i < s->n_buckets; i++) tn_route_free(&s->bucket[i].route);
    for (int i = 0; s->dev && s->host && i < s->n_lanes; i++) s->dev->op->host_free(s->dev, s->host[i]);
    free(s->host);
    free(s->bucket);
    free(s->request);
    free(s->scratch);
    free(s);
    *sum = NULL;
}

/* --- a sum -------------------------------------------------------------------------------------------------------- */

static void add(int64_t n, const float *restrict from, float *restrict to) {
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* All sums of this rank's own lanes. Exchanges of another part of the tree never touch these lanes, so that the order does not matter. */
static void add_own(const tn_lane_sum *s, const bucket *b) {
    for (int i = 0; i < b->route.n_stages; i++) {
        const tn_stage *x = &b->route.stage[i];
        if (!x->own) continue;
        const float *from = s->vector[x->from_lane] + b->at;
        float *to = s->vector[x->to_lane] + b->at;
        if (s->dev)
            s->dev->op->add(s->dev, b->n, from, to);
        else
            add(b->n, from, to);
    }
}

/* Copies of a bucket have its number; the latest is done last. */
static void copy_to_host(const tn_lane_sum *s, bucket *b) {
    for (int i = 0; s->dev && i < s->n_lanes; i++)
        if (s->host[i]) {
            b->copying = true;
            s->dev->op->download_begin(s->dev, (int)(b - s->bucket), b->n, s->vector[i] + b->at, s->host[i] + b->at);
        }
}

static void copy_to_device(const tn_lane_sum *s, const bucket *b) {
    if (s->dev && s->host[0]) s->dev->op->upload_begin(s->dev, b->n, s->host[0] + b->at, s->vector[0] + b->at);
}

static void end_stage(bucket *b) {
    const tn_stage *x = &b->route.stage[b->stage++];
    if (!x->own) add(x->n_added, x->from, x->to);
}

/* Execute the exchanges of bucket i from its present one to the first that has to wait for messages. */
static void go_on(tn_lane_sum *s, int i) {
    bucket *b = &s->bucket[i];
    for (; b->stage < b->route.n_stages; end_stage(b)) {
        const tn_stage *x = &b->route.stage[b->stage];
        int tag = TAG + i * TN_ROUTE_NODES + x->node;
        for (int k = 0; k < x->n_messages; k++) {
            const tn_message *msg = &b->route.message[x->first + k];
            MPI_Request *request = &s->request[i * s->most + k];
            if (msg->send)
                MPI_Isend(msg->x, (int)msg->n, MPI_FLOAT, msg->peer, tag, s->run->comm, request);
            else
                MPI_Irecv(msg->x, (int)msg->n, MPI_FLOAT, msg->peer, tag, s->run->comm, request);
        }
        b->n_waiting = x->n_messages;
        if (b->n_waiting > 0) return;
    }
    copy_to_device(s, b);
    s->n_done++;
}

static void arrived(tn_lane_sum *s, int which) {
    int i = which / s->most;
    if (--s->bucket[i].n_waiting > 0) return;
    end_stage(&s->bucket[i]);
    go_on(s, i);
}

static void begin_from(tn_lane_sum *s, int64_t from) {
    while (s->n_begun < s->n_buckets && s->bucket[s->n_begun].at >= from) {
        bucket *b = &s->bucket[s->n_begun];
        b->stage = 0;
        add_own(s, b);
        copy_to_host(s, b);
        if (!b->copying) go_on(s, s->n_begun);
        s->n_begun++;
    }
}

/* Begin the exchanges of buckets that have arrived from the device, in order. */
static bool go_on_copied(tn_lane_sum *s) {
    bool any = false;
    for (int i = 0; s->dev && i < s->n_begun; i++) {
        if (!s->bucket[i].copying) continue;
        if (!s->dev->op->download_done(s->dev, i)) break;
        s->bucket[i].copying = false;
        go_on(s, i);
        any = true;
    }
    return any;
}

/* Has a message arrived? */
static bool go_on_arrived(tn_lane_sum *s) {
    int which = 0, any = 0;
    MPI_Testany(s->n_begun * s->most, s->request, &which, &any, MPI_STATUS_IGNORE);
    if (!any || which == MPI_UNDEFINED) return false;
    arrived(s, which);
    return true;
}

void tn_lane_sum_begin(tn_run *run, tn_lane_sum *s) {
    s->run = run;
}

void tn_lane_sum_ready(tn_lane_sum *s, int64_t from) {
    double begin_s = tn_now_s();
    begin_from(s, from);
    go_on_copied(s);
    while (s->n_done < s->n_begun && go_on_arrived(s)) {
    }
    s->hidden_s += tn_now_s() - begin_s;
}

/* The device may compute the last gradients still, and other ranks may take long and need this core: after a while sleep between tests. */
void tn_lane_sum_finish(tn_run *run, tn_lane_sum *s) {
    enum { SPIN_US = 200, SLEEP_US = 50 };
    double begin_s = tn_now_s(), idle_since_s = begin_s;
    TN_ASSERT(s->run == run);
    tn_watch_wait("the sum over lanes");
    begin_from(s, 0);
    while (s->n_done < s->n_buckets) {
        bool copied = go_on_copied(s);
        if (copied || go_on_arrived(s))
            idle_since_s = tn_now_s();
        else if (tn_now_s() - idle_since_s > SPIN_US * 1e-6)
            nanosleep(&(struct timespec){.tv_nsec = SLEEP_US * 1000}, NULL);
    }
    tn_watch_go();
    s->run = NULL;
    s->n_begun = s->n_done = 0;
    s->waited_s += tn_now_s() - begin_s;
    s->n_sums++;
}

/* --- profile ------------------------------------------------------------------------------------------------------ */

int64_t tn_lane_sum_bytes(const tn_lane_sum *s) {
    int64_t n = 0;
    for (int i = 0; i < s->n_buckets; i++)
        for (int k = 0; k < s->bucket[i].route.n_messages; k++)
            if (s->bucket[i].route.message[k].send) n += s->bucket[i].route.message[k].n;
    return n * (int64_t)sizeof(float);
}

void tn_lane_sum_profile(const tn_lane_sum *s, FILE *out) {
    double n = s->n_sums ? (double)s->n_sums : 1;
    fprintf(out,
            "\n| sum over lanes, per step | ms |\n| --- | ---: |\n| during the backward pass | %.2f |\n"
            "| after it, with the wait for other ranks | %.2f |\n| MiB sent by this rank | %.2f |\n",
            1e3 * s->hidden_s / n, 1e3 * s->waited_s / n, (double)tn_lane_sum_bytes(s) / 0x1p20);
}
