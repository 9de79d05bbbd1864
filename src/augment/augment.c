/* augment.c - draws the augmentations of one image, in the order of a table, and RandAugment over them. */
#include "augment/augment.h"

#include "augment/pixels.h"

#include <math.h>
#include <stddef.h>

/* What an augmentation draws from and works on. */
typedef struct {
    tn_rng rng;
    bool exact; /* in RandAugment: what is at most a limit is the limit, on one of both sides */
    int S;
    unsigned char *image; /* (S,S,3) */
} canvas;

/* --- drawing ------------------------------------------------------------------------------------------------------ */

static double between(canvas *c, double least, double most) {
    return least + (most - least) * tn_rng_uniform(&c->rng);
}

static double within(canvas *c, double limit) {
    double u = between(c, -1, 1);
    return limit * (c->exact ? (u < 0 ? -1 : 1) : u);
}

static int whole_between(canvas *c, double least, double most) {
    return (int)least + (int)tn_rng_below(&c->rng, (uint32_t)(most - least) + 1);
}

/* --- one function per augmentation -------------------------------------------------------------------------------- */

static tn_status shift_scale_rotate(const tn_augment *a, canvas *c) {
    tn_warp warp;
    warp.across = within(c, a->shift_limit);
    warp.down = within(c, a->shift_limit);
    warp.scale = 1 + within(c, a->scale_limit);
    warp.degrees = within(c, a->rotate_limit);
    return tn_pixels_warp(c->S, &warp, c->image);
}

static tn_status brightness_contrast(const tn_augment *a, canvas *c) {
    double brightness = within(c, a->brightness_limit), contrast = within(c, a->contrast_limit);
    tn_pixels_brightness_contrast(c->S, brightness, 1 + contrast, c->image);
    return TN_OK;
}

static tn_status hue_saturation_value(const tn_augment *a, canvas *c) {
    double hue = within(c, a->hue_shift_limit), saturation = within(c, a->sat_shift_limit);
    tn_pixels_hsv(c->S, hue, saturation, within(c, a->val_shift_limit), c->image);
    return TN_OK;
}

static tn_status blur(const tn_augment *a, canvas *c) {
    return tn_pixels_blur(c->S, between(c, a->sigma_min, a->sigma_max), c->image);
}

static tn_status noise(const tn_augment *a, canvas *c) {
    double std = between(c, a->std_min, a->std_max);
    tn_pixels_noise(c->S, std, &c->rng, c->image);
    return TN_OK;
}

static int hole_side(const tn_augment *a, canvas *c) {
    int side = (int)lround(between(c, a->hole_size_min, a->hole_size_max) * c->S);
    return side < 1 ? 1 : side;
}

static tn_status coarse_dropout(const tn_augment *a, canvas *c) {
    int n = whole_between(c, a->num_holes_min, a->num_holes_max);
    for (int i = 0; i < n; i++) {
        tn_box hole = {.w = hole_side(a, c)};
        hole.h = hole_side(a, c);
        hole.x = (int)tn_rng_below(&c->rng, (uint32_t)(c->S - hole.w + 1));
        hole.y = (int)tn_rng_below(&c->rng, (uint32_t)(c->S - hole.h + 1));
        tn_pixels_fill(c->S, hole, (unsigned char)a->fill, c->image);
    }
    return TN_OK;
}

static tn_status channel_dropout(const tn_augment *a, canvas *c) {
    int64_t channel[3] = {0, 1, 2};
    int n = whole_between(c, a->num_channels_min, a->num_channels_max);
    tn_rng_shuffle(&c->rng, 3, channel);
    for (int i = 0; i < n; i++) tn_pixels_fill_channel(c->S, (int)channel[i], (unsigned char)a->fill, c->image);
    return TN_OK;
}

static tn_status rand_augment(const tn_augment *a, canvas *c);

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* In the order in which they are applied: shape, colours, then what hides the image. */
static const struct {
    tn_augment_kind kind;
    tn_stream stream;
    tn_status (*apply)(const tn_augment *, canvas *);
} OPERATION[] = {
    {TN_AUG_SHIFT_SCALE_ROTATE, TN_STREAM_SHIFT_SCALE_ROTATE, shift_scale_rotate},
    {TN_AUG_RAND_AUGMENT, TN_STREAM_RAND_AUGMENT, rand_augment},
    {TN_AUG_BRIGHTNESS_CONTRAST, TN_STREAM_BRIGHTNESS_CONTRAST, brightness_contrast},
    {TN_AUG_HUE_SATURATION_VALUE, TN_STREAM_HUE_SATURATION_VALUE, hue_saturation_value},
    {TN_AUG_GAUSSIAN_BLUR, TN_STREAM_GAUSSIAN_BLUR, blur},
    {TN_AUG_GAUSS_NOISE, TN_STREAM_GAUSS_NOISE, noise},
    {TN_AUG_COARSE_DROPOUT, TN_STREAM_COARSE_DROPOUT, coarse_dropout},
    {TN_AUG_CHANNEL_DROPOUT, TN_STREAM_CHANNEL_DROPOUT, channel_dropout},
};
enum { N_OPERATIONS = sizeof OPERATION / sizeof *OPERATION };

const tn_augment *tn_augment_find(int n, const tn_augment *list, tn_augment_kind kind) {
    for (int i = 0; i < n; i++)
        if (list[i].kind == kind) return &list[i];
    return NULL;
}

tn_status tn_augment_image(int n, const tn_augment *list, uint64_t seed, uint64_t position, uint64_t row, int size_px,
                           unsigned char *image) {
    for (int k = 0; k < N_OPERATIONS; k++) {
        const tn_augment *a = tn_augment_find(n, list, OPERATION[k].kind);
        if (!a) continue;
        canvas c = {.rng = tn_rng_at(seed, OPERATION[k].stream, position, row), .S = size_px, .image = image};
        if (tn_rng_uniform(&c.rng) < a->probability) TN_TRY(OPERATION[k].apply(a, &c));
    }
    return TN_OK;
}

/* --- RandAugment -------------------------------------------------------------------------------------------------- */

/* What RandAugment draws from, with equal chances. The parameters from `first` to `last` get magnitude / 10 of `most`. Where no
 * parameter is named, magnitude has no effect. */
#define AT(field) offsetof(tn_augment, field)
static const struct {
    tn_augment base;
    size_t first, last;
    double most;
} POLICY[] = {
    {{.kind = TN_AUG_FLIP}, 0, 0, 0}, /* nothing: flips are not of this table */
    {{.kind = TN_AUG_SHIFT_SCALE_ROTATE}, AT(rotate_limit), AT(rotate_limit), 30},
    {{.kind = TN_AUG_SHIFT_SCALE_ROTATE}, AT(shift_limit), AT(shift_limit), 0.3},
    {{.kind = TN_AUG_SHIFT_SCALE_ROTATE}, AT(scale_limit), AT(scale_limit), 0.5},
    {{.kind = TN_AUG_BRIGHTNESS_CONTRAST}, AT(brightness_limit), AT(brightness_limit), 0.4},
    {{.kind = TN_AUG_BRIGHTNESS_CONTRAST}, AT(contrast_limit), AT(contrast_limit), 0.8},
    {{.kind = TN_AUG_HUE_SATURATION_VALUE}, AT(hue_shift_limit), AT(hue_shift_limit), 30},
    {{.kind = TN_AUG_HUE_SATURATION_VALUE}, AT(sat_shift_limit), AT(sat_shift_limit), 120},
    {{.kind = TN_AUG_GAUSSIAN_BLUR}, AT(sigma_min), AT(sigma_max), 3},
    {{.kind = TN_AUG_GAUSS_NOISE}, AT(std_min), AT(std_max), 30},
    {{.kind = TN_AUG_COARSE_DROPOUT, .num_holes_min = 1, .num_holes_max = 1, .fill = 128},
     AT(hole_size_min),
     AT(hole_size_max),
     0.5},
    {{.kind = TN_AUG_CHANNEL_DROPOUT, .num_channels_min = 1, .num_channels_max = 1}, 0, 0, 0},
};

static tn_status rand_augment(const tn_augment *a, canvas *c) {
    c->exact = true;
    for (int i = 0; i < (int)a->num_ops; i++) {
        uint32_t p = tn_rng_below(&c->rng, sizeof POLICY / sizeof *POLICY);
        tn_augment one = POLICY[p].base;
        for (size_t at = POLICY[p].first; at && at <= POLICY[p].last; at += sizeof(double))
            *(double *)(void *)((char *)&one + at) = POLICY[p].most * a->magnitude / 10;
        for (int k = 0; k < N_OPERATIONS; k++)
            if (OPERATION[k].kind == one.kind) TN_TRY(OPERATION[k].apply(&one, c));
    }
    return TN_OK;
}
