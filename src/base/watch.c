/* watch.c - the table of what the ranks of this host are doing. */
#define _GNU_SOURCE /* memfd_create */
#include "base/watch.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* What one process shows its peers. Its text may be read half-written: it is for people. */
typedef struct {
    _Atomic int64_t count;
    int64_t number;
    char doing[96], wait[48];
    _Atomic bool rests;
} place;

typedef struct {
    int rank, pid;
    const place *place;
    int64_t seen; /* count at the last look */
} peer;

static const unsigned LAST_WORDS_S = 5; /* in which the ranks of other hosts say theirs */

static place before_begin = {.doing = "the start"};
static place *mine = &before_begin;
static peer *peers;
static int n_peers, own_rank, file = -1;
static _Atomic int64_t most_looks; /* without progress; 0: any number */

/* --- this process ------------------------------------------------------------------------------------------------- */

void tn_watch_go(void) {
    mine->wait[0] = 0;
    atomic_fetch_add_explicit(&mine->count, 1, memory_order_relaxed);
}

void tn_watch_at(const char *doing, int64_t number) {
    snprintf(mine->doing, sizeof mine->doing, "%s", doing);
    mine->number = number;
    tn_watch_go();
}

void tn_watch_wait(const char *what) {
    tn_watch_go();
    snprintf(mine->wait, sizeof mine->wait, "%s", what);
}

void tn_watch_rest(bool rests) {
    atomic_store(&mine->rests, rests);
    tn_watch_go();
}

void tn_watch_limit(double seconds) {
    int64_t looks = (int64_t)(seconds * 1000 / TN_WATCH_EVERY_MS);
    atomic_store(&most_looks, seconds > 0 && looks < 1 ? 1 : looks);
}

/* --- the others --------------------------------------------------------------------------------------------------- */

int tn_watch_file(void) {
    if (file >= 0) return file;
    int fd = memfd_create("tenfold-watch", MFD_CLOEXEC);
    void *at = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof(place)) == 0)
        at = mmap(NULL, sizeof(place), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        if (fd >= 0) close(fd);
        return -1;
    }
    memcpy(at, mine, sizeof *mine);
    mine = at;
    return file = fd;
}

static const place *open_place(const tn_watch_peer *p) {
    char path[64];
    if (p->pid == getpid()) return mine;
    if (p->fd < 0) return NULL;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", p->pid, p->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at = fd >= 0 ? mmap(NULL, sizeof(place), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0) close(fd);
    return at == MAP_FAILED ? NULL : at;
}

void tn_watch_peers(int n, const tn_watch_peer *of) {
    peer *list = calloc((size_t)n, sizeof *list);
    int n_seen = 0;
    for (int i = 0; list && i < n; i++) {
        const place *at = open_place(&of[i]);
        if (of[i].pid == getpid()) own_rank = of[i].rank;
        if (at) list[n_seen++] = (peer){of[i].rank, of[i].pid, at, 0};
    }
    peers = list;
    n_peers = n_seen;
}

/* R running, S sleeping, D in a system call that does not return, T stopped, Z dead; ? not known. */
static char state_of(int pid) {
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = '?';
    if (f) fclose(f);
    return state;
}

static const char *state_name(char state) {
    switch (state) {
    case 'R':
        return "running";
    case 'S':
        return "sleeping";
    case 'D':
        return "in a system call";
    case 'T':
    case 't':
        return "stopped";
    case 'Z':
    case 'X':
        return "dead";
    default:
        return "in an unknown state";
    }
}

static void text_of(int rank, int pid, const place *p, char out[TN_WATCH_TEXT_BYTES]) {
    int n = snprintf(out, TN_WATCH_TEXT_BYTES, "rank %d, process %d: in %.95s", rank, pid, p->doing);
    if (p->number > 0) n += snprintf(out + n, TN_WATCH_TEXT_BYTES - (size_t)n, " at %lld", (long long)p->number);
    if (*p->wait) snprintf(out + n, TN_WATCH_TEXT_BYTES - (size_t)n, ", waits for %.47s", p->wait);
}

void tn_watch_text(char out[TN_WATCH_TEXT_BYTES]) {
    text_of(own_rank, (int)getpid(), mine, out);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static bool can_speak(int pid) {
    return strchr("TtZX", state_of(pid)) == NULL;
}

/* One rank of this host speaks for all: the first that is able to. */
static bool speaks(void) {
    for (int i = 0; i < n_peers; i++)
        if (can_speak(peers[i].pid)) return peers[i].pid == getpid();
    return true;
}

_Noreturn static void end(int64_t looks) {
    char text[TN_WATCH_TEXT_BYTES], host[256] = "?";
    gethostname(host, sizeof host - 1);
    if (speaks()) {
        for (int i = 0; i < n_peers; i++) {
            text_of(peers[i].rank, peers[i].pid, peers[i].place, text);
            fprintf(stderr, "tenfold: %s (%s)\n", text, state_name(state_of(peers[i].pid)));
        }
        fprintf(stderr,
                "tenfold: error: no rank on %s has made progress for %.0f s (train.hang_seconds): this process ends; "
                "the lines above say what each rank was doing. Run the same command again to go on from the last "
                "checkpoint\n",
                host, (double)looks * TN_WATCH_EVERY_MS / 1000);
        fflush(stderr);
    }
    sleep(LAST_WORDS_S);
    _exit(TN_EUNFINISHED);
}

void tn_watch_look(void) {
    static int64_t n_still;
    int64_t limit = atomic_load(&most_looks);
    bool moved = false, all_rest = true;
    for (int i = 0; i < n_peers; i++) {
        all_rest = all_rest && atomic_load(&peers[i].place->rests);
        int64_t count = atomic_load_explicit(&peers[i].place->count, memory_order_relaxed);
        moved |= count != peers[i].seen;
        peers[i].seen = count;
    }
    n_still = moved || all_rest || limit == 0 ? 0 : n_still + 1;
    if (n_still > limit) end(limit);
}
