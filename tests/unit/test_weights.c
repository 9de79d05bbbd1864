/* test_weights.c - files of timm, torchvision and Keras (tests/golden/make_weights.py) give the logits that these
 * programs computed; files that do not fit, or are damaged, are refused with their reasons, and nothing is written. */
#include "weights_file.h"

#include "golden/golden.h"
#include "model/model.h"
#include "store/h5.h"

#include <math.h>

enum { S = 37, K = 5 };

/* --- logits ------------------------------------------------------------------------------------------------------- */

static void logits_of(const char *path, float out[K]) {
    tn_model m = {.net = NULL};
    tn_model_use use = {.device = TN_DEVICE_REF, .n_threads = 1, .isa = TN_ISA_PLAIN, .B = 1, .size_px = S};
    float *image = malloc(S * S * 3 * sizeof *image);
    assert_int_equal(tn_model_open(path, &use, &m), TN_OK);
    for (int i = 0; i < S * S * 3; i++) {
        double pixel = floor((golden_hashed(i, 77) + 1) * 128);
        image[i] = (float)((pixel / 255 - (double)m.about.norm.mean[i % 3]) / (double)m.about.norm.std[i % 3]);
    }
    tn_exec_logits(m.exec, &(tn_images){.x = image}, NULL, out);
    tn_model_close(&m);
    free(image);
}

/* Norm of the difference over the norm of the expected. */
static double distance_to(const char *expected, const float have[K]) {
    tn_ckpt *ck = NULL;
    float want[K];
    double difference = 0, norm = 0;
    assert_int_equal(tn_ckpt_read(golden_file("expect.safetensors"), &ck), TN_OK);
    assert_int_equal(tn_ckpt_copy(ck, expected, 1, (int64_t[]){K}, want), TN_OK);
    tn_ckpt_free(&ck);
    for (int k = 0; k < K; k++) {
        difference += pow((double)have[k] - (double)want[k], 2);
        norm += pow((double)want[k], 2);
    }
    return sqrt(difference / norm);
}

static double import_error(const char *file, const tn_weights_ask *ask, const char *origin) {
    tn_weights *w = NULL;
    float have[K];
    if (tn_weights_read(golden_file(file), ask, NULL, &w) != TN_OK) fail_msg("%s", tn_msg);
    assert_string_equal(w->origin, origin);
    assert_int_equal(w->model.net.n_classes, K);
    assert_int_equal(tn_weights_write(w, unit_path("imported")), TN_OK);
    tn_weights_free(&w);
    logits_of(unit_path("imported"), have);
    return distance_to(file, have);
}

static void same_logits(void **unused) {
    (void)unused;
    static const struct {
        const char *file, *origin, *net;
        tn_padding padding;
    } OF[] = {{"timm.safetensors", "timm", "efficientnet-b0", TN_PADDING_SYMMETRIC},
              {"timm_lite_16bit.safetensors", "timm", "efficientnet-lite0", TN_PADDING_SAME},
              {"torchvision.safetensors", "torchvision", "efficientnet-b0", TN_PADDING_GUESS},
              {"keras3.h5", "keras", "efficientnet-b0", TN_PADDING_GUESS},
              {"keras2.h5", "keras", "efficientnet-b0", TN_PADDING_GUESS}};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        tn_weights_ask ask = small(OF[i].net, OF[i].padding), guess = small(NULL, OF[i].padding);
        double error = import_error(OF[i].file, &ask, OF[i].origin);
        if (!(error < 1e-5)) fail_msg("%s: logits differ by %g", OF[i].file, error);
        tn_weights *w = NULL; /* the net follows from names and shapes as well: at this width only SE tells */
        assert_int_equal(tn_weights_read(golden_file(OF[i].file), &guess, NULL, &w), TN_OK);
        assert_string_equal(w->model.net.name, OF[i].net);
        tn_weights_free(&w);
    }
    tn_weights_ask wrong = small(NULL, TN_PADDING_SAME); /* and the padding matters */
    assert_true(import_error("timm.safetensors", &wrong, "timm") > 1e-2);
}

/* The words that travel with the weights. */
static void conventions(void **unused) {
    (void)unused;
    tn_weights *w = NULL;
    tn_weights_ask ask = small(NULL, TN_PADDING_GUESS);
    assert_int_equal(tn_weights_read(golden_file("keras2.h5"), &ask, NULL, &w), TN_OK);
    assert_true(w->model.net.pad_same && w->model.net.bn_eps == 1e-3 && w->model.net.bn_momentum == 0.01);
    for (int c = 0; c < 3; c++) { /* sqrt(std) of the file, sqrt(std) of the graph: ImageNet's std */
        assert_true(fabs((double)w->model.norm.mean[c] - (double[]){0.485, 0.456, 0.406}[c]) < 1e-6);
        assert_true(fabs((double)w->model.norm.std[c] - (double[]){0.229, 0.224, 0.225}[c]) < 1e-6);
    }
    tn_weights_free(&w);
    assert_int_equal(tn_weights_read(golden_file("keras3.h5"), &ask, NULL, &w), TN_OK);
    for (int c = 0; c < 3; c++) { /* a true variance, one Rescaling layer */
        assert_true(fabs((double)w->model.norm.mean[c] - (double[]){0.3, 0.4, 0.5}[c]) < 1e-6);
        assert_true(fabs((double)w->model.norm.std[c] - sqrt((double[]){0.05, 0.06, 0.07}[c])) < 1e-6);
    }
    tn_weights_free(&w);
    assert_int_equal(tn_weights_read(golden_file("torchvision.safetensors"), &ask, NULL, &w), TN_OK);
    assert_true(!w->model.net.pad_same && w->model.net.bn_eps == 1e-5 && w->model.net.bn_momentum == 0.1);
    tn_weights_free(&w);
    assert_int_equal(tn_weights_read(golden_file("timm.safetensors"), &ask, NULL, &w), TN_EARG);
    unit_says("--padding symmetric or --padding same");
    assert_null(w);
    ask = small(NULL, TN_PADDING_SYMMETRIC);
    assert_int_equal(tn_weights_read(golden_file("keras2.h5"), &ask, NULL, &w), TN_EARG);
    unit_says("its padding is `same`");
    ask = small(NULL, TN_PADDING_SAME);
    assert_int_equal(tn_weights_read(golden_file("timm.safetensors"), &ask, NULL, &w), TN_OK);
    assert_true(w->model.net.bn_eps == 1e-3 && w->model.net.bn_momentum == 0.1);
    tn_weights_free(&w);
    assert_int_equal(tn_weights_read(golden_file("timm_lite_16bit.safetensors"), &ask, NULL, &w), TN_OK);
    assert_true(w->model.norm.mean[0] == 0.5F && w->model.norm.std[2] == 0.5F);
    tn_weights_free(&w);
}

/* import -> export -> import, and a checkpoint: the same tensors and words. */
static void round_trip(void **unused) {
    (void)unused;
    tn_weights *a = NULL, *b = NULL;
    tn_ckpt *ck = NULL;
    tn_weights_ask ask = small(NULL, TN_PADDING_GUESS), nothing = {.net = NULL};
    assert_int_equal(tn_weights_read(golden_file("keras3.h5"), &ask, NULL, &a), TN_OK);
    assert_int_equal(tn_weights_write(a, unit_path("own")), TN_OK);
    assert_int_equal(tn_weights_export(a, unit_path("out")), TN_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tn_weights_read(unit_path(i ? "out" : "own"), &nothing, NULL, &b), TN_OK);
        assert_string_equal(b->origin, i ? "timm" : "tenfold");
        assert_memory_equal(&a->model.net, &b->model.net, sizeof a->model.net);
        assert_memory_equal(&a->model.norm, &b->model.norm, sizeof a->model.norm);
        assert_memory_equal(a->params, b->params, (size_t)tn_net_params(a->net) * sizeof(float));
        assert_memory_equal(a->state, b->state, (size_t)tn_net_state(a->net) * sizeof(float));
        tn_weights_free(&b);
    }
    assert_int_equal(tn_ckpt_read(unit_path("out"), &ck), TN_OK);
    assert_int_equal(tn_ckpt_count(ck), tn_net_tensors(a->net));
    assert_string_equal(tn_ckpt_at(ck, 0)->name, "blocks.0.0.bn1.bias");
    tn_ckpt_free(&ck);
    tn_weights_free(&a);
    nothing.net = "efficientnet-b1";
    assert_int_equal(tn_weights_read(unit_path("own"), &nothing, NULL, &b), TN_EARG);
    unit_says("is of efficientnet-b0, not of efficientnet-b1");
}

/* --- files that are changed --------------------------------------------------------------------------------------- */

static json_t *entry(tensors *t, const char *name) {
    json_t *e = json_object_get(t->header, name);
    assert_non_null(e);
    return e;
}

static void rename_entry(tensors *t, const char *from, const char *to) {
    json_object_set(t->header, to, entry(t, from));
    json_object_del(t->header, from);
}

static float *value(tensors *t, const char *name) {
    json_int_t at = json_integer_value(json_array_get(json_object_get(entry(t, name), "data_offsets"), 0));
    return (float *)(void *)(t->data + at);
}

static void misfits(void **unused) {
    (void)unused;
    tensors t = load(golden_file("timm.safetensors"));
    rename_entry(&t, "bn1.bias", "stranger");
    json_object_set_new(entry(&t, "conv_head.weight"), "shape", json_pack("[i,i,i,i]", 8, 16, 1, 1));
    const char *path = save(&t);
    refused(path, "1 missing\n    bn1.bias (8)");
    unit_says("1 of another shape\n    conv_head.weight is (8,16,1,1), wanted (16,8,1,1)");
    unit_says("1 not of this net\n    stranger");
    char *text = NULL;
    size_t n = 0;
    FILE *list = open_memstream(&text, &n);
    tn_weights *w = NULL;
    tn_weights_ask ask = small(NULL, TN_PADDING_SYMMETRIC);
    assert_int_equal(tn_weights_read(path, &ask, list, &w), TN_EFORMAT);
    fclose(list);
    assert_string_equal(text, "missing: bn1.bias (8)\n"
                              "other shape: conv_head.weight is (8,16,1,1), wanted (16,8,1,1)\n"
                              "not of this net: stranger\n");
    free(text);
    drop(&t);

    ask = (tn_weights_ask){.padding = TN_PADDING_SYMMETRIC}; /* of full width: nothing fits */
    assert_int_equal(tn_weights_read(golden_file("timm.safetensors"), &ask, NULL, &w), TN_EFORMAT);
    unit_says("of another shape");
    ask.net = "efficientnet-b8";
    assert_int_equal(tn_weights_read(golden_file("timm.safetensors"), &ask, NULL, &w), TN_EARG);
    unit_says("unknown net `efficientnet-b8`");
}

static void values(void **unused) {
    (void)unused;
    static const struct {
        const char *name, *why;
        float bad;
    } OF[] = {{"conv_stem.weight", "conv_stem.weight has a value that is not finite (nan, number 2 of 216)", NAN},
              {"classifier.bias", "classifier.bias has a value that is not finite (inf, number 2 of 5)", INFINITY},
              {"bn1.running_var", "bn1.running_var has the variance -1", -1}};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        tensors t = load(golden_file("timm.safetensors"));
        value(&t, OF[i].name)[2] = OF[i].bad;
        refused(save(&t), OF[i].why);
        drop(&t);
    }
}

/* Keeps the first 1 / K of a tensor, and makes the rest one that is passed over. */
static void cut(tensors *t, const char *name, const char *rest) {
    json_t *e = json_object_get(t->header, name), *shape = json_object_get(e, "shape"),
           *at = json_object_get(e, "data_offsets"), *other = json_deep_copy(e);
    int64_t from = json_integer_value(json_array_get(at, 0)), to = json_integer_value(json_array_get(at, 1));
    int64_t middle = from + (to - from) / K;
    json_array_set_new(shape, 0, json_integer(1));
    json_array_set_new(at, 1, json_integer(middle));
    json_array_set_new(json_object_get(other, "data_offsets"), 0, json_integer(middle));
    json_object_set_new(other, "shape", json_pack("[I]", (json_int_t)((to - middle) / 4)));
    json_object_set_new(t->header, rest, other);
}

/* A single logit, as of yes or no. */
static void single_logit(void **unused) {
    (void)unused;
    tn_weights *w = NULL;
    tn_weights_ask ask = small(NULL, TN_PADDING_SYMMETRIC);
    tensors t = load(golden_file("timm.safetensors"));
    cut(&t, "classifier.weight", "x.num_batches_tracked");
    cut(&t, "classifier.bias", "y.num_batches_tracked");
    if (tn_weights_read(save(&t), &ask, NULL, &w) != TN_OK) fail_msg("%s", tn_msg);
    drop(&t);
    assert_true(w->had_single);
    assert_int_equal(w->model.net.n_classes, 0);
    tn_weights_free(&w);
}

/* A classifier of other classes, or none. */
static void heads(void **unused) {
    (void)unused;
    tn_weights *w = NULL;
    tn_ckpt *ck = NULL;
    tn_weights_ask ask = small(NULL, TN_PADDING_SYMMETRIC);
    tensors t = load(golden_file("timm.safetensors"));
    rename_entry(&t, "classifier.bias", "x.num_batches_tracked"); /* is passed over */
    refused(save(&t), "1 missing\n    classifier.bias (5)");
    rename_entry(&t, "classifier.weight", "y.num_batches_tracked");
    if (tn_weights_read(save(&t), &ask, NULL, &w) != TN_OK) fail_msg("%s", tn_msg);
    drop(&t);
    assert_int_equal(w->model.net.n_classes, 0);
    assert_int_equal(tn_weights_write(w, unit_path("headless")), TN_OK);
    tn_weights_free(&w);
    tn_model m = {.net = NULL};
    tn_model_use use = {.device = TN_DEVICE_REF, .n_threads = 1, .isa = TN_ISA_PLAIN, .B = 1};
    assert_int_equal(tn_model_open(unit_path("headless"), &use, &m), TN_EARG);
    unit_says("headless: it has no classifier");
    tn_model_close(&m);

    tn_net_spec spec = {.name = "efficientnet-b0",
                        .width = 0.01,
                        .depth = 0.01,
                        .stem_stride = 1,
                        .n_classes = 3,
                        .extra_units = 4,
                        .head_units = 6};
    tn_input_norm norm = {{0}, {0}};
    tn_net *net = NULL;
    assert_int_equal(tn_pretrained_open(unit_path("headless"), &spec, &norm, &ck), TN_OK);
    assert_true(!spec.pad_same && spec.bn_eps == 1e-5 && norm.std[1] == 0.224F);
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    float *params = calloc((size_t)tn_net_params(net), sizeof *params),
          *state = calloc((size_t)tn_net_state(net), sizeof *state);
    tn_net_init(net, 7, params, state);
    const tn_tensor *stem = tn_net_tensor(net, 0), *last = tn_net_tensor(net, tn_net_tensors(net) - 2);
    float before = params[last->offset], file[216];
    assert_int_equal(tn_pretrained_load(ck, net, params, state), TN_OK);
    assert_int_equal(tn_ckpt_copy(ck, "model.conv_stem.weight", 4, stem->dim, file), TN_OK);
    assert_memory_equal(params + stem->offset, file, sizeof file);
    assert_string_equal(last->name, "classifier.weight");
    assert_true(before != 0 && params[last->offset] == before); /* the head is as it was */
    tn_ckpt_free(&ck);
    tn_net_free(&net);
    free(params);
    free(state);

    spec.width = 0.5;
    assert_int_equal(tn_pretrained_open(unit_path("headless"), &spec, &norm, &ck), TN_EARG);
    unit_says("has width 0.01, the job file's model has 0.5");
    strcpy(spec.name, "efficientnet-b1");
    assert_int_equal(tn_pretrained_open(unit_path("headless"), &spec, &norm, &ck), TN_EARG);
    unit_says("is of efficientnet-b0, but model.net = \"efficientnet-b1\"");
    assert_int_equal(tn_pretrained_open(golden_file("torchvision.safetensors"), &spec, &norm, &ck), TN_EFORMAT);
    unit_says("torchvision.safetensors: the checkpoint does not say `net`");
    unit_says("tenfold weights import");
    assert_null(ck);
}

/* --- hostile files ------------------------------------------------------------------------------------------------ */

#define E(name, type, shape, from, to)                                                                                 \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to "]}"

static void hostile_headers(void **unused) {
    (void)unused;
    static const struct {
        const char *header, *why;
        uint64_t length; /* 0: the true one */
    } OF[] = {
        {"{}", "its first tensor is nothing", 0},
        {"[]", "not a JSON object", 0},
        {"{", "not a JSON object", 0},
        {"{\"a\":1,\"a\":2}", "duplicate object key", 0},
        {"{}", "the length of its header is impossible", 1ULL << 63},
        {"{}", "the length of its header is impossible", ~0ULL},
        {"{}", "the length of its header is impossible", 100000001},
        {"{}", "the length of its header is impossible", 1000},
        {"{" E("a", "I64", "2", 0, 16) "}", "tensor a is of type I64", 0},
        {"{" E("a", "F64", "2", 0, 16) "}", "tensor a is of type F64", 0},
        {"{" E("a", "F32", "4", 0, 16) "," E("b", "F32", "3", 4, 16) "}", "overlap", 0},
        {"{" E("a", "F32", "3", 0, 12) "}", "belong to no tensor", 0},
        {"{" E("a", "F32", "3", 4, 16) "}", "belong to no tensor", 0},
        {"{" E("a", "F32", "4", 16, 32) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "4", -16, 0) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "4", 16, 0) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "4", 9223372036854775807, -9223372036854775807) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "5", 0, 16) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "-4", 0, 16) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "4294967296,4294967297", 0, 16) "}", "bad entry for tensor a", 0},
        {"{" E("a", "F32", "1,1,1,1,4", 0, 16) "}", "bad entry for tensor a", 0},
        {"{" E("stem_conv.weight", "F32", "4", 0, 16) "}", "its first tensor is stem_conv.weight", 0},
        {"{" E("conv_stem.weight", "F32", "4", 0, 16) "}", "137 missing", 0},
        {"{" E("features.0.0.weight", "F32", "2,2", 0, 16) "}", "features.0.0.weight is (2,2), wanted (8,3,3,3)", 0},
        {"{\"__metadata__\":{\"width\":\"wide\"}," E("conv_stem.weight", "F32", "4", 0, 16) "}",
         "its `width` is not a number", 0},
        {"{\"__metadata__\":{\"head_units\":\"1e9\"}," E("conv_stem.weight", "F32", "4", 0, 16) "}",
         "its `head_units` is 1e+09", 0},
        {"{\"__metadata__\":7," E("conv_stem.weight", "F32", "4", 0, 16) "}", "137 missing", 0},
        {"{\"__metadata__\":{\"xxh3\":\"x\"}," E("conv_stem.weight", "F32", "4", 0, 16) "}", "the hash", 0},
    };
    static const char data[16] = {0};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++)
        refused(
            save_text(OF[i].header, OF[i].length ? OF[i].length : strlen(OF[i].header), data, i == 0 ? 0 : sizeof data),
            OF[i].why);
}

static const char *write_bytes(const char *name, const char *bytes, size_t n) {
    const char *path = unit_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void cut_files(void **unused) {
    (void)unused;
    static const char *const NAME[] = {"timm.safetensors", "keras2.h5", "keras3.h5"};
    tn_weights_ask ask = small("efficientnet-b0", TN_PADDING_GUESS);
    for (size_t i = 0; i < sizeof NAME / sizeof *NAME; i++) {
        char *bytes = NULL;
        size_t n = 0;
        assert_int_equal(tn_file_read(golden_file(NAME[i]), &bytes, &n), TN_OK);
        for (size_t part = 0; part < 40; part++) {
            tn_weights *w = NULL;
            const char *path = write_bytes("cut", bytes, n * part / 40);
            assert_int_equal(tn_weights_read(path, &ask, NULL, &w), TN_EFORMAT);
            assert_null(w);
        }
        free(bytes);
    }
}

/* Keras files made here: a list without its dataset, a dataset of whole numbers. */
static void odd_keras(void **unused) {
    (void)unused;
    tn_h5 *f = NULL;
    tn_weights *w = NULL;
    tn_weights_ask ask = {.net = NULL};
    assert_int_equal(tn_h5_create(unit_path("odd.h5"), &f), TN_OK);
    assert_int_equal(tn_h5_write(f, "x", TN_H5_I32, 1, (int64_t[]){1}, (int32_t[]){1}), TN_OK);
    assert_int_equal(tn_h5_set_text(f, "layer_names", "stem_conv"), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    assert_int_equal(tn_weights_read(unit_path("odd.h5"), &ask, NULL, &w), TN_EFORMAT);
    unit_says("group `/stem_conv` has no readable list `weight_names`");
    assert_int_equal(tn_h5_create(unit_path("bare.h5"), &f), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    assert_int_equal(tn_weights_read(unit_path("bare.h5"), &ask, NULL, &w), TN_EFORMAT);
    unit_says("lists no layers with weights");
    assert_int_equal(tn_weights_read(unit_path("none.h5"), &ask, NULL, &w), TN_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_logits),  cmocka_unit_test(conventions),
                                       cmocka_unit_test(round_trip),   cmocka_unit_test(misfits),
                                       cmocka_unit_test(values),       cmocka_unit_test(heads),
                                       cmocka_unit_test(single_logit), cmocka_unit_test(hostile_headers),
                                       cmocka_unit_test(cut_files),    cmocka_unit_test(odd_keras)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
