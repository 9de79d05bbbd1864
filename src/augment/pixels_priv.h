/* pixels_priv.h - the border of pixels.h. */
#ifndef TN_AUGMENT_PIXELS_PRIV_H
#define TN_AUGMENT_PIXELS_PRIV_H

int tn_mirrored(int i, int n); /* the pixel of 0..n-1 that stands at i */

#endif
