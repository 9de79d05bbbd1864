/*
 * tiff.h - what libvips does not tell of a TIFF file.                       layer: preprocess, uses: nothing
 *
 * Source  TIFF 6.0, section 2 (directories) and ExtraSamples (tag 338); BigTIFF: libtiff's design of it
 */
#ifndef TN_PREPROCESS_TIFF_H
#define TN_PREPROCESS_TIFF_H

#include <stdbool.h>
#include <stddef.h>

/* Are the colours of the first picture stored multiplied by alpha (associated alpha)? false for any other file. */
bool tn_tiff_multiplied(const unsigned char *file, size_t n_file);

#endif
