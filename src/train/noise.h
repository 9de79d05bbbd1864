/*
 * noise.h - the gradient noise scale: up to which batch size larger batches save optimiser steps.
 *
 *   double images = tn_noise_scale(small_sq, big_sq, lane_images, lanes * lane_images);
 *
 * Formula  from the squared lengths of gradients over b and B > b images, each averaged over many steps:
 *          G2 = (B |G_B|^2 - b |G_b|^2) / (B - b)        unbiased estimate of the squared length of the true gradient
 *          S  = (|G_b|^2 - |G_B|^2) / (1/b - 1/B)        unbiased estimate of the trace of one image's gradient covariance
 *          noise scale = S / G2, in images
 * Meaning  With a batch far below the noise scale, progress depends on the number of images seen; far above it, on the number of
 *          steps. At the noise scale training takes about twice the least number of steps and twice the least number of images.
 *          It grows during training. It is defined for plain gradients; for Adam it gives the order of magnitude.
 * Source   McCandlish, Kaplan, Amodei et al. 2018, "An Empirical Model of Large-Batch Training", arXiv 1812.06162,
 *          section 2.2 and appendix A.1 (A.1: S and G2 are averaged before they are divided)
 * Here     G_b is the gradient of a lane (micro-batch) and G_B that of a step; lanes differ in images, dropout and batch-norm group.
 */
#ifndef TN_TRAIN_NOISE_H
#define TN_TRAIN_NOISE_H

/* The noise scale in images. NAN if it cannot be estimated: B <= b, or the estimate G2 is not positive. Pure. */
double tn_noise_scale(double small_sq, double big_sq, double small_images, double big_images);

#endif
