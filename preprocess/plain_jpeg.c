/* plain_jpeg.c - looks at the markers, decodes, scales, turns. */
#include "preprocess/plain_jpeg.h"

#include "picture/jpeg_means.h"
#include "picture/resample.h"
#include "preprocess/tiff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- markers ------------------------------------------------------------------------------------------------------ */

/* What the markers before the first scan say. Source: ITU-T T.81, annex B; EXIF 2.3, section 4.5.4. */
typedef struct {
    int w, h, n_colours, orientation; /* 0: not seen; orientation: see tiff.h */
    bool plain;
} header;

enum {
    SOF0 = 0xC0,
    SOF2 = 0xC2,
    DHT = 0xC4,
    SOF15 = 0xCF,
    DAC = 0xCC,
    JPG = 0xC8,
    SOS = 0xDA,
    APP1 = 0xE1,
    APP2 = 0xE2
};

static bool is_frame(int marker) {
    return marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC;
}

static void read_frame(int marker, const unsigned char *at, size_t n, header *h) {
    bool known = marker <= SOF2 && n >= 6 && at[0] == 8 && h->w == 0; /* baseline, extended or progressive, 8 bits */
    h->plain &= known;
    if (!known) return;
    h->h = at[1] << 8 | at[2];
    h->w = at[3] << 8 | at[4];
    h->n_colours = at[5];
}

static void read_segment(int marker, const unsigned char *at, size_t n, header *h) {
    static const char EXIF[6] = "Exif\0", PROFILE[12] = "ICC_PROFILE";
    if (is_frame(marker)) read_frame(marker, at, n, h);
    if (marker == APP2 && n >= sizeof PROFILE && memcmp(at, PROFILE, sizeof PROFILE) == 0) h->plain = false;
    if (marker != APP1 || n < sizeof EXIF || memcmp(at, EXIF, sizeof EXIF) != 0) return;
    h->plain &= h->orientation == 0; /* the first of several EXIFs would do, but who knows */
    h->orientation = tn_tiff_orientation(at + sizeof EXIF, n - sizeof EXIF);
    h->plain &= h->orientation > 0;
}

static header read_header(const unsigned char *file, size_t n_file) {
    header h = {.plain = true};
    size_t at = 2;
    for (int marker = 0; h.plain && marker != SOS;) {
        if (at + 4 > n_file || file[at] != 0xFF) return (header){.plain = false};
        marker = file[at + 1];
        size_t n = (size_t)(file[at + 2] << 8 | file[at + 3]);
        if (marker == 0xFF || n < 2 || at + 2 + n > n_file) return (header){.plain = false};
        read_segment(marker, file + at + 4, n - 2, &h);
        at += 2 + n;
    }
    h.plain &= h.w > 0 && h.h > 0 && (h.n_colours == 1 || h.n_colours == 3);
    h.orientation += h.orientation == 0;
    return h;
}

/* --- pixels ------------------------------------------------------------------------------------------------------- */

/* Turn the image as EXIF orientation says: 2 to 4 mirror, 5 to 8 exchange rows and columns too. */
static bool turn(tn_image *image, int orientation) {
    int w = image->w, h = image->h;
    bool across = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8,
         down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7, swap = orientation > 4;
    unsigned char *out = malloc((size_t)w * (size_t)h * 3), *to = out;
    if (!out) return false;
    image->w = swap ? h : w;
    image->h = swap ? w : h;
    for (int y = 0; y < image->h; y++)
        for (int x = 0; x < image->w; x++, to += 3) {
            int from_x = swap ? y : x, from_y = swap ? x : y;
            if (across) from_x = w - 1 - from_x;
            if (down) from_y = h - 1 - from_y;
            memcpy(to, image->pixels + ((size_t)from_y * (size_t)w + (size_t)from_x) * 3, 3);
        }
    free(image->pixels);
    image->pixels = out;
    return true;
}

/* Scale the pixels, which are the image h reduced by `shrink`, to w x h. */
static bool scale(const header *h, int shrink, int wanted_w, int wanted_h, tn_image *image) {
    unsigned char *out = malloc((size_t)wanted_w * (size_t)wanted_h * 3);
    tn_resampled to = {.w = wanted_w, .h = wanted_h, .stride = (size_t)wanted_w * 3, .out = out};
    bool ok = out && tn_resample(image->pixels, image->w, (tn_box){0, 0, image->w, image->h}, (double)h->w / shrink,
                                 (double)h->h / shrink, TN_LANCZOS, &to) == TN_OK;
    free(image->pixels);
    image->pixels = out;
    image->w = wanted_w;
    image->h = wanted_h;
    return ok;
}

static bool decode(const tn_cfg *cfg, const header *h, tn_image *image) {
    int side = h->w < h->h ? h->w : h->h, size = cfg->preprocess.size_px, shrink = 1;
    double factor = side > size ? (double)size / side : 1;
    int w = (int)lround(h->w * factor), height = (int)lround(h->h * factor), limit = TN_JPEG_SIDE;
    if (w > limit || height > limit) return false;
    while (shrink < 8 && side / (shrink * 2) >= size) shrink *= 2;
    size_t room = 0;
    bool small =
        shrink > 1 && tn_jpeg_means(image->file, image->n_file, shrink, &image->pixels, &room, &image->w, &image->h);
    if (!small &&
        tn_jpeg_decode(image->file, image->n_file, shrink, &image->pixels, &room, &image->w, &image->h) != TN_OK)
        return false;
    if (image->w != (h->w + shrink - 1) / shrink || image->h != (h->h + shrink - 1) / shrink) return false;
    if ((w != image->w || height != image->h) && !scale(h, shrink, w, height, image)) return false;
    image->storable = factor == 1 && h->n_colours == 3 && h->orientation == 1;
    return h->orientation == 1 || turn(image, h->orientation);
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
