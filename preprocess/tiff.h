/*
 * tiff.h - what libvips does not tell of a TIFF file.
 *
 * Source  TIFF 6.0, section 2 (directories) and NewSubfileType, SubfileType,
 *         ExtraSamples (tags 254, 255, 338); BigTIFF: libtiff's design of it
 */
#ifndef TN_PREPROCESS_TIFF_H
#define TN_PREPROCESS_TIFF_H

#include <stdbool.h>
#include <stddef.h>

/* Which of the samples beside the colours of the first picture is alpha: the first that the file calls so, counted from
 * 0; -1: none. Samples that it leaves unspecified are masks, infrared and the like. multiplied_out: are the colours
 * stored multiplied by it (associated alpha)? */
int tn_tiff_alpha(const unsigned char *file, size_t n_file, bool *multiplied_out);

/* Is the first picture a smaller copy of another in the file? A camera's raw file (NEF, ARW, DNG) begins with one. */
bool tn_tiff_reduced(const unsigned char *file, size_t n_file);

bool tn_tiff_is(const unsigned char *file, size_t n_file);

#endif
