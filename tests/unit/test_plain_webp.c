/* test_plain_webp.c - which WebPs are read without libvips, and that their pixels are right. */
#include "unit.h"

#include "preprocess/plain_webp.h"

#include <vips/vips.h>
#include <webp/encode.h>

enum { W = 40, H = 30 };

static unsigned char pattern[W * H * 4]; /* red, green, blue, alpha */
static unsigned char rgb[W * H * 3];

static tn_cfg *config(int size_px) {
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    cfg->preprocess.size_px = size_px;
    cfg->preprocess.max_pixels = W * H;
    return cfg;
}

static int setup(void **unused) {
    (void)unused;
    for (int i = 0; i < W * H; i++)
        for (int c = 0; c < 4; c++) {
            int x = i % W, y = i / W;
            pattern[i * 4 + c] = (unsigned char)(c == 0   ? 6 * x
                                                 : c == 1 ? 8 * y
                                                 : c == 2 ? 3 * (x + y)
                                                 : x < 20 ? 255
                                                          : 40);
            if (c < 3) rgb[i * 3 + c] = pattern[i * 4 + c];
        }
    return VIPS_INIT("test_plain_webp");
}

static unsigned char *lossless(size_t *n) {
    unsigned char *file = NULL;
    *n = WebPEncodeLosslessRGB(rgb, W, H, W * 3, &file);
    assert_true(*n > 0);
    return file;
}

static void is_left(const unsigned char *file, size_t n) {
    tn_cfg *cfg = config(64);
    tn_image image = {.file = file, .n_file = n};
    assert_false(tn_plain_webp_decode(cfg, &image));
    assert_null(image.pixels);
    free(cfg);
}

/* Pixels: those that were encoded without loss; with loss, those of libvips. */
static void pixels(void **unused) {
    (void)unused;
    tn_cfg *cfg = config(64);
    size_t n = 0, n_vips = 0;
    unsigned char *file = lossless(&n);
    tn_image image = {.file = file, .n_file = n};
    assert_true(tn_plain_webp_decode(cfg, &image));
    assert_int_equal(image.w, W);
    assert_int_equal(image.h, H);
    assert_memory_equal(image.pixels, rgb, sizeof rgb);
    free(image.pixels);
    WebPFree(file);
    n = WebPEncodeRGB(rgb, W, H, W * 3, 80, &file);
    image = (tn_image){.file = file, .n_file = n};
    assert_true(tn_plain_webp_decode(cfg, &image));
    VipsImage *x = vips_image_new_from_buffer(file, n, "", NULL);
    unsigned char *theirs = vips_image_write_to_memory(x, &n_vips);
    assert_int_equal(n_vips, sizeof rgb);
    assert_memory_equal(image.pixels, theirs, n_vips);
    g_free(theirs);
    g_object_unref(x);
    free(image.pixels);
    WebPFree(file);
    free(cfg);
}

/* A ramp stays a ramp: the middle of output pixel x stands at (x + .5) W / w - .5. */
static void scaled(void **unused) {
    (void)unused;
    tn_cfg *cfg = config(15);
    size_t n = 0;
    unsigned char *file = lossless(&n);
    tn_image image = {.file = file, .n_file = n};
    assert_true(tn_plain_webp_decode(cfg, &image));
    assert_int_equal(image.w, 20);
    assert_int_equal(image.h, 15);
    for (int y = 4; y < 11; y++)
        for (int x = 4; x < 16; x++) {
            const unsigned char *p = image.pixels + (y * 20 + x) * 3;
            assert_true(abs(p[0] - (6 * (2 * x) + 3)) <= 1);
            assert_true(abs(p[1] - (8 * (2 * y) + 4)) <= 1);
        }
    free(image.pixels);
    WebPFree(file);
    free(cfg);
}

/* What is damaged, has alpha or is of the extended format is left to libvips; so is what is too large, and what is no WebP. */
static void others(void **unused) {
    (void)unused;
    size_t n = 0;
    unsigned char *file = lossless(&n);
    for (size_t end = 0; end < n; end++) is_left(file, end);
    unsigned char *extended = calloc(1, n + 18);
    memcpy(extended, file, 12);
    memcpy(extended + 12, "VP8X\x0A", 5);
    extended[24] = W - 1;
    extended[27] = H - 1;
    memcpy(extended + 30, file + 12, n - 12);
    extended[4] = (unsigned char)(extended[4] + 18);
    is_left(extended, n + 18);
    free(extended);
    tn_cfg *small = config(64);
    small->preprocess.max_pixels = W * H - 1;
    tn_image image = {.file = file, .n_file = n};
    assert_false(tn_plain_webp_decode(small, &image));
    assert_null(image.pixels);
    free(small);
    file[8] = 'w';
    is_left(file, n);
    WebPFree(file);
    n = WebPEncodeLosslessRGBA(pattern, W, H, W * 4, &file);
    is_left(file, n);
    WebPFree(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pixels), cmocka_unit_test(scaled), cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
