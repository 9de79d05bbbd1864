/* test_jpeg_means.c - means of pixels against libjpeg, and that every damage is left to it. */
#include "unit.h"

#include "picture/jpeg_means.h"
#include "store/jpeg.h"

#include <math.h>
#include <stdint.h>

#include <jpeglib.h>

enum { OFF_BLURRED = 16 };

typedef struct {
    int w, h, across, down, restart, quality;
    bool grey, progressive, rgb;
} kind;

/* A picture of waves and noise, as JPEG; the caller frees it. */
static unsigned char *make(const kind *k, unsigned long *n) {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, *row = malloc((size_t)k->w * 3);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, n);
    c.image_width = (JDIMENSION)k->w;
    c.image_height = (JDIMENSION)k->h;
    c.input_components = k->grey ? 1 : 3;
    c.in_color_space = k->grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    if (k->rgb) jpeg_set_colorspace(&c, JCS_RGB);
    jpeg_set_quality(&c, k->quality, TRUE);
    if (!k->rgb) c.comp_info[0].h_samp_factor = k->across;
    if (!k->rgb) c.comp_info[0].v_samp_factor = k->down;
    c.restart_interval = (unsigned)k->restart;
    if (k->progressive) jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < k->h; y++) {
        for (int x = 0; x < k->w * c.input_components; x++)
            row[x] =
                (unsigned char)(128 + 90 * sin(x * 0.031 * (1 + x % 3)) * cos(y * 0.07) + (x * 7919 + y * 104729) % 23);
        JSAMPROW at = row;
        jpeg_write_scanlines(&c, &at, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    return bytes;
}

typedef struct {
    unsigned char *ours, *theirs;
    size_t our_room, their_room;
} buffers;

/* Decode by both. If ours accepts the file, theirs must, without a warning, and the pixels must be close: both round before colours are
 * converted. Returns: ours accepted it. */
static bool both(const unsigned char *bytes, size_t n, int shrink, int most_off, buffers *b) {
    int w, h, w2, h2;
    if (!tn_jpeg_means(bytes, n, shrink, &b->ours, &b->our_room, &w, &h)) return false;
    if (tn_jpeg_decode(bytes, n, shrink, &b->theirs, &b->their_room, &w2, &h2) != TN_OK)
        fail_msg("libjpeg: %s", tn_msg);
    assert_true(w == w2 && h == h2);
    for (int i = 0; i < w * h * 3; i++)
        if (abs(b->ours[i] - b->theirs[i]) > most_off)
            fail_msg("1/%d, value %d: %d in place of %d", shrink, i, b->ours[i], b->theirs[i]);
    return true;
}

static void as_libjpeg(void **unused) {
    (void)unused;
    static const kind OF[] = {
        {203, 149, 1, 1, 0, 92, false, false, false}, {203, 149, 1, 1, 0, 75, false, false, false},
        {203, 149, 2, 2, 0, 90, false, false, false}, {203, 149, 2, 2, 0, 50, false, false, false},
        {203, 149, 1, 1, 0, 92, true, false, false},  {203, 149, 2, 2, 3, 100, false, false, false},
        {64, 64, 2, 2, 1, 30, false, false, false},   {1, 1, 2, 2, 0, 92, false, false, false},
        {17, 300, 1, 1, 100, 5, false, false, false}, {203, 149, 2, 2, 0, 92, true, false, false}};
    buffers b = {0};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        unsigned long n = 0;
        unsigned char *bytes = make(&OF[i], &n);
        for (int shrink = 2; shrink <= 8; shrink *= 2)
            if (!both(bytes, n, shrink, 3, &b)) fail_msg("file %zu is refused at 1/%d", i, shrink);
        free(bytes);
    }
    free(b.ours);
    free(b.theirs);
}

/* Means of what all pixels are, each of which is rounded. Colours of fewer pixels are blurred before; libjpeg's reduced transforms lose
 * more if these are fewer in one direction only. */
static void means_of_pixels(void **unused) {
    (void)unused;
    static const struct {
        kind kind;
        double off;
    } OF[] = {{{160, 96, 1, 1, 0, 95, false, false, false}, 2.5},
              {{160, 96, 2, 1, 0, 95, false, false, false}, OFF_BLURRED},
              {{160, 96, 1, 2, 0, 95, false, false, false}, OFF_BLURRED}};
    buffers b = {0};
    for (size_t k = 0; k < sizeof OF / sizeof *OF; k++) {
        unsigned long n = 0;
        unsigned char *bytes = make(&OF[k].kind, &n);
        int w, h, whole_w;
        assert_int_equal(tn_jpeg_decode(bytes, n, 1, &b.theirs, &b.their_room, &whole_w, &h), TN_OK);
        for (int shrink = 2; shrink <= 8; shrink *= 2) {
            assert_true(tn_jpeg_means(bytes, n, shrink, &b.ours, &b.our_room, &w, &h));
            assert_true(w == OF[k].kind.w / shrink && h == OF[k].kind.h / shrink);
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w * 3; x++) {
                    double sum = 0;
                    for (int j = 0; j < shrink; j++)
                        for (int i = 0; i < shrink; i++)
                            sum += b.theirs[((y * shrink + j) * whole_w + x / 3 * shrink + i) * 3 + x % 3];
                    double off = b.ours[y * w * 3 + x] - sum / shrink / shrink;
                    if (fabs(off) > OF[k].off) fail_msg("kind %zu, 1/%d, %d %d: off by %g", k, shrink, x, y, off);
                }
        }
        free(bytes);
    }
    free(b.ours);
    free(b.theirs);
}

static void others_are_refused(void **unused) {
    (void)unused;
    static const kind OF[] = {{40, 30, 1, 1, 0, 92, false, true, false}, {40, 30, 1, 1, 0, 92, false, false, true}};
    buffers b = {0};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        unsigned long n = 0;
        unsigned char *bytes = make(&OF[i], &n);
        assert_false(both(bytes, n, 2, 3, &b));
        free(bytes);
    }
    free(b.ours);
    free(b.theirs);
}

static void damage(void **unused) {
    (void)unused;
    static const kind OF[] = {{70, 50, 2, 2, 2, 80, false, false, false}, {70, 50, 1, 1, 0, 40, true, false, false}};
    buffers b = {0};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        unsigned long n = 0;
        unsigned char *bytes = make(&OF[i], &n), *copy = malloc(n); /* of the exact size: sanitizers see its bounds */
        for (size_t cut = 0; cut < n; cut++) {
            unsigned char *part = malloc(cut + 1);
            memcpy(part, bytes, cut);
            assert_false(both(part, cut, 4, 3, &b));
            free(part);
        }
        for (size_t at = 0; at < n; at++)
            for (int bit = 0; bit < 8; bit++) {
                memcpy(copy, bytes, n);
                copy[at] = (unsigned char)(copy[at] ^ 1 << bit);
                both(copy, n, 2 << bit % 3, 255, &b);
            }
        free(copy);
        free(bytes);
    }
    free(b.ours);
    free(b.theirs);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_libjpeg), cmocka_unit_test(means_of_pixels),
                                       cmocka_unit_test(others_are_refused), cmocka_unit_test(damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
