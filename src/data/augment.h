/*
 * augment.h - random crop, flip, resize, CutMix, soft targets.               layer: data, uses: base (rng, cfg)
 *
 * Everything random is drawn from (seed, stream, position in the training stream, row).
 * Image tensors: source (h,w,3) uint8 sRGB; output (S,S,3) float, normalised: (v/255 - mean) / std per channel.
 * Resize     bilinear with half-pixel centres and antialiasing (triangle filter widened by the scale when shrinking, as
 *            Pillow's BILINEAR), the same in training and evaluation.
 * Evaluation without random_resized_crop's randomness: the short side's centre square of the whole image, resized to S.
 * Source     RandomResizedCrop, CutMix: FACTS / the papers: area share uniform in [area_min, area_max], log-uniform
 *            ratio, 10 tries, then centre crop. CutMix (Yun et al. 2019): lambda ~ U(0,1), box side sqrt(1-lambda),
 *            centre uniform, clipped, lambda recomputed from the clipped area.
 */
#ifndef TN_DATA_AUGMENT_H
#define TN_DATA_AUGMENT_H

#include "base/cfg.h"
#include "base/rng.h"
#include "data/jpeg.h"

typedef struct {
    float mean[3], std[3];
} tn_input_norm; /* on [0,1]; travels with the weights */

/* The crop of an image of w x h at this place of the stream; the centre square when crop is NULL (evaluation). */
tn_box tn_crop_draw(const tn_augment *crop, uint64_t seed, uint64_t position, uint64_t row, int w, int h);
bool tn_flip_draw(const tn_augment *flip, uint64_t seed, uint64_t position, uint64_t row); /* NULL: false */

/* How much smaller, 1, 2, 4 or 8 times, an image may be decoded for this crop: at least two of its pixels, each way,
 * still make one of the output, and the filter that does that decides how it looks; and the same place in it. */
int tn_shrink_for(tn_box box, int size_px);
tn_box tn_box_shrunk(tn_box box, int shrink);

/* Crop, flip, resize and normalise. pixels (h,w,3) with row stride w*3; out (S,S,3). TN_ENOMEM. */
tn_status tn_image_fit(const unsigned char *pixels, int w, int h, tn_box crop, bool flip, int size_px,
                       const tn_input_norm *norm, float *out);

/* Row i of a lane is lambda itself and 1 - lambda its partner (itself where it was not mixed). */
typedef struct {
    double lambda; /* 1: nothing was mixed, partner means nothing */
    int64_t *partner;
} tn_mix;

/* CutMix over one lane in place. With probability p per lane (one draw at the lane's first position): partner = Philox
 * permutation of the lane's labelled rows; box shared by the lane. image (B,S,S,3), target (B,K; all zeros: without
 * a label, neither mixed nor a partner), extra (B,M; M may be 0): target and extra are mixed by the recomputed lambda.
 * mix_out: what was mixed with what, partner (B) of the caller. TN_ENOMEM. */
tn_status tn_cutmix(const tn_augment *cutmix, uint64_t seed, uint64_t position, int B, int S, int K, int M,
                    float *image, float *target, float *extra, tn_mix *mix_out);
/* y_i = lambda x_i + (1 - lambda) x_partner(i), rows of n; x and y apart. */
void tn_mix_rows(const tn_mix *mix, int B, int n, const float *x, float *y);

/* (1-eps) one-hot + eps/K */
void tn_target_smooth(int label, int K, double eps, float *target /* (K) */);

#endif
