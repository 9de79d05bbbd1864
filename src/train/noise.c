/* noise.c - see noise.h. */
#include "train/noise.h"

#include <math.h>

double tn_noise_scale(double small_sq, double big_sq, double small_images, double big_images) {
    if (!(big_images > small_images && small_images > 0)) return NAN;
    double gradient_sq = (big_images * big_sq - small_images * small_sq) / (big_images - small_images);
    double variance = (small_sq - big_sq) / (1 / small_images - 1 / big_images);
    return gradient_sq > 0 && variance >= 0 ? variance / gradient_sq : NAN;
}
