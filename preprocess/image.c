/* image.c - the libvips pipeline for one image. */
#include "preprocess/image.h"

#include "preprocess/gif.h"
#include "preprocess/plain_jpeg.h"
#include "preprocess/plain_webp.h"
#include "preprocess/tiff.h"
#include "preprocess/upright.h"
#include "store/jpeg.h"

#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include <vips/vector.h> /* which needs it */

/* The first warning of a library about the present image; the caller adds the image's name. */
static char warning[TN_REASON_BYTES];

static void one_line(char *text) {
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == ' ') text[--n] = 0;
}

static void keep_warning(const char *domain, GLogLevelFlags level, const char *text, void *unused) {
    (void)domain, (void)unused;
    if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) == 0 || *warning)
        return; /* the first one has the cause */
    snprintf(warning, sizeof warning, "%s", text);
    one_line(warning);
}

/* Start libvips with the first image that needs it: it loads many libraries. */
static tn_status begin(void) {
    static bool begun;
    if (begun) return TN_OK;
    if (vips_init("tenfold") != 0) return tn_fail(TN_EIO, "libvips does not start: %s", vips_error_buffer());
    vips_concurrency_set(1);
    /* Scaling by code generated at run time rounds differently from scaling in C, and ends the process if the system forbids memory that
     * is both writable and executable. */
    vips_vector_set_enabled(FALSE);
    vips_cache_set_max(0);
    g_log_set_default_handler(keep_warning, NULL);
    g_log_set_always_fatal(G_LOG_FLAG_RECURSION | G_LOG_LEVEL_ERROR); /* overrides G_DEBUG=fatal-warnings */
    begun = true;
    return TN_OK;
}

static void refuse(tn_image *image, const char *what, const char *detail) {
    snprintf(image->reason, sizeof image->reason, "%s%s%s", what, *detail ? ": " : "", detail);
    one_line(image->reason);
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

/* "memory": otherwise images that cannot be decoded line by line would use a file in /tmp, and a full /tmp would look like a bad image. */
static VipsImage *load(const tn_image *image, int shrink) {
    if (shrink > 1)
        return vips_image_new_from_buffer(image->file, image->n_file, "", "access", VIPS_ACCESS_SEQUENTIAL, "memory",
                                          TRUE, "fail_on", VIPS_FAIL_ON_ERROR, "shrink", shrink, NULL);
    return vips_image_new_from_buffer(image->file, image->n_file, "", "access", VIPS_ACCESS_SEQUENTIAL, "memory", TRUE,
                                      "fail_on", VIPS_FAIL_ON_ERROR, NULL);
}

/* The reduction (1, 2, 4, 8) at which a JPEG is decoded, which is fast; at least twice the wanted size is left for the filter. */
static int shrink_for(const tn_cfg *cfg, const tn_image *image, const VipsImage *x) {
    int side = x->Xsize < x->Ysize ? x->Xsize : x->Ysize, shrink = 1;
    while (is_jpeg(image) && shrink < 8 && side / (shrink * 2) >= 2 * cfg->preprocess.size_px) shrink *= 2;
    return shrink;
}

/* Replace *x by the output of an operation: step(&x, vips_invert(x, &out, NULL), &out). */
static bool step(VipsImage **x, int failed, VipsImage *const *out) {
    g_object_unref(*x);
    *x = failed ? NULL : *out;
    return !failed;
}

/* --- steps: which samples are colours, which is alpha ------------------------------------------------------------- */

static int colour_bands(const VipsImage *x) {
    switch (x->Type) {
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
        return 1;
    case VIPS_INTERPRETATION_CMYK:
        return 4;
    case VIPS_INTERPRETATION_MULTIBAND:
        return x->Bands < 3 ? 1 : 3;
    default:
        return 3;
    }
}

/* Is the fourth byte of a pixel alpha? Only if the header has a mask for it; otherwise it is reserved and may have any value. */
static bool bmp_has_alpha(const tn_image *image) {
    enum { BITFIELDS = 3, ALPHABITFIELDS = 6, VERSION_3 = 56 };
    static const unsigned char NONE[4];
    if (image->n_file < 70) return false;
    int size = image->file[14], compression = image->file[30];
    bool masks = compression == ALPHABITFIELDS || (compression == BITFIELDS && size >= VERSION_3);
    return masks && memcmp(image->file + 66, NONE, 4) != 0;
}

/* The index of alpha among the samples after the colours; -1: there is none. */
static int alpha_of(const tn_image *image) {
    bool multiplied;
    if (tn_tiff_is(image->file, image->n_file)) return tn_tiff_alpha(image->file, image->n_file, &multiplied);
    return memcmp(image->file, "BM", 2) == 0 && !bmp_has_alpha(image) ? -1 : 0;
}

/* Keep only the colours in *x, followed by alpha: libvips would take any other sample as alpha. */
static bool known_bands(tn_image *image, VipsImage **x) {
    int n_colours = colour_bands(*x), n_others = (*x)->Bands - n_colours, alpha = n_others > 0 ? alpha_of(image) : -1;
    VipsImage *out = NULL, *last = NULL;
    if (n_others <= 0 || (n_others == 1 && alpha == 0)) return true;
    if ((*x)->Type == VIPS_INTERPRETATION_MULTIBAND && n_others > 1) {
        refuse(image, "it is not known which of its samples are colours", "");
        return false;
    }
    if (!*warning && tn_tiff_is(image->file, image->n_file))
        snprintf(warning, sizeof warning, "samples that are neither colours nor alpha are ignored");
    if (alpha >= n_others) alpha = -1;
    if (alpha >= 0 && vips_extract_band(*x, &last, n_colours + alpha, NULL) != 0) return false;
    bool ok = step(x, vips_extract_band(*x, &out, 0, "n", n_colours, NULL), &out);
    if (!last) return ok;
    ok = ok && step(x, vips_bandjoin2(*x, last, &out, NULL), &out);
    g_object_unref(last);
    return ok;
}

/* --- steps: colours ----------------------------------------------------------------------------------------------- */

/* Are values relative to white, so that their scale follows from the file's type? Other spaces (CIELAB, XYZ) have their own scale. */
static bool has_white(const VipsImage *x) {
    switch (x->Type) {
    case VIPS_INTERPRETATION_MULTIBAND:
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
    case VIPS_INTERPRETATION_sRGB:
    case VIPS_INTERPRETATION_RGB:
    case VIPS_INTERPRETATION_RGB16:
    case VIPS_INTERPRETATION_scRGB:
    case VIPS_INTERPRETATION_CMYK:
        return true;
    default:
        return false;
    }
}

/* White of a floating-point file, which does not tell it: values are 0..1 (slightly more after interpolation), or 0..255. */
static double float_white(tn_image *image, VipsImage **x) {
    VipsImage *out = NULL;
    bool numbers = true, unit = true, byte = true;
    if (!step(x, vips_cast_float(*x, &out, NULL), &out)) return 0;
    out = vips_image_copy_memory(*x); /* a sequential source cannot be read twice */
    if (!step(x, out == NULL, &out)) return 0;
    const float *value = (const float *)(const void *)(*x)->data;
    for (size_t i = 0; i < (size_t)VIPS_IMAGE_N_ELEMENTS(*x) * (size_t)(*x)->Ysize; i++) {
        numbers &= value[i] >= -1;
        unit &= value[i] <= 2;
        byte &= value[i] <= 256;
    }
    if (numbers && byte) return unit ? 1 : 255;
    refuse(image, "its samples are floating-point numbers beyond 0 to 1 and 0 to 255: black and white are not known",
           "");
    return 0;
}

/* The value of white, or of opaque; 0: not known. */
static double white_of(tn_image *image, VipsImage **x) {
    switch ((*x)->BandFmt) {
    case VIPS_FORMAT_UCHAR:
        return 255;
    case VIPS_FORMAT_USHORT:
        return 65535;
    case VIPS_FORMAT_UINT:
        return 4294967295.0;
    case VIPS_FORMAT_FLOAT:
    case VIPS_FORMAT_DOUBLE:
        return float_white(image, x);
    default:
        refuse(image, "its samples are signed or complex numbers: black and white are not known", "");
        return 0;
    }
}

/* Convert samples that have neither 8 nor 16 bits to 16, for which libvips and profiles know white. */
static bool known_depth(tn_image *image, VipsImage **x) {
    if (!has_white(*x) || (*x)->BandFmt == VIPS_FORMAT_UCHAR || (*x)->BandFmt == VIPS_FORMAT_USHORT) return true;
    bool multiplied = false;
    tn_tiff_alpha(image->file, image->n_file, &multiplied);
    if (vips_image_hasalpha(*x) && multiplied) { /* libvips divides by 255ths */
        refuse(image, "its colours of 32 bits are multiplied by alpha (associated alpha): store them unmultiplied", "");
        return false;
    }
    double white = white_of(image, x);
    if (white <= 0) return false;
    VipsInterpretation type = (*x)->Type == VIPS_INTERPRETATION_CMYK ? (*x)->Type
                              : (*x)->Bands < 3                      ? VIPS_INTERPRETATION_GREY16
                                                                     : VIPS_INTERPRETATION_RGB16;
    VipsImage *out = NULL;
    if (!step(x, vips_linear1(*x, &out, 65535 / white, 0, NULL), &out)) return false;
    if (!step(x, vips_rint(*x, &out, NULL), &out)) return false;
    if (!step(x, vips_cast_ushort(*x, &out, NULL), &out)) return false;
    return step(x, vips_copy(*x, &out, "interpretation", type, NULL), &out);
}

/* Has the profile as many channels as the image? libvips does not check that. */
static bool profile_fits(const VipsImage *x) {
    const void *profile = NULL;
    size_t n = 0;
    if (vips_image_get_typeof(x, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(x, VIPS_META_ICC_NAME, &profile, &n) != 0 || n < 128)
        return false;
    const char *space = (const char *)profile + 16, *signature = (const char *)profile + 36; /* ICC.1, 7.2 */
    int n_colours = memcmp(space, "GRAY", 4) == 0 ? 1 : memcmp(space, "CMYK", 4) == 0 ? 4 : 3;
    return memcmp(signature, "acsp", 4) == 0 && x->Bands == n_colours;
}

/* Convert colours without alpha to sRGB, because libvips clips a 16-bit alpha to a byte when it applies a profile. */
static bool to_srgb(VipsImage **x) {
    VipsImage *out = NULL;
    if (profile_fits(*x) || (*x)->Type == VIPS_INTERPRETATION_CMYK) {
        if (vips_icc_transform(*x, &out, "srgb", "embedded", TRUE, "depth", 8, "intent", VIPS_INTENT_PERCEPTUAL,
                               NULL) == 0)
            return step(x, 0, &out);
        vips_error_clear(); /* a damaged profile is ignored */
        out = NULL;
    }
    int failed = vips_colourspace(*x, &out, VIPS_INTERPRETATION_sRGB, NULL);
    return step(x, failed, &out);
}

/* Remove alpha, the last band, from *x, as values from 0 to 1. *out NULL: there is none. */
static bool take_alpha(VipsImage **x, VipsImage **out) {
    VipsImage *alpha = NULL, *colour = NULL;
    *out = NULL;
    if (!vips_image_hasalpha(*x)) return true;
    double opaque = (*x)->BandFmt == VIPS_FORMAT_USHORT ? 65535 : 255;
    int bands = (*x)->Bands;
    if (vips_extract_band(*x, &alpha, bands - 1, NULL) != 0) return false;
    *out = alpha;
    return step(out, vips_linear1(alpha, &alpha, 1 / opaque, 0, NULL), &alpha) &&
           step(x, vips_extract_band(*x, &colour, 0, "n", bands - 1, NULL), &colour);
}

/* Blend over the background: a byte c becomes a c + (1 - a) b, rounded. */
static bool flatten(const tn_cfg *cfg, VipsImage **x, VipsImage *alpha) {
    if (!alpha) return true;
    double colour[3];
    for (int c = 0; c < 3; c++) colour[c] = cfg->preprocess.background[c];
    VipsArrayDouble *background = vips_array_double_new(colour, 3);
    VipsImage *out = NULL;
    bool ok = step(x, vips_bandjoin2(*x, alpha, &out, NULL), &out) &&
              step(x, vips_flatten(*x, &out, "background", background, "max_alpha", 1.0, NULL), &out) &&
              step(x, vips_rint(*x, &out, NULL), &out) && step(x, vips_cast_uchar(*x, &out, NULL), &out);
    vips_area_unref(VIPS_AREA(background));
    return ok;
}

static bool colours(const tn_cfg *cfg, tn_image *image, VipsImage **x) {
    VipsImage *alpha = NULL;
    bool ok =
        known_bands(image, x) && known_depth(image, x) && take_alpha(x, &alpha) && to_srgb(x) && flatten(cfg, x, alpha);
    if (alpha) g_object_unref(alpha);
    return ok;
}

/* The part of a GIF's screen that its first frame does not cover is transparent, but libvips makes it black: fill it with the
 * background. */
static bool fill_around_frame(const tn_cfg *cfg, const tn_image *image, VipsImage **x) {
    int frame[4], w = (*x)->Xsize, h = (*x)->Ysize;
    double colour[3];
    if (!tn_gif_frame(image->file, image->n_file, frame) || frame[0] >= w || frame[1] >= h) return true;
    int right = w - frame[0] < frame[2] ? w : frame[0] + frame[2];
    int bottom = h - frame[1] < frame[3] ? h : frame[1] + frame[3];
    if (right - frame[0] >= w && bottom - frame[1] >= h) return true;
    VipsImage *out = NULL;
    if (!step(x, vips_extract_area(*x, &out, frame[0], frame[1], right - frame[0], bottom - frame[1], NULL), &out))
        return false;
    for (int c = 0; c < 3; c++) colour[c] = cfg->preprocess.background[c];
    VipsArrayDouble *background = vips_array_double_new(colour, 3);
    int failed = vips_embed(*x, &out, frame[0], frame[1], w, h, "extend", VIPS_EXTEND_BACKGROUND, "background",
                            background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return step(x, failed, &out);
}

/* An image that is too large to hold is scaled by libvips, which does it line by line. */
static bool scale_huge(const tn_cfg *cfg, VipsImage **x) {
    enum { MOST_PIXELS = 1 << 25 };
    int side = (*x)->Xsize < (*x)->Ysize ? (*x)->Xsize : (*x)->Ysize;
    if ((int64_t)(*x)->Xsize * (*x)->Ysize <= MOST_PIXELS || side <= cfg->preprocess.size_px) return true;
    VipsImage *out = NULL;
    int failed = vips_resize(*x, &out, (double)cfg->preprocess.size_px / side, NULL);
    return step(x, failed, &out);
}

static bool three_bytes(VipsImage **x) {
    VipsImage *out = NULL;
    if ((*x)->BandFmt != VIPS_FORMAT_UCHAR) {
        int failed = vips_cast_uchar(*x, &out, NULL);
        if (!step(x, failed, &out)) return false;
    }
    if ((*x)->Bands == 3) return true;
    int failed = (*x)->Bands > 3 ? vips_extract_band(*x, &out, 0, "n", 3, NULL)
                                 : vips_bandjoin((VipsImage *[]){*x, *x, *x}, &out, 3, NULL);
    return step(x, failed, &out) && (*x)->Bands == 3;
}

static bool pipeline(const tn_cfg *cfg, tn_image *image, VipsImage **x) {
    return colours(cfg, image, x) && fill_around_frame(cfg, image, x) && scale_huge(cfg, x) && three_bytes(x);
}

/* --- hashes ------------------------------------------------------------------------------------------------------- */

/* The sum of the grey values of a cell, in thousandths. Columns are added first, which the compiler does with vectors. */
static int64_t sum_grey(const tn_image *image, int x0, int x1, int y0, int y1) {
    enum { PIECE = 128 };
    int64_t sum[3] = {0};
    for (int x = x0, n; x < x1; x += n) {
        uint32_t column[PIECE * 3] = {0};
        n = x1 - x < PIECE ? x1 - x : PIECE;
        for (int y = y0; y < y1; y++) {
            const unsigned char *p = image->pixels + ((size_t)y * (size_t)image->w + (size_t)x) * 3;
            for (int i = 0; i < n * 3; i++) column[i] += p[i];
        }
        for (int i = 0; i < n * 3; i++) sum[i % 3] += column[i];
    }
    return 299 * sum[0] + 587 * sum[1] + 114 * sum[2];
}

/* Cell i of n along a side: pixels [from, to), at least one. */
static void cell(int side, int i, int n, int *from, int *to) {
    *from = (int)((int64_t)side * i / n);
    *to = (int)((int64_t)side * (i + 1) / n);
    if (*to <= *from) *to = *from + 1;
}

/* dHash: 8 rows of 9 mean grey values; a bit is 1 if brightness falls to the right. In whole numbers, so that equal means are equal. */
static uint64_t difference_hash(const tn_image *image) {
    uint64_t bits = 0;
    for (int r = 0; r < 8; r++) {
        int64_t left = 0, n_left = 0;
        int x0, x1, y0, y1;
        cell(image->h, r, 8, &y0, &y1);
        for (int c = 0; c < 9; c++) {
            cell(image->w, c, 9, &x0, &x1);
            int64_t here = sum_grey(image, x0, x1, y0, y1), n = x1 - x0;
            if (c > 0) bits = bits << 1 | (left * n > here * n_left);
            left = here;
            n_left = n;
        }
    }
    return bits;
}

/* --- one image ---------------------------------------------------------------------------------------------------- */

static bool has_one_size(const VipsImage *x) {
    return x->Xsize > 0 && x->Ysize > 0 && x->Xsize <= 65535 && x->Ysize <= 65535;
}

static bool fits_jpeg(const tn_cfg *cfg, tn_image *image, int w, int h) {
    if (cfg->preprocess.store == TN_STORE_RAW || (w <= TN_JPEG_SIDE && h <= TN_JPEG_SIDE)) return true;
    refuse(image, "a side is longer than the 65500 pixels that a JPEG may have: crop it, or set preprocess.store = raw",
           "");
    return false;
}

static tn_status take_pixels(const tn_cfg *cfg, VipsImage *x, tn_image *out) {
    size_t n = 0;
    int w, h;
    tn_upright_size(x->Xsize, x->Ysize, cfg->preprocess.size_px, &w, &h);
    if (!fits_jpeg(cfg, out, w, h) || !(out->pixels = vips_image_write_to_memory(x, &n))) return TN_OK;
    out->w = x->Xsize;
    out->h = x->Ysize;
    if (tn_upright_pixels(out, x->Xsize, x->Ysize, w, h, vips_image_get_orientation(x))) return TN_OK;
    tn_image_free(out);
    return tn_fail_memory(n, "an image");
}

static tn_status decode(const tn_cfg *cfg, tn_image *out) {
    VipsImage *header = load(out, 1), *x = NULL;
    if (!header) {
        refuse(out, "cannot be decoded", vips_error_buffer());
        return TN_OK;
    }
    char size[64];
    tn_status st = TN_OK;
    snprintf(size, sizeof size, "%d x %d pixels", header->Xsize, header->Ysize);
    if ((int64_t)header->Xsize * header->Ysize > cfg->preprocess.max_pixels) {
        refuse(out, "its header claims more than preprocess.max_pixels", size);
    } else if (!has_one_size(header)) {
        refuse(out, "a side is longer than 65535", size);
    } else if ((x = load(out, shrink_for(cfg, out, header))) && pipeline(cfg, out, &x)) {
        st = take_pixels(cfg, x, out);
    }
    if (st == TN_OK && !*out->reason && !out->pixels) refuse(out, "cannot be decoded", vips_error_buffer());
    if (x) g_object_unref(x);
    g_object_unref(header);
    return st;
}

tn_status tn_image_decode(const tn_cfg *cfg, const unsigned char *file, size_t n_file, tn_image *out) {
    *out = (tn_image){.file = file, .n_file = n_file};
    if (!kind_accepted(out)) {
        refuse(out, "is not a JPEG, PNG, WebP, GIF, TIFF or BMP image", "");
    } else if (tn_tiff_reduced(file, n_file)) {
        refuse(out, "begins with a smaller copy of another picture, as a camera's raw file does: convert it", "");
    } else if (!tn_plain_jpeg_decode(cfg, out) && !tn_plain_webp_decode(cfg, out)) {
        TN_TRY(begin());
        vips_error_clear();
        *warning = 0;
        TN_TRY(decode(cfg, out));
        memcpy(out->warning, warning, sizeof warning);
    }
    if (!*out->reason) out->perceptual_hash = difference_hash(out);
    return TN_OK;
}

void tn_image_free(tn_image *image) {
    g_free(image->pixels);
    image->pixels = NULL;
}
