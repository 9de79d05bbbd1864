/*
 * augment.h - what happens to training images: random crop, resize, train.augment, Mixup and CutMix, soft targets. All functions
 * are local.
 *
 * All random numbers are drawn from (seed, stream, position in the stream of training images, row); each augmentation has a stream.
 * Images: source (h,w,3) and output (S,S,3), bytes, sRGB; rounded to nearest, as Pillow does. A net reads them as (v/255 - mean) / std
 * per channel.
 * Resize     bilinear with half-pixel centres and antialiasing (a triangle filter, widened by the scale when shrinking, as
 *            Pillow's BILINEAR); the same in training and evaluation.
 * Evaluation no randomness: the centre square of the image with the length of its short side, resized to S.
 * Order      crop, both flips (part of the resize), then tn_augment_image on the S x S bytes in the order of its table, then Mixup and
 *            CutMix on a lane. The order in the job file does not matter.
 * Source     RandomResizedCrop as in torchvision: share of the area uniform in [area_min, area_max], log-uniform ratio, 10
 *            tries, then centre crop. Names, units and formulas of the others as in albumentations 2.0 (pixels.h).
 *            RandAugment (Cubuk et al. 2019): augment.c says which augmentations, and how strong each is at magnitude 10.
 *            Mixup (Zhang et al. 2017): lambda ~ Beta(alpha, alpha), rounded to 1/256. CutMix (Yun et al. 2019): lambda ~
 *            U(0,1), box side sqrt(1-lambda), centre uniform, box clipped to the image, lambda recomputed from the clipped area.
 */
#ifndef TN_AUGMENT_AUGMENT_H
#define TN_AUGMENT_AUGMENT_H

#include "base/rng.h"
#include "cfg/cfg.h"
#include "picture/resample.h"

typedef struct {
    float mean[3], std[3];
} tn_input_norm; /* for values in [0,1]; stored together with the weights */

/* The member of a list with this kind; NULL: none. */
const tn_augment *tn_augment_find(int n, const tn_augment *list, tn_augment_kind kind);

/* Draw the crop of an image of w x h pixels at a position of the stream; crop NULL (evaluation): the centre square. */
tn_box tn_crop_draw(const tn_augment *crop, uint64_t seed, uint64_t position, uint64_t row, int w, int h);
/* flip: horizontal_flip or vertical_flip; NULL: false. */
bool tn_flip_draw(const tn_augment *flip, uint64_t seed, uint64_t position, uint64_t row);

/* The largest reduction (1, 2, 4 or 8) at which a JPEG may be decoded: at least 2 source pixels per output pixel remain in each
 * direction. tn_box_shrunk maps the crop to the reduced image. */
int tn_shrink_for(tn_box box, int size_px);
tn_box tn_box_shrunk(tn_box box, int shrink);

/* Crop, flip and resize. pixels (h,w,3) with row stride w*3; flips: a sum of TN_FLIP_...; out (S,S,3). Errors TN_ENOMEM. */
tn_status tn_image_fit(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, int size_px,
                       unsigned char *out);
/* The same into the rectangle `place` of out (S,S,3), S = size_px, whose other pixels get the colour `around` (sRGB). Flips mirror
 * the crop within the rectangle. */
tn_status tn_image_place(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, int size_px,
                         tn_box place, const unsigned char around[3], unsigned char *out);

/* Apply the augmentations of the list that work on the S x S bytes of one image, in place: all but crop, flips, Mixup and CutMix.
 * image   (S,S,3)
 * Errors  TN_ENOMEM */
tn_status tn_augment_image(int n, const tn_augment *list, uint64_t seed, uint64_t position, uint64_t row, int size_px,
                           unsigned char *image);

/* How a lane was mixed: row i is lambda * row i + (1 - lambda) * row partner[i] (partner[i] = i: not mixed). */
typedef struct {
    double lambda; /* 1: nothing was mixed, and partner is not set */
    int64_t *partner;
} tn_mix;

/* CutMix or Mixup over one lane (micro-batch), in place. With probability p (one draw per lane, at its first position) rows are mixed
 * with partners, a Philox permutation of the lane's labelled rows; lambda, and the box of CutMix, are the same for the whole lane.
 * target and extra are mixed by lambda. A row without label is neither mixed nor a partner.
 * image    (B,S,S,3)
 * target   (B,K); a row of zeros has no label
 * extra    (B,M), M may be 0
 * mix_out  how rows were mixed; its partner (B) belongs to the caller
 * Errors   TN_ENOMEM */
tn_status tn_cutmix(const tn_augment *cutmix, uint64_t seed, uint64_t position, int B, int S, int K, int M,
                    unsigned char *image, float *target, float *extra, tn_mix *mix_out);
tn_status tn_mixup(const tn_augment *mixup, uint64_t seed, uint64_t position, int B, int S, int K, int M,
                   unsigned char *image, float *target, float *extra, tn_mix *mix_out);
/* y_i = lambda x_i + (1 - lambda) x_partner(i) for B rows of n values; x and y must not overlap. */
void tn_mix_rows(const tn_mix *mix, int B, int n, const float *x, float *y);

/* Label smoothing: target = (1-eps) target + eps/K. */
void tn_target_smooth(int K, double eps, float *target /* (K) */);

#endif
