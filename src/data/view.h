/*
 * view.h - views of an image, over which prediction averages. All functions are pure.
 *
 *   tn_image_view view[TN_MAX_SINGLE_VIEWS];   int n = tn_views_of(cfg, view);
 *   tn_box box = tn_view_box(&view[i], w, h);
 *
 * identity          the centre square with the length of the short side, as in evaluation
 * horizontal_flip   the same, mirrored
 * center_crop_P     a centre square with P percent of the short side
 * five_crop_P       squares of this size in each corner and in the centre: five views
 */
#ifndef TN_DATA_VIEW_H
#define TN_DATA_VIEW_H

#include "augment/augment.h"

enum { TN_MAX_SINGLE_VIEWS = 5 * TN_MAX_VIEWS };

typedef struct {
    int percent;         /* side of the square, in percent of the short side */
    double across, down; /* position of the square: 0 left or top, 0.5 centre, 1 right or bottom */
    bool flip;
} tn_image_view;

int tn_views_of(const tn_cfg *cfg, tn_image_view out[TN_MAX_SINGLE_VIEWS]); /* predict.views in order; their number */
tn_box tn_view_box(const tn_image_view *v, int w, int h);

#endif
