/*
 * image.h - converts an image file's bytes to upright sRGB pixels, and pixels to the bytes to store. All functions are local.
 *
 * Plain JPEG and WebP files are decoded by libjpeg and libwebp (plain_jpeg.h, plain_webp.h), all others by libvips. libjpeg encodes.
 *
 * Reads JPEG, PNG, WebP, GIF (first frame), TIFF and BMP; the content decides, not the name. Applies EXIF orientation, converts to 8-bit
 * sRGB by the embedded profile, blends alpha a over preprocess.background b (a c + (1 - a) b, for bytes c), and scales the short
 * side down to preprocess.size_px (Lanczos), never up.
 * Depth  up to 16 bits, 32-bit integers; floating point from 0 to 1, or to 255 if a value is larger than 2. Without a profile values are
 *        taken as sRGB; a profile for other channels (grey on RGB) is ignored. Signed samples and other ranges have no known
 *        white and are refused.
 * Alpha  a sample is alpha only if the file says so: unspecified samples of a TIFF (infrared, masks; with a warning) and the
 *        reserved byte of a BMP are ignored. The part of a GIF's screen that its first frame does not cover is transparent.
 * A TIFF whose first picture is a smaller copy of another one (a camera's raw file) is refused.
 * A side has at most 65535 pixels, after scaling at most 65500 if JPEG is stored; larger images are refused.
 * Memory  an image of up to 2^25 pixels is held at full size, 96 MiB; a JPEG after its reduced decoding; a WebP whatever its size
 * A damaged image may crash a library or keep it busy for ever: preprocess calls it in a child process (decoder.h).
 */
#ifndef TN_PREPROCESS_IMAGE_H
#define TN_PREPROCESS_IMAGE_H

#include "cfg/cfg.h"

#include <stddef.h>

enum { TN_REASON_BYTES = 256 };

typedef struct {
    int w, h;
    unsigned char *pixels;     /* (h,w,3) sRGB */
    const unsigned char *file; /* the file's bytes, which belong to the caller */
    size_t n_file;
    /* The file's own bytes may be stored: it is an upright RGB JPEG of this size that libjpeg reads without a warning. */
    bool storable;
    uint64_t perceptual_hash;      /* dHash, 0 for a constant image */
    char reason[TN_REASON_BYTES];  /* why it cannot be used; "" = good */
    char warning[TN_REASON_BYTES]; /* the first warning of a library; "" = none */
} tn_image;

/* Decode an image. If it cannot be used, out->reason says why. file must live as long as out. In one thread of the process.
 * Errors  TN_ENOMEM; TN_EIO libvips does not start. It is started with the first image that needs it: with one thread, without a cache, and with
 *         scaling in C, so that bytes are equal everywhere. */
tn_status tn_image_decode(const tn_cfg *cfg, const unsigned char *file, size_t n_file, tn_image *out);
void tn_image_free(tn_image *image);

/* The bytes to store in the shard: malloc'd, the caller frees them. Errors TN_ENOMEM. */
tn_status tn_image_store(const tn_cfg *cfg, const tn_image *image, unsigned char **bytes_out, size_t *n_out);

#endif
