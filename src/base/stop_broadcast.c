/* stop_broadcast.c - sends and receives the empty messages. */
#include "base/stop_broadcast.h"

#include "base/watch.h"

enum { TAG_HALT = 73 };

void tn_stop_broadcast_begin(tn_run *run, tn_stop_broadcast *h) {
    *h = (tn_stop_broadcast){.run = run};
    MPI_Irecv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, TAG_HALT, run->comm, &h->incoming);
}

static void call(tn_stop_broadcast *h) {
    if (h->called || h->heard) return;
    h->called = true;
    for (int r = 0; r < h->run->n_ranks; r++)
        if (r != h->run->rank) MPI_Send(NULL, 0, MPI_BYTE, r, TAG_HALT, h->run->comm); /* eager: never waits */
}

bool tn_stop_broadcast_wanted(tn_stop_broadcast *h) {
    int arrived = 0;
    if (!h->heard) MPI_Test(&h->incoming, &arrived, MPI_STATUS_IGNORE);
    h->heard |= arrived != 0;
    if (tn_stop_wanted()) call(h);
    return h->heard || h->called;
}

void tn_stop_broadcast_end(tn_run *run, tn_stop_broadcast *h, tn_status mine) {
    if (mine != TN_OK) call(h);
    int n_callers = h->called;
    tn_watch_wait("ranks that still work");
    MPI_Allreduce(MPI_IN_PLACE, &n_callers, 1, MPI_INT, MPI_SUM, run->comm);
    int left = n_callers - h->called - h->heard;
    for (; left > 0; left--) {
        if (h->heard)
            MPI_Recv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, TAG_HALT, run->comm, MPI_STATUS_IGNORE);
        else
            MPI_Wait(&h->incoming, MPI_STATUS_IGNORE);
        h->heard = true;
    }
    tn_watch_go();
    if (h->heard) return;
    MPI_Cancel(&h->incoming);
    MPI_Wait(&h->incoming, MPI_STATUS_IGNORE);
}
