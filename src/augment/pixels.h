/*
 * pixels.h - single augmentations with given amounts, in place on the S x S bytes of an image (S,S,3). Local; no randomness but in
 * tn_pixels_noise. Which are drawn, and with which amounts: augment.h.
 *
 * Border     where a pixel outside the image is needed, the image is mirrored at its outermost pixels: c b | a b c ("reflect 101").
 * Accuracy   the formula in real numbers, rounded to nearest and clipped to 0..255; tn_pixels_warp has 16 bits of position.
 * Source     albumentations 2.0: ShiftScaleRotate, RandomBrightnessContrast, HueSaturationValue, GaussianBlur, GaussNoise,
 *            CoarseDropout, ChannelDropout; tests/golden/make_augment.py compares
 */
#ifndef TN_AUGMENT_PIXELS_H
#define TN_AUGMENT_PIXELS_H

#include "base/rng.h"
#include "store/jpeg.h"

typedef struct {
    double across, down; /* shares of the side by which the image is moved to the right and down */
    double scale;        /* > 1: larger */
    double degrees;      /* counter-clockwise, about the centre */
} tn_warp;
/* Scale and rotate about the centre, then shift; bilinear. Errors TN_ENOMEM. */
tn_status tn_pixels_warp(int S, const tn_warp *warp, unsigned char *image);

/* v * contrast + brightness * 255 */
void tn_pixels_brightness_contrast(int S, double brightness, double contrast, unsigned char *image);

/* hue in steps of 2 degrees (OpenCV's bytes, 180 steps are the circle), round the circle; saturation and value on 0..255, clipped. A
 * pixel without colour stays so. */
void tn_pixels_hsv(int S, double hue, double saturation, double value, unsigned char *image);

/* Gaussian of sigma px, cut off at ceil(3 sigma). Errors TN_ENOMEM. */
tn_status tn_pixels_blur(int S, double sigma, unsigned char *image);

/* Add to each value a random number with standard deviation std, on 0..255: the sum of four uniform ones, which is at most 3.46 std. */
void tn_pixels_noise(int S, double std, tn_rng *r, unsigned char *image);

void tn_pixels_fill(int S, tn_box box, unsigned char value, unsigned char *image);
void tn_pixels_fill_channel(int S, int channel, unsigned char value, unsigned char *image);

#endif
