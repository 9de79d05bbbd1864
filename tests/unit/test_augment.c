/* test_augment.c - resize against PyTorch; crops, flips and CutMix against their distributions. */
#include "unit.h"

#include "augment/augment.h"
#include "data/view.h"
#include "golden/resize.h"
#include "golden/views.h"

#include <math.h>

static unsigned char *picture(int w, int h) {
    unsigned char *p = malloc((size_t)w * (size_t)h * 3), *at = p;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) *at++ = (unsigned char)((x * x * 7 + y * 13 + x * y * 3 + c * 50) % 256);
    return p;
}

static void resize(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_RESIZE / sizeof *GOLDEN_RESIZE; g++) {
        const golden_resize *e = &GOLDEN_RESIZE[g];
        int S = e->S;
        unsigned char *p = picture(e->w, e->h);
        unsigned char *out = malloc((size_t)S * (size_t)S * 3);
        const double rounding = 4 * sqrt(1.0 / 12) / S; /* four deviations of the mean of S S roundings */
        assert_int_equal(tn_image_fit(p, e->w, e->h, (tn_box){0, 0, e->w, e->h}, false, S, out), TN_OK);
        for (int c = 0; c < 3; c++) {
            int at[5] = {0, S - 1, (S - 1) * S, S * S - 1, S / 2 * S + S / 3};
            double mean = 0;
            for (int i = 0; i < 5; i++) assert_true(fabs((double)out[at[i] * 3 + c] - e->value[c][i]) < 0.502);
            for (int i = 0; i < S * S; i++) mean += (double)out[i * 3 + c] / (S * S);
            assert_true(fabs(mean - e->value[c][5]) < rounding);
        }
        free(p);
        free(out);
    }
}

/* Every pixel of views of the whole image, as Pillow makes them: within 1, as Pillow rounds twice; padding exactly. */
static void views(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_VIEWS / sizeof *GOLDEN_VIEWS; g++) {
        const golden_view *e = &GOLDEN_VIEWS[g];
        static tn_cfg cfg = {.preprocess = {.background = {250, 3, 17}}, .predict = {.n_views = 1}};
        tn_image_view v[TN_MAX_SINGLE_VIEWS];
        unsigned char *p = picture(e->w, e->h), out[32 * 32 * 3];
        for (int i = 0; i < e->w * e->h * 3; i++) p[i] = (unsigned char)(p[i] / 2 + 64);
        snprintf(cfg.predict.views[0], TN_NAME_BYTES, "%s", e->view);
        assert_int_equal(tn_views_of(&cfg, v), 1);
        tn_box box = tn_view_box(v, e->w, e->h), place = tn_view_place(v, e->w, e->h, e->S);
        assert_int_equal(tn_image_place(p, e->w, e->h, box, v->flip ? TN_FLIP_ACROSS : 0, e->S, place, v->around, out),
                         TN_OK);
        for (int i = 0; i < e->S * e->S * 3; i++) {
            bool around = memcmp(e->pixels + i / 3 * 3, GOLDEN_AROUND, 3) == 0; /* the picture is never so */
            assert_true(abs(out[i] - e->pixels[i]) <= (around ? 0 : 1));
        }
        free(p);
    }
}

static void flipped(void **unused) {
    (void)unused;
    enum { S = 9 };
    unsigned char *p = picture(20, 20);
    unsigned char a[S * S * 3], b[S * S * 3];
    tn_box box = {3, 5, 12, 14};
    assert_int_equal(tn_image_fit(p, 20, 20, box, false, S, a), TN_OK);
    assert_int_equal(tn_image_fit(p, 20, 20, box, true, S, b), TN_OK);
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++)
            for (int c = 0; c < 3; c++) assert_int_equal(a[(y * S + x) * 3 + c], b[(y * S + S - 1 - x) * 3 + c]);
    free(p);
}

#define CROP(a, b, c, d)                                                                                               \
    { .kind = TN_AUG_CROP, .probability = 1, .area_min = a, .area_max = b, .ratio_min = c, .ratio_max = d }

static void crops(void **unused) {
    (void)unused;
    tn_augment crop = CROP(0.25, 0.5, 0.75, 4.0 / 3);
    double area = 0, log_ratio = 0;
    enum { TRIALS = 20000 };
    for (int i = 0; i < TRIALS; i++) {
        tn_box b = tn_crop_draw(&crop, 1, (uint64_t)i, 7, 200, 160),
               c = tn_crop_draw(&crop, 1, (uint64_t)i, 7, 200, 160);
        assert_memory_equal(&b, &c, sizeof b);
        assert_true(b.x >= 0 && b.y >= 0 && b.x + b.w <= 200 && b.y + b.h <= 160);
        double share = (double)b.w * b.h / (200.0 * 160), ratio = (double)b.w / b.h;
        assert_true(share > 0.24 && share < 0.52 && ratio > 0.73 && ratio < 1.37);
        area += share;
        log_ratio += log(ratio);
    }
    assert_true(fabs(area / TRIALS - 0.375) < 0.003); /* uniform in [0.25, 0.5] */
    assert_true(fabs(log_ratio / TRIALS) < 0.005);    /* log-uniform about 1 */
    tn_box b = tn_crop_draw(NULL, 1, 0, 0, 200, 160);
    assert_true(b.x == 20 && b.y == 0 && b.w == 160 && b.h == 160);
    /* A try fits a 4:1 strip with probability (E[ratio] / 4 - 0.08) / 0.92 = 0.18855: ten of them fail in 12.38 %. */
    tn_augment wide = CROP(0.08, 1, 0.75, 4.0 / 3);
    int centred = 0;
    for (int i = 0; i < TRIALS; i++) {
        tn_box s = tn_crop_draw(&wide, 1, (uint64_t)i, 7, 4000, 1000);
        centred += s.w == 1333 && s.h == 1000 && s.x == 1333 && s.y == 0;
    }
    assert_true(fabs((double)centred / TRIALS - 0.1238) < 0.01);
    tn_augment never = CROP(0.99, 1, 3, 4); /* fits nowhere: widest centred strip of the ratio's limit */
    b = tn_crop_draw(&never, 1, 0, 0, 100, 100);
    assert_true(b.w == 100 && b.h == 33 && b.y == 33);
    int flips = 0;
    tn_augment flip = {.kind = TN_AUG_FLIP, .probability = 0.3};
    for (int i = 0; i < TRIALS; i++) flips += tn_flip_draw(&flip, 1, (uint64_t)i, 7);
    assert_true(abs(flips - 6000) < 300);
    assert_false(tn_flip_draw(NULL, 1, 0, 0));
}

static void cutmix(void **unused) {
    (void)unused;
    enum { B = 4, S = 20, K = 4, M = 2, TRIALS = 3000 };
    static unsigned char image[B * S * S * 3];
    tn_augment mix = {.kind = TN_AUG_CUTMIX, .probability = 0.5};
    double pasted_share = 0;
    int n_mixed = 0;
    for (int t = 0; t < TRIALS; t++) {
        float target[B * K] = {0}, extra[B * M] = {0};
        for (int i = 0; i < B; i++) {
            for (int j = 0; j < S * S * 3; j++) image[i * S * S * 3 + j] = (unsigned char)i;
            target[i * K + i] = 1;
            extra[i * M + i % M] = 1;
        }
        int64_t given[B];
        tn_mix what = {.partner = given};
        assert_int_equal(tn_cutmix(&mix, 9, (uint64_t)t, B, S, K, M, image, target, extra, &what), TN_OK);
        bool mixed = false;
        double share = 0;
        for (int i = 0; i < B; i++) {
            double weight = 0, foreign = 0;
            int partner = i, pixels[B] = {0};
            for (int j = 0; j < S * S; j++) pixels[image[(i * S * S + j) * 3]]++;
            for (int k = 0; k < B; k++)
                if (k != i && pixels[k]) partner = k;
            assert_int_equal(pixels[i] + (partner != i ? pixels[partner] : 0), S * S);
            for (int k = 0; k < K; k++) weight += (double)target[i * K + k];
            assert_true(fabs(weight - 1) < 1e-6);
            if (partner != i) { /* lambda is the share of own pixels, exactly */
                mixed = true;
                share = (double)pixels[partner] / (S * S);
                assert_int_equal(given[i], partner);
                assert_true(fabs(1 - what.lambda - share) < 1e-12);
                foreign = (double)target[i * K + partner];
                assert_true(fabs(foreign - share) < 1e-6);
                if (i % M != partner % M) assert_true(fabs((double)extra[i * M + partner % M] - share) < 1e-6);
            }
        }
        n_mixed += mixed;
        pasted_share += share;
    }
    assert_true(n_mixed > TRIALS * 0.4 && n_mixed < TRIALS * 0.5);
    assert_true(pasted_share / n_mixed > 0.2 && pasted_share / n_mixed < 0.45); /* 1/2 less what is clipped */
}

/* Rows without a label stay as they are and are nobody's partner; the others are mixed among themselves. */
static void cutmix_of_the_labelled(void **unused) {
    (void)unused;
    enum { B = 6, S = 8, K = 3 };
    static unsigned char image[B * S * S * 3], before[B * S * S * 3];
    tn_augment always = {.kind = TN_AUG_CUTMIX, .probability = 1};
    const bool labelled[B] = {true, false, true, true, false, true};
    int n_moved = 0;
    for (int t = 0; t < 200; t++) {
        float target[B * K] = {0};
        int64_t partner[B];
        int taken[B] = {0};
        tn_mix what = {.partner = partner};
        for (int j = 0; j < B * S * S * 3; j++) before[j] = image[j] = (unsigned char)(j / (S * S * 3));
        for (int i = 0; i < B; i++)
            if (labelled[i]) target[i * K + i % K] = 1;
        assert_int_equal(tn_cutmix(&always, 2, (uint64_t)t, B, S, K, 0, image, target, NULL, &what), TN_OK);
        for (int i = 0; i < B; i++) {
            taken[partner[i]]++;
            n_moved += partner[i] != i;
            assert_true(labelled[partner[i]] == labelled[i]);
            if (labelled[i]) continue;
            assert_int_equal(partner[i], i);
            assert_memory_equal(image + i * S * S * 3, before + i * S * S * 3, S * S * 3 * sizeof *image);
            for (int k = 0; k < K; k++) assert_true(target[i * K + k] == 0);
        }
        for (int i = 0; i < B; i++) assert_int_equal(taken[i], 1);
    }
    assert_true(n_moved > 400);
    float x[] = {0, 1, 4, 2}, y[4]; /* 0.75 of itself, 0.25 of the other */
    int64_t other[] = {1, 0};
    tn_mix_rows(&(tn_mix){.lambda = 0.75, .partner = other}, 2, 2, x, y);
    assert_true(y[0] == 1 && y[1] == 1.25F && y[2] == 3 && y[3] == 1.75F);
}

static void smoothing(void **unused) {
    (void)unused;
    float t[5] = {0, 0, 1}, soft[5] = {0.5F, 0.5F};
    tn_target_smooth(5, 0.1, t);
    tn_target_smooth(5, 0.1, soft);
    for (int k = 0; k < 5; k++) {
        assert_true(fabs((double)t[k] - (k == 2 ? 0.92 : 0.02)) < 1e-7);
        assert_true(fabs((double)soft[k] - (k < 2 ? 0.47 : 0.02)) < 1e-7);
    }
}

/* At least two pixels each way stay for one of the output. */
static void shrinking(void **unused) {
    (void)unused;
    const struct {
        int w, h, px, shrink;
    } known[] = {{399, 900, 100, 1},   {400, 400, 100, 2},   {900, 799, 100, 2}, {800, 900, 100, 4},
                 {1600, 1700, 100, 8}, {9999, 9999, 100, 8}, {100, 100, 100, 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(tn_shrink_for((tn_box){3, 4, known[i].w, known[i].h}, known[i].px), known[i].shrink);
    tn_box b = tn_box_shrunk((tn_box){6, 9, 803, 401}, 4); /* 1.5 and 2.25, 200.75 and 100.25 */
    assert_true(b.x == 2 && b.y == 2 && b.w == 200 && b.h == 100);
    b = tn_box_shrunk((tn_box){7, 3, 500, 300}, 1);
    assert_true(b.x == 7 && b.y == 3 && b.w == 500 && b.h == 300);
    const tn_image_view squish = {.fit = TN_FIT_SQUISH},
                        pad = {.fit = TN_FIT_PAD}; /* pad: 100 x 50 pixels come of it */
    const tn_box whole = {0, 0, 640, 320};
    assert_int_equal(tn_view_shrink(&squish, whole, 100), 1);
    assert_int_equal(tn_view_shrink(&pad, whole, 100), 2);
    assert_int_equal(tn_view_shrink(NULL, whole, 100), 1);
    const tn_box strip = {0, 0, 1, 1000}, narrow = {0, 0, 3584, 7}; /* nothing of them may vanish */
    assert_int_equal(tn_view_shrink(&pad, strip, 100), 1);
    assert_int_equal(tn_view_shrink(&pad, narrow, 100), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(resize),    cmocka_unit_test(views),
                                       cmocka_unit_test(flipped),   cmocka_unit_test(crops),
                                       cmocka_unit_test(cutmix),    cmocka_unit_test(cutmix_of_the_labelled),
                                       cmocka_unit_test(smoothing), cmocka_unit_test(shrinking)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
