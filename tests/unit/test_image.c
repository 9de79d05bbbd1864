/* test_image.c - what becomes of a picture of one colour, by format, depth, alpha and profile, against values from
 *
 *   out = a c + (1 - a) b        c: the colour as sRGB, 0..255; a: alpha, 0..1; b: preprocess.background
 *
 * With a profile whose values are proportional to light, c is IEC 61966-2-1's encoding of the file's value. `test_image
 * --table` prints the table of results/published/images.md. */
#include "pictures.h"
#include "unit.h"

#include "preprocess/image.h"

#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vips/vips.h>

static const double GROUND[3] = {250, 10, 128};
static FILE *table;
static bytes linear[4]; /* of 1 and of 3 colours */

typedef enum { NO_PROFILE, LINEAR, OTHER_COLOURS, DAMAGED } profile_kind;

/* --- the formula -------------------------------------------------------------------------------------------------- */

static double srgb_of_light(double x) {
    return x <= 0.0031308 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055;
}

/* A profile of other colours than the file's, or one that is damaged, counts as none. */
static void expected(const picture *p, profile_kind profile, double alpha, double out[3]) {
    for (int c = 0; c < 3; c++) {
        double share = p->sample[p->n_colours == 3 ? c : 0] / p->scale;
        double colour = 255 * (profile == LINEAR ? srgb_of_light(share) : share);
        out[c] = alpha * colour + (1 - alpha) * GROUND[c];
    }
}

static void compare(const char *format, const picture *p, profile_kind profile, double alpha, const bytes *file) {
    static const char *const WORD[] = {"none", "linear", "of other colours", "damaged"};
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    tn_image image;
    char name[96];
    double want[3];
    cfg->preprocess.size_px = PICTURE_SIDE;
    cfg->preprocess.max_pixels = 1000;
    for (int c = 0; c < 3; c++) cfg->preprocess.background[c] = (int)GROUND[c];
    expected(p, profile, alpha, want);
    /* a colour is rounded to a byte, and what is made of it; in the file before, where alpha is multiplied in */
    double most = strstr(format, "associated") ? 2 : 1.01;
    snprintf(name, sizeof name, "| %s | %d%s | %s%s | %.4f | %s |", format, p->depth, p->is_float ? " float" : "",
             p->n_colours == 3 ? "RGB" : "grey", p->n > p->n_colours ? " and alpha" : "", alpha, WORD[profile]);
    assert_int_equal(tn_image_decode(cfg, file->at, file->n, &image), TN_OK);
    if (*image.reason) fail_msg("%s: %s", name, image.reason);
    assert_int_equal(image.w * image.h, PICTURE_SIDE * PICTURE_SIDE);
    for (int i = 0; i < 3 * PICTURE_SIDE * PICTURE_SIDE; i++)
        if (!(fabs(image.pixels[i] - want[i % 3]) <= most))
            fail_msg("%s: %d in place of %.1f", name, image.pixels[i], want[i % 3]);
    if (table && profile <= LINEAR && (p->n == p->n_colours || (alpha > 0.4 && alpha < 0.6)))
        fprintf(table, "%s %.1f %.1f %.1f | %d %d %d |\n", name, want[0], want[1], want[2], image.pixels[0],
                image.pixels[1], image.pixels[2]);
    tn_image_free(&image);
    free(cfg);
}

/* --- the kinds ---------------------------------------------------------------------------------------------------- */

/* Colours at 0.8, 0.2 and 1 of white; the sample of alpha is the last. */
static picture picture_of(int n_colours, int depth, bool has_alpha, double alpha) {
    static const double SHARE[3] = {0.8, 0.2, 1};
    picture p = {.n = n_colours + has_alpha, .depth = depth, .n_colours = n_colours};
    p.scale = depth == 32 ? 4294967295.0 : (1 << depth) - 1;
    for (int c = 0; c < n_colours; c++) p.sample[c] = (uint32_t)(SHARE[c] * p.scale + 0.5);
    p.sample[n_colours] = (uint32_t)(alpha * p.scale + 0.5);
    return p;
}

static const double ALPHA[] = {-1, 0, 0.003, 0.25, 0.5, 0.75, 1}; /* -1: the file has none */
enum { N_ALPHAS = sizeof ALPHA / sizeof *ALPHA };

static const bytes *profile_of(profile_kind kind, int n_colours) {
    static bytes damaged;
    damaged = linear[n_colours];
    memset(damaged.at + 36, 'x', 4); /* its signature */
    return kind == NO_PROFILE ? NULL
           : kind == LINEAR   ? &linear[n_colours]
           : kind == DAMAGED  ? &damaged
                              : &linear[4 - n_colours];
}

/* Every alpha, with every profile, of one format and depth. */
static void all_of(const char *format, int n_colours, int depth, bool is_float,
                   void (*make)(const picture *p, bytes *out)) {
    static bytes file;
    for (int i = 0; i < N_ALPHAS; i++)
        for (profile_kind kind = NO_PROFILE; kind <= DAMAGED; kind++) {
            picture p = picture_of(n_colours, depth, ALPHA[i] >= 0, ALPHA[i]);
            p.is_float = is_float;
            p.profile = profile_of(kind, n_colours);
            make(&p, &file);
            compare(format, &p, kind, ALPHA[i] < 0 ? 1 : p.sample[n_colours] / p.scale, &file);
        }
}

static void make_png(const picture *p, bytes *out) {
    picture_png(p, false, false, out);
}

static void png(void **unused) {
    (void)unused;
    static bytes file;
    for (int n_colours = 1; n_colours <= 3; n_colours += 2)
        for (int depth = 8; depth <= 16; depth += 8) all_of("PNG", n_colours, depth, false, make_png);
    for (int depth = 1; depth <= 4; depth *= 2) { /* grey, 0 or 1 of white in one bit */
        picture p = picture_of(1, depth, false, 1);
        picture_png(&p, false, false, &file);
        compare("PNG", &p, NO_PROFILE, 1, &file);
    }
    for (int i = 1; i < N_ALPHAS; i++) { /* alpha of an entry of the palette */
        picture p = picture_of(3, 8, true, ALPHA[i]);
        for (int depth = 1; depth <= 8; depth *= 2) {
            picture indexed = p;
            indexed.depth = depth;
            picture_png(&indexed, true, true, &file);
            compare("PNG, palette with tRNS", &indexed, NO_PROFILE, p.sample[3] / p.scale, &file);
        }
        p.profile = &linear[3];
        picture_png(&p, true, true, &file);
        compare("PNG, palette with tRNS", &p, LINEAR, p.sample[3] / p.scale, &file);
    }
    for (int n_colours = 1; n_colours <= 3; n_colours += 2) /* one colour is transparent: all of the picture */
        for (int depth = 8; depth <= 16; depth += 8) {
            picture p = picture_of(n_colours, depth, true, 0);
            picture_png(&p, false, true, &file);
            compare("PNG, colour in tRNS", &p, NO_PROFILE, 0, &file);
            p.profile = &linear[n_colours];
            picture_png(&p, false, true, &file);
            compare("PNG, colour in tRNS", &p, LINEAR, 0, &file);
        }
}

static void make_big_endian(const picture *p, bytes *out) {
    picture big = *p;
    big.big_endian = true;
    picture_tiff(&big, out);
}

/* The picture's colours, which the file holds multiplied by alpha. */
static void make_multiplied(const picture *p, bytes *out) {
    picture multiplied = *p;
    double alpha = p->n > p->n_colours ? p->sample[p->n_colours] / p->scale : 1;
    multiplied.multiplied = true;
    multiplied.big_endian = p->n_colours == 3;
    for (int c = 0; c < p->n_colours; c++) multiplied.sample[c] = (uint32_t)(alpha * p->sample[c] + 0.5);
    picture_tiff(&multiplied, out);
}

static void refuses_multiplied(int n_colours, bool is_float) {
    static bytes file;
    tn_cfg cfg = {.preprocess = {.size_px = PICTURE_SIDE, .max_pixels = 1000}};
    tn_image image;
    picture p = picture_of(n_colours, 32, true, 0.5);
    p.is_float = is_float;
    make_multiplied(&p, &file);
    assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
    assert_non_null(strstr(image.reason, "its colours of 32 bits are multiplied by alpha"));
    tn_image_free(&image);
}

static void tiff(void **unused) {
    (void)unused;
    for (int n_colours = 1; n_colours <= 3; n_colours += 2) {
        for (int depth = 8; depth <= 32; depth *= 2) all_of("TIFF", n_colours, depth, false, picture_tiff);
        all_of("TIFF", n_colours, 32, true, picture_tiff);
        all_of("TIFF, big-endian", n_colours, 16, false, make_big_endian);
        for (int depth = 8; depth <= 16; depth *= 2)
            all_of("TIFF, associated alpha", n_colours, depth, false, make_multiplied);
        for (int is_float = 0; is_float < 2; is_float++) refuses_multiplied(n_colours, is_float);
    }
}

/* Floating-point samples: bytes are taken as such, other ranges are refused for what they are. */
static void float_ranges(void **unused) {
    (void)unused;
    static bytes file;
    static const struct {
        double times;
        const char *refused;
    } OF[] = {{1.3, NULL},
              {255, NULL},
              {1000, "beyond 0 to 1 and 0 to 255"},
              {-3, "beyond 0 to 1 and 0 to 255"},
              {NAN, "beyond"}};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        picture p = picture_of(3, 32, false, 1);
        tn_cfg cfg = {.preprocess = {.size_px = PICTURE_SIDE, .max_pixels = 1000}};
        tn_image image;
        p.is_float = true;
        p.scale /= OF[i].times;
        picture_tiff(&p, &file);
        assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
        if (OF[i].refused) {
            if (!strstr(image.reason, OF[i].refused)) fail_msg("%g: %s", OF[i].times, image.reason);
        } else { /* 0.8 and 0.2 of white; 1.3 of white is white */
            assert_string_equal(image.reason, "");
            assert_true(fabs(image.pixels[0] - (OF[i].times > 2 ? 204.0 : fmin(255, 0.8 * 255 * OF[i].times))) <= 1);
            assert_true(fabs(image.pixels[1] - (OF[i].times > 2 ? 51.0 : 0.2 * 255 * OF[i].times)) <= 1);
            assert_int_equal(image.pixels[2], 255);
        }
        tn_image_free(&image);
    }
}

/* What a library complains of stays with its image. */
static void warnings(void **unused) {
    (void)unused;
    static bytes file;
    tn_cfg cfg = {.preprocess = {.size_px = PICTURE_SIDE, .max_pixels = 1000}};
    for (int i = 0; i < 2; i++) {
        tn_image image;
        picture p = picture_of(3, 8, false, 1);
        p.strange = i == 0;
        picture_tiff(&p, &file);
        assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
        assert_string_equal(image.reason, "");
        assert_string_equal(image.warning, i == 0 ? "Unknown field with tag 65000 (0xfde8) encountered" : "");
        tn_image_free(&image);
    }
}

static void bmp(void **unused) {
    (void)unused;
    static bytes file;
    for (int i = 0; i < N_ALPHAS; i++) {
        picture p = picture_of(3, 8, ALPHA[i] >= 0, ALPHA[i]);
        picture_bmp(&p, &file);
        compare("BMP", &p, NO_PROFILE, ALPHA[i] < 0 ? 1 : p.sample[3] / p.scale, &file);
        p.reserved = true; /* whatever stands there */
        picture_bmp(&p, &file);
        compare("BMP, reserved byte", &p, NO_PROFILE, 1, &file);
    }
}

/* TIFF 6.0: 0 is unspecified (infrared, a mask), 1 and 2 are alpha, and the first of them counts. */
static void beside_the_colours(void **unused) {
    (void)unused;
    static bytes file;
    static const struct {
        uint32_t kind[2];
        int n, alpha; /* alpha: which of them; -1: none */
    } OF[] = {{{0, 0}, 1, -1}, {{0, 0}, 2, -1}, {{2, 0}, 2, 0}, {{0, 2}, 2, 1}, {{2, 2}, 2, 0}};
    tn_cfg cfg = {.preprocess = {.size_px = PICTURE_SIDE, .max_pixels = 1000}};
    tn_image image;
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++)
        for (int depth = 8; depth <= 16; depth += 8)
            for (int n_colours = 1; n_colours <= 3; n_colours += 2) {
                picture p = picture_of(n_colours, depth, true, 0.25);
                p.n = n_colours + OF[i].n;
                p.sample[n_colours + 1] = (uint32_t)(0.75 * p.scale);
                p.beside = OF[i].kind;
                p.big_endian = depth == 16;
                picture_tiff(&p, &file);
                int alpha = OF[i].alpha;
                compare("TIFF, samples beside", &p, NO_PROFILE, alpha < 0 ? 1 : p.sample[n_colours + alpha] / p.scale,
                        &file);
                assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
                assert_non_null(strstr(image.warning, "neither colours nor alpha are ignored"));
                tn_image_free(&image);
            }
}

/* Formats that libvips writes for us; what is read back was checked above to come from its pixels. */
static void save(const picture *p, const char *suffix, bytes *out) {
    unsigned char pixels[4 * PICTURE_SIDE * PICTURE_SIDE];
    void *file = NULL;
    size_t n = 0;
    for (int i = 0; i < p->n * PICTURE_SIDE * PICTURE_SIDE; i++) pixels[i] = (unsigned char)p->sample[i % p->n];
    VipsImage *x = vips_image_new_from_memory_copy(pixels, (size_t)(p->n * PICTURE_SIDE * PICTURE_SIDE), PICTURE_SIDE,
                                                   PICTURE_SIDE, p->n, VIPS_FORMAT_UCHAR);
    assert_non_null(x);
    x->Type = p->n_colours == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
    if (p->profile) vips_image_set_blob_copy(x, VIPS_META_ICC_NAME, p->profile->at, p->profile->n);
    if (vips_image_write_to_buffer(x, suffix, &file, &n, NULL) != 0) fail_msg("%s: %s", suffix, vips_error_buffer());
    out->n = 0;
    put(out, file, n);
    g_free(file);
    g_object_unref(x);
}

static void make_webp(const picture *p, bytes *out) {
    save(p, ".webp[lossless]", out);
}

static void others(void **unused) {
    (void)unused;
    static bytes file;
    all_of("WebP", 3, 8, false, make_webp);
    for (int transparent = 0; transparent < 2; transparent++) { /* GIF: opaque or not there at all, no profile */
        picture p = picture_of(3, 8, true, !transparent);
        save(&p, ".gif", &file);
        compare("GIF", &p, NO_PROFILE, !transparent, &file);
    }
    for (int n_colours = 1; n_colours <= 3; n_colours += 2) /* JPEG: no alpha; a colour of one block loses nothing */
        for (profile_kind kind = NO_PROFILE; kind <= LINEAR; kind++) {
            picture p = picture_of(n_colours, 8, false, 1);
            p.profile = profile_of(kind, n_colours);
            save(&p, ".jpg[Q=100,no_subsample]", &file);
            compare("JPEG", &p, kind, 1, &file);
        }
}

/* GIF: what the frame leaves of the screen is transparent, as browsers show it. */
static void around_frame(void **unused) {
    (void)unused;
    static bytes file;
    static const int FRAME[][4] = {{0, 0, 3, 3}, {1, 1, 1, 1}, {0, 2, 3, 1}, {1, 0, 2, 2}};
    tn_cfg cfg = {.preprocess = {.size_px = PICTURE_SIDE, .max_pixels = 1000}};
    for (int c = 0; c < 3; c++) cfg.preprocess.background[c] = (int)GROUND[c];
    for (size_t i = 0; i < sizeof FRAME / sizeof *FRAME; i++)
        for (int n_colours = 1; n_colours <= 3; n_colours += 2)
            for (int extensions = 0; extensions < 2; extensions++) {
                const int *frame = FRAME[i];
                picture p = picture_of(n_colours, 8, false, 1);
                tn_image image;
                picture_gif(&p, frame, extensions, &file);
                assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
                assert_string_equal(image.reason, "");
                for (int at = 0; at < 3 * PICTURE_SIDE * PICTURE_SIDE; at++) {
                    int c = at % 3, x = at / 3 % PICTURE_SIDE, y = at / 3 / PICTURE_SIDE;
                    bool inside = x >= frame[0] && x < frame[0] + frame[2] && y >= frame[1] && y < frame[1] + frame[3];
                    double want = inside ? p.sample[n_colours == 3 ? c : 0] : GROUND[c];
                    if (fabs(image.pixels[at] - want) > 0)
                        fail_msg("frame %zu, colours %d, extensions %d, %d %d: %d in place of %g", i, n_colours,
                                 extensions, x, y, image.pixels[at], want);
                }
                tn_image_free(&image);
            }
}

/* A camera's raw file begins with a thumbnail, which is a TIFF like any other. */
static void smaller_copy(void **unused) {
    (void)unused;
    static bytes file;
    tn_cfg cfg = {.preprocess = {.size_px = PICTURE_SIDE, .max_pixels = 1000}};
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        picture p = picture_of(3, 8, false, 1);
        tn_image image;
        p.reduced = true;
        p.big_endian = big_endian;
        picture_tiff(&p, &file);
        assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
        assert_non_null(strstr(image.reason, "begins with a smaller copy of another picture"));
        tn_image_free(&image);
    }
}

/* libjpeg ends at 65500 pixels; an image that cannot be stored is one that cannot be used, not a run that fails. */
static void long_side(void **unused) {
    (void)unused;
    static bytes file;
    static const struct {
        int w;
        tn_store store;
        bool good;
    } OF[] = {{65500, TN_STORE_JPEG, true},
              {65501, TN_STORE_JPEG, false},
              {65501, TN_STORE_ORIGINAL, false},
              {65501, TN_STORE_RAW, true}};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        tn_cfg cfg = {.preprocess = {.size_px = 3, .max_pixels = 100000, .jpeg_quality = 92, .store = OF[i].store}};
        tn_image image;
        VipsImage *x = NULL;
        void *png_file = NULL;
        unsigned char *stored = NULL;
        size_t n = 0, n_stored = 0;
        assert_int_equal(vips_black(&x, OF[i].w, 1, "bands", 3, NULL), 0);
        assert_int_equal(vips_image_write_to_buffer(x, ".png", &png_file, &n, NULL), 0);
        file.n = 0;
        put(&file, png_file, n);
        g_free(png_file);
        g_object_unref(x);
        assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
        assert_int_equal(!*image.reason, OF[i].good);
        if (OF[i].good)
            assert_int_equal(tn_image_store(&cfg, &image, &stored, &n_stored), TN_OK);
        else
            assert_non_null(strstr(image.reason, "longer than the 65500 pixels"));
        free(stored);
        tn_image_free(&image);
    }
}

/* EXIF's eight orientations in a TIFF, beside what libvips makes of them; scaled and not. */
static void orientations(void **unused) {
    (void)unused;
    for (int size_px = 10; size_px <= 20; size_px += 10)
        for (int o = 1; o <= 8; o++) {
            tn_cfg cfg = {.preprocess = {.size_px = size_px, .max_pixels = 10000}};
            unsigned char ramp[30 * 20 * 3];
            void *file = NULL;
            size_t n = 0;
            tn_image image;
            for (int i = 0; i < 30 * 20; i++) {
                ramp[i * 3] = (unsigned char)(8 * (i % 30));
                ramp[i * 3 + 1] = (unsigned char)(12 * (i / 30));
                ramp[i * 3 + 2] = 100;
            }
            VipsImage *x = vips_image_new_from_memory_copy(ramp, sizeof ramp, 30, 20, 3, VIPS_FORMAT_UCHAR), *turned;
            x->Type = VIPS_INTERPRETATION_sRGB;
            vips_image_set_int(x, VIPS_META_ORIENTATION, o);
            assert_int_equal(vips_tiffsave_buffer(x, &file, &n, NULL), 0);
            assert_int_equal(tn_image_decode(&cfg, file, n, &image), TN_OK);
            assert_string_equal(image.reason, "");
            assert_int_equal(vips_autorot(x, &turned, NULL), 0);
            unsigned char *wanted = vips_image_write_to_memory(turned, &n);
            int step = 20 / size_px;
            assert_int_equal(image.w, turned->Xsize / step);
            assert_int_equal(image.h, turned->Ysize / step);
            for (int i = 0; i < image.w * image.h * 3; i++) {
                int at_x = i / 3 % image.w * step, at_y = i / 3 / image.w * step;
                if (step == 2 && (at_x < 6 || at_y < 6 || at_x >= turned->Xsize - 6 || at_y >= turned->Ysize - 6))
                    continue; /* the filter reaches beyond the border */
                const unsigned char *p = wanted + (at_y * turned->Xsize + at_x) * 3 + i % 3;
                int last = (step - 1) * (turned->Xsize + 1) * 3; /* the other end of the cell's diagonal */
                assert_true(abs(2 * image.pixels[i] - (p[0] + p[last])) <= 2);
            }
            g_free(wanted);
            g_free(file);
            g_object_unref(turned);
            g_object_unref(x);
            tn_image_free(&image);
        }
}

/* On both sides of the size up to which an image is held: the left half dark, the right half light, and so it stays. */
static void huge(void **unused) {
    (void)unused;
    for (int h = 4096; h <= 4097; h++) {
        tn_cfg cfg = {.preprocess = {.size_px = 16, .max_pixels = 1 << 26}};
        tn_image image;
        VipsImage *dark = NULL, *light = NULL, *x = NULL;
        void *png_file = NULL;
        size_t n = 0;
        assert_int_equal(vips_black(&dark, 4096, h, "bands", 3, NULL), 0);
        assert_int_equal(vips_invert(dark, &light, NULL), 0);
        assert_int_equal(vips_join(dark, light, &x, VIPS_DIRECTION_HORIZONTAL, NULL), 0);
        assert_int_equal(
            vips_pngsave_buffer(x, &png_file, &n, "compression", 1, "filter", VIPS_FOREIGN_PNG_FILTER_NONE, NULL), 0);
        assert_int_equal(tn_image_decode(&cfg, png_file, n, &image), TN_OK);
        assert_string_equal(image.reason, "");
        assert_int_equal(image.w, 32);
        assert_int_equal(image.h, 16);
        for (int i = 0; i < 16 * 32 * 3; i++)
            if (abs(i / 3 % 32 - 15) > 4) assert_int_equal(image.pixels[i], i / 3 % 32 < 16 ? 0 : 255);
        tn_image_free(&image);
        g_free(png_file);
        g_object_unref(x);
        g_object_unref(light);
        g_object_unref(dark);
    }
}

/* The pixels of a pattern that is scaled down; the caller frees them. */
static unsigned char *scaled(size_t *n_out) {
    static bytes file;
    tn_cfg cfg = {.preprocess = {.size_px = 7, .max_pixels = 10000}};
    tn_image image;
    unsigned char ramp[40 * 30 * 3], *pixels;
    void *png_file = NULL;
    size_t n = 0;
    for (size_t i = 0; i < sizeof ramp; i++) ramp[i] = (unsigned char)(i * i / 7);
    VipsImage *x = vips_image_new_from_memory_copy(ramp, sizeof ramp, 40, 30, 3, VIPS_FORMAT_UCHAR);
    x->Type = VIPS_INTERPRETATION_sRGB;
    assert_int_equal(vips_image_write_to_buffer(x, ".png", &png_file, &n, NULL), 0);
    file.n = 0;
    put(&file, png_file, n);
    g_free(png_file);
    g_object_unref(x);
    assert_int_equal(tn_image_decode(&cfg, file.at, file.n, &image), TN_OK);
    assert_string_equal(image.reason, "");
    *n_out = (size_t)image.w * (size_t)image.h * 3;
    pixels = malloc(*n_out);
    memcpy(pixels, image.pixels, *n_out);
    tn_image_free(&image);
    return pixels;
}

/* Hardened systems give no memory that can be written and run, and mount /tmp and the home folders without the right to
 * run what is there. */
static void no_memory_to_run(void **unused) {
    (void)unused;
    enum { MDWE = 65, SKIPPED = 77 }; /* PR_SET_MDWE, Linux 6.3 */
    int ends[2], how = 0;
    size_t n = 0;
    unsigned char there[4096];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}); /* no file to run from either */
        if (prctl(MDWE, 1, 0, 0, 0) != 0) _exit(SKIPPED);
        unsigned char *pixels = scaled(&n);
        _exit(write(ends[1], pixels, n) == (ssize_t)n ? 0 : 1);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], there, sizeof there);
    close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    if (WIFEXITED(how) && WEXITSTATUS(how) == SKIPPED) skip();
    assert_int_equal(how, 0);
    unsigned char *here = scaled(&n);
    assert_int_equal(got, n);
    assert_memory_equal(here, there, n);
    free(here);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_memory_to_run),
                                       cmocka_unit_test(png),
                                       cmocka_unit_test(tiff),
                                       cmocka_unit_test(float_ranges),
                                       cmocka_unit_test(warnings),
                                       cmocka_unit_test(bmp),
                                       cmocka_unit_test(others),
                                       cmocka_unit_test(beside_the_colours),
                                       cmocka_unit_test(long_side),
                                       cmocka_unit_test(orientations),
                                       cmocka_unit_test(huge),
                                       cmocka_unit_test(around_frame),
                                       cmocka_unit_test(smaller_copy)};
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        table = stdout;
        puts("| format | bits | colours | alpha | profile | by the formula | stored |\n| --- | --- | --- | --- | --- | "
             "--- | --- |");
    }
    if (VIPS_INIT(argv[0]) != 0) return 1;
    profile_linear(1, &linear[1]);
    profile_linear(3, &linear[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
