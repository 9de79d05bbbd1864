/*
 * bench_decode.c - what decoding only a crop saves: bench_decode FILE.jpg PX [CROPS]
 *
 * Random resized crops (area 0.08 to 1) of one JPEG to PX: microseconds per image for decoding all of it, for decoding
 * the part that the crop needs as the loader does, and for the resizing after either.
 */
#include "augment/augment.h"
#include "base/fs.h"
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>

static tn_status must(tn_status st) {
    if (st == TN_OK) return st;
    tn_fail_print();
    exit((int)st);
}

int main(int argc, char **argv) {
    int px = argc > 2 ? atoi(argv[2]) : 0, n = argc > 3 ? atoi(argv[3]) : 200, w, h;
    if (px < 1 || n < 1) return fprintf(stderr, "usage: bench_decode FILE.jpg PX [CROPS]\n"), 2;
    const tn_augment crop = {
        .probability = 1, .area_min = 0.08, .area_max = 1, .ratio_min = 0.75, .ratio_max = 4 / 3.0};
    char *file = NULL;
    unsigned char *whole = NULL, *part = NULL;
    size_t n_bytes = 0, rooms[2] = {0};
    unsigned char *out = malloc((size_t)px * (size_t)px * 3);
    must(tn_file_read(argv[1], &file, &n_bytes));
    const unsigned char *bytes = (const unsigned char *)file;
    must(tn_jpeg_decode(bytes, n_bytes, 1, &whole, &rooms[0], &w, &h));
    double s[4] = {0};
    for (int i = 0; i < n; i++) {
        tn_box box = tn_crop_draw(&crop, 1, (uint64_t)i, 0, w, h), got;
        int k = tn_shrink_for(box, px);
        tn_box small = tn_box_shrunk(box, k);
        double t0 = tn_now_s();
        must(tn_jpeg_decode(bytes, n_bytes, 1, &whole, &rooms[0], &w, &h));
        double t1 = tn_now_s();
        must(tn_image_fit(whole, w, h, box, false, px, out));
        double t2 = tn_now_s();
        must(tn_jpeg_decode_part(bytes, n_bytes, w, h, &small, k, &part, &rooms[1], &got));
        double t3 = tn_now_s();
        small.x -= got.x;
        small.y -= got.y;
        must(tn_image_fit(part, got.w, got.h, small, false, px, out));
        double t4 = tn_now_s();
        s[0] += t1 - t0, s[1] += t2 - t1, s[2] += t3 - t2, s[3] += t4 - t3;
    }
    printf("%d x %d to %d px, us per image: all %.0f + %.0f, part %.0f + %.0f\n", w, h, px, s[0] / n * 1e6,
           s[1] / n * 1e6, s[2] / n * 1e6, s[3] / n * 1e6);
    free(file);
    free(whole);
    free(part);
    free(out);
    return 0;
}
