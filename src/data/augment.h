/*
 * augment.h - augmentation of training images: random crop, flip, resize, CutMix, soft targets. All functions are local.
 *
 * All random numbers are drawn from (seed, stream, position in the stream of training images, row).
 * Images: source (h,w,3) and output (S,S,3), bytes, sRGB; rounded to nearest, as Pillow does. A net reads them as (v/255 - mean) / std
 * per channel.
 * Resize     bilinear with half-pixel centres and antialiasing (a triangle filter, widened by the scale when shrinking, as
 *            Pillow's BILINEAR); the same in training and evaluation.
 * Evaluation no randomness: the centre square of the image with the length of its short side, resized to S.
 * Source     RandomResizedCrop as in torchvision: share of the area uniform in [area_min, area_max], log-uniform ratio, 10
 *            tries, then centre crop. CutMix (Yun et al. 2019): lambda ~ U(0,1), box side sqrt(1-lambda), centre uniform, box
 *            clipped to the image, lambda recomputed from the clipped area.
 */
#ifndef TN_DATA_AUGMENT_H
#define TN_DATA_AUGMENT_H

#include "base/rng.h"
#include "cfg/cfg.h"
#include "store/jpeg.h"

typedef struct {
    float mean[3], std[3];
} tn_input_norm; /* for values in [0,1]; stored together with the weights */

/* Draw the crop of an image of w x h pixels at a position of the stream; crop NULL (evaluation): the centre square. */
tn_box tn_crop_draw(const tn_augment *crop, uint64_t seed, uint64_t position, uint64_t row, int w, int h);
bool tn_flip_draw(const tn_augment *flip, uint64_t seed, uint64_t position, uint64_t row); /* NULL: false */

/* The largest reduction (1, 2, 4 or 8) at which a JPEG may be decoded: at least 2 source pixels per output pixel remain in each
 * direction. tn_box_shrunk maps the crop to the reduced image. */
int tn_shrink_for(tn_box box, int size_px);
tn_box tn_box_shrunk(tn_box box, int shrink);

/* Crop, flip and resize. pixels (h,w,3) with row stride w*3; out (S,S,3). Errors TN_ENOMEM. */
tn_status tn_image_fit(const unsigned char *pixels, int w, int h, tn_box crop, bool flip, int size_px,
                       unsigned char *out);

/* How a lane was mixed: row i is lambda * row i + (1 - lambda) * row partner[i] (partner[i] = i: not mixed). */
typedef struct {
    double lambda; /* 1: nothing was mixed, and partner is not set */
    int64_t *partner;
} tn_mix;

/* CutMix over one lane (micro-batch), in place. With probability p (one draw per lane, at its first position) rows are mixed with
 * partners, a Philox permutation of the lane's labelled rows; the box is the same for the whole lane. target and extra are mixed
 * by the recomputed lambda. A row without label is neither mixed nor a partner.
 * image    (B,S,S,3)
 * target   (B,K); a row of zeros has no label
 * extra    (B,M), M may be 0
 * mix_out  how rows were mixed; its partner (B) belongs to the caller
 * Errors   TN_ENOMEM */
tn_status tn_cutmix(const tn_augment *cutmix, uint64_t seed, uint64_t position, int B, int S, int K, int M,
                    unsigned char *image, float *target, float *extra, tn_mix *mix_out);
/* y_i = lambda x_i + (1 - lambda) x_partner(i) for B rows of n values; x and y must not overlap. */
void tn_mix_rows(const tn_mix *mix, int B, int n, const float *x, float *y);

/* Label smoothing: target = (1-eps) one-hot(label) + eps/K */
void tn_target_smooth(int label, int K, double eps, float *target /* (K) */);

#endif
