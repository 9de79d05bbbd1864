/*
 * sync_route.c - lists which rank sends which slice to which rank, so that every sum follows the tree over lanes.
 *
 * A node of the tree is a range of lanes; its ranks are those with lanes in it. Its sum is cut into equal slices, one per rank.
 * The order of slices alternates between the ranks of the left half and of the right half. If both halves have the same number
 * of ranks, the k-th rank of the left and the k-th of the right own the same slice of their halves' sums; each keeps one half
 * of it and sends the other: recursive halving. Powers of two need no other special case.
 *
 * A rank with lanes in both halves of a node (only if n_ranks is no power of two) holds a slice of both halves' sums. On the way
 * up a rank stores its slice of a node in the vector of its first lane there; on the way down in vector[0].
 *
 * Invariant  All ranks visit the nodes in the same order, on the way up children first, on the way down in reverse. So at any time
 *            all ranks of the first unfinished node are able to finish it, and there is no deadlock.
 */
#include "net/sync_priv.h"

#include <stdlib.h>

enum { MOST_DEPTH = TN_ROUTE_NODES / 2, SIDES = 2 };

/* A slice: elements [begin, end) of the bucket. */
typedef struct {
    int64_t begin, end;
} slice;

typedef struct {
    int n;
    int *rank; /* ranks of a node in the order of their slices */
} ranks;

typedef struct {
    int lo, mid, hi, depth;
} node;

typedef struct {
    int L, n_ranks, me;
    tn_lanes mine;
    int64_t n;
    float *const *vector;
    int64_t at; /* offset of the bucket in the vectors */
    float *scratch;
    int *spare;              /* free memory for order_of */
    ranks all, half[SIDES];  /* of the present node */
    node up[2 * MOST_DEPTH]; /* nodes where this rank exchanges, in the order of the way up */
    int n_up;
    bool no_memory;
    tn_route *route;
} maker;

tn_lanes tn_lanes_of(int L, int n_ranks, int rank) {
    TN_ASSERT(L > 0 && (L & (L - 1)) == 0 && n_ranks <= L);
    int64_t first = (int64_t)L * rank / n_ranks, end = (int64_t)L * (rank + 1) / n_ranks;
    return (tn_lanes){(int)first, (int)(end - first)};
}

static int owner_of(const maker *m, int lane) {
    return (int)(((int64_t)(lane + 1) * m->n_ranks - 1) / m->L);
}

/* --- slices ------------------------------------------------------------------------------------------------------- */

/* Write the ranks of lanes [lo, hi) to out, in the order of their slices. Returns their number. */
static int order_of(const maker *m, int lo, int hi, int *out) {
    int first = owner_of(m, lo), mid = lo + (hi - lo) / 2;
    if (first == owner_of(m, hi - 1)) {
        *out = first;
        return 1;
    }
    int a = order_of(m, lo, mid, out), b = order_of(m, mid, hi, out + a), n = 0, skip = -1;
    if (owner_of(m, mid - 1) == owner_of(m, mid)) skip = owner_of(m, mid); /* counted in the left half only */
    for (int i = 0, j = 0; i < a || j < b;) {
        bool left = j == b || (i < a && (int64_t)(2 * i + 1) * b <= (int64_t)(2 * j + 1) * a);
        int rank = left ? out[i++] : out[a + j++];
        if (left || rank != skip) m->spare[n++] = rank;
    }
    for (int i = 0; i < n; i++) out[i] = m->spare[i];
    return n;
}

static slice slice_at(const maker *m, const ranks *r, int i) {
    return (slice){m->n * i / r->n, m->n * (i + 1) / r->n};
}

/* The slice of a rank; empty if it is not among r. */
static slice slice_of(const maker *m, const ranks *r, int rank) {
    for (int i = 0; i < r->n; i++)
        if (r->rank[i] == rank) return slice_at(m, r, i);
    return (slice){0, 0};
}

static slice common(slice a, slice b) {
    return (slice){a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

/* --- listing exchanges -------------------------------------------------------------------------------------------- */

static void *grown(maker *m, void *x, int n, int *room, size_t size) {
    if (n < *room) return x;
    void *more = realloc(x, (size_t)(2 * n + 16) * size);
    if (more)
        *room = 2 * n + 16;
    else
        m->no_memory = true;
    return more ? more : x;
}

static void push_stage(maker *m, tn_stage stage) {
    tn_route *p = m->route;
    p->stage = grown(m, p->stage, p->n_stages, &p->stage_room, sizeof *p->stage);
    if (m->no_memory) return;
    stage.first = p->n_messages;
    p->stage[p->n_stages++] = stage;
}

/* Add a message to the last exchange. x: address that element 0 of the bucket would have. */
static void push_message(maker *m, bool send, int peer, float *x, slice piece) {
    tn_route *p = m->route;
    if (piece.begin >= piece.end || peer == m->me || m->no_memory) return;
    p->message = grown(m, p->message, p->n_messages, &p->message_room, sizeof *p->message);
    if (m->no_memory) return;
    p->message[p->n_messages++] =
        (tn_message){.x = x + piece.begin, .n = piece.end - piece.begin, .peer = peer, .send = send};
    p->stage[p->n_stages - 1].n_messages++;
}

/* This rank's first lane in [lo, hi), counted from its first one; -1 = it has none there. */
static int lane_in(tn_lanes mine, int lo, int hi) {
    int lane = lo > mine.first ? lo : mine.first;
    return lane < hi && lane < mine.first + mine.n ? lane - mine.first : -1;
}

/* The bucket in the vector of that lane; NULL = there is none. */
static float *place_in(const maker *m, int lo, int hi) {
    int lane = lane_in(m->mine, lo, hi);
    return lane >= 0 ? m->vector[lane] + m->at : NULL;
}

static void know_ranks(maker *m, const node *x) {
    m->half[0].n = order_of(m, x->lo, x->mid, m->half[0].rank);
    m->half[1].n = order_of(m, x->mid, x->hi, m->half[1].rank);
    m->all.n = order_of(m, x->lo, x->hi, m->all.rank);
}

/* On the way up: if this rank owns a slice of a half's sum, it sends each rank of the node the part that it will own, and receives the
 * parts of its own slice. */
static void push_up(maker *m, const node *x) {
    know_ranks(m, x);
    slice own = slice_of(m, &m->all, m->me);
    float *place[SIDES] = {place_in(m, x->lo, x->mid), place_in(m, x->mid, x->hi)};
    float *to = place[0] ? place[0] : place[1], *from = place[0] ? place[1] : NULL;
    int64_t origin = from ? 0 : own.begin; /* scratch has room for this rank's slice only */
    if (!from) from = m->scratch;
    push_stage(m, (tn_stage){.node = x->depth,
                             .to = to + own.begin,
                             .from = from + own.begin - origin,
                             .n_added = own.end - own.begin});
    for (int side = 0; side < SIDES; side++) {
        const ranks *half = &m->half[side];
        slice held = slice_of(m, half, m->me);
        for (int i = 0; i < m->all.n; i++)
            push_message(m, true, m->all.rank[i], place[side], common(held, slice_at(m, &m->all, i)));
        for (int i = 0; i < half->n; i++) {
            slice piece = common(own, slice_at(m, half, i));
            if (!place[side]) piece = (slice){piece.begin - origin, piece.end - origin};
            push_message(m, false, half->rank[i], place[side] ? place[side] : from, piece);
        }
    }
}

/* On the way down: the parts that a rank of this half needs and does not already have as a rank of the other half; at most two. */
static void wanted(const maker *m, int side, int rank, slice out[2]) {
    out[0] = slice_of(m, &m->half[side], rank);
    out[1] = (slice){0, 0};
    slice left = side == 1 ? slice_of(m, &m->half[0], rank) : (slice){0, 0};
    if (left.begin >= left.end) return;
    out[1] = (slice){out[0].begin > left.end ? out[0].begin : left.end, out[0].end};
    if (out[0].end > left.begin) out[0].end = left.begin;
}

static void push_down(maker *m, const node *x) {
    know_ranks(m, x);
    slice own = slice_of(m, &m->all, m->me), want[2];
    float *place = m->vector[0] + m->at;
    push_stage(m, (tn_stage){.node = MOST_DEPTH + x->depth});
    for (int side = 0; side < SIDES; side++) {
        const ranks *half = &m->half[side];
        for (int i = 0; i < half->n; i++) {
            wanted(m, side, half->rank[i], want);
            for (int k = 0; k < 2; k++) push_message(m, true, half->rank[i], place, common(own, want[k]));
        }
        wanted(m, side, m->me, want);
        for (int i = 0; i < m->all.n; i++)
            for (int k = 0; k < 2; k++)
                push_message(m, false, m->all.rank[i], place, common(want[k], slice_at(m, &m->all, i)));
    }
}

static void walk_up(maker *m, int lo, int hi, int depth) {
    if (hi - lo == 1 || lane_in(m->mine, lo, hi) < 0) return;
    node x = {lo, lo + (hi - lo) / 2, hi, depth};
    walk_up(m, x.lo, x.mid, depth + 1);
    walk_up(m, x.mid, x.hi, depth + 1);
    if (owner_of(m, lo) != owner_of(m, hi - 1)) {
        push_up(m, &x);
        m->up[m->n_up++] = x;
    } else {
        push_stage(
            m, (tn_stage){.own = true, .to_lane = lane_in(m->mine, lo, hi), .from_lane = lane_in(m->mine, x.mid, hi)});
    }
}

static void mark_roots(tn_lanes mine, int lo, int hi, bool *root_out) {
    int lane = lane_in(mine, lo, hi), mid = lo + (hi - lo) / 2;
    if (lane < 0) return;
    if (lo >= mine.first && hi <= mine.first + mine.n) {
        root_out[lane] = true;
        return;
    }
    mark_roots(mine, lo, mid, root_out);
    mark_roots(mine, mid, hi, root_out);
}

void tn_route_roots(int L, int n_ranks, int rank, bool *root_out) {
    tn_lanes mine = tn_lanes_of(L, n_ranks, rank);
    for (int i = 0; i < mine.n; i++) root_out[i] = false;
    mark_roots(mine, 0, L, root_out);
}

tn_status tn_route_make(int L, int n_ranks, int rank, int64_t at, int64_t n, float *const *vector, float *scratch,
                        tn_route *out) {
    size_t each = (size_t)n_ranks + MOST_DEPTH; /* order_of lists a rank twice in a node until it is merged */
    size_t n_bytes = 4 * each * sizeof(int);
    int *room = malloc(n_bytes);
    if (!room) return tn_fail_memory(n_bytes, "the route of a sum");
    maker m = {.L = L,
               .n_ranks = n_ranks,
               .me = rank,
               .mine = tn_lanes_of(L, n_ranks, rank),
               .n = n,
               .vector = vector,
               .at = at,
               .scratch = scratch,
               .spare = room,
               .all.rank = room + each,
               .half = {{.rank = room + 2 * each}, {.rank = room + 3 * each}},
               .route = out};
    walk_up(&m, 0, L, 0);
    for (int i = m.n_up - 1; i >= 0; i--) push_down(&m, &m.up[i]);
    free(room);
    if (!m.no_memory) return TN_OK;
    tn_route_free(out);
    return tn_fail_memory(n_bytes, "the route of a sum");
}

void tn_route_free(tn_route *route) {
    free(route->stage);
    free(route->message);
    *route = (tn_route){.stage = NULL};
}
