/* test_pixels.c - augmentations: pixels against SciPy, colorsys and albumentations (golden/augment.h); draws against their distributions. */
#include "unit.h"

#include "augment/augment.h"
#include "augment/pixels.h"
#include "golden/augment.h"

#include <math.h>
#include <string.h>

enum { S = GOLDEN_AUGMENT_PX, N = S * S * 3, TRIALS = 20000 };

static void draw_picture(unsigned char *p) {
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++)
            for (int c = 0; c < 3; c++) *p++ = (unsigned char)floor(128 + 127 * sin(x * (c + 2) / 5.0 + y / (3.0 - c)));
}

static void golden(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_AUGMENT / sizeof *GOLDEN_AUGMENT; g++) {
        const golden_augment *e = &GOLDEN_AUGMENT[g];
        const double *a = e->amount;
        unsigned char image[N];
        double most = 0.51; /* to nearest, and the four digits of the table */
        draw_picture(image);
        if (e->kind == GOLDEN_WARP) {
            assert_int_equal(tn_pixels_warp(S, &(tn_warp){a[0], a[1], a[2], a[3]}, image), TN_OK);
            most += 0.15; /* weights have 11 bits */
        } else if (e->kind == GOLDEN_BRIGHTNESS_CONTRAST) {
            tn_pixels_brightness_contrast(S, a[0], a[1], image);
        } else if (e->kind == GOLDEN_HSV) {
            tn_pixels_hsv(S, a[0], a[1], a[2], image);
        } else {
            assert_int_equal(tn_pixels_blur(S, a[0], image), TN_OK);
        }
        for (int i = 0; i < N; i++)
            if (fabs(e->value[i] - image[i]) > most)
                fail_msg("case %zu, value %d: %d instead of %g", g, i, image[i], e->value[i]);
    }
}

/* Amounts of zero change nothing. */
static void nothing(void **unused) {
    (void)unused;
    unsigned char before[N], image[N];
    draw_picture(before);
    memcpy(image, before, N);
    tn_rng r = tn_rng_at(1, TN_STREAM_TEST, 0, 0);
    assert_int_equal(tn_pixels_warp(S, &(tn_warp){0, 0, 1, 0}, image), TN_OK);
    tn_pixels_brightness_contrast(S, 0, 1, image);
    tn_pixels_hsv(S, 0, 0, 0, image);
    assert_int_equal(tn_pixels_blur(S, 0, image), TN_OK);
    tn_pixels_noise(S, 0, &r, image);
    assert_memory_equal(image, before, N);
    memset(image, 77, N); /* grey stays grey, black does not turn red */
    tn_pixels_hsv(S, 10, 200, 0, image);
    for (int i = 0; i < N; i++) assert_int_equal(image[i], 77);
    memset(image, 0, N);
    tn_pixels_hsv(S, 10, 200, 0, image);
    for (int i = 0; i < N; i++) assert_int_equal(image[i], 0);
}

/* Noise against the normal distribution: its deviation, and its shares below 0, 1 and 2 deviations. */
static void noise(void **unused) {
    (void)unused;
    enum { PX = 200 };
    static unsigned char image[PX * PX * 3];
    const double std = 10;
    const int n = PX * PX * 3;
    memset(image, 128, sizeof image);
    tn_rng r = tn_rng_at(3, TN_STREAM_TEST, 0, 0);
    tn_pixels_noise(PX, std, &r, image);
    double sum = 0, squares = 0, product = 0;
    int below[3] = {0};
    for (int i = 0; i < n; i++) {
        double d = image[i] - 128.0;
        sum += d;
        squares += d * d;
        if (i >= 3) product += d * (image[i - 3] - 128.0);
        for (int k = 0; k < 3; k++) below[k] += d <= k * std;
    }
    assert_true(fabs(sum / n) < 0.12); /* four deviations of the mean */
    assert_true(fabs(squares / n / (std * std + 1.0 / 12) - 1) < 0.02);
    assert_true(fabs(product / n) < 1.2); /* neighbours are independent */
    for (int k = 0; k < 3; k++) {
        double normal = 0.5 * (1 + erf((k * std + 0.5) / std / sqrt(2)));
        assert_true(fabs((double)below[k] / n - normal) < 0.01);
    }
    memset(image, 255, sizeof image); /* clipped, and not carried over */
    tn_pixels_noise(PX, 50, &r, image);
    for (int i = 0; i < n; i++) assert_true(image[i] > 255 - 4 * 50);
}

/* --- draws -------------------------------------------------------------------------------------------------------- */

static void augmented(const tn_augment *a, int position, int px, int value, unsigned char *image) {
    memset(image, value, (size_t)(px * px * 3));
    assert_int_equal(tn_augment_image(1, a, 5, (uint64_t)position, 7, px, image), TN_OK);
}

/* 100 c + 255 b: with b uniform in +-0.2 and c in 1 +-0.3 a mean of 100, and a variance of (51^2 + 30^2) / 3; drawn in 0.6 of images. */
static void brightness(void **unused) {
    (void)unused;
    tn_augment a = {
        .kind = TN_AUG_BRIGHTNESS_CONTRAST, .probability = 1, .brightness_limit = 0.2, .contrast_limit = 0.3};
    double sum = 0, squares = 0;
    unsigned char p[3], q[3];
    for (int i = 0; i < TRIALS; i++) {
        augmented(&a, i, 1, 100, p);
        augmented(&a, i, 1, 100, q);
        assert_memory_equal(p, q, 3);
        assert_true(p[0] >= 19 && p[0] <= 181 && p[1] == p[0] && p[2] == p[0]);
        sum += p[0] - 100.0;
        squares += (p[0] - 100.0) * (p[0] - 100.0);
    }
    assert_true(fabs(sum / TRIALS) < 1);
    assert_true(fabs(squares / TRIALS / ((51.0 * 51 + 30 * 30) / 3) - 1) < 0.03);
    int n_changed = 0;
    a.probability = 0.6;
    for (int i = 0; i < TRIALS; i++) {
        augmented(&a, i, 1, 100, p);
        n_changed += p[0] != 100;
    }
    assert_true(fabs((double)n_changed / TRIALS - 0.6) < 0.02);
}

/* Which pixel a white dot comes to: shifts up to 0.3 of 41 px, alone; both directions are drawn apart. */
static void shift(void **unused) {
    (void)unused;
    enum { PX = 41, MIDDLE = PX / 2 };
    static unsigned char image[PX * PX * 3];
    tn_augment a = {.kind = TN_AUG_SHIFT_SCALE_ROTATE, .probability = 1, .shift_limit = 0.3};
    double square[2] = {0}, product = 0;
    for (int i = 0; i < 2000; i++) {
        memset(image, 0, sizeof image);
        image[(MIDDLE * PX + MIDDLE) * 3] = 255;
        assert_int_equal(tn_augment_image(1, &a, 5, (uint64_t)i, 7, PX, image), TN_OK);
        double at[2] = {0}, sum = 0;
        for (int y = 0; y < PX; y++)
            for (int x = 0; x < PX; x++) {
                double v = image[(y * PX + x) * 3];
                at[0] += v * (x - MIDDLE), at[1] += v * (y - MIDDLE), sum += v;
            }
        assert_true(fabs(sum - 255) < 3); /* bilinear weights add up to 1 */
        for (int k = 0; k < 2; k++) {
            at[k] /= sum;
            assert_true(fabs(at[k]) < 0.3 * PX + 0.1);
            square[k] += at[k] * at[k] / 2000;
        }
        product += at[0] * at[1] / 2000;
    }
    const double expected = 0.3 * PX * 0.3 * PX / 3; /* of a uniform number */
    for (int k = 0; k < 2; k++) assert_true(fabs(square[k] / expected - 1) < 0.1);
    assert_true(fabs(product / expected) < 0.1);
}

/* A hole with sides uniform in 0.1 to 0.4 covers 0.0625 on average; one to three of them; every pixel is hit. */
static void holes(void **unused) {
    (void)unused;
    enum { PX = 50 };
    static unsigned char image[PX * PX * 3];
    static int hit[PX * PX];
    tn_augment a = {.kind = TN_AUG_COARSE_DROPOUT,
                    .probability = 1,
                    .num_holes_min = 1,
                    .num_holes_max = 1,
                    .hole_size_min = 0.1,
                    .hole_size_max = 0.4,
                    .fill = 9};
    double share = 0;
    for (int i = 0; i < 4000; i++) {
        augmented(&a, i, PX, 200, image);
        int n = 0, left = PX, right = -1, top = PX, bottom = -1;
        for (int j = 0; j < PX * PX; j++) {
            assert_true((image[3 * j] == 9 || image[3 * j] == 200) && image[3 * j] == image[3 * j + 2]);
            if (image[3 * j] != 9) continue;
            n++, hit[j]++;
            left = j % PX < left ? j % PX : left, right = j % PX > right ? j % PX : right;
            top = j / PX < top ? j / PX : top, bottom = j / PX;
        }
        int w = right - left + 1, h = bottom - top + 1;
        assert_true(n == w * h && w >= 5 && w <= 20 && h >= 5 && h <= 20); /* one rectangle */
        share += (double)n / (PX * PX) / 4000;
    }
    assert_true(fabs(share - 0.0625) < 0.002); /* four deviations: 0.0315 / sqrt(4000) each */
    for (int j = 0; j < PX * PX; j++) assert_true(hit[j] > 0);
    a.num_holes_max = 3;
    a.hole_size_max = 0.1; /* 5 x 5 each */
    int counts[4] = {0};
    for (int i = 0; i < 3000; i++) {
        int n = 0;
        augmented(&a, i, PX, 200, image);
        for (int j = 0; j < PX * PX; j++) n += image[3 * j] == 9;
        assert_true(n <= 75);
        counts[(n + 24) / 25]++;
    }
    assert_true(counts[0] == 0 && abs(counts[1] - 1000) < 120 && counts[3] > 700); /* some of three overlap */
}

static void channels(void **unused) {
    (void)unused;
    tn_augment a = {
        .kind = TN_AUG_CHANNEL_DROPOUT, .probability = 1, .num_channels_min = 1, .num_channels_max = 2, .fill = 3};
    int each[3] = {0}, counts[4] = {0};
    unsigned char p[4 * 4 * 3];
    for (int i = 0; i < 6000; i++) {
        int n = 0;
        augmented(&a, i, 4, 90, p);
        for (int c = 0; c < 3; c++) {
            for (int j = 0; j < 16; j++) assert_int_equal(p[3 * j + c], p[c]);
            each[c] += p[c] == 3;
            n += p[c] == 3;
        }
        counts[n]++;
    }
    assert_true(counts[0] == 0 && counts[3] == 0 && abs(counts[1] - 3000) < 160);
    for (int c = 0; c < 3; c++) assert_true(abs(each[c] - 3000) < 160); /* 1.5 of 3 */
}

/* Noise and blur reach their ranges and do not leave them; hue, saturation and value move within theirs. */
static void ranges(void **unused) {
    (void)unused;
    enum { PX = 40 };
    static unsigned char image[PX * PX * 3];
    tn_augment a = {.kind = TN_AUG_GAUSS_NOISE, .probability = 1, .std_min = 4, .std_max = 12};
    double least = 99, most = 0;
    for (int i = 0; i < 300; i++) {
        double squares = 0;
        augmented(&a, i, PX, 128, image);
        for (int j = 0; j < PX * PX * 3; j++) squares += (image[j] - 128.0) * (image[j] - 128.0);
        double std = sqrt(squares / (PX * PX * 3));
        least = fmin(least, std), most = fmax(most, std);
    }
    assert_true(least > 3.8 && least < 4.5 && most > 11.5 && most < 12.5);

    a = (tn_augment){.kind = TN_AUG_GAUSSIAN_BLUR, .probability = 1, .sigma_min = 1, .sigma_max = 2};
    least = 255, most = 0;
    for (int i = 0; i < 300; i++) { /* what is left of a white dot at its place: 1 / (2 pi sigma^2) */
        memset(image, 0, sizeof image);
        image[(PX / 2 * PX + PX / 2) * 3] = 255;
        assert_int_equal(tn_augment_image(1, &a, 5, (uint64_t)i, 7, PX, image), TN_OK);
        double v = image[(PX / 2 * PX + PX / 2) * 3];
        least = fmin(least, v), most = fmax(most, v);
    }
    assert_true(least == 10 && most >= 39 && most <= 41); /* 10.1 and 40.6 */

    a = (tn_augment){.kind = TN_AUG_HUE_SATURATION_VALUE, .probability = 1, .val_shift_limit = 30};
    least = 255, most = 0;
    for (int i = 0; i < 2000; i++) {
        augmented(&a, i, 1, 100, image);
        least = fmin(least, image[0]), most = fmax(most, image[0]);
    }
    assert_true(least == 70 && most == 130);
}

/* Each augmentation has random numbers of its own: one more in the list changes nothing about the others. */
static void apart(void **unused) {
    (void)unused;
    unsigned char p[3], q[3];
    tn_augment two[] = {
        {.kind = TN_AUG_CHANNEL_DROPOUT, .probability = 0, .num_channels_min = 1, .num_channels_max = 1},
        {.kind = TN_AUG_BRIGHTNESS_CONTRAST, .probability = 0.5, .brightness_limit = 0.2}};
    int n_both = 0, n_down = 0;
    const tn_augment across = {.kind = TN_AUG_FLIP, .probability = 0.5},
                     down = {.kind = TN_AUG_VERTICAL_FLIP, .probability = 0.5};
    for (int i = 0; i < TRIALS; i++) {
        memset(p, 100, 3), memset(q, 100, 3);
        assert_int_equal(tn_augment_image(2, two, 1, (uint64_t)i, 0, 1, p), TN_OK);
        assert_int_equal(tn_augment_image(1, two + 1, 1, (uint64_t)i, 0, 1, q), TN_OK);
        assert_memory_equal(p, q, 3);
        bool is_down = tn_flip_draw(&down, 1, (uint64_t)i, 0);
        n_down += is_down;
        n_both += is_down && tn_flip_draw(&across, 1, (uint64_t)i, 0);
    }
    assert_true(abs(n_down - TRIALS / 2) < 300 && abs(n_both - TRIALS / 4) < 300);
}

static void upside_down(void **unused) {
    (void)unused;
    unsigned char source[N], a[N], b[N];
    draw_picture(source);
    tn_box all = {0, 0, S, S};
    assert_int_equal(tn_image_fit(source, S, S, all, 0, S, a), TN_OK);
    for (unsigned flips = 0; flips < 4; flips++) {
        assert_int_equal(tn_image_fit(source, S, S, all, flips, S, b), TN_OK);
        for (int y = 0; y < S; y++)
            for (int x = 0; x < S; x++) {
                int from_x = flips & TN_FLIP_ACROSS ? S - 1 - x : x, from_y = flips & TN_FLIP_DOWN ? S - 1 - y : y;
                assert_memory_equal(b + (y * S + x) * 3, a + (from_y * S + from_x) * 3, 3);
            }
    }
}

/* Of a flat grey of 100, one operation of RandAugment leaves what follows from magnitude 5, by hand: brightness 0.2 of 255 either way; a
 * contrast of 0.6 or 1.4; one channel at 0; one hole of 128 with a side of 10 of 40; noise; and in the seven other cases the same grey. */
static void policy(void **unused) {
    (void)unused;
    enum { PX = 40, N_DRAWN = 6000 };
    static unsigned char image[PX * PX * 3];
    tn_augment a = {.kind = TN_AUG_RAND_AUGMENT, .probability = 1, .magnitude = 5, .num_ops = 1};
    enum { SAME, LIGHTER, DARKER, MORE, LESS, CHANNEL, HOLE, NOISE, N_KINDS };
    int counts[N_KINDS] = {0};
    for (int i = 0; i < N_DRAWN; i++) {
        augmented(&a, i, PX, 100, image);
        int histogram[256] = {0};
        for (int j = 0; j < PX * PX * 3; j++) histogram[image[j]]++;
        const int all = PX * PX * 3;
        counts[histogram[100] == all                                  ? SAME
               : histogram[151] == all                                ? LIGHTER
               : histogram[49] == all                                 ? DARKER
               : histogram[140] == all                                ? MORE
               : histogram[60] == all                                 ? LESS
               : histogram[0] == all / 3                              ? CHANNEL
               : histogram[128] == 300 && histogram[100] == all - 300 ? HOLE
                                                                      : NOISE]++;
    }
    const int each = N_DRAWN / 12,
              expected[N_KINDS] = {7 * each, each / 2, each / 2, each / 2, each / 2, each, each, each};
    for (int k = 0; k < N_KINDS; k++)
        if (abs(counts[k] - expected[k]) > 5 * sqrt(expected[k])) fail_msg("kind %d: %d times", k, counts[k]);
    /* Three of them: nothing is left as it was more often than by chance, (7/12)^3 = 0.198 */
    a.num_ops = 3;
    int n_same = 0;
    for (int i = 0; i < N_DRAWN; i++) {
        augmented(&a, i, PX, 100, image);
        bool same = true;
        for (int j = 0; j < PX * PX * 3; j++) same &= image[j] == 100;
        n_same += same;
    }
    assert_true(fabs((double)n_same / N_DRAWN - 0.198) < 0.03);
    a.magnitude = 0; /* only a dropped channel is left */
    for (int i = 0; i < 300; i++) {
        augmented(&a, i, PX, 100, image);
        for (int j = 3; j < PX * PX * 3; j++) assert_true(image[j] == image[j % 3] || image[j] == 128);
    }
}

/* --- Mixup -------------------------------------------------------------------------------------------------------- */

/* Pixels and targets are means with the same lambda; rows without label take no part. */
static void mixup(void **unused) {
    (void)unused;
    enum { B = 5, PX = 6, K = 3, M = 2, PIXELS = PX * PX * 3 };
    static unsigned char image[B * PIXELS], before[B * PIXELS];
    tn_augment a = {.kind = TN_AUG_MIXUP, .probability = 0.5, .alpha = 1};
    int n_mixed = 0, n_moved = 0;
    for (int t = 0; t < 1000; t++) {
        float target[B * K] = {0}, extra[B * M] = {0};
        int64_t partner[B];
        tn_mix mix = {.partner = partner};
        for (int j = 0; j < B * PIXELS; j++) before[j] = image[j] = (unsigned char)(j * 37 + j / PIXELS * 11 + t);
        for (int i = 0; i < B; i++) {
            if (i != 3) target[i * K + i % K] = 1;
            extra[i * M + i % M] = 1;
        }
        assert_int_equal(tn_mixup(&a, 2, (uint64_t)t, B, PX, K, M, image, target, extra, &mix), TN_OK);
        assert_int_equal(partner[3], 3);
        n_mixed += mix.lambda < 1;
        for (int i = 0; i < B; i++) {
            int p = (int)partner[i];
            n_moved += p != i;
            assert_true(i == 3 || p != 3);
            for (int j = 0; j < PIXELS; j++) {
                double exact = mix.lambda * before[i * PIXELS + j] + (1 - mix.lambda) * before[p * PIXELS + j];
                assert_true(fabs(image[i * PIXELS + j] - exact) <= 0.5);
            }
            for (int k = 0; k < K && i != 3; k++) {
                double exact = mix.lambda * (i % K == k) + (1 - mix.lambda) * (p % K == k);
                assert_true(fabs((double)target[i * K + k] - exact) < 1e-6);
            }
            double own = mix.lambda * (i % M == 0) + (1 - mix.lambda) * (p % M == 0);
            assert_true(fabs((double)extra[i * M] - own) < 1e-6);
        }
    }
    assert_true(abs(n_mixed - 500) < 70 && n_moved > 1200);
}

static void lambdas(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_BETA / sizeof *GOLDEN_BETA; g++) {
        tn_augment a = {.kind = TN_AUG_MIXUP, .probability = 1, .alpha = GOLDEN_BETA[g].alpha};
        int n_below = 0;
        for (int t = 0; t < TRIALS; t++) {
            unsigned char image[3] = {0};
            float target[2] = {1, 0};
            int64_t partner[1];
            tn_mix mix = {.partner = partner};
            assert_int_equal(tn_mixup(&a, 2, (uint64_t)t, 1, 1, 2, 0, image, target, NULL, &mix), TN_OK);
            n_below += mix.lambda < GOLDEN_BETA[g].at;
        }
        assert_true(fabs((double)n_below / TRIALS - GOLDEN_BETA[g].p) <
                    0.016); /* 256 steps of lambda; four deviations */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),      cmocka_unit_test(nothing), cmocka_unit_test(noise),
        cmocka_unit_test(brightness),  cmocka_unit_test(shift),   cmocka_unit_test(holes),
        cmocka_unit_test(channels),    cmocka_unit_test(ranges),  cmocka_unit_test(apart),
        cmocka_unit_test(upside_down), cmocka_unit_test(policy),  cmocka_unit_test(mixup),
        cmocka_unit_test(lambdas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
