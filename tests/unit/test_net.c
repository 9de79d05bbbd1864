/* test_net.c - the tensors of EfficientNets against torchvision's and timm's published numbers. */
#include "net/net.h"
#include "net/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

static tn_net_spec spec_of(const char *name) {
    tn_net_spec spec = {.stem_stride = 2, .n_classes = 1000, .dropout = -1, .drop_connect = 0.2};
    snprintf(spec.name, sizeof spec.name, "%s", name);
    return spec;
}

static tn_net *net_of(const tn_net_spec *spec) {
    tn_net *net = NULL;
    assert_int_equal(tn_net_new(spec, &net), TN_OK);
    return net;
}

static const tn_tensor *find(const tn_net *net, const char *name) {
    for (int i = 0; i < tn_net_tensors(net); i++)
        if (strcmp(tn_net_tensor(net, i)->name, name) == 0) return tn_net_tensor(net, i);
    return NULL;
}

static void assert_shape(const tn_net *net, const char *name, int n_dims, const int64_t *dim) {
    const tn_tensor *t = find(net, name);
    if (!t) print_error("no tensor %s\n", name);
    assert_non_null(t);
    assert_int_equal(t->n_dims, n_dims);
    for (int i = 0; i < n_dims; i++) assert_int_equal(t->dim[i], dim[i]);
}
#define SHAPE(net, name, ...)                                                                                          \
    assert_shape(net, name, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* torchvision: num_params of the weights' metadata, entries of the state_dict without num_batches_tracked, size of its
 * running means and variances. lite: timm's parameter counts. */
static void parameter_totals(void **unused) {
    (void)unused;
    const struct {
        const char *name;
        int64_t params;
        int tensors;
        int64_t state;
    } published[] = {{"efficientnet-b0", 5288548, 311, 42016},   {"efficientnet-b1", 7794184, 439, 62048},
                     {"efficientnet-b2", 9109994, 439, 67568},   {"efficientnet-b3", 12233232, 496, 87296},
                     {"efficientnet-b4", 19341616, 610, 125200}, {"efficientnet-b5", 30389784, 738, 172736},
                     {"efficientnet-b6", 43040704, 852, 224432}, {"efficientnet-b7", 66347960, 1037, 310720},
                     {"efficientnet-lite0", 4652008, 0, 0},      {"efficientnet-lite1", 5416680, 0, 0},
                     {"efficientnet-lite2", 6092072, 0, 0},      {"efficientnet-lite3", 8197096, 0, 0},
                     {"efficientnet-lite4", 13006568, 0, 0}};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        tn_net_spec spec = spec_of(published[i].name);
        tn_net *net = net_of(&spec);
        assert_int_equal(tn_net_params(net), published[i].params);
        if (published[i].tensors) {
            assert_int_equal(tn_net_tensors(net), published[i].tensors);
            assert_int_equal(tn_net_state(net), published[i].state);
        }
        tn_net_free(&net);
        assert_null(net);
    }
}

/* Parameters of B0 before the groups of blocks of torchvision's `features`: 928 in the stem, 1,448 in the first group. */
static void stages(void **unused) {
    (void)unused;
    for (int i = 0; tn_net_name(i); i++) {
        tn_net_spec spec = spec_of(tn_net_name(i));
        spec.head_units = i % 2 * 64;
        tn_net *net = net_of(&spec);
        assert_int_equal(tn_net_stages(net), TN_MAX_STAGES);
        for (int k = 0; k < tn_net_tensors(net); k++) {
            const tn_tensor *t = tn_net_tensor(net, k);
            int group = 0, found = sscanf(t->name, "blocks.%d.", &group);
            int right = found == 1                         ? 1 + group
                        : strstr(t->name, "conv_stem")     ? 0
                        : strncmp(t->name, "bn1.", 4) == 0 ? 0
                        : strncmp(t->name, "bn2.", 4) == 0 ? 8
                        : strstr(t->name, "conv_head")     ? 8
                                                           : 9;
            assert_int_equal(t->stage, right);
            bool before = !tn_tensor_is_state(t) && t->offset < tn_net_params_in(net, 4);
            if (!tn_tensor_is_state(t)) assert_true(before == (t->stage < 4));
        }
        if (i == 0) assert_int_equal(tn_net_params_in(net, 1), 32 * 27 + 64);
        if (i == 0) assert_int_equal(tn_net_params_in(net, 2), 32 * 27 + 64 + 1448);
        tn_net_free(&net);
    }
}

static void names_and_shapes(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b0");
    tn_net *net = net_of(&spec);
    const char *first[] = {"conv_stem.weight",     "bn1.weight",      "bn1.bias",
                           "bn1.running_mean",     "bn1.running_var", "blocks.0.0.conv_dw.weight",
                           "blocks.0.0.bn1.weight"};
    for (int i = 0; i < 7; i++) assert_string_equal(tn_net_tensor(net, i)->name, first[i]);
    SHAPE(net, "conv_stem.weight", 32, 3, 3, 3);
    SHAPE(net, "blocks.0.0.conv_dw.weight", 32, 1, 3, 3);
    SHAPE(net, "blocks.0.0.se.conv_reduce.weight", 8, 32, 1, 1);
    SHAPE(net, "blocks.0.0.conv_pw.weight", 16, 32, 1, 1);
    SHAPE(net, "blocks.0.0.bn2.running_var", 16);
    SHAPE(net, "blocks.1.0.conv_pw.weight", 96, 16, 1, 1);
    SHAPE(net, "blocks.1.0.se.conv_reduce.weight", 4, 96, 1, 1);
    SHAPE(net, "blocks.1.0.se.conv_expand.bias", 96);
    SHAPE(net, "blocks.2.0.conv_dw.weight", 144, 1, 5, 5);
    SHAPE(net, "blocks.5.3.conv_pwl.weight", 192, 1152, 1, 1);
    SHAPE(net, "blocks.6.0.bn3.bias", 320);
    SHAPE(net, "conv_head.weight", 1280, 320, 1, 1);
    SHAPE(net, "bn2.weight", 1280);
    SHAPE(net, "classifier.weight", 1000, 1280);
    assert_string_equal(tn_net_tensor(net, tn_net_tensors(net) - 1)->name, "classifier.bias");
    assert_null(find(net, "head_dense.weight"));
    assert_int_equal(tn_net_spec_of(net)->width, 1);
    assert_true(tn_net_spec_of(net)->dropout == 0.2 && tn_net_spec_of(net)->bn_eps == 1e-5);
    tn_net_free(&net);

    spec = spec_of("efficientnet-lite0");
    net = net_of(&spec);
    assert_null(find(net, "blocks.0.0.se.conv_reduce.weight"));
    assert_true(tn_net_spec_of(net)->bn_eps == 1e-3);
    tn_net_free(&net);
}

/* The tensors tile both vectors, in order. */
static void offsets(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b2");
    tn_net *net = net_of(&spec);
    int64_t params = 0, state = 0;
    for (int i = 0; i < tn_net_tensors(net); i++) {
        const tn_tensor *t = tn_net_tensor(net, i);
        int64_t *at = tn_tensor_is_state(t) ? &state : &params;
        assert_int_equal(t->offset, *at);
        *at += t->n;
    }
    assert_int_equal(params, tn_net_params(net));
    assert_int_equal(state, tn_net_state(net));
    tn_net_free(&net);
}

static void metadata_head(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b1");
    spec.n_classes = 5;
    spec.extra_units = 126;
    tn_net *net = net_of(&spec);
    SHAPE(net, "classifier.weight", 5, 1280 + 126);
    int64_t plain = tn_net_params(net);
    assert_int_equal(plain, 7794184 - 1281000 + 5 * 1406 + 5);
    tn_net_free(&net);
    spec.head_units = 64;
    net = net_of(&spec);
    SHAPE(net, "head_dense.weight", 64, 1406);
    SHAPE(net, "head_dense.bias", 64);
    SHAPE(net, "classifier.weight", 5, 64);
    tn_net_free(&net);
}

/* 0.25 x 16, 24, 40, 80, 112, 192, 320 by hand: 4 -> 8, 6 -> 8, 10 -> 16 (8 is more than 10 % less), 20 -> 24, 28 ->
 * 32, 48, 80; half of 1, 2, 2, 3, 3, 4, 1 blocks, rounded up: 1, 1, 1, 2, 2, 2, 1. */
static void width_and_depth(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b0");
    spec.width = 0.25;
    spec.depth = 0.5;
    tn_net *net = net_of(&spec);
    const char *last[] = {"blocks.0.0.conv_pw.weight",  "blocks.1.0.conv_pwl.weight", "blocks.2.0.conv_pwl.weight",
                          "blocks.3.1.conv_pwl.weight", "blocks.4.1.conv_pwl.weight", "blocks.5.1.conv_pwl.weight",
                          "blocks.6.0.conv_pwl.weight"};
    const int width[] = {8, 8, 16, 24, 32, 48, 80};
    for (int i = 0; i < 7; i++) assert_int_equal(find(net, last[i])->dim[0], width[i]);
    assert_null(find(net, "blocks.2.1.conv_pw.weight"));
    assert_null(find(net, "blocks.3.2.conv_pw.weight"));
    SHAPE(net, "conv_stem.weight", 8, 3, 3, 3);
    SHAPE(net, "conv_head.weight", 320, 80, 1, 1);
    tn_net_free(&net);

    memcpy(spec.name, "efficientnet-lite0", sizeof "efficientnet-lite0");
    spec.depth = 2;
    net = net_of(&spec);
    SHAPE(net, "conv_stem.weight", 32, 3, 3, 3);
    SHAPE(net, "conv_head.weight", 1280, 80, 1, 1);
    assert_null(find(net, "blocks.0.1.conv_pw.weight"));
    assert_non_null(find(net, "blocks.1.3.conv_pw.weight"));
    assert_null(find(net, "blocks.6.1.conv_pw.weight"));
    tn_net_free(&net);
}

static void least_px(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b0");
    tn_net *net = net_of(&spec);
    assert_int_equal(tn_net_least_px(net), 32);
    tn_net_free(&net);
    spec.stem_stride = 1;
    net = net_of(&spec);
    assert_int_equal(tn_net_least_px(net), 16);
    tn_net_free(&net);
}

/* 240 px: 120, 120, 60, 30, 15, 15, 8, 8 as in Tan & Le's table for a size that is no power of two. */
static void describe(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b1");
    tn_net *net = net_of(&spec);
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    tn_net_describe(net, 0, out);
    fclose(out);
    assert_non_null(strstr(text, "\nparameters 7794184\n"));
    assert_non_null(strstr(text, "\nstate 62048\n"));
    assert_non_null(strstr(text, "120 x 120 x 32 "));
    assert_non_null(strstr(text, " 15 x 15 x 112 "));
    assert_non_null(strstr(text, " 8 x 8 x 1280 "));
    assert_non_null(strstr(text, "classifier                   1000      1281000\n"));
    free(text);
    tn_net_free(&net);
}

static void assert_moments(const tn_net *net, const char *name, const float *params, double deviation) {
    const tn_tensor *t = find(net, name);
    double sum = 0, square = 0, n = (double)t->n;
    for (int64_t i = 0; i < t->n; i++) {
        double x = (double)params[t->offset + i];
        sum += x;
        square += x * x;
    }
    double found = sqrt(square / n), bound = 5 / sqrt(n); /* five standard errors, and more, of both */
    if (fabs(sum / n) > bound * deviation || fabs(found / deviation - 1) > bound)
        print_error("%s: mean %g, deviation %g instead of %g\n", name, sum / n, found, deviation);
    assert_true(fabs(sum / n) <= bound * deviation);
    assert_true(fabs(found / deviation - 1) <= bound);
}

static void init_statistics(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("efficientnet-b0");
    tn_net *net = net_of(&spec);
    size_t n = (size_t)tn_net_params(net), n_state = (size_t)tn_net_state(net);
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b), *state = malloc(n_state * sizeof *state);
    tn_net_init(net, 7, a, state);
    assert_moments(net, "conv_stem.weight", a, sqrt(2.0 / (32 * 9)));
    assert_moments(net, "blocks.2.0.conv_dw.weight", a, sqrt(2.0 / 25));
    assert_moments(net, "blocks.5.0.se.conv_reduce.weight", a, sqrt(2.0 / 28));
    assert_moments(net, "conv_head.weight", a, sqrt(2.0 / 1280));
    assert_moments(net, "classifier.weight", a, 1 / sqrt(1280.0) / sqrt(3.0));
    const tn_tensor *classifier = find(net, "classifier.weight");
    for (int64_t i = 0; i < classifier->n; i++)
        assert_true(fabs((double)a[classifier->offset + i]) <= 1 / sqrt(1280.0) + 1e-9);
    assert_true(a[find(net, "classifier.bias")->offset] == 0);
    assert_true(a[find(net, "bn1.weight")->offset] == 1 && a[find(net, "bn1.bias")->offset] == 0);
    assert_true(state[find(net, "bn1.running_mean")->offset] == 0);
    assert_true(state[find(net, "bn1.running_var")->offset] == 1);
    tn_net_init(net, 7, b, state);
    assert_memory_equal(a, b, n * sizeof *a);
    tn_net_init(net, 8, b, state);
    assert_true(a[0] != b[0]);
    free(a);
    free(b);
    free(state);
    tn_net_free(&net);
}

static void assert_refused(const tn_net_spec *spec, const char *says) {
    tn_net *net = NULL;
    assert_int_equal(tn_net_new(spec, &net), TN_EARG);
    assert_null(net);
    if (!strstr(tn_msg, says)) print_error("%s\n", tn_msg);
    assert_non_null(strstr(tn_msg, says));
}

static void errors(void **unused) {
    (void)unused;
    tn_net_spec spec = spec_of("eficientnet-b3");
    assert_refused(&spec, "`efficientnet-b3`");
    spec = spec_of("efficientnet-light4");
    assert_refused(&spec, "`efficientnet-lite4`");
    spec = spec_of("resnet50");
    assert_refused(&spec, "`resnet50`: there are efficientnet-b0 to b7");
    const tn_net_spec fine = spec_of("efficientnet-b0");
    spec = fine, spec.width = -1, assert_refused(&spec, "width");
    spec = fine, spec.depth = NAN, assert_refused(&spec, "depth");
    spec = fine, spec.stem_stride = 3, assert_refused(&spec, "stem_stride");
    spec = fine, spec.n_classes = 1, assert_refused(&spec, "classes");
    spec = fine, spec.extra_units = -1, assert_refused(&spec, "extra_units");
    spec = fine, spec.head_units = -1, assert_refused(&spec, "head_units");
    spec = fine, spec.dropout = 1, assert_refused(&spec, "dropout");
    spec = fine, spec.drop_connect = 1, assert_refused(&spec, "drop_connect");
    spec = fine, spec.bn_eps = -1, assert_refused(&spec, "bn_eps");
    spec = fine, spec.bn_momentum = 2, assert_refused(&spec, "bn_momentum");
}

static void lanes(void **unused) {
    (void)unused;
    for (int L = 1; L <= 32; L *= 2)
        for (int R = 1; R <= L; R++) {
            int next = 0;
            for (int r = 0; r < R; r++) {
                tn_lanes mine = tn_lanes_of(L, R, r);
                assert_int_equal(mine.first, next);
                assert_true(mine.n >= L / R);
                next += mine.n;
            }
            assert_int_equal(next, L);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_totals), cmocka_unit_test(stages),        cmocka_unit_test(names_and_shapes),
        cmocka_unit_test(offsets),          cmocka_unit_test(metadata_head), cmocka_unit_test(width_and_depth),
        cmocka_unit_test(least_px),         cmocka_unit_test(describe),      cmocka_unit_test(init_statistics),
        cmocka_unit_test(errors),           cmocka_unit_test(lanes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
