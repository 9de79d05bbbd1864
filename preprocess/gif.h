/*
 * gif.h - reads properties of a GIF file that libvips does not report.
 *
 * Source  GIF89a, sections 18 to 26
 */
#ifndef TN_PREPROCESS_GIF_H
#define TN_PREPROCESS_GIF_H

#include <stdbool.h>
#include <stddef.h>

/* The position of the first frame on the screen, in pixels: left, top, width, height. False: not a GIF, or it has no frame. Local. */
bool tn_gif_frame(const unsigned char *file, size_t n_file, int out[4]);

#endif
