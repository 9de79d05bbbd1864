/* test_plain_jpeg.c - which JPEGs are plain, how they are turned and scaled, and when their own bytes may be stored. */
#include "unit.h"

#include "preprocess/image.h"
#include "preprocess/plain_jpeg.h"
#include "store/jpeg.h"

enum { W = 48, H = 32 };
static const unsigned char COLOUR[4][3] = {{200, 30, 40}, {40, 180, 60}, {30, 50, 210}, {230, 220, 240}};

/* Quarters of four colours: left above, right above, left below, right below. The caller frees it. */
static unsigned char *quarters(size_t *n) {
    static unsigned char pixels[W * H * 3];
    unsigned char *bytes = NULL;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) memcpy(pixels + (y * W + x) * 3, COLOUR[(y >= H / 2) * 2 + (x >= W / 2)], 3);
    assert_int_equal(tn_jpeg_encode(pixels, W, H, 100, &bytes, n), TN_OK);
    return bytes;
}

/* The file with a segment behind its first marker. */
static unsigned char *with(const unsigned char *file, size_t *n, int marker, const char *data, size_t n_data) {
    unsigned char *out = malloc(*n + n_data + 4),
                  head[4] = {0xFF, (unsigned char)marker, 0, (unsigned char)(n_data + 2)};
    memcpy(out, file, 2);
    memcpy(out + 2, head, 4);
    memcpy(out + 6, data, n_data);
    memcpy(out + 6 + n_data, file + 2, *n - 2);
    *n += n_data + 4;
    return out;
}

/* EXIF with an orientation: a TIFF of one tag. */
static unsigned char *turned(const unsigned char *file, size_t *n, int orientation, bool big_endian) {
    static const char LITTLE[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0",
                      BIG[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0";
    char exif[32];
    memcpy(exif, big_endian ? BIG : LITTLE, sizeof exif);
    exif[24 + big_endian] = (char)orientation;
    return with(file, n, 0xE1, exif, sizeof exif);
}

static tn_cfg *config(int size_px) {
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    cfg->preprocess.size_px = size_px;
    cfg->preprocess.max_pixels = 1 << 20;
    cfg->preprocess.jpeg_quality = 92;
    return cfg;
}

static void assert_quarter(const tn_image *image, int right, int below, const unsigned char *colour) {
    const unsigned char *p =
        image->pixels + ((image->h * (1 + 2 * below) / 4) * image->w + image->w * (1 + 2 * right) / 4) * 3;
    for (int c = 0; c < 3; c++) assert_true(abs(p[c] - colour[c]) <= 3);
}

/* EXIF 2.3, 4.6.4: where the first row and the first column of the file stand. */
static void orientation(void **unused) {
    (void)unused;
    static const char *const STANDS[9][2] = {{"", ""},           {"top", "left"}, {"top", "right"}, {"bottom", "right"},
                                             {"bottom", "left"}, {"left", "top"}, {"right", "top"}, {"right", "bottom"},
                                             {"left", "bottom"}};
    size_t n_file = 0;
    unsigned char *file = quarters(&n_file);
    for (int size = 16; size <= 32; size *= 2)
        for (int o = 1; o <= 8; o++)
            for (int big_endian = 0; big_endian < 2; big_endian++) {
                size_t n = n_file;
                unsigned char *bytes = turned(file, &n, o, big_endian);
                tn_cfg *cfg = config(size);
                tn_image image = {.file = bytes, .n_file = n};
                assert_true(tn_plain_jpeg_decode(cfg, &image));
                int longer = size * W / H;
                assert_int_equal(image.w, o > 4 ? size : longer);
                assert_int_equal(image.h, o > 4 ? longer : size);
                assert_int_equal(image.storable, o == 1 && size == 32);
                for (int q = 0; q < 4; q++) { /* row half q / 2 and column half q % 2 of the file */
                    int right = 0, below = 0;
                    for (int side = 0; side < 2; side++) {
                        const char *stands = STANDS[o][side];
                        bool far = side == 0 ? q / 2 : q % 2;
                        if (strcmp(stands, "left") == 0) right = far;
                        if (strcmp(stands, "right") == 0) right = !far;
                        if (strcmp(stands, "top") == 0) below = far;
                        if (strcmp(stands, "bottom") == 0) below = !far;
                    }
                    assert_quarter(&image, right, below, COLOUR[q]);
                }
                free(image.pixels);
                free(cfg);
                free(bytes);
            }
    free(file);
}

static void is_plain(const unsigned char *bytes, size_t n, bool wanted) {
    tn_cfg *cfg = config(16);
    tn_image image = {.file = bytes, .n_file = n};
    assert_int_equal(tn_plain_jpeg_decode(cfg, &image), wanted);
    assert_int_equal(image.pixels != NULL, wanted);
    free(image.pixels);
    free(cfg);
}

/* What has a profile, an unclear orientation or a damage is left to libvips. */
static void others(void **unused) {
    (void)unused;
    size_t n_file = 0, n;
    unsigned char *file = quarters(&n_file), *bytes;
    is_plain(file, n_file, true);
    is_plain(file, n_file - 2, false);
    is_plain(file, n_file / 2, false);
    n = n_file;
    bytes = with(file, &n, 0xE2, "ICC_PROFILE\0\1\1profile", 21);
    is_plain(bytes, n, false);
    free(bytes);
    n = n_file;
    bytes = turned(file, &n, 9, false);
    is_plain(bytes, n, false);
    free(bytes);
    n = n_file;
    bytes = with(file, &n, 0xFE, "a comment", 9);
    is_plain(bytes, n, true);
    free(bytes);
    tn_cfg *cfg = config(16);
    tn_image image = {.file = file, .n_file = n_file};
    cfg->preprocess.max_pixels = W * H - 1;
    assert_false(tn_plain_jpeg_decode(cfg, &image));
    free(cfg);
    free(file);
}

/* The short side of 1025 x 1117 pixels becomes size_px, whatever the reduction; a ramp stays where it is. */
static void scaled(void **unused) {
    (void)unused;
    enum { BW = 1117, BH = 1025 };
    static const int SIZE[] = {1025, 1024, 600, 512, 257, 256, 128, 100, 16};
    unsigned char *pixels = malloc(BW * BH * 3), *bytes = NULL;
    size_t n = 0;
    for (int y = 0; y < BH; y++)
        for (int x = 0; x < BW; x++) {
            unsigned char *p = pixels + (y * BW + x) * 3;
            p[0] = (unsigned char)(x * 255 / BW);
            p[1] = (unsigned char)(y * 255 / BH);
            p[2] = 128;
        }
    assert_int_equal(tn_jpeg_encode(pixels, BW, BH, 100, &bytes, &n), TN_OK);
    for (size_t i = 0; i < sizeof SIZE / sizeof *SIZE; i++) {
        tn_cfg *cfg = config(SIZE[i]);
        tn_image image = {.file = bytes, .n_file = n};
        cfg->preprocess.max_pixels = BW * BH;
        assert_true(tn_plain_jpeg_decode(cfg, &image));
        assert_int_equal(image.h, SIZE[i]);
        assert_int_equal(image.w, (BW * SIZE[i] * 2 + BH) / (2 * BH));
        assert_int_equal(image.storable, SIZE[i] == BH);
        for (int y = 0; y < image.h; y++)
            for (int x = 0; x < image.w; x++) {
                const unsigned char *p = image.pixels + (y * image.w + x) * 3;
                double step = 255.0 / SIZE[i] + 5; /* the ends of the ramp are not smoothed beyond the image */
                int red = (int)((x + 0.5) * 255 / image.w), green = (int)((y + 0.5) * 255 / image.h);
                if (abs(p[0] - red) > step || abs(p[1] - green) > step || abs(p[2] - 128) > 8)
                    fail_msg("%d px, %d %d: %d %d %d in place of %d %d 128", SIZE[i], x, y, p[0], p[1], p[2], red,
                             green);
            }
        free(image.pixels);
        free(cfg);
    }
    free(bytes);
    free(pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(orientation), cmocka_unit_test(others),
                                       cmocka_unit_test(scaled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
