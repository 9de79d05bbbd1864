/*
 * warp.c - shift, scale and rotate.
 *
 * It works on the S x S bytes and not on the decoded image, as albumentations does behind a crop: the part of a JPEG that is decoded
 * then does not grow with the angle, and the border is the same in every image. Flips are no part of it: the resize does them at no cost.
 */
#include "augment/pixels.h"
#include "augment/pixels_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION = 16, WEIGHT = 11 }; /* bits behind the point of a position; of a weight */

static int64_t fixed(double x) {
    return llround(ldexp(x, FRACTION));
}

/* The bilinear mean of four pixels; fx, fy: weights of the right and the lower ones. */
static void sample(const unsigned char *p[4], int fx, int fy, unsigned char *out) {
    const int one = 1 << WEIGHT;
    for (int c = 0; c < 3; c++) {
        int up = p[0][c] * (one - fx) + p[1][c] * fx, down = p[2][c] * (one - fx) + p[3][c] * fx;
        out[c] = (unsigned char)((up * (one - fy) + down * fy + (1 << (2 * WEIGHT - 1))) >> (2 * WEIGHT));
    }
}

/* from, image (S,S,3). x, y: where the row's first pixel comes from; dx, dy: steps from pixel to pixel. */
static void warp_row(int S, const unsigned char *from, int64_t x, int64_t y, int64_t dx, int64_t dy,
                     unsigned char *out) {
    const int mask = (1 << FRACTION) - 1;
    for (int i = 0; i < S; i++, x += dx, y += dy, out += 3) {
        int x0 = (int)(x >> FRACTION), y0 = (int)(y >> FRACTION), x1 = x0 + 1, y1 = y0 + 1;
        if (x0 < 0 || y0 < 0 || x1 >= S || y1 >= S) {
            x0 = tn_mirrored(x0, S), x1 = tn_mirrored(x1, S);
            y0 = tn_mirrored(y0, S), y1 = tn_mirrored(y1, S);
        }
        const unsigned char *up = from + (size_t)y0 * (size_t)S * 3, *down = from + (size_t)y1 * (size_t)S * 3;
        const unsigned char *p[4] = {up + x0 * 3, up + x1 * 3, down + x0 * 3, down + x1 * 3};
        sample(p, (int)(x & mask) >> (FRACTION - WEIGHT), (int)(y & mask) >> (FRACTION - WEIGHT), out);
    }
}

tn_status tn_pixels_warp(int S, const tn_warp *w, unsigned char *image) {
    size_t n = (size_t)S * (size_t)S * 3;
    unsigned char *from = malloc(n);
    if (!from) return tn_fail_memory(n, "shifting, scaling and rotating");
    memcpy(from, image, n);
    double angle = w->degrees * 3.14159265358979323846 / 180, c = cos(angle) / w->scale, s = sin(angle) / w->scale;
    double centre = (S - 1) / 2.0;
    for (int y = 0; y < S; y++) {
        double u = -centre - w->across * S,
               v = y - centre - w->down * S; /* of the row's first pixel, before the shift */
        warp_row(S, from, fixed(centre + c * u - s * v), fixed(centre + s * u + c * v), fixed(c), fixed(s),
                 image + (size_t)y * (size_t)S * 3);
    }
    free(from);
    return TN_OK;
}
