/*
 * gif.h - what libvips does not tell of a GIF file.
 *
 * Source  GIF89a, sections 18 to 26
 */
#ifndef TN_PREPROCESS_GIF_H
#define TN_PREPROCESS_GIF_H

#include <stdbool.h>
#include <stddef.h>

/* The place of the first frame on the screen, in pixels: left, top, width, height. false: no GIF, or no frame in it. */
bool tn_gif_frame(const unsigned char *file, size_t n_file, int out[4]);

#endif
