/* test_noise.c - the gradient noise scale: values worked out by hand, and figures of numpy. */
#include "unit.h"

#include "golden/noise.h"
#include "train/noise.h"

#include <math.h>

static void by_hand(void **unused) {
    (void)unused;
    /* G2 = (8 x 2 - 2 x 5) / 6 = 1, S = (5 - 2) / (1/2 - 1/8) = 8 */
    assert_float_equal(tn_noise_scale(5, 2, 2, 8), 8, 1e-12);
    /* gradients (3,4) and (1,0) of an image each: 26 / 2 = 13 and |(2,2)|^2 = 8: G2 = 16 - 13 = 3, S = 5 / (1/2) = 10 */
    assert_float_equal(tn_noise_scale(13, 8, 1, 2), 10.0 / 3, 1e-12);
    assert_float_equal(tn_noise_scale(2, 2, 4, 8), 0, 1e-12); /* every lane the same */
    assert_true(isnan(tn_noise_scale(8, 1, 1, 8)));           /* G2 = 0: all noise */
    assert_true(isnan(tn_noise_scale(1, 2, 1, 8)));           /* no variance is below 0 */
    assert_true(isnan(tn_noise_scale(5, 2, 8, 8)));           /* one lane */
    assert_true(isnan(tn_noise_scale(0, 0, 1, 8)));
    assert_true(isnan(tn_noise_scale(NAN, 1, 1, 8)));
}

/* Drawn with S = 30 and |G|^2 = 1: the estimate is right within what so many draws leave. */
static void of_numpy(void **unused) {
    (void)unused;
    double images = tn_noise_scale(NUMPY_SMALL_SQ, NUMPY_BIG_SQ, 8, 32);
    assert_float_equal(images, NUMPY_NOISE_SCALE, 1e-9);
    assert_true(fabs(images - 30) < 0.6);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(of_numpy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
