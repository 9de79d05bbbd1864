/* fuzz_jpeg.c - any bytes as a JPEG: what picture/jpeg_means.h decodes, libjpeg decodes too, to as many pixels. libFuzzer's entry; replay.c
 * calls it with the files of corpus-jpeg/. */
#include "picture/jpeg_means.h"
#include "store/jpeg.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { MOST_PIXELS = 1 << 20 };

/* The callers refuse images above preprocess.max_pixels by their header; so does this, by the first frame. */
static bool is_huge(const uint8_t *data, size_t n) {
    for (size_t i = 2; i + 9 < n; i++)
        if (data[i] == 0xFF && data[i + 1] == 0xC0)
            return (int64_t)(data[i + 5] << 8 | data[i + 6]) * (data[i + 7] << 8 | data[i + 8]) > MOST_PIXELS;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static unsigned char *means, *pixels;
    static size_t n_means, n_pixels;
    if (is_huge(data, n_bytes)) return 0;
    for (int shrink = 2; shrink <= 8; shrink *= 2) {
        int w = 0, h = 0, w_there = 0, h_there = 0;
        if (!tn_jpeg_means(data, n_bytes, shrink, &means, &n_means, &w, &h)) continue;
        if (tn_jpeg_decode(data, n_bytes, shrink, &pixels, &n_pixels, &w_there, &h_there) != TN_OK || w != w_there ||
            h != h_there)
            abort();
    }
    return 0;
}
