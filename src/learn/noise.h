/*
 * noise.h - how noisy gradients are: up to which batch more images a step pay.            layer: learn, uses: -
 *
 *   double images = tn_noise_scale(small_sq, big_sq, lane_images, lanes * lane_images);
 *
 * Formula  from the squared lengths of gradients over b and B > b images, each the mean of many steps:
 *          G2 = (B |G_B|^2 - b |G_b|^2) / (B - b)        without bias the squared length of the true gradient
 *          S  = (|G_b|^2 - |G_B|^2) / (1/b - 1/B)        ... the trace of the covariance of one image's gradient
 *          noise scale = S / G2, in images
 * Meaning  steps of far fewer images than that go as far per image, steps of far more as far per step; at the noise scale itself
 *          training takes about twice the fewest steps and twice the fewest images. It grows while training gets on.
 *          It is of plain gradients: of Adam's preconditioned ones it tells the order of magnitude.
 * Source   McCandlish, Kaplan, Amodei et al. 2018, "An Empirical Model of Large-Batch Training", arXiv 1812.06162,
 *          section 2.2 and appendix A.1 (A.1: S and G2 are averaged before they are divided)
 * Here     G_b is a lane's gradient and G_B that of a step; lanes differ in their images, dropout and batch-norm group.
 */
#ifndef TN_LEARN_NOISE_H
#define TN_LEARN_NOISE_H

/* NAN where it cannot be told: B <= b, or noise so strong that G2 comes out as 0 or less. */
double tn_noise_scale(double small_sq, double big_sq, double small_images, double big_images);

#endif
