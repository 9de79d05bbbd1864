/*
 * jpeg.h - stored JPEG bytes to sRGB pixels (libjpeg-turbo).                         layer: data, uses: base
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

#endif
