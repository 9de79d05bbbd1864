/* view.c - converts views to boxes in an image. */
#include "data/view.h"

#include <math.h>

static tn_image_view view_of(const tn_cfg *cfg, const tn_view_spec *look) {
    bool crops = look->kind == TN_VIEW_KIND_CENTER || look->kind == TN_VIEW_KIND_FIVE;
    tn_image_view out = {.percent = crops ? look->percent : 100, .across = 0.5, .down = 0.5, .flip = look->flip};
    out.fit = look->kind == TN_VIEW_KIND_SQUISH ? TN_FIT_SQUISH
              : look->kind == TN_VIEW_KIND_PAD  ? TN_FIT_PAD
                                                : TN_FIT_SQUARE;
    for (int c = 0; c < 3; c++) out.around[c] = (unsigned char)cfg->preprocess.background[c];
    return out;
}

int tn_views_of(const tn_cfg *cfg, tn_image_view out[TN_MAX_SINGLE_VIEWS]) {
    static const double CORNER[4][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    int n = 0;
    for (int i = 0; i < cfg->predict.n_views; i++) {
        tn_view_spec look;
        TN_ASSERT(tn_view_parse(cfg->predict.views[i], &look)); /* cfg_check.c */
        tn_image_view middle = view_of(cfg, &look);
        for (int c = 0; look.kind == TN_VIEW_KIND_FIVE && c < 4; c++) {
            out[n] = middle;
            out[n].across = CORNER[c][0];
            out[n++].down = CORNER[c][1];
        }
        out[n++] = middle;
    }
    return n;
}

tn_box tn_view_box(const tn_image_view *v, int w, int h) {
    if (v->fit != TN_FIT_SQUARE) return (tn_box){0, 0, w, h};
    int side = (w < h ? w : h) * v->percent / 100;
    if (side < 1) side = 1;
    return (tn_box){(int)((w - side) * v->across), (int)((h - side) * v->down), side, side};
}

tn_box tn_view_place(const tn_image_view *v, int w, int h, int size_px) {
    if (v->fit != TN_FIT_PAD) return (tn_box){0, 0, size_px, size_px};
    double scale = (double)size_px / (w > h ? w : h);
    int pw = (int)fmax(1, round(w * scale)), ph = (int)fmax(1, round(h * scale));
    return (tn_box){(size_px - pw) / 2, (size_px - ph) / 2, pw, ph};
}

int tn_view_shrink(const tn_image_view *v, tn_box box, int size_px) {
    int side = box.w > box.h ? box.w : box.h;
    int shrink = tn_shrink_for(v && v->fit == TN_FIT_PAD ? (tn_box){0, 0, side, side} : box, size_px);
    while (box.w < shrink || box.h < shrink) shrink /= 2; /* a strip keeps a pixel across */
    return shrink;
}
