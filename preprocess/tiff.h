/*
 * tiff.h - reads properties of a TIFF file that libvips does not report. All functions are local.
 *
 * Source  TIFF 6.0, section 2 (directories) and NewSubfileType, SubfileType,
 *         Orientation, ExtraSamples (tags 254, 255, 274, 338); BigTIFF: libtiff's design of it
 */
#ifndef TN_PREPROCESS_TIFF_H
#define TN_PREPROCESS_TIFF_H

#include <stdbool.h>
#include <stddef.h>

/* Which of the samples after the colours of the first picture is alpha: the index of the first that the file declares as alpha; -1:
 * none. Unspecified samples are masks, infrared and the like. multiplied_out: are the colours stored multiplied by alpha (associated
 * alpha)? */
int tn_tiff_alpha(const unsigned char *file, size_t n_file, bool *multiplied_out);

/* Is the first picture a smaller copy of another one in the file, as in a camera's raw file (NEF, ARW, DNG)? */
bool tn_tiff_reduced(const unsigned char *file, size_t n_file);

/* The orientation of the first picture, 1 to 8; 1 if the file does not say it; 0: not one of these, or no TIFF. For EXIF, which is one. */
int tn_tiff_orientation(const unsigned char *file, size_t n_file);

bool tn_tiff_is(const unsigned char *file, size_t n_file);

#endif
