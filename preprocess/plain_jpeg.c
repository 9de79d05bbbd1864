/* plain_jpeg.c - looks at the markers, decodes, scales, turns. */
#include "preprocess/plain_jpeg.h"

#include "picture/jpeg_markers.h"
#include "picture/jpeg_means.h"
#include "preprocess/tiff.h"
#include "preprocess/upright.h"
#include "store/jpeg.h"

#include <stdlib.h>
#include <string.h>

/* --- markers ------------------------------------------------------------------------------------------------------ */

/* What the markers before the first scan say. Source: ITU-T T.81, annex B; EXIF 2.3, section 4.5.4. */
typedef struct {
    int w, h, n_colours, orientation; /* 0: not seen; orientation: see tiff.h */
    bool plain;
} header;

static bool is_frame(int marker) {
    return marker >= TN_JPEG_SOF0 && marker <= TN_JPEG_SOF15 && marker != TN_JPEG_DHT && marker != TN_JPEG_JPG &&
           marker != TN_JPEG_DAC;
}

static void read_frame(const tn_jpeg_segment *s, header *h) {
    const unsigned char *p = s->data;
    bool known = s->marker <= TN_JPEG_SOF2 && s->n >= 6 && p[0] == 8 &&
                 h->w == 0; /* baseline, extended or progressive, 8 bits */
    h->plain &= known;
    if (!known) return;
    h->h = p[1] << 8 | p[2];
    h->w = p[3] << 8 | p[4];
    h->n_colours = p[5];
}

static void read_segment(const tn_jpeg_segment *s, header *h) {
    static const char EXIF[6] = "Exif\0", PROFILE[12] = "ICC_PROFILE";
    if (is_frame(s->marker)) read_frame(s, h);
    if (s->marker == TN_JPEG_APP2 && s->n >= sizeof PROFILE && memcmp(s->data, PROFILE, sizeof PROFILE) == 0)
        h->plain = false;
    if (s->marker != TN_JPEG_APP1 || s->n < sizeof EXIF || memcmp(s->data, EXIF, sizeof EXIF) != 0) return;
    h->plain &= h->orientation == 0; /* the first of several EXIFs would do, but who knows */
    h->orientation = tn_tiff_orientation(s->data + sizeof EXIF, s->n - sizeof EXIF);
    h->plain &= h->orientation > 0;
}

static header read_header(const unsigned char *file, size_t n_file) {
    header h = {.plain = true};
    tn_jpeg_segment s = {0};
    for (size_t at = 0; h.plain && s.marker != TN_JPEG_SOS;) {
        h.plain = tn_jpeg_segment_read(file, n_file, &at, &s);
        if (h.plain) read_segment(&s, &h);
    }
    h.plain &= h.w > 0 && h.h > 0 && (h.n_colours == 1 || h.n_colours == 3);
    h.orientation += h.orientation == 0;
    return h;
}

/* --- pixels ------------------------------------------------------------------------------------------------------- */

static bool decode(const tn_cfg *cfg, const header *h, tn_image *image) {
    int side = h->w < h->h ? h->w : h->h, size = cfg->preprocess.size_px, shrink = 1, wanted_w, wanted_h;
    tn_upright_size(h->w, h->h, size, &wanted_w, &wanted_h);
    if (wanted_w > TN_JPEG_SIDE || wanted_h > TN_JPEG_SIDE) return false;
    while (shrink < 8 && side / (shrink * 2) >= size) shrink *= 2;
    size_t room = 0;
    bool small =
        shrink > 1 && tn_jpeg_means(image->file, image->n_file, shrink, &image->pixels, &room, &image->w, &image->h);
    if (!small &&
        tn_jpeg_decode(image->file, image->n_file, shrink, &image->pixels, &room, &image->w, &image->h) != TN_OK)
        return false;
    if (image->w != (h->w + shrink - 1) / shrink || image->h != (h->h + shrink - 1) / shrink) return false;
    image->storable = side <= size && h->n_colours == 3 && h->orientation == 1;
    return tn_upright_pixels(image, (double)h->w / shrink, (double)h->h / shrink, wanted_w, wanted_h, h->orientation);
}

bool tn_plain_jpeg_decode(const tn_cfg *cfg, tn_image *image) {
    header h = read_header(image->file, image->n_file);
    if (!h.plain || (int64_t)h.w * h.h > cfg->preprocess.max_pixels) return false;
    if (decode(cfg, &h, image)) return true;
    free(image->pixels);
    image->pixels = NULL;
    image->storable = false;
    return false;
}
