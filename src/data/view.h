/*
 * view.h - views of an image, over which prediction averages. All functions are pure.
 *
 *   tn_image_view view[TN_MAX_SINGLE_VIEWS];   int n = tn_views_of(cfg, view);
 *   tn_box box = tn_view_box(&view[i], w, h), place = tn_view_place(&view[i], w, h, S);
 *   tn_image_place(pixels, w, h, box, view[i].flip ? TN_FLIP_ACROSS : 0, S, place, view[i].around, out);
 *
 * identity          the centre square with the length of the short side, as in evaluation
 * horizontal_flip   the same, mirrored
 * center_crop_P     a centre square with P percent of the short side
 * five_crop_P       squares of this size in each corner and in the centre: five views
 * squish            the whole image, resized to S x S: its proportions are given up
 * pad               the whole image with its proportions, the long side S, in the middle of a square whose other pixels are
 *                   preprocess.background. The short side is S short / long, rounded; an odd rest is one pixel larger right or below
 * ..._flip          the view before it, mirrored: five_crop_80_flip, squish_flip, pad_flip
 */
#ifndef TN_DATA_VIEW_H
#define TN_DATA_VIEW_H

#include "augment/augment.h"

enum { TN_MAX_SINGLE_VIEWS = 5 * TN_MAX_VIEWS };

typedef enum { TN_FIT_SQUARE, TN_FIT_SQUISH, TN_FIT_PAD } tn_view_fit;

typedef struct {
    tn_view_fit fit;     /* a square of the image, or the whole image */
    int percent;         /* side of the square, in percent of the short side */
    double across, down; /* position of the square: 0 left or top, 0.5 centre, 1 right or bottom */
    bool flip;
    unsigned char around[3]; /* sRGB of the pixels that pad leaves */
} tn_image_view;

int tn_views_of(const tn_cfg *cfg, tn_image_view out[TN_MAX_SINGLE_VIEWS]); /* predict.views in order; their number */
tn_box tn_view_box(const tn_image_view *v, int w, int h);                /* what is seen of an image of w x h pixels */
tn_box tn_view_place(const tn_image_view *v, int w, int h, int size_px); /* where it comes to lie in S x S pixels */
/* tn_shrink_for of a view's box: pad makes less than S pixels of the short side. v NULL: a crop. */
int tn_view_shrink(const tn_image_view *v, tn_box box, int size_px);

#endif
