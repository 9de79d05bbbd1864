/*
 * rng.h - counter-based random numbers: Philox4x32-10 (Random123).
 *
 *   tn_rng r = tn_rng_at(seed, TN_STREAM_CROP, images_seen, sample_id);
 *   double u = tn_rng_uniform(&r);
 *
 * Invariant  A number depends only on (seed, stream, counter, sample, index of the draw), not on ranks, threads, or draws for other
 *            samples. All functions are local.
 * Period     2^34 draws of 32 bits, if counters stay below 2^56 (their top byte is used for the block number).
 * Source     Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 */
#ifndef TN_BASE_RNG_H
#define TN_BASE_RNG_H

#include <stdint.h>

typedef enum { /* never renumber: results depend on it */
               TN_STREAM_INIT = 1,
               TN_STREAM_SAMPLER = 2,
               TN_STREAM_CROP = 3,
               TN_STREAM_FLIP = 4,
               TN_STREAM_CUTMIX = 5,
               TN_STREAM_DROPOUT = 6,
               TN_STREAM_DROP_CONNECT = 7,
               TN_STREAM_FOLD = 8,
               TN_STREAM_VALIDATION = 9,
               TN_STREAM_BOOTSTRAP = 10,
               TN_STREAM_TUNE = 11,
               TN_STREAM_SEARCH = 12,
               TN_STREAM_VERTICAL_FLIP = 20,
               TN_STREAM_SHIFT_SCALE_ROTATE = 21,
               TN_STREAM_RAND_AUGMENT = 22,
               TN_STREAM_BRIGHTNESS_CONTRAST = 23,
               TN_STREAM_HUE_SATURATION_VALUE = 24,
               TN_STREAM_GAUSSIAN_BLUR = 25,
               TN_STREAM_GAUSS_NOISE = 26,
               TN_STREAM_COARSE_DROPOUT = 27,
               TN_STREAM_CHANNEL_DROPOUT = 28,
               TN_STREAM_MIXUP = 29,
               TN_STREAM_DRILL = 62, /* when and how a rehearsal is disturbed */
               TN_STREAM_TEST = 63   /* for tests only */
} tn_stream;

typedef struct {
    uint32_t key[2], counter[4]; /* counter = {stream | block << 8, sample, counter low, counter high} */
    uint32_t word[4];
    int n_left;
} tn_rng;

/* A generator. sample: 32 bits are used. counter: distinguishes occasions of drawing, usually images seen. */
tn_rng tn_rng_at(uint64_t seed, tn_stream stream, uint64_t counter, uint64_t sample);

uint32_t tn_rng_u32(tn_rng *r);
double tn_rng_uniform(tn_rng *r);                      /* [0,1), 53 bits */
double tn_rng_normal(tn_rng *r);                       /* mean 0, variance 1, Box-Muller (one value per call) */
uint32_t tn_rng_below(tn_rng *r, uint32_t n);          /* 0..n-1, unbiased (Lemire's rejection) */
void tn_rng_shuffle(tn_rng *r, int64_t n, int64_t *a); /* Fisher-Yates in place */

#endif
