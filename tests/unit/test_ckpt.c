/* test_ckpt.c - the checkpoint container: round trips, damaged files, a net in it. */
#include "unit.h"

#include "model/ckpt.h"

#include <jansson.h>

static void write_sample(const char *path, bool swapped) {
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {7};
    tn_ckpt_entry e[2] = {{"model.b", 1, {1}, b}, {"model.a", 2, {2, 3}, a}};
    if (swapped) {
        tn_ckpt_entry first = e[0];
        e[0] = e[1];
        e[1] = first;
    }
    json_t *meta = json_object();
    json_object_set_new(meta, "note", json_string(swapped ? "other words" : "words"));
    assert_int_equal(tn_ckpt_write(path, 2, e, meta), TN_OK);
    json_decref(meta);
}

static void checkpoints(void **unused) {
    (void)unused;
    tn_ckpt *ck = NULL, *other = NULL;
    char one[TN_HEX_BYTES], two[TN_HEX_BYTES];
    float back[6];
    write_sample(unit_path("a.safetensors"), false);
    write_sample(unit_path("b.safetensors"), true);
    assert_int_equal(tn_ckpt_read(unit_path("a.safetensors"), &ck), TN_OK);
    assert_int_equal(tn_ckpt_read(unit_path("b.safetensors"), &other), TN_OK);
    assert_string_equal(tn_ckpt_word(ck, "note"), "words");
    assert_int_equal(tn_ckpt_count(ck), 2);
    assert_string_equal(tn_ckpt_at(ck, 0)->name, "model.a");
    assert_int_equal(tn_ckpt_copy(ck, "model.a", 2, (int64_t[]){2, 3}, back), TN_OK);
    assert_true(back[0] == 1 && back[5] == 6);
    assert_int_equal(tn_ckpt_copy(ck, "model.a", 2, (int64_t[]){3, 2}, back), TN_EFORMAT);
    unit_says("model.a has shape (2,3), wanted (3,2)");
    assert_int_equal(tn_ckpt_copy(ck, "model.c", 1, (int64_t[]){1}, back), TN_EFORMAT);
    tn_ckpt_digest(ck, "", one);
    tn_ckpt_digest(other, "", two);
    assert_string_equal(one, two); /* neither order nor words matter */
    tn_ckpt_digest(other, "model.a", two);
    assert_string_not_equal(one, two);
    tn_ckpt_free(&ck);
    tn_ckpt_free(&other);
}

/* Every cut and every flipped byte is found; never a crash (run under ASan too). */
static void damaged_checkpoints(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    tn_ckpt *ck = NULL;
    write_sample(unit_path("whole"), false);
    assert_int_equal(tn_file_read(unit_path("whole"), &text, &n), TN_OK);
    for (size_t cut = 0; cut < n; cut++) {
        FILE *f = fopen(unit_path("cut"), "wb");
        fwrite(text, 1, cut, f);
        fclose(f);
        assert_int_equal(tn_ckpt_read(unit_path("cut"), &ck), TN_EFORMAT);
        assert_null(ck);
    }
    for (size_t at = 0; at < n; at++) {
        FILE *f = fopen(unit_path("bit"), "wb");
        text[at] ^= 0x15;
        fwrite(text, 1, n, f);
        text[at] ^= 0x15;
        fclose(f);
        assert_int_equal(tn_ckpt_read(unit_path("bit"), &ck), TN_EFORMAT);
    }
    free(text);
    const char *bad[] = {"{\"x\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,8],\"data_offsets\":[0,4]}}",
                         "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                         "{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
                         "{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                         "{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
                         "[1]",
                         "{\"x\":3}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t length = strlen(bad[i]);
        FILE *f = fopen(unit_path("bad"), "wb");
        fwrite(&length, 8, 1, f);
        fwrite(bad[i], 1, length, f);
        fwrite("\0\0\0\0", 1, 4, f);
        fclose(f);
        assert_int_equal(tn_ckpt_read(unit_path("bad"), &ck), TN_EFORMAT);
    }
}

static void net_in_checkpoint(void **unused) {
    (void)unused;
    tn_net_spec spec = {.name = "efficientnet-b0",
                        .width = 0.25,
                        .depth = 0.4,
                        .stem_stride = 1,
                        .n_classes = 3,
                        .extra_units = 4,
                        .head_units = 8,
                        .dropout = 0.25,
                        .drop_connect = 0.1};
    tn_net *net = NULL, *again = NULL;
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    size_t n = (size_t)tn_net_params(net), n_state = (size_t)tn_net_state(net);
    float *w = malloc(n * sizeof *w), *s = malloc(n_state * sizeof *s), *w2 = calloc(n, sizeof *w),
          *s2 = calloc(n_state, sizeof *s);
    tn_net_init(net, 5, w, s);
    tn_ckpt_entry *e = calloc((size_t)tn_net_tensors(net), sizeof *e);
    tn_ckpt_net_entries(net, "model.", w, s, e);
    json_t *meta = json_object();
    tn_ckpt_model model = {.net = *tn_net_spec_of(net), .size_px = 48, .norm = {{0.1F, 0.2F, 0.3F}, {1, 2, 3}}}, read;
    tn_ckpt_set_model(meta, &model);
    assert_int_equal(tn_ckpt_write(unit_path("net"), tn_net_tensors(net), e, meta), TN_OK);
    tn_ckpt *ck = NULL;
    assert_int_equal(tn_ckpt_read(unit_path("net"), &ck), TN_OK);
    assert_int_equal(tn_ckpt_model_of(ck, &read), TN_OK);
    assert_string_equal(read.net.name, model.net.name);
    assert_true(read.net.width == model.net.width && read.net.depth == model.net.depth && read.net.stem_stride == 1);
    assert_true(read.net.n_classes == 3 && read.net.extra_units == 4 && read.net.head_units == 8 && !read.net.pad_same);
    assert_true(read.net.dropout == 0.25 && read.net.drop_connect == 0.1 && read.net.bn_eps == model.net.bn_eps &&
                read.net.bn_momentum == model.net.bn_momentum);
    assert_true(read.size_px == 48 && read.norm.mean[1] == 0.2F && read.norm.std[2] == 3);
    assert_int_equal(tn_net_new(&read.net, &again), TN_OK);
    assert_int_equal(tn_ckpt_net_load(ck, again, "model.", w2, s2), TN_OK);
    assert_memory_equal(w, w2, n * sizeof *w);
    assert_memory_equal(s, s2, n_state * sizeof *s);
    assert_int_equal(tn_ckpt_net_load(ck, again, "ema.", w2, s2), TN_EFORMAT);
    unit_says("tensors do not match, the first of them");
    json_decref(meta);
    free(w), free(s), free(w2), free(s2), free(e);
    tn_ckpt_free(&ck);
    tn_net_free(&net);
    tn_net_free(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(checkpoints), cmocka_unit_test(damaged_checkpoints),
                                       cmocka_unit_test(net_in_checkpoint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
