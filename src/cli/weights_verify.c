/* weights_verify.c - tenfold weights verify: compares a network's logits of one image with those of another program. */
#include "cli/weights_verb.h"

#include "model/model.h"
#include "preprocess/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 5 };
static const double LARGEST_SHARE = 1e-4; /* tolerance relative to the largest logit: fp32 sums in another order */

/* Prepare the image as for an evaluation: the centre square, resized to S x S; an image of S x S pixels is not changed. */
static tn_status fit_image(const char *path, int S, unsigned char *out) {
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    tn_image image = {.pixels = NULL};
    char *file = NULL;
    size_t n_file = 0;
    if (!cfg) return tn_fail_memory(sizeof *cfg, path);
    cfg->preprocess.size_px = S;
    cfg->preprocess.max_pixels = 1 << 28;
    for (int c = 0; c < 3; c++) cfg->preprocess.background[c] = 255;
    tn_status st = tn_file_read(path, &file, &n_file);
    if (st == TN_OK) st = tn_image_decode(cfg, (const unsigned char *)file, n_file, &image);
    if (st == TN_OK && *image.reason) st = tn_fail(TN_EFORMAT, "%s: %s", path, image.reason);
    if (st == TN_OK)
        st = tn_image_fit(image.pixels, image.w, image.h, tn_crop_draw(NULL, 0, 0, 0, image.w, image.h), false, S, out);
    tn_image_free(&image);
    free(file);
    free(cfg);
    return st;
}

/* Read the expected logits, a tensor (K) or (1,K). */
static tn_status read_expected(const char *path, int K, float *out) {
    tn_ckpt *ck = NULL;
    TN_TRY(tn_ckpt_read_foreign(path, &ck));
    tn_status st = tn_ckpt_copy(ck, "logits", 1, (int64_t[]){K}, out);
    if (st != TN_OK) st = tn_ckpt_copy(ck, "logits", 2, (int64_t[]){1, K}, out);
    tn_ckpt_free(&ck);
    return st == TN_OK ? st : tn_fail(st, "%s: %s", path, tn_msg);
}

/* The class with the largest value among those not in taken[0..n). */
static int next_best(int K, const float *x, int n, const int *taken) {
    int best = -1;
    for (int k = 0; k < K; k++) {
        bool free_class = true;
        for (int i = 0; i < n; i++) free_class &= taken[i] != k;
        if (free_class && (best < 0 || x[k] > x[best])) best = k;
    }
    return best;
}

static void print_top(int K, const float *have, const float *want) {
    int a[TOP], b[TOP];
    printf("rank  class     logit  expected class     logit\n");
    for (int i = 0; i < TOP && i < K; i++) {
        a[i] = next_best(K, have, i, a);
        b[i] = next_best(K, want, i, b);
        printf("%4d %6d %9.4f %15d %9.4f\n", i + 1, a[i], (double)have[a[i]], b[i], (double)want[b[i]]);
    }
}

static tn_status judge(const char *path, int K, const float *have, const float *want) {
    double most = 0, largest = 0;
    int at = 0;
    for (int k = 0; k < K; k++) {
        double difference = fabs((double)have[k] - (double)want[k]);
        if (!(difference <= most)) {
            most = difference;
            at = k;
        }
        largest = fmax(largest, fabs((double)want[k]));
    }
    print_top(K, have, want);
    double share = most / (largest > 0 ? largest : 1);
    printf("largest difference %.3g at class %d, %.3g of the largest logit\n", most, at, share);
    if (share <= LARGEST_SHARE) return TN_OK;
    return tn_fail(TN_EFORMAT,
                   "%s: the logits differ by %.3g of the largest, more than %g: weights, padding, input or image size "
                   "are different",
                   path, share, LARGEST_SHARE);
}

tn_status tn_weights_verify(const tn_args *args) {
    const char *path = args->word[1];
    tn_model m = {.net = NULL};
    tn_model_use use = {
        .device = TN_DEVICE_CPU, .n_threads = 1, .isa = tn_isa_best(), .B = 1, .size_px = args->size_px};
    tn_status st = tn_model_open(path, &use, &m);
    if (st == TN_OK && m.about.net.extra_units > 0)
        st =
            tn_fail(TN_EARG, "%s: needs metadata in addition to the image: give weights without a metadata head", path);
    if (st != TN_OK) {
        tn_model_close(&m);
        return st;
    }
    int K = m.about.net.n_classes, S = m.about.size_px;
    unsigned char *image = malloc((size_t)S * (size_t)S * 3);
    float *have = malloc((size_t)K * sizeof *have), *want = malloc((size_t)K * sizeof *want);
    st = image && have && want ? TN_OK : tn_fail_memory((size_t)S * (size_t)S * 3, args->word[2]);
    if (st == TN_OK) st = read_expected(args->against, K, want);
    if (st == TN_OK) st = fit_image(args->word[2], S, image);
    if (st == TN_OK) {
        tn_images images = tn_images_of(image, &m.about.norm);
        tn_exec_logits(m.exec, &images, NULL, have);
        st = judge(path, K, have, want);
    }
    free(image);
    free(have);
    free(want);
    tn_model_close(&m);
    return st;
}
