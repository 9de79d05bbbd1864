/*
 * jpeg.h - decodes JPEG to sRGB pixels, and encodes (libjpeg-turbo). All functions are local.
 *
 *   TN_TRY(tn_jpeg_decode(bytes, n, 1, &pixels, &room, &w, &h));               // the whole image
 *   TN_TRY(tn_jpeg_decode_part(bytes, n, w, h, &box, 1, &pixels, &room, &got));  // only the part that a crop needs
 *
 * The slow integer IDCT is used, which gives the same bits on every machine with the same libjpeg-turbo. A corrupt file is an error,
 * even if libjpeg only warns. Thread-safe.
 */
#ifndef TN_STORE_JPEG_H
#define TN_STORE_JPEG_H

#include "base/status.h"

#include <stddef.h>

enum { TN_JPEG_SIDE = 65500 }; /* the longest side that libjpeg reads and writes */

typedef struct {
    int x, y, w, h;
} tn_box; /* pixels */

/* Decode to *pixels (h,w,3), grown by realloc; *capacity is updated.
 * shrink  1, 2, 4 or 8: the image is reduced to ceil(w/shrink) x ceil(h/shrink) in its cosine transform, to means of shrink x shrink
 *         pixels
 * Errors  TN_EFORMAT corrupt (with libjpeg's message); TN_ENOMEM */
tn_status tn_jpeg_decode(const unsigned char *data, size_t n_bytes, int shrink, unsigned char **pixels,
                         size_t *capacity, int *w_out, int *h_out);

/* Decode a part of an image of w x h pixels.
 * shrink   as above
 * wanted   a box in the reduced image
 * got_out  the box that pixels (got.h,got.w,3) contain. It includes wanted; values inside wanted do not depend on the box
 * Errors   TN_EFORMAT corrupt as far as it was read, or not w x h; TN_ENOMEM
 * Cost     proportional to the area wanted, and entropy decoding of the rows above it */
tn_status tn_jpeg_decode_part(const unsigned char *data, size_t n_bytes, int w, int h, const tn_box *wanted, int shrink,
                              unsigned char **pixels, size_t *capacity, tn_box *got_out);

/* Encode sRGB pixels (h,w,3) to a baseline JPEG, 4:4:4. *bytes_out: malloc'd, the caller frees it. Errors TN_ENOMEM. */
tn_status tn_jpeg_encode(const unsigned char *pixels, int w, int h, int quality, unsigned char **bytes_out,
                         size_t *n_out);

#endif
