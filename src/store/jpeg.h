/*
 * jpeg.h - JPEG bytes to sRGB pixels and back (libjpeg-turbo).
 *
 *   TN_TRY(tn_jpeg_decode(bytes, n, &pixels, &room, &w, &h));                  // all of it
 *   TN_TRY(tn_jpeg_decode_part(bytes, n, w, h, &box, 1, &pixels, &room, &got));  // only what a crop needs
 *
 * The slow integer IDCT: the same bits on every machine with the same libjpeg-turbo. A corrupt file is an error, also
 * where libjpeg only warns. Thread-safe.
 */
#ifndef TN_STORE_JPEG_H
#define TN_STORE_JPEG_H

#include "base/status.h"

#include <stddef.h>

enum { TN_JPEG_SIDE = 65500 }; /* the longest that libjpeg reads and writes */

typedef struct {
    int x, y, w, h;
} tn_box; /* pixels */

/* pixels (h,w,3), grown by realloc. TN_EFORMAT corrupt (libjpeg's words), TN_ENOMEM. */
tn_status tn_jpeg_decode(const unsigned char *data, size_t n_bytes, unsigned char **pixels, size_t *capacity,
                         int *w_out, int *h_out);

/* The image of w x h shrunk by 1, 2, 4 or 8 in its cosine transform (ceil(w/shrink) x ceil(h/shrink)); wanted: a box of
 * that. got_out: the box that pixels (got.h,got.w,3) hold; it contains wanted, whose values do not depend on the box.
 * TN_EFORMAT corrupt as far as it was read, or not w x h; TN_ENOMEM. Cost: in proportion to the area wanted, but for
 * the entropy decoding of the rows above. */
tn_status tn_jpeg_decode_part(const unsigned char *data, size_t n_bytes, int w, int h, const tn_box *wanted, int shrink,
                              unsigned char **pixels, size_t *capacity, tn_box *got_out);

/* sRGB pixels (h,w,3) to a baseline JPEG, 4:4:4. bytes_out: malloc'd, caller frees. TN_ENOMEM. */
tn_status tn_jpeg_encode(const unsigned char *pixels, int w, int h, int quality, unsigned char **bytes_out,
                         size_t *n_out);

#endif
