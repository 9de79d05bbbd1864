/* upright.c - resamples, then moves pixels. */
#include "preprocess/upright.h"

#include "picture/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void tn_upright_size(int w, int h, int size_px, int *w_out, int *h_out) {
    int side = w < h ? w : h;
    double factor = side > size_px ? (double)size_px / side : 1;
    *w_out = (int)lround(w * factor);
    *h_out = (int)lround(h * factor);
}

static bool scale(tn_image *image, double span_x, double span_y, int w, int h) {
    unsigned char *out = malloc((size_t)w * (size_t)h * 3);
    tn_resampled to = {.w = w, .h = h, .stride = (size_t)w * 3, .out = out};
    tn_box all = {0, 0, image->w, image->h};
    bool ok = out && tn_resample(image->pixels, image->w, all, span_x, span_y, TN_LANCZOS, &to) == TN_OK;
    free(image->pixels);
    image->pixels = out;
    image->w = w;
    image->h = h;
    return ok;
}

static bool turn(tn_image *image, int orientation) {
    int w = image->w, h = image->h;
    bool across = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8,
         down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7, swap = orientation > 4;
    unsigned char *out = malloc((size_t)w * (size_t)h * 3), *to = out;
    if (!out) return false;
    image->w = swap ? h : w;
    image->h = swap ? w : h;
    for (int y = 0; y < image->h; y++)
        for (int x = 0; x < image->w; x++, to += 3) {
            int from_x = swap ? y : x, from_y = swap ? x : y;
            if (across) from_x = w - 1 - from_x;
            if (down) from_y = h - 1 - from_y;
            memcpy(to, image->pixels + ((size_t)from_y * (size_t)w + (size_t)from_x) * 3, 3);
        }
    free(image->pixels);
    image->pixels = out;
    return true;
}

bool tn_upright_pixels(tn_image *image, double span_x, double span_y, int w, int h, int orientation) {
    if ((w != image->w || h != image->h) && !scale(image, span_x, span_y, w, h)) return false;
    return orientation == 1 || turn(image, orientation);
}
