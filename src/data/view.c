/* view.c - converts views to boxes in an image. */
#include "data/view.h"

int tn_views_of(const tn_cfg *cfg, tn_image_view out[TN_MAX_SINGLE_VIEWS]) {
    static const double CORNER[4][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    int n = 0;
    for (int i = 0; i < cfg->predict.n_views; i++) {
        tn_view_spec look;
        TN_ASSERT(tn_view_parse(cfg->predict.views[i], &look)); /* cfg_check.c */
        int percent = look.kind == TN_VIEW_KIND_CENTER || look.kind == TN_VIEW_KIND_FIVE ? look.percent : 100;
        for (int c = 0; look.kind == TN_VIEW_KIND_FIVE && c < 4; c++)
            out[n++] = (tn_image_view){.percent = percent, .across = CORNER[c][0], .down = CORNER[c][1]};
        out[n++] =
            (tn_image_view){.percent = percent, .across = 0.5, .down = 0.5, .flip = look.kind == TN_VIEW_KIND_FLIP};
    }
    return n;
}

tn_box tn_view_box(const tn_image_view *v, int w, int h) {
    int side = (w < h ? w : h) * v->percent / 100;
    if (side < 1) side = 1;
    return (tn_box){(int)((w - side) * v->across), (int)((h - side) * v->down), side, side};
}
