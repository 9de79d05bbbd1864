/*
 * image.h - one image file's bytes to upright sRGB pixels (libvips), and pixels to stored bytes (libjpeg).
 *
 *
 * Reads JPEG, PNG, WebP, GIF (first frame), TIFF, BMP by content, whatever the file's name says. Applies EXIF
 * orientation, converts by embedded profile to sRGB, 8 bit, composes alpha a over preprocess.background b (a c + (1 - a)
 * b, of bytes c), scales the short
 * side down to preprocess.size_px (Lanczos), never up.
 * Depth  8 and 16 bits and less, 32 whole; floating point from 0 to 1, or to 255 where something is larger than 2. What
 *        a file holds is taken to be encoded as sRGB where no profile says otherwise; a profile of other colours
 *        (grey on RGB) counts as none. Signed samples and other ranges have no known white: refused.
 * Alpha  a sample is alpha where the file says so: a TIFF's unspecified samples (infrared, masks) and the reserved byte of
 *        a BMP are passed over, the former with a warning.
 *        What the first frame of a GIF leaves of its screen is transparent.
 * A TIFF whose first picture is a smaller copy of another (a camera's raw file) is refused.
 * A side is at most 65535 pixels; in the end at most 65500, where JPEG is stored. Longer: refused.
 * A damaged image may crash a library, or keep it busy for ever: preprocess calls it in a process of its own
 * (decoder.h).
 */
#ifndef TN_PREPROCESS_IMAGE_H
#define TN_PREPROCESS_IMAGE_H

#include "cfg/cfg.h"

#include <stddef.h>

enum { TN_REASON_BYTES = 256 };

typedef struct {
    int w, h;
    unsigned char *pixels;     /* (h,w,3) sRGB */
    const unsigned char *file; /* its bytes, the caller's */
    size_t n_file;
    bool storable; /* the file's own bytes are a JPEG that decodes to just these pixels' size, sRGB, upright */
    uint64_t perceptual_hash;      /* dHash, 0 for a constant image */
    char reason[TN_REASON_BYTES];  /* why it cannot be used; "" = good */
    char warning[TN_REASON_BYTES]; /* what a library complained of first; "" = nothing */
} tn_image;

/* Once per process, before the first. One thread, no cache, scaling in C: equal bytes everywhere. TN_EIO. */
tn_status tn_image_begin(void);

/* An image that cannot be used is not an error: out->reason says why. file must live as long as out. */
void tn_image_decode(const tn_cfg *cfg, const unsigned char *file, size_t n_file, tn_image *out);
void tn_image_free(tn_image *image);

/* What goes into the shard: bytes_out is malloc'd, caller frees. TN_ENOMEM. */
tn_status tn_image_store(const tn_cfg *cfg, const tn_image *image, unsigned char **bytes_out, size_t *n_out);

#endif
