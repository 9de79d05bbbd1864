/* fit.c - crop, flips, antialiased resize. */
#include "augment/augment.h"

#include <math.h>
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

static tn_status fit_into(const unsigned char *pixels, int w, int h, tn_box crop, const tn_resampled *to) {
    TN_ASSERT(crop.w > 0 && crop.h > 0 && crop.x >= 0 && crop.y >= 0 && crop.x + crop.w <= w && crop.y + crop.h <= h);
    return tn_resample(pixels, w, crop, crop.w, crop.h, TN_TRIANGLE, to);
}

tn_status tn_image_fit(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, int size_px,
                       unsigned char *out) {
    tn_resampled to = {.w = size_px, .h = size_px, .stride = (size_t)size_px * 3, .flips = flips, .out = out};
    return fit_into(pixels, w, h, crop, &to);
}

tn_status tn_image_place(const unsigned char *pixels, int w, int h, tn_box crop, unsigned flips, int size_px,
                         tn_box place, const unsigned char around[3], unsigned char *out) {
    TN_ASSERT(place.w > 0 && place.h > 0 && place.x >= 0 && place.y >= 0 && place.x + place.w <= size_px &&
              place.y + place.h <= size_px);
    size_t n = (size_t)size_px * (size_t)size_px, stride = (size_t)size_px * 3;
    bool is_whole = place.w == size_px && place.h == size_px;
    for (size_t i = 0; !is_whole && i < n; i++) memcpy(out + 3 * i, around, 3);
    tn_resampled to = {.w = place.w,
                       .h = place.h,
                       .stride = stride,
                       .flips = flips,
                       .out = out + (size_t)place.y * stride + (size_t)place.x * 3};
    return fit_into(pixels, w, h, crop, &to);
}
