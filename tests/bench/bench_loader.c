/*
 * bench_loader.c - the loader over the shards of a run, for tests/bench/loader:
 *
 *   bench_loader RUN PX THREADS SECONDS     random resized crops (area .08 to 1) to PX and flips of rows in random order: images per second
 *   bench_loader RUN files FOLDER           the stored JPEGs, byte for byte, as FOLDER/<row>.jpg
 */
#include "base/fs.h"
#include "base/progress.h"
#include "base/rng.h"
#include "data/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANE = 64 };

static void must(tn_status st) {
    if (st == TN_OK) return;
    tn_fail_print();
    exit((int)st);
}

static void write_files(const tn_index *ix, const tn_shards *shards, const char *folder) {
    unsigned char *bytes = NULL;
    size_t room = 0;
    char path[TN_PATH_BYTES];
    for (int64_t row = 0; row < ix->n; row++) {
        int32_t n = 0;
        if (ix->length[row] == 0) continue;
        must(tn_shards_read(shards, row, &bytes, &room, &n));
        must(tn_path(path, "%s/%06lld.jpg", folder, (long long)row));
        must(tn_file_publish(path, bytes, (size_t)n));
    }
    free(bytes);
}

/* Ask for the next lane: LANE rows of the order, which begins again at its end. */
static void push(tn_loader *ld, const int64_t *order, int64_t n, int64_t position) {
    int64_t row[LANE];
    for (int i = 0; i < LANE; i++) row[i] = order[(position + i) % n];
    tn_loader_push(ld, row, LANE, position);
}

static double images_per_second(const tn_loader_spec *spec, const int64_t *order, int64_t n, double seconds) {
    tn_loader *ld = NULL;
    tn_lane lane;
    int64_t pushed = 0, loaded = 0;
    must(tn_loader_new(spec, &ld));
    for (; pushed < (spec->depth - 1) * LANE; pushed += LANE) push(ld, order, n, pushed);
    double begin = tn_now_s(), now = begin;
    for (; now - begin < seconds; now = tn_now_s()) {
        must(tn_loader_pop(ld, &lane));
        push(ld, order, n, pushed);
        pushed += LANE;
        loaded += LANE;
    }
    tn_loader_free(&ld);
    return (double)loaded / (now - begin);
}

int main(int argc, char **argv) {
    const tn_augment op[] = {{.kind = TN_AUG_CROP,
                              .probability = 1,
                              .area_min = 0.08,
                              .area_max = 1,
                              .ratio_min = 0.75,
                              .ratio_max = 4 / 3.0},
                             {.kind = TN_AUG_FLIP, .probability = 0.5}};
    char dir[TN_PATH_BYTES];
    tn_index *ix = NULL;
    tn_shards *shards = NULL;
    if (argc < 4) return fprintf(stderr, "usage: see the top of tests/bench/bench_loader.c\n"), 2;
    must(tn_path(dir, "%s/shards", argv[1]));
    must(tn_index_read(dir, NULL, &ix));
    must(tn_shards_open(NULL, ix, &shards));
    if (strcmp(argv[2], "files") == 0) {
        write_files(ix, shards, argv[3]);
    } else {
        int64_t *order = malloc((size_t)ix->n * sizeof *order), n = 0;
        for (int64_t row = 0; order && row < ix->n; row++)
            if (ix->length[row] > 0) order[n++] = row;
        if (n == 0) return fprintf(stderr, "bench_loader: no images in %s\n", argv[1]), 2;
        tn_rng rng = tn_rng_at(1, TN_STREAM_TEST, 0, 0);
        tn_rng_shuffle(&rng, n, order);
        tn_loader_spec spec = {.index = ix,
                               .shards = shards,
                               .size_px = atoi(argv[2]),
                               .lane_images = LANE,
                               .n_threads = atoi(argv[3]),
                               .depth = 4,
                               .seed = 1,
                               .training = true,
                               .augment = op,
                               .n_augment = 2};
        printf("%.1f\n", images_per_second(&spec, order, n, argc > 4 ? atof(argv[4]) : 5));
        free(order);
    }
    tn_shards_close(&shards);
    tn_index_free(&ix);
    return 0;
}
