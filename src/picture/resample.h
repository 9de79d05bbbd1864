/*
 * resample.h - resizes a part of an image with a filter. Local.
 *
 *   tn_resampled to = {.w = 256, .h = 279, .stride = 256 * 3, .out = small};
 *   TN_TRY(tn_resample(pixels, w, (tn_box){0, 0, w, h}, w, h, TN_LANCZOS, &to));
 *
 * Formula   with half-pixel centres: output pixel s stands at (s + 0.5) span / S of the part's pixels, S output pixels long; the filter is
 *           widened by span / S when shrinking; weights sum to 1; pixels outside the part do not count. Rows first, then columns.
 *           Rounded to nearest, clipped to 0..255.
 * Filters   triangle: 1 - |x|; Lanczos: sinc(x) sinc(x / 3) for |x| < 3 (as Pillow's BILINEAR and LANCZOS)
 * Accuracy  single precision: 0.502 from the formula in real numbers (tests/unit/test_resample.c). Sums are added in the order of pixels
 *           without fused operations: the bits are the same with vectors of any length.
 */
#ifndef TN_PICTURE_RESAMPLE_H
#define TN_PICTURE_RESAMPLE_H

#include "store/jpeg.h"

typedef enum { TN_TRIANGLE, TN_LANCZOS } tn_resample_filter;

enum { TN_FLIP_ACROSS = 1, TN_FLIP_DOWN = 2 };

typedef struct {
    int w, h;
    size_t stride;      /* bytes from one row to the next */
    unsigned flips;     /* a sum of TN_FLIP_... */
    unsigned char *out; /* (h,w,3) */
} tn_resampled;

/* pixels  (.,w,3), which contain the box
 * span_x  the width, in pixels from the left of the box, that becomes to->w pixels: box.w, or less if only a part of the last pixel
 *         belongs to the image, as after decoding at a quarter. span_y likewise.
 * Errors  TN_ENOMEM
 * Cost    memory for a few rows of the output as floats */
tn_status tn_resample(const unsigned char *pixels, int w, tn_box box, double span_x, double span_y,
                      tn_resample_filter filter, const tn_resampled *to);

#endif
