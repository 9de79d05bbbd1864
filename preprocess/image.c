/* image.c - libvips pipeline of one image. */
#include "preprocess/image.h"

#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

tn_status tn_image_begin(void) {
    if (vips_init("tenfold") != 0) return tn_fail(TN_EIO, "libvips does not start: %s", vips_error_buffer());
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    return TN_OK;
}

static void refuse(tn_image *image, const char *what, const char *detail) {
    snprintf(image->reason, sizeof image->reason, "%s%s%s", what, *detail ? ": " : "", detail);
    for (char *c = image->reason; *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    size_t n = strlen(image->reason);
    while (n > 0 && image->reason[n - 1] == ' ') image->reason[--n] = 0;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

static bool is_jpeg(const tn_image *image) {
    return image->n_file > 2 && memcmp(image->file, "\xFF\xD8", 2) == 0;
}

/* libvips opens many more kinds (SVG, PDF, raw camera files, ...): those are not photographs, and not hardened. */
static bool kind_accepted(const tn_image *image) {
    static const struct {
        size_t n;
        const char *magic;
    } KIND[] = {{2, "\xFF\xD8"}, {8, "\x89PNG\r\n\x1a\n"},
                {6, "GIF87a"},   {6, "GIF89a"},
                {4, "II*\0"},    {4, "MM\0*"},
                {4, "II+\0"},    {4, "MM\0+"},
                {2, "BM"}};
    if (image->n_file > 12 && memcmp(image->file, "RIFF", 4) == 0) return memcmp(image->file + 8, "WEBP", 4) == 0;
    for (size_t i = 0; i < sizeof KIND / sizeof *KIND; i++)
        if (image->n_file > KIND[i].n && memcmp(image->file, KIND[i].magic, KIND[i].n) == 0) return true;
    return false;
}

/* "memory": what cannot be decoded line by line would go through a file in /tmp, and a full /tmp look like a bad image.
 */
static VipsImage *load(const tn_image *image, int shrink) {
    if (shrink > 1)
        return vips_image_new_from_buffer(image->file, image->n_file, "", "access", VIPS_ACCESS_SEQUENTIAL, "memory",
                                          TRUE, "fail_on", VIPS_FAIL_ON_ERROR, "shrink", shrink, NULL);
    return vips_image_new_from_buffer(image->file, image->n_file, "", "access", VIPS_ACCESS_SEQUENTIAL, "memory", TRUE,
                                      "fail_on", VIPS_FAIL_ON_ERROR, NULL);
}

/* JPEG decodes at 1/2, 1/4, 1/8 for little; at least twice the wanted size is left for the filter. */
static int shrink_for(const tn_cfg *cfg, const tn_image *image, const VipsImage *x) {
    int side = x->Xsize < x->Ysize ? x->Xsize : x->Ysize, shrink = 1;
    while (is_jpeg(image) && shrink < 8 && side / (shrink * 2) >= 2 * cfg->preprocess.size_px) shrink *= 2;
    return shrink;
}

/* Replaces *x by the output of an operation. */
static bool step(VipsImage **x, int failed, VipsImage *out) {
    g_object_unref(*x);
    *x = failed ? NULL : out;
    return !failed;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static bool to_srgb(VipsImage **x) {
    VipsImage *out = NULL;
    bool profile = vips_image_get_typeof(*x, VIPS_META_ICC_NAME) != 0;
    if (profile || (*x)->Type == VIPS_INTERPRETATION_CMYK) {
        if (vips_icc_transform(*x, &out, "srgb", "embedded", TRUE, "depth", 8, "intent", VIPS_INTENT_PERCEPTUAL,
                               NULL) == 0)
            return step(x, 0, out);
        vips_error_clear(); /* a damaged profile: as if there were none */
        out = NULL;
    }
    int failed = vips_colourspace(*x, &out, VIPS_INTERPRETATION_sRGB, NULL);
    return step(x, failed, out);
}

static bool flatten(const tn_cfg *cfg, VipsImage **x) {
    if (!vips_image_hasalpha(*x)) return true;
    double colour[3];
    for (int c = 0; c < 3; c++) colour[c] = cfg->preprocess.background[c];
    VipsArrayDouble *background = vips_array_double_new(colour, 3);
    VipsImage *out = NULL;
    int failed = vips_flatten(*x, &out, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return step(x, failed, out);
}

static bool scale_down(const tn_cfg *cfg, VipsImage **x) {
    int side = (*x)->Xsize < (*x)->Ysize ? (*x)->Xsize : (*x)->Ysize;
    if (side <= cfg->preprocess.size_px) return true;
    VipsImage *out = NULL;
    int failed = vips_resize(*x, &out, (double)cfg->preprocess.size_px / side, NULL);
    return step(x, failed, out);
}

static bool three_bytes(VipsImage **x) {
    VipsImage *out = NULL;
    if ((*x)->BandFmt != VIPS_FORMAT_UCHAR) {
        int failed = vips_cast_uchar(*x, &out, NULL);
        if (!step(x, failed, out)) return false;
    }
    if ((*x)->Bands == 3) return true;
    int failed = (*x)->Bands > 3 ? vips_extract_band(*x, &out, 0, "n", 3, NULL)
                                 : vips_bandjoin((VipsImage *[]){*x, *x, *x}, &out, 3, NULL);
    return step(x, failed, out) && (*x)->Bands == 3;
}

/* Decodes into memory first: rotation reads out of order, which a sequential source cannot. */
static bool upright(VipsImage **x) {
    VipsImage *memory = vips_image_copy_memory(*x), *out = NULL;
    if (!step(x, memory == NULL, memory)) return false;
    int failed = vips_autorot(*x, &out, NULL);
    return step(x, failed, out);
}

static bool pipeline(const tn_cfg *cfg, VipsImage **x) {
    return to_srgb(x) && flatten(cfg, x) && scale_down(cfg, x) && three_bytes(x) && upright(x);
}

/* --- hashes ------------------------------------------------------------------------------------------------------- */

static double mean_grey(const tn_image *image, int x0, int x1, int y0, int y1) {
    double sum = 0;
    if (x1 <= x0) x1 = x0 + 1;
    if (y1 <= y0) y1 = y0 + 1;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            const unsigned char *p = image->pixels + ((size_t)y * (size_t)image->w + (size_t)x) * 3;
            sum += 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
        }
    return sum / ((double)(x1 - x0) * (y1 - y0));
}

/* dHash: 8 rows of 9 grey means; a bit says that brightness falls to the right. */
static uint64_t difference_hash(const tn_image *image) {
    uint64_t bits = 0;
    for (int r = 0; r < 8; r++) {
        double left = 0;
        int y0 = (int)((int64_t)image->h * r / 8), y1 = (int)((int64_t)image->h * (r + 1) / 8);
        for (int c = 0; c < 9; c++) {
            double here =
                mean_grey(image, (int)((int64_t)image->w * c / 9), (int)((int64_t)image->w * (c + 1) / 9), y0, y1);
            if (c > 0) bits = bits << 1 | (left > here);
            left = here;
        }
    }
    return bits;
}

/* --- one image ---------------------------------------------------------------------------------------------------- */

static bool has_one_size(const VipsImage *x) {
    return x->Xsize > 0 && x->Ysize > 0 && x->Xsize <= 65535 && x->Ysize <= 65535;
}

/* The file itself may be stored: what the loader threads decode is what was looked at here. */
static bool is_storable(const tn_image *image, VipsImage *x) {
    return is_jpeg(image) && x->Bands == 3 && x->Type == VIPS_INTERPRETATION_sRGB &&
           vips_image_get_orientation(x) == 1 && vips_image_get_typeof(x, VIPS_META_ICC_NAME) == 0 &&
           x->Xsize == image->w && x->Ysize == image->h;
}

static void decode(const tn_cfg *cfg, tn_image *out) {
    VipsImage *header = load(out, 1), *x = NULL;
    if (!header) {
        refuse(out, "cannot be decoded", vips_error_buffer());
        return;
    }
    char size[64];
    snprintf(size, sizeof size, "%d x %d pixels", header->Xsize, header->Ysize);
    if ((int64_t)header->Xsize * header->Ysize > cfg->preprocess.max_pixels) {
        refuse(out, "its header claims more than preprocess.max_pixels", size);
    } else if (!has_one_size(header)) {
        refuse(out, "a side is longer than 65535", size);
    } else if ((x = load(out, shrink_for(cfg, out, header))) && pipeline(cfg, &x)) {
        size_t n = 0;
        out->pixels = vips_image_write_to_memory(x, &n);
        out->w = x->Xsize;
        out->h = x->Ysize;
    }
    if (!*out->reason && !out->pixels) refuse(out, "cannot be decoded", vips_error_buffer());
    if (out->pixels) out->storable = is_storable(out, header);
    if (x) g_object_unref(x);
    g_object_unref(header);
}

void tn_image_decode(const tn_cfg *cfg, const unsigned char *file, size_t n_file, tn_image *out) {
    *out = (tn_image){.file = file, .n_file = n_file};
    vips_error_clear();
    if (kind_accepted(out))
        decode(cfg, out);
    else
        refuse(out, "is not a JPEG, PNG, WebP, GIF, TIFF or BMP image", "");
    if (!*out->reason) out->perceptual_hash = difference_hash(out);
}

void tn_image_free(tn_image *image) {
    g_free(image->pixels);
    image->pixels = NULL;
}
