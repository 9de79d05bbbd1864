/*
 * jpeg.h - JPEG bytes to sRGB pixels and back (libjpeg-turbo).                        layer: data, uses: base
 *
 * The slow integer IDCT and plain upsampling: the same bits on every machine with the same libjpeg-turbo. A corrupt
 * file is an error, also where libjpeg only warns. Thread-safe.
 */
#ifndef TN_DATA_JPEG_H
#define TN_DATA_JPEG_H

#include "base/status.h"

#include <stddef.h>

/* pixels (h,w,3), grown by realloc. TN_EFORMAT corrupt (libjpeg's words), TN_ENOMEM. */
tn_status tn_jpeg_decode(const unsigned char *data, size_t n_bytes, unsigned char **pixels, size_t *capacity,
                         int *w_out, int *h_out);

/* sRGB pixels (h,w,3) to a baseline JPEG, 4:4:4. bytes_out: malloc'd, caller frees. TN_ENOMEM. */
tn_status tn_jpeg_encode(const unsigned char *pixels, int w, int h, int quality, unsigned char **bytes_out,
                         size_t *n_out);

#endif
