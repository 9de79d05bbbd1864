/* test_resample.c - every pixel against the formula in double precision, with the filters' usual definitions. */
#include "unit.h"

#include "picture/resample.h"

#include <math.h>

enum { W = 61, H = 47, MOST = 90 };

static unsigned char *picture(void) {
    unsigned char *p = malloc(W * H * 3), *at = p;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++) *at++ = (unsigned char)((x * x * 7 + y * 29 + x * y * 3 + c * 50) % 256);
    return p;
}

static double sinc(double x) {
    return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x);
}

static double filter(tn_resample_filter f, double x) {
    x = fabs(x);
    if (f == TN_TRIANGLE) return x < 1 ? 1 - x : 0;
    return x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/* The weights of n input pixels for output pixel s of S, over `span` input pixels. */
static void weights(tn_resample_filter f, double span, int n, int S, int s, double *w) {
    double scale = span / S, wide = scale > 1 ? scale : 1, sum = 0;
    for (int i = 0; i < n; i++) sum += w[i] = filter(f, (i + 0.5 - (s + 0.5) * scale) / wide);
    for (int i = 0; i < n; i++) w[i] /= sum;
}

static double value(const unsigned char *p, tn_box box, const double *wx, const double *wy, int c) {
    double sum = 0;
    for (int y = 0; y < box.h; y++)
        for (int x = 0; x < box.w; x++) sum += wx[x] * wy[y] * p[((y + box.y) * W + x + box.x) * 3 + c];
    return fmin(fmax(sum, 0), 255);
}

static void formula(void **unused) {
    (void)unused;
    static const struct {
        tn_box box;
        double span_x, span_y;
        int w, h;
    } OF[] = {{{0, 0, W, H}, W, H, 30, 24},       {{0, 0, W, H}, W - 0.75, H - 0.25, 59, 46},
              {{7, 5, 40, 33}, 40, 33, 13, 57},   {{0, 0, W, H}, W, H, 1, 1},
              {{W - 3, H - 2, 3, 2}, 3, 2, 9, 5}, {{4, 0, 1, H}, 1, H, 7, 11}};
    unsigned char *p = picture(), out[MOST * MOST * 3];
    double wx[W], wy[H];
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++)
        for (tn_resample_filter f = TN_TRIANGLE; f <= TN_LANCZOS; f++)
            for (unsigned flips = 0; flips < 4; flips++) {
                tn_resampled to = {.w = OF[i].w, .h = OF[i].h, .stride = MOST * 3, .flips = flips, .out = out};
                memset(out, 77, sizeof out);
                assert_int_equal(tn_resample(p, W, OF[i].box, OF[i].span_x, OF[i].span_y, f, &to), TN_OK);
                for (int y = 0; y < to.h; y++)
                    for (int x = 0; x < to.w; x++) {
                        weights(f, OF[i].span_x, OF[i].box.w, to.w, flips & TN_FLIP_ACROSS ? to.w - 1 - x : x, wx);
                        weights(f, OF[i].span_y, OF[i].box.h, to.h, flips & TN_FLIP_DOWN ? to.h - 1 - y : y, wy);
                        for (int c = 0; c < 3; c++) {
                            double want = value(p, OF[i].box, wx, wy, c);
                            if (fabs(out[(y * MOST + x) * 3 + c] - want) > 0.502)
                                fail_msg("case %zu, filter %d, flips %u, %d %d: %d in place of %g", i, (int)f, flips, x,
                                         y, out[(y * MOST + x) * 3 + c], want);
                        }
                    }
                assert_int_equal(out[to.w * 3], 77); /* nothing beside it is touched */
                assert_int_equal(out[to.h * MOST * 3], 77);
            }
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(formula)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
