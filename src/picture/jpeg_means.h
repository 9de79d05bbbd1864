/*
 * jpeg_means.h - decodes baseline JPEG straight to means of 2 x 2, 4 x 4 or 8 x 8 pixels. Local, thread-safe.
 *
 *   if (!tn_jpeg_means(bytes, n, 4, &pixels, &room, &w, &h)) TN_TRY(tn_jpeg_decode(bytes, n, 4, &pixels, &room, &w, &h));
 *
 * A large photo is mostly Huffman codes, and libjpeg spends two thirds of its time on them. Here a code and the bits behind it are looked up
 * together, and a coefficient is added to the means with one multiplication each as soon as it is known: there is no block to
 * clear, to fill and to transform.
 *
 * Formula   mean over a cell of sum_uv F(u,v) c(u) c(v) / 4 cos((2x+1) u pi / 16) cos((2y+1) v pi / 16), plus 128, rounded; then YCbCr to
 *           RGB, each plane at the reduced size
 * Source    ITU-T T.81, annexes A, B, C and F; JFIF 1.02 (colours)
 * Accuracy  single precision. libjpeg's reduced transforms give the same means within 2 (tests/unit/test_jpeg_means.c); bits do not
 *           depend on the processor or on libjpeg.
 */
#ifndef TN_PICTURE_JPEG_MEANS_H
#define TN_PICTURE_JPEG_MEANS_H

#include <stdbool.h>
#include <stddef.h>

/* Decode to *pixels (h,w,3), sRGB, grown by realloc; *capacity is updated.
 * shrink  2, 4 or 8: w = ceil(width / shrink), h likewise
 * false   not a grey or YCbCr file of 8 bits in one baseline scan; or anything about it is odd, even where libjpeg only warns; or no
 *         memory: ask libjpeg */
bool tn_jpeg_means(const unsigned char *data, size_t n_bytes, int shrink, unsigned char **pixels, size_t *capacity,
                   int *w_out, int *h_out);

#endif
