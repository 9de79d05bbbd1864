/* mix.c - CutMix, Mixup, soft targets. */
#include "augment/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- images ------------------------------------------------------------------------------------------------------- */

static void paste(int B, int S, const int64_t *partner, tn_box box, const unsigned char *from, unsigned char *to) {
    size_t row = (size_t)S * 3, image = row * (size_t)S;
    for (int i = 0; i < B; i++)
        for (int y = box.y; y < box.y + box.h; y++) {
            size_t at = (size_t)y * row + (size_t)box.x * 3;
            memcpy(to + (size_t)i * image + at, from + (size_t)partner[i] * image + at, (size_t)box.w * 3);
        }
}

/* own: lambda in 1/256. No rounding is lost: 255 * 256 + 128 has 16 bits. */
static void blend(int B, int S, const int64_t *partner, int own, const unsigned char *from, unsigned char *to) {
    size_t n = (size_t)S * (size_t)S * 3;
    for (int i = 0; i < B; i++) {
        const unsigned char *a = from + (size_t)i * n, *b = from + (size_t)partner[i] * n;
        for (size_t j = 0; j < n; j++)
            to[(size_t)i * n + j] = (unsigned char)((a[j] * own + b[j] * (256 - own) + 128) >> 8);
    }
}

void tn_mix_rows(const tn_mix *mix, int B, int n, const float *x, float *y) {
    for (int i = 0; i < B; i++)
        for (int j = 0; j < n; j++)
            y[i * n + j] =
                (float)(mix->lambda * (double)x[i * n + j] + (1 - mix->lambda) * (double)x[mix->partner[i] * n + j]);
}

static bool has_label(int K, const float *target) {
    for (int k = 0; k < K; k++)
        if (target[k] > 0) return true;
    return false;
}

/* Draw a permutation of the labelled rows; other rows are their own partners. scratch: (B). */
static void draw_partners(tn_rng *r, int B, int K, const float *target, int64_t *scratch, int64_t *partner) {
    int64_t n = 0, at = 0;
    for (int i = 0; i < B; i++)
        if (has_label(K, target + i * K)) scratch[n++] = i;
    tn_rng_shuffle(r, n, scratch);
    for (int i = 0; i < B; i++) partner[i] = has_label(K, target + i * K) ? scratch[at++] : i;
}

/* --- lanes -------------------------------------------------------------------------------------------------------- */

typedef struct {
    int B, S, K, M;
    unsigned char *image;
    float *target, *extra;
} lane;

/* Draw partners, then mix images, targets and category one-hots by mix->lambda. box: what is pasted; NULL: images are blended. */
static tn_status mix_lane(tn_rng *r, const lane *x, const tn_box *box, tn_mix *mix) {
    size_t B = (size_t)x->B, n_image = B * (size_t)x->S * (size_t)x->S * 3, n_target = B * (size_t)x->K,
           n_extra = B * (size_t)x->M;
    int64_t *scratch = malloc(B * sizeof *scratch);
    unsigned char *copy = malloc(n_image);
    float *numbers = malloc((n_target + n_extra) * sizeof *numbers);
    tn_status st = TN_OK;
    if (!scratch || !copy || !numbers) {
        st = tn_fail_memory(n_image, "mixing images");
    } else {
        draw_partners(r, x->B, x->K, x->target, scratch, mix->partner);
        memcpy(copy, x->image, n_image);
        memcpy(numbers, x->target, n_target * sizeof *numbers);
        if (x->M) memcpy(numbers + n_target, x->extra, n_extra * sizeof *numbers);
        if (box)
            paste(x->B, x->S, mix->partner, *box, copy, x->image);
        else
            blend(x->B, x->S, mix->partner, (int)(mix->lambda * 256), copy, x->image);
        tn_mix_rows(mix, x->B, x->K, numbers, x->target);
        if (x->M) tn_mix_rows(mix, x->B, x->M, numbers + n_target, x->extra);
    }
    free(scratch);
    free(copy);
    free(numbers);
    return st;
}

static void mix_nothing(int B, tn_mix *mix) {
    mix->lambda = 1;
    for (int i = 0; i < B; i++) mix->partner[i] = i;
}

tn_status tn_cutmix(const tn_augment *cutmix, uint64_t seed, uint64_t position, int B, int S, int K, int M,
                    unsigned char *image, float *target, float *extra, tn_mix *mix_out) {
    mix_nothing(B, mix_out);
    tn_rng r = tn_rng_at(seed, TN_STREAM_CUTMIX, position, 0);
    if (tn_rng_uniform(&r) >= cutmix->probability) return TN_OK;
    double side = sqrt(1 - tn_rng_uniform(&r)); /* lambda ~ Beta(1,1) = U(0,1) */
    int cx = (int)tn_rng_below(&r, (uint32_t)S), cy = (int)tn_rng_below(&r, (uint32_t)S), half = (int)(side * S) / 2;
    int x0 = cx - half < 0 ? 0 : cx - half, y0 = cy - half < 0 ? 0 : cy - half;
    int x1 = cx + half > S ? S : cx + half, y1 = cy + half > S ? S : cy + half;
    tn_box box = {x0, y0, x1 - x0, y1 - y0};
    mix_out->lambda = 1 - (double)box.w * box.h / ((double)S * S);
    return mix_lane(&r, &(lane){B, S, K, M, image, target, extra}, &box, mix_out);
}

/* Beta(alpha, alpha) by Joehnk's method (1964): of points whose powers have a sum of at most 1. */
static double draw_beta(tn_rng *r, double alpha) {
    for (;;) {
        double x = pow(tn_rng_uniform(r), 1 / alpha), y = pow(tn_rng_uniform(r), 1 / alpha);
        if (x + y > 0 && x + y <= 1) return x / (x + y);
    }
}

tn_status tn_mixup(const tn_augment *mixup, uint64_t seed, uint64_t position, int B, int S, int K, int M,
                   unsigned char *image, float *target, float *extra, tn_mix *mix_out) {
    mix_nothing(B, mix_out);
    tn_rng r = tn_rng_at(seed, TN_STREAM_MIXUP, position, 0);
    if (tn_rng_uniform(&r) >= mixup->probability) return TN_OK;
    mix_out->lambda = round(draw_beta(&r, mixup->alpha) * 256) / 256;
    return mix_lane(&r, &(lane){B, S, K, M, image, target, extra}, NULL, mix_out);
}

void tn_target_smooth(int K, double eps, float *target) {
    for (int k = 0; k < K; k++) target[k] = (float)(eps / K + (1 - eps) * (double)target[k]);
}
