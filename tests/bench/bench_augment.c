/*
 * bench_augment.c - what augmentations cost, and how they look: bench_augment PX SHEET.jpg FILE.jpg ...
 *
 * Images per second of processor time, by the loader with one thread: a random resized crop of the JPEGs to PX, a flip, and one
 * augmentation more with its default parameters and probability 1; then all of them. Ways are timed in turns, and the median is printed.
 * SHEET.jpg: a contact sheet of the same, a row of eight images for each line that is printed.
 */
#include "base/fs.h"
#include "base/hash.h"
#include "data/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANE = 16, N_LANES = 8, TURNS = 7, COLUMNS = 8 };

static const char *const OP[] = {"vertical_flip",
                                 "shift_scale_rotate",
                                 "rand_augment",
                                 "random_brightness_contrast",
                                 "hue_saturation_value",
                                 "gaussian_blur",
                                 "gauss_noise",
                                 "coarse_dropout",
                                 "channel_dropout",
                                 "mixup",
                                 "cutmix"};
enum { N_OPS = sizeof OP / sizeof *OP, N_WAYS = N_OPS + 2 }; /* none of them, each, all */

static tn_status must(tn_status st) {
    if (st == TN_OK) return st;
    tn_fail_print();
    exit((int)st);
}

/* The job file's defaults of an augmentation. */
static tn_augment read_op(const char *dir, const char *op) {
    char path[TN_PATH_BYTES], text[512];
    tn_cfg *cfg = NULL;
    must(tn_path(path, "%s/one.cfg", dir));
    snprintf(text, sizeof text,
             "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; augment = ( { op = "
             "\"%s\"; } ); };\n",
             op);
    must(tn_file_publish(path, text, strlen(text)));
    must(tn_cfg_read(path, 0, NULL, NULL, &cfg));
    tn_augment a = cfg->train.augment[0];
    tn_cfg_free(&cfg);
    return a;
}

/* Add a JPEG as row i. */
static void add(const char *path, tn_shard_writer *writer, int i, tn_index *ix) {
    char *file = NULL;
    unsigned char *pixels = NULL;
    size_t n_bytes = 0, room = 0;
    int w, h;
    must(tn_file_read(path, &file, &n_bytes));
    must(tn_jpeg_decode((const unsigned char *)file, n_bytes, 1, &pixels, &room, &w, &h));
    must(tn_shard_writer_add(writer, file, (int32_t)n_bytes, &ix->offset[i]));
    ix->length[i] = (int32_t)n_bytes;
    ix->checksum[i] = tn_hash64(file, n_bytes);
    ix->width[i] = (uint16_t)w, ix->height[i] = (uint16_t)h, ix->label[i] = i % 2;
    free(file);
    free(pixels);
}

/* A data set of LANE rows: the files, round and round. */
static tn_index *make(const char *dir, int n_files, char **files, tn_shards **shards_out) {
    static char *name[] = {"a", "b"}, *path[LANE];
    const char *reason[LANE];
    char file[TN_PATH_BYTES];
    tn_index *ix = NULL;
    tn_shard_writer *writer = NULL;
    must(tn_path(file, "%s/shard-00000.h5", dir));
    must(tn_index_new(LANE, 0, &ix));
    must(tn_shard_writer_open(file, &(tn_shard_spec){0, LANE, "jpeg", 0, "bench"}, &writer));
    for (int i = 0; i < LANE; i++) {
        path[i] = files[i % n_files], reason[i] = "";
        add(path[i], writer, i, ix);
    }
    must(tn_shard_writer_close(&writer, ix, reason));
    ix->n_classes = 2;
    ix->class_name = memcpy(malloc(sizeof name), name, sizeof name);
    ix->path = memcpy(malloc(sizeof path), path, sizeof path);
    must(tn_path(ix->shards_dir, "%s", dir));
    must(tn_shards_open(NULL, ix, shards_out));
    return ix;
}

/* Load N_LANES lanes; images per second of processor time. sheet: NULL, or where the first lane's images go, side by side. */
static double load(const tn_loader_spec *spec, unsigned char *sheet) {
    tn_loader *ld = NULL;
    int64_t row[LANE];
    size_t n = (size_t)spec->size_px * 3;
    for (int i = 0; i < LANE; i++) row[i] = i;
    must(tn_loader_new(spec, &ld));
    clock_t begin = clock();
    for (int lane = 0; lane < N_LANES; lane++) {
        tn_lane x;
        tn_loader_push(ld, row, LANE, lane * LANE);
        must(tn_loader_pop(ld, &x));
        for (int i = 0; lane == 0 && sheet && i < COLUMNS; i++)
            for (size_t y = 0; y < (size_t)spec->size_px; y++)
                memcpy(sheet + (y * COLUMNS + (size_t)i) * n, x.image + ((size_t)i * (size_t)spec->size_px + y) * n, n);
    }
    double s = (double)(clock() - begin) / CLOCKS_PER_SEC;
    tn_loader_free(&ld);
    return N_LANES * LANE / s;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* list_out: crop and flip, and what way w (0: nothing, 1..N_OPS: one, N_OPS + 1: all) adds; its length. */
static int list_of(const tn_augment *all, int w, tn_augment *list_out) {
    int n = 0;
    list_out[n++] = all[0];
    list_out[n++] = all[1];
    for (int k = 0; k < N_OPS; k++)
        if (w == k + 1 || w == N_OPS + 1) list_out[n++] = all[k + 2];
    return n;
}

static void print(double speed[N_WAYS][TURNS]) {
    for (int w = 0; w < N_WAYS; w++) {
        qsort(speed[w], TURNS, sizeof **speed, ascending);
        double median = speed[w][TURNS / 2];
        printf("%-28s %6.0f images/s, %+6.0f us per image\n",
               w == 0       ? "crop and flip"
               : w <= N_OPS ? OP[w - 1]
                            : "all of them",
               median, (1 / median - 1 / speed[0][TURNS / 2]) * 1e6);
    }
}

int main(int argc, char **argv) {
    int px = argc > 3 ? atoi(argv[1]) : 0;
    if (px < 1) return fprintf(stderr, "usage: bench_augment PX SHEET.jpg FILE.jpg ...\n"), 2;
    char dir[] = "bench-augment-XXXXXX";
    size_t n_bytes = 0, n_sheet = (size_t)px * (size_t)px * 3 * COLUMNS;
    unsigned char *jpeg = NULL, *sheet = malloc(n_sheet * N_WAYS);
    static double speed[N_WAYS][TURNS];
    tn_augment all[N_OPS + 2], list[N_OPS + 2];
    tn_shards *shards = NULL;
    if (!sheet || !mkdtemp(dir)) return perror("bench_augment"), 3;
    tn_index *ix = make(dir, argc - 3, argv + 3, &shards);
    all[0] = read_op(dir, "random_resized_crop");
    all[1] = read_op(dir, "horizontal_flip");
    all[1].probability = 0.5;
    for (int k = 0; k < N_OPS; k++) all[k + 2] = read_op(dir, OP[k]);
    for (int k = 0; k < N_OPS; k++)
        if (all[k + 2].kind == TN_AUG_MIXUP) all[k + 2].alpha = 1; /* the default seldom shows */
    for (int turn = 0; turn < TURNS; turn++)
        for (int w = 0; w < N_WAYS; w++) {
            tn_loader_spec spec = {
                .index = ix, .shards = shards, .size_px = px, .lane_images = LANE, .n_threads = 1, .depth = 2};
            spec.training = true;
            spec.augment = list;
            spec.n_augment = list_of(all, w, list);
            speed[w][turn] = load(&spec, turn ? NULL : sheet + n_sheet * (size_t)w);
        }
    print(speed);
    must(tn_jpeg_encode(sheet, px * COLUMNS, px * N_WAYS, 85, &jpeg, &n_bytes));
    must(tn_file_publish(argv[2], jpeg, n_bytes));
    tn_shards_close(&shards);
    tn_index_free(&ix);
    must(tn_folder_remove(dir));
    free(jpeg);
    free(sheet);
    return 0;
}
