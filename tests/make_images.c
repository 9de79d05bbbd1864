/*
 * make_images.c - a tiny labelled set of PNG pictures for tests: tn_make_images FOLDER N [NOISE [plain]]
 *
 * Three classes that a small net learns quickly: disc, square, stripes, in random colours on noise. FOLDER/metadata.csv
 * has path,label,cat1,cat2,group,split,truth; every sixth row is the test split, NOISE (0..1) of the training labels
 * are wrong. plain: N pictures of 8 x 8 pixels, each of one colour of its own, which look like no other (no perceptual hash), and a
 * table of their paths alone. Everything follows from Philox: the same files everywhere.
 */
#include "base/fs.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <vips/vips.h>

static const char *const CLASS[] = {"disc", "square", "stripes"};
enum { K = 3, SIDE = 44 };

static void paint(int kind, tn_rng *r, unsigned char *pixels) {
    int colour[3], ground[3], cx = 14 + (int)tn_rng_below(r, 16), cy = 14 + (int)tn_rng_below(r, 16),
                              size = 7 + (int)tn_rng_below(r, 6);
    for (int c = 0; c < 3; c++) {
        colour[c] = 128 + (int)tn_rng_below(r, 128);
        ground[c] = (int)tn_rng_below(r, 100);
    }
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int dx = abs(x - cx), dy = abs(y - cy);
            bool in = kind == 0   ? dx * dx + dy * dy < size * size
                      : kind == 1 ? dx < size && dy < size
                                  : (x + y + cx) / 4 % 2 == 0;
            for (int c = 0; c < 3; c++)
                *pixels++ = (unsigned char)((in ? colour[c] : ground[c]) + (int)tn_rng_below(r, 28));
        }
}

static int write_image(const char *folder, int i, int kind, tn_rng *r) {
    unsigned char pixels[SIDE * SIDE * 3];
    char path[TN_PATH_BYTES];
    paint(kind, r, pixels);
    VipsImage *image = vips_image_new_from_memory_copy(pixels, sizeof pixels, SIDE, SIDE, 3, VIPS_FORMAT_UCHAR);
    snprintf(path, sizeof path, "%s/images/%04d.%s", folder, i, i % 2 ? "png" : "jpg");
    int failed = !image || vips_image_write_to_file(image, path, NULL) != 0;
    if (image) g_object_unref(image);
    return failed;
}

/* Picture i of one colour; there are 2^24. */
static int write_plain(const char *folder, int i, FILE *table) {
    enum { PLAIN = 8 };
    unsigned char pixels[PLAIN * PLAIN * 3];
    char path[TN_PATH_BYTES];
    for (int x = 0; x < PLAIN * PLAIN; x++)
        for (int c = 0; c < 3; c++) pixels[3 * x + c] = (unsigned char)(i >> 8 * c);
    VipsImage *image = vips_image_new_from_memory_copy(pixels, sizeof pixels, PLAIN, PLAIN, 3, VIPS_FORMAT_UCHAR);
    snprintf(path, sizeof path, "%s/images/%06d.png", folder, i);
    int failed = !image || vips_image_write_to_file(image, path, NULL) != 0;
    if (image) g_object_unref(image);
    fprintf(table, "images/%06d.png\n", i);
    return failed;
}

static int write_all_plain(const char *folder, int n, FILE *table) {
    int failed = 0;
    fputs("path\n", table);
    for (int i = 0; i < n && !failed; i++) failed = write_plain(folder, i, table);
    if (failed) fprintf(stderr, "%s\n", vips_error_buffer());
    return fclose(table) != 0 || failed ? 3 : 0;
}

int main(int argc, char **argv) {
    if (argc < 3 || vips_init(argv[0]) != 0)
        return fprintf(stderr, "usage: tn_make_images FOLDER N [NOISE [plain]]\n"), 2;
    double noise = argc > 3 ? atof(argv[3]) : 0;
    char path[TN_PATH_BYTES];
    if (tn_path(path, "%s/images", argv[1]) != TN_OK || tn_folder_make(path) != TN_OK ||
        tn_path(path, "%s/metadata.csv", argv[1]) != TN_OK)
        return fprintf(stderr, "%s\n", tn_msg), 3;
    FILE *f = fopen(path, "w");
    if (!f) return 3;
    if (argc > 4) return write_all_plain(argv[1], atoi(argv[2]), f);
    fputs("path,label,cat1,cat2,group,split,truth\n", f);
    for (int i = 0; i < atoi(argv[2]); i++) {
        tn_rng r = tn_rng_at(1, TN_STREAM_TEST, (uint64_t)i, 0);
        int kind = (int)tn_rng_below(&r, 10), test = i % 6 == 5;
        kind = kind < 5 ? 0 : kind < 8 ? 1 : 2; /* 50, 30, 20 % */
        int label = !test && tn_rng_uniform(&r) < noise ? (kind + 1 + (int)tn_rng_below(&r, K - 1)) % K : kind;
        int cat = tn_rng_uniform(&r) < 0.7 ? kind : (int)tn_rng_below(&r, K);
        fprintf(f, "images/%04d.%s,%s,a%d,b%d,g%d,%s,%s\n", i, i % 2 ? "png" : "jpg", CLASS[label], cat,
                cat * 2 + i % 2, i / 3 * 3 + (i % 6 == 5), test ? "test" : "train", CLASS[kind]);
        if (write_image(argv[1], i, kind, &r)) return fprintf(stderr, "%s\n", vips_error_buffer()), 3;
    }
    return fclose(f) == 0 ? 0 : 3;
}
