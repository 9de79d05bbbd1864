/* test_weights_names.c - names behind what Lightning and its like put in front of them read as the bare ones do; a file
 * with two nets, a piece of a model and other kinds of files are told apart. */
#include "weights_file.h"

/* Adds every tensor of `from` again behind the prefix, on values of its own that are `factor` times as large. */
static void add_copy(tensors *t, const tensors *from, const char *prefix, float factor) {
    const char *key;
    json_t *e;
    size_t n_floats = from->n_data / sizeof(float);
    char *more = malloc(t->n_data + from->n_data);
    float *copy = malloc(from->n_data);
    memcpy(copy, from->data, from->n_data);
    for (size_t i = 0; i < n_floats; i++) copy[i] *= factor;
    memcpy(more, t->data, t->n_data);
    memcpy(more + t->n_data, copy, from->n_data);
    json_object_foreach(from->header, key, e) {
        if (key[0] == '_' && key[1] == '_') continue;
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, key);
        json_t *at = json_object_get(e, "data_offsets"), *now = json_deep_copy(e);
        json_object_set_new(now, "data_offsets",
                            json_pack("[I,I]", json_integer_value(json_array_get(at, 0)) + (json_int_t)t->n_data,
                                      json_integer_value(json_array_get(at, 1)) + (json_int_t)t->n_data));
        json_object_set_new(t->header, name, now);
    }
    free(copy);
    free(t->bytes);
    t->bytes = t->data = more;
    t->n_data += from->n_data;
}

static const char *save_copies(const char *file, int n, const char *const *prefix) {
    tensors from = load(golden_file(file)), t = {.header = json_object()};
    t.bytes = t.data = malloc(1);
    for (int i = 0; i < n; i++) add_copy(&t, &from, prefix[i], i + 1 == n ? 1 : 0.5F);
    const char *path = save(&t);
    drop(&from);
    drop(&t);
    return path;
}

static void same_weights(const char *path, const char *file, const char *prefix) {
    tn_weights *a = NULL, *b = NULL;
    tn_weights_ask ask = small("efficientnet-b0", strstr(file, "timm") ? TN_PADDING_SAME : TN_PADDING_GUESS);
    assert_int_equal(tn_weights_read(golden_file(file), &ask, NULL, &a), TN_OK);
    if (tn_weights_read(path, &ask, NULL, &b) != TN_OK) fail_msg("%s: %s", prefix, tn_msg);
    assert_string_equal(b->prefix, prefix);
    assert_string_equal(b->origin, a->origin);
    assert_true(b->model.net.bn_eps == (strstr(file, "timm") ? 1e-3 : 1e-5)); /* timm, tf_*; torchvision */
    assert_true(b->model.net.bn_momentum == 0.1 && b->model.net.pad_same == a->model.net.pad_same);
    assert_memory_equal(a->params, b->params, (size_t)tn_net_params(a->net) * sizeof(float));
    assert_memory_equal(a->state, b->state, (size_t)tn_net_state(a->net) * sizeof(float));
    tn_weights_free(&a);
    tn_weights_free(&b);
}

static void prefixes(void **unused) {
    (void)unused;
    static const char *const OF[] = {"model.",
                                     "module.",
                                     "_orig_mod.",
                                     "ema.",
                                     "backbone.",
                                     "model._orig_mod.",
                                     "module.model.backbone.",
                                     "_orig_mod.module.",
                                     "model.model."};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        same_weights(save_copies("timm.safetensors", 1, &OF[i]), "timm.safetensors", OF[i]);
        same_weights(save_copies("torchvision.safetensors", 1, &OF[i]), "torchvision.safetensors", OF[i]);
    }
    tn_weights *w = NULL; /* the padding is asked for, as of names without a prefix */
    tn_weights_ask ask = small(NULL, TN_PADDING_GUESS);
    assert_int_equal(tn_weights_read(save_copies("timm.safetensors", 1, OF), &ask, NULL, &w), TN_EARG);
    unit_says("--padding symmetric or --padding same");
    refused(save_copies("timm.safetensors", 1, (const char *const[]){"net."}),
            "its first tensor is net.blocks.0.0.bn1.bias");
}

/* The last of a file's nets has the true values. */
static void two_nets(void **unused) {
    (void)unused;
    static const char *const TWICE[][2] = {{"model.", "ema."}, {"", "ema."}, {"model.", "model.ema.module."}};
    for (int i = 0; i < 3; i++)
        same_weights(save_copies("timm.safetensors", 2, TWICE[i]), "timm.safetensors", TWICE[i][1]);
    refused(save_copies("timm.safetensors", 2, (const char *const[]){"model.", "backbone."}),
            "holds more than one net, with prefix `backbone.` and with `model.`");
    refused(save_copies("timm.safetensors", 2, (const char *const[]){"ema.", "module.ema."}), "more than one net");
    refused(save_copies("timm.safetensors", 3, (const char *const[]){"", "model.", "ema."}), "more than one net");
    tensors t = load(golden_file("timm.safetensors")); /* what stands beside the prefix is no part of the net */
    const char *key;
    json_t *e, *mixed = json_object();
    json_object_foreach(t.header, key, e) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", strcmp(key, "bn1.bias") != 0 && key[0] != '_' ? "model." : "", key);
        json_object_set(mixed, name, e);
    }
    json_decref(t.header);
    t.header = mixed;
    refused(save(&t), "1 missing\n    model.bn1.bias (8)");
    unit_says("1 not of this net\n    bn1.bias");
    drop(&t);
}

static void other_kinds(void **unused) {
    (void)unused;
    static const struct {
        const char *name, *why;
    } OF[] = {{"model-00001-of-00002.safetensors", "is a piece of a model that was split into several files"},
              {"model-00002-of-00002.safetensors", "docs/weights.md"},
              {"model.safetensors.index.json", "is the index of a model that was split"},
              {"model-00001-of-00001.safetensors", "the length of its header"}, /* whole */
              {"x-of-y.safetensors", "the length of its header"}};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++)
        refused(
            unit_write(OF[i].name, "{\"weight_map\": {\"conv_stem.weight\": \"model-00001-of-00002.safetensors\"}}"),
            OF[i].why);
    refused(unit_write("a.ckpt", "PK\3\4 and so on"),
            "a.ckpt: is a zip archive, as torch.save writes it, but ends too early");
    refused(unit_write("a.pth", "\x80\2}q"), "a.pth: is a pickle, but not one of torch.save");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(prefixes), cmocka_unit_test(two_nets),
                                       cmocka_unit_test(other_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
