/* sync_priv.h - the messages and additions of one rank to sum one bucket: listed by sync_route.c, executed by sync.c. */
#ifndef TN_NET_SYNC_PRIV_H
#define TN_NET_SYNC_PRIV_H

#include "net/sync.h"

typedef struct {
    float *x;
    int64_t n;
    int peer;
    bool send;
} tn_message;

/* own: two lanes of this rank are added, lane `to_lane` += lane `from_lane` (counted from its first one), all of the bucket. Otherwise
 * an exchange: messages that are sent at the same time, and an addition when all have arrived: to += from (n_added floats). */
typedef struct {
    bool own;
    int to_lane, from_lane;
    int node; /* identifies the exchange among those of two ranks in one bucket; part of the message tag */
    int first, n_messages;
    float *to;
    const float *from;
    int64_t n_added;
} tn_stage;

typedef struct {
    int n_stages, n_messages, stage_room, message_room;
    tn_stage *stage;
    tn_message *message;
} tn_route;

enum { TN_ROUTE_NODES = 64 }; /* tn_stage.node is below this */

/* Which of this rank's lanes take part in exchanges: those that are not added to another one of this rank before. root_out: one per
 * lane of this rank. */
void tn_route_roots(int L, int n_ranks, int rank, bool *root_out);

/* List the exchanges for bucket [at, at + n) of the vectors. vector: host memory; only those of roots are used. scratch: n/2 + 1 floats
 * for this bucket alone, unused if n_ranks = 1. */
tn_status tn_route_make(int L, int n_ranks, int rank, int64_t at, int64_t n, float *const *vector, float *scratch,
                        tn_route *out);
void tn_route_free(tn_route *route);

#endif
