/*
 * plain_webp.h - the straight road for WebP files, without libvips. All functions are local.
 *
 * A WebP is plain if it is of the simple format (one picture, and neither a profile of colours, EXIF nor animation), without alpha, and libwebp
 * reads all of it. Every other file is left to libvips, which also says what is wrong with it.
 * Source  RFC 9649, sections 2.4 to 2.6
 */
#ifndef TN_PREPROCESS_PLAIN_WEBP_H
#define TN_PREPROCESS_PLAIN_WEBP_H

#include "preprocess/image.h"

/* Decode and scale a plain WebP: sets pixels, w and h. false: it is not plain, too large, or there is no memory; pixels stay NULL. */
bool tn_plain_webp_decode(const tn_cfg *cfg, tn_image *image);

#endif
