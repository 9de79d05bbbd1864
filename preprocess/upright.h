/* upright.h - scales decoded pixels down and turns them upright. Local. */
#ifndef TN_PREPROCESS_UPRIGHT_H
#define TN_PREPROCESS_UPRIGHT_H

#include "preprocess/image.h"

/* The sides of an image of w x h pixels whose short side is scaled down to size_px, never up. */
void tn_upright_size(int w, int h, int size_px, int *w_out, int *h_out);

/* Scale the pixels to w x h (Lanczos), and turn them as EXIF orientation says: 1 upright, 2 to 4 mirror, 5 to 8 exchange rows and columns
 * too. image: its pixels are malloc'd; they, w and h are replaced. span_x, span_y: as in tn_resample, of the whole image. false: no memory; the pixels
 * may be NULL. */
bool tn_upright_pixels(tn_image *image, double span_x, double span_y, int w, int h, int orientation);

#endif
