/* fit.c - crop, flips, antialiased resize. */
#include "augment/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- drawing ------------------------------------------------------------------------------------------------------ */

static tn_box centre(int w, int h, int bw, int bh) {
    return (tn_box){(w - bw) / 2, (h - bh) / 2, bw, bh};
}

/* If ten tries give no crop: the largest centred crop within the limits of the ratio (as in torchvision). */
static tn_box fall_back(const tn_augment *c, int w, int h) {
    double ratio = (double)w / h;
    if (ratio < c->ratio_min) return centre(w, h, w, (int)fmin(h, fmax(1, round(w / c->ratio_min))));
    if (ratio > c->ratio_max) return centre(w, h, (int)fmin(w, fmax(1, round(h * c->ratio_max))), h);
    return (tn_box){0, 0, w, h};
}

tn_box tn_crop_draw(const tn_augment *crop, uint64_t seed, uint64_t position, uint64_t row, int w, int h) {
    int side = w < h ? w : h;
    if (!crop) return centre(w, h, side, side);
    tn_rng r = tn_rng_at(seed, TN_STREAM_CROP, position, row);
    if (tn_rng_uniform(&r) >= crop->probability) return centre(w, h, side, side);
    double low = log(crop->ratio_min), high = log(crop->ratio_max);
    for (int i = 0; i < 10; i++) {
        double area = (double)w * h * (crop->area_min + (crop->area_max - crop->area_min) * tn_rng_uniform(&r));
        double ratio = exp(low + (high - low) * tn_rng_uniform(&r));
        int bw = (int)round(sqrt(area * ratio)), bh = (int)round(sqrt(area / ratio));
        if (bw < 1 || bh < 1 || bw > w || bh > h) continue;
        int x = (int)tn_rng_below(&r, (uint32_t)(w - bw + 1)), y = (int)tn_rng_below(&r, (uint32_t)(h - bh + 1));
        return (tn_box){x, y, bw, bh};
    }
    return fall_back(crop, w, h);
}

bool tn_flip_draw(const tn_augment *flip, uint64_t seed, uint64_t position, uint64_t row) {
    if (!flip) return false;
    tn_stream stream = flip->kind == TN_AUG_VERTICAL_FLIP ? TN_STREAM_VERTICAL_FLIP : TN_STREAM_FLIP;
    tn_rng r = tn_rng_at(seed, stream, position, row);
    return tn_rng_uniform(&r) < flip->probability;
}

int tn_shrink_for(tn_box box, int size_px) {
    int shrink = 8, side = box.w < box.h ? box.w : box.h;
    while (shrink > 1 && side < 2 * shrink * size_px) shrink /= 2;
    return shrink;
}

tn_box tn_box_shrunk(tn_box b, int shrink) {
    int x = (b.x + shrink / 2) / shrink, y = (b.y + shrink / 2) / shrink;
    return (tn_box){x, y, b.w / shrink, b.h / shrink};
}

/* --- resize ------------------------------------------------------------------------------------------------------- */

/* For each of S output pixels: the input pixels [first, first + n) and their weights, which sum to 1. */
typedef struct {
    int most; /* most weights per output pixel */
    int *first, *n;
    float *weight;
} taps;

static void taps_free(taps *t) {
    free(t->first);
    free(t->n);
    free(t->weight);
    *t = (taps){0};
}

/* The triangle filter over n_in pixels, with half-pixel centres, widened by the scale when shrinking. */
static tn_status taps_new(int n_in, int S, taps *t) {
    double scale = (double)n_in / S, support = scale > 1 ? scale : 1;
    t->most = 2 * (int)ceil(support) + 1;
    t->first = malloc((size_t)S * sizeof *t->first);
    t->n = malloc((size_t)S * sizeof *t->n);
    t->weight = calloc((size_t)S * (size_t)t->most, sizeof *t->weight);
    if (!t->first || !t->n || !t->weight) {
        taps_free(t);
        return tn_fail_memory((size_t)S * (size_t)t->most * sizeof *t->weight, "resizing");
    }
    for (int s = 0; s < S; s++) {
        double at = (s + 0.5) * scale, sum = 0;
        int from = (int)fmax(0, floor(at - support + 0.5)), to = (int)fmin(n_in, floor(at + support + 0.5));
        float *w = t->weight + (size_t)s * (size_t)t->most;
        for (int i = from; i < to; i++) sum += fmax(0, 1 - fabs(i + 0.5 - at) / support);
        for (int i = from; i < to; i++) w[i - from] = (float)(fmax(0, 1 - fabs(i + 0.5 - at) / support) / sum);
        t->first[s] = from;
        t->n[s] = to - from;
        TN_ASSERT(t->n[s] <= t->most);
    }
    return TN_OK;
}

/* Resize one input row to S pixels of 3 channels. */
static void resize_row(const taps *t, const unsigned char *row, unsigned flips, int S, float *out) {
    for (int s = 0; s < S; s++) {
        const float *w = t->weight + (size_t)s * (size_t)t->most;
        const unsigned char *p = row + (size_t)t->first[s] * 3;
        float r = 0, g = 0, b = 0;
        for (int i = 0; i < t->n[s]; i++, p += 3) {
            r += w[i] * (float)p[0];
            g += w[i] * (float)p[1];
            b += w[i] * (float)p[2];
        }
        float *o = out + (size_t)(flips & TN_FLIP_ACROSS ? S - 1 - s : s) * 3;
        o[0] = r;
        o[1] = g;
        o[2] = b;
    }
}

/* The rectangle of the output that a crop is resized to: its first pixel, and the bytes from one row to the next. */
typedef struct {
    int w, h;
    size_t stride;
    unsigned char *out;
} target;

/* Each row of the crop is resized horizontally once; an output row is a weighted sum of these rows, in `sum`. */
static void fit(const unsigned char *pixels, int w, tn_box crop, unsigned flips, const target *to, const taps *tx,
                const taps *ty, float *across, float *sum) {
    size_t n = (size_t)to->w * 3;
    int done = 0; /* rows of the crop resized so far */
    for (int s = 0; s < to->h; s++) {
        int end = ty->first[s] + ty->n[s];
        for (; done < end; done++)
            resize_row(tx, pixels + ((size_t)(crop.y + done) * (size_t)w + (size_t)crop.x) * 3, flips, to->w,
                       across + (size_t)done * n);
        for (size_t j = 0; j < n; j++) sum[j] = 0.5F; /* to round; weights add up to 1, so no sum leaves 0..255.5 */
        for (int i = 0; i < ty->n[s]; i++) {
            const float *a = across + (size_t)(ty->first[s] + i) * n;
            float weight = ty->weight[(size_t)s * (size_t)ty->most + (size_t)i];
            for (size_t j = 0; j < n; j++) sum[j] += weight * a[j];
        }
        unsigned char *row = to->out + (size_t)(flips & TN_FLIP_DOWN ? to->h - 1 - s : s) * to->stride;
        for (size_t j = 0; j < n; j++) row[j] = (unsigned char)sum[j];
    }
}

static tn_status fit_into(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, const target *to) {
    TN_ASSERT(crop.w > 0 && crop.h > 0 && crop.x >= 0 && crop.y >= 0 && crop.x + crop.w <= w && crop.y + crop.h <= h);
    taps tx = {.most = 0}, ty = {.most = 0};
    TN_TRY(taps_new(crop.w, to->w, &tx));
    tn_status st = taps_new(crop.h, to->h, &ty);
    size_t n_row = (size_t)to->w * 3, n_bytes = ((size_t)crop.h + 1) * n_row * sizeof(float);
    float *across = st == TN_OK ? malloc(n_bytes) : NULL;
    if (across)
        fit(pixels, w, crop, flips, to, &tx, &ty, across, across + (size_t)crop.h * n_row);
    else if (st == TN_OK)
        st = tn_fail_memory(n_bytes, "resizing");
    free(across);
    taps_free(&tx);
    taps_free(&ty);
    return st;
}

tn_status tn_image_fit(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, int size_px,
                       unsigned char *out) {
    target to = {.w = size_px, .h = size_px, .stride = (size_t)size_px * 3, .out = out};
    return fit_into(pixels, w, h, crop, flips, &to);
}

tn_status tn_image_place(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, int size_px,
                         tn_box place, const unsigned char around[3], unsigned char *out) {
    TN_ASSERT(place.w > 0 && place.h > 0 && place.x >= 0 && place.y >= 0 && place.x + place.w <= size_px &&
              place.y + place.h <= size_px);
    size_t n = (size_t)size_px * (size_t)size_px, stride = (size_t)size_px * 3;
    bool is_whole = place.w == size_px && place.h == size_px;
    for (size_t i = 0; !is_whole && i < n; i++) memcpy(out + 3 * i, around, 3);
    target to = {
        .w = place.w, .h = place.h, .stride = stride, .out = out + (size_t)place.y * stride + (size_t)place.x * 3};
    return fit_into(pixels, w, h, crop, flips, &to);
}
