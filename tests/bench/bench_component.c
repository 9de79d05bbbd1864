/*
 * bench_component.c - seconds that the search for pictures that look alike takes.
 *
 *   bench_component ROWS BITS [FLIPS]   looks drawn at random; with FLIPS: all within so many bits of one look, the worst case
 */
#include "base/rng.h"
#include "data/fold.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t draw_look(tn_rng *r, int flips) {
    if (flips == 0) return (uint64_t)tn_rng_u32(r) << 32 | tn_rng_u32(r);
    uint64_t look = 0x0123456789abcdefULL;
    for (int k = 0; k < flips; k++) look ^= 1ULL << tn_rng_below(r, 64);
    return look;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: bench_component ROWS BITS [FLIPS]\n"), 2;
    int64_t n = atoll(argv[1]);
    int flips = argc > 3 ? atoi(argv[3]) : 0;
    static tn_cfg cfg;
    tn_index *ix = NULL;
    cfg.folds.duplicate_bits = atoi(argv[2]);
    if (tn_index_new(n, 0, &ix) != TN_OK) return fprintf(stderr, "%s\n", tn_msg), 1;
    tn_rng r = tn_rng_at(1, TN_STREAM_TEST, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        ix->group[i] = -1;
        ix->content_hash[i] = (uint64_t)i;
        ix->perceptual_hash[i] = draw_look(&r, flips);
    }
    double begun = seconds();
    if (tn_components_find(&cfg, ix, TN_SAME_ANY, ix->component) != TN_OK) return fprintf(stderr, "%s\n", tn_msg), 1;
    double took = seconds() - begun;
    int64_t components = 0;
    for (int64_t i = 0; i < n; i++) components += ix->component[i] == i;
    printf("%" PRId64 " rows, %d bits: %.2f s, %" PRId64 " components\n", n, cfg.folds.duplicate_bits, took,
           components);
    tn_index_free(&ix);
    return 0;
}
