/* test_pth.c - state dictionaries that PyTorch wrote (tests/golden/make_pth.py) have the values of the safetensors files beside them;
 * code, damage and other things are refused, by their name. */
#include "weights_file.h"

#include "model/pth_priv.h"

#include <math.h>

static const char *corpus(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus-pth/%s", TN_SOURCE_DIR, name);
    return path;
}

/* --- whole files ---------------------------------------------------------------------------------------------------- */

static tn_weights *read_file(const char *file, tn_padding padding, tn_ema ema) {
    tn_weights *w = NULL;
    tn_weights_ask ask = small(strstr(file, "lite") ? "efficientnet-lite0" : "efficientnet-b0", padding);
    ask.ema = ema;
    if (tn_weights_read(golden_file(file), &ask, NULL, &w) != TN_OK) fail_msg("%s: %s", file, tn_msg);
    return w;
}

static void same_values(const tn_weights *a, const tn_weights *b) {
    assert_memory_equal(a->params, b->params, (size_t)tn_net_params(a->net) * sizeof(float));
    assert_memory_equal(a->state, b->state, (size_t)tn_net_state(a->net) * sizeof(float));
}

/* Views of one storage with offsets and strides, float64, a parameter; beside them a trained copy whose last bias is larger by 1. */
static void nested(void **unused) {
    (void)unused;
    tn_weights *want = read_file("timm.safetensors", TN_PADDING_SYMMETRIC, TN_EMA_IF_THERE);
    for (tn_ema ema = TN_EMA_IF_THERE; ema <= TN_EMA_YES; ema++) {
        tn_weights *w = read_file("timm.pth", TN_PADDING_SYMMETRIC, ema);
        assert_string_equal(w->origin, "timm");
        assert_string_equal(w->part, "state_dict_ema");
        assert_true(w->averaged && !w->has_copy);
        same_values(w, want);
        tn_weights_free(&w);
    }
    tn_weights *trained = read_file("timm.pth", TN_PADDING_SYMMETRIC, TN_EMA_NO);
    assert_string_equal(trained->part, "state_dict");
    assert_false(trained->averaged);
    for (int64_t i = tn_net_params(want->net) - 5; i < tn_net_params(want->net); i++) want->params[i] += 1;
    same_values(trained, want);
    tn_weights_free(&trained);
    tn_weights_free(&want);
}

/* Protocol 4, float16 and bfloat16, names with `module.`, as an averaged model of torch.optim.swa_utils. */
static void narrow(void **unused) {
    (void)unused;
    tn_weights *want = read_file("timm_lite_16bit.safetensors", TN_PADDING_SAME, TN_EMA_IF_THERE);
    tn_weights *w = read_file("timm_lite_16bit.pth", TN_PADDING_SAME, TN_EMA_IF_THERE), *none = NULL;
    assert_string_equal(w->part, "model_ema");
    assert_string_equal(w->prefix, "module.");
    same_values(w, want);
    tn_weights_ask ask = {.ema = TN_EMA_NO, .padding = TN_PADDING_SAME};
    assert_int_equal(tn_weights_read(golden_file("timm_lite_16bit.pth"), &ask, NULL, &none), TN_EFORMAT);
    unit_says("its keys are model_ema, model");
    tn_weights_free(&w);
    tn_weights_free(&want);
}

/* The format of PyTorch before 1.6, with the names of lukemelas, which say what timm's do not. */
static void stream(void **unused) {
    (void)unused;
    tn_weights *want = read_file("timm_lite_16bit.safetensors", TN_PADDING_SAME, TN_EMA_IF_THERE);
    tn_weights *w = read_file("lukemelas_lite.pth", TN_PADDING_GUESS, TN_EMA_IF_THERE), *none = NULL;
    assert_string_equal(w->origin, "lukemelas");
    assert_string_equal(w->part, "");
    assert_true(w->model.net.pad_same && w->model.net.bn_eps == 1e-3 && w->model.net.bn_momentum == 0.01);
    for (int c = 0; c < 3; c++) { /* (x - 127) / 128 */
        assert_true(fabs((double)w->model.norm.mean[c] - 127 / 255.) < 1e-7);
        assert_true(fabs((double)w->model.norm.std[c] - 128 / 255.) < 1e-7);
    }
    same_values(w, want);
    tn_weights_ask ask = small(NULL, TN_PADDING_GUESS);
    ask.ema = TN_EMA_YES;
    assert_int_equal(tn_weights_read(golden_file("lukemelas_lite.pth"), &ask, NULL, &none), TN_EARG);
    unit_says("holds no averaged weights");
    ask.ema = TN_EMA_NO; /* another program's file with one copy */
    assert_int_equal(tn_weights_read(golden_file("lukemelas_lite.pth"), &ask, NULL, &none), TN_OK);
    tn_weights_free(&none);
    tn_weights_free(&w);
    tn_weights_free(&want);
}

/* lukemelas numbers the blocks of B0, which has 1, 2, 2, 3, 3, 4 and 1 in its groups, from 0 to 15. */
static void block_numbers(void **unused) {
    (void)unused;
    static const char *const OF[][2] = {{"blocks.0.0.conv_dw.weight", "_blocks.0._depthwise_conv.weight"},
                                        {"blocks.0.0.bn2.bias", "_blocks.0._bn2.bias"},
                                        {"blocks.1.1.conv_pw.weight", "_blocks.2._expand_conv.weight"},
                                        {"blocks.5.3.conv_pwl.weight", "_blocks.14._project_conv.weight"},
                                        {"blocks.6.0.bn1.running_var", "_blocks.15._bn0.running_var"},
                                        {"blocks.6.0.se.conv_expand.bias", "_blocks.15._se_expand.bias"},
                                        {"bn2.running_mean", "_bn1.running_mean"},
                                        {"classifier.bias", "_fc.bias"}};
    tn_net_spec spec = {.name = "efficientnet-b0", .stem_stride = 2, .n_classes = 10, .dropout = -1};
    tn_source s = {.names = TN_NAMES_LUKEMELAS};
    tn_net *net = NULL;
    size_t found = 0;
    int before[TN_MAX_STAGES];
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    tn_names_blocks(net, before);
    for (int i = 0; i < tn_net_tensors(net); i++)
        for (size_t k = 0; k < sizeof OF / sizeof *OF; k++) {
            char name[TN_FOREIGN_NAME_BYTES];
            if (strcmp(tn_net_tensor(net, i)->name, OF[k][0]) != 0) continue;
            assert_true(tn_names_of(&s, before, tn_net_tensor(net, i), 0, name));
            assert_string_equal(name, OF[k][1]);
            found++;
        }
    assert_int_equal(found, sizeof OF / sizeof *OF);
    tn_net_free(&net);
}

/* --- small files ---------------------------------------------------------------------------------------------------- */

/* The numbers 0 to 215, by either container and protocol. */
static void counted(void **unused) {
    (void)unused;
    static const char *const OF[] = {"good", "stream", "protocol-4"};
    for (size_t k = 0; k < sizeof OF / sizeof *OF; k++) {
        tn_pth *p = NULL;
        float x[216];
        if (tn_pth_open(corpus(OF[k]), TN_EMA_IF_THERE, &p) != TN_OK) fail_msg("%s", tn_msg);
        assert_int_equal(tn_pth_count(p), 1);
        assert_string_equal(tn_pth_at(p, 0)->name, "conv_stem.weight");
        assert_int_equal(tn_pth_at(p, 0)->n_dims, 4);
        assert_int_equal(tn_pth_at(p, 0)->dim[0], 8);
        assert_int_equal(tn_pth_values(p, tn_pth_at(p, 0), x), TN_OK);
        for (int i = 0; i < 216; i++) assert_true(x[i] == (float)i);
        tn_pth_close(&p);
    }
}

/* Under `ema` only settings: the trained weights are read. With tensors in `ema.module`, which is not read, only --ema no does so. */
static void no_average(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        tn_ema ema;
    } OF[] = {{"ema-settings", TN_EMA_IF_THERE},
              {"ema-settings", TN_EMA_YES}, /* refused later: what was read is not averaged */
              {"ema-settings", TN_EMA_NO},
              {"ema-module", TN_EMA_NO}};
    for (size_t k = 0; k < sizeof OF / sizeof *OF; k++) {
        tn_pth *p = NULL;
        bool averaged = true;
        if (tn_pth_open(corpus(OF[k].name), OF[k].ema, &p) != TN_OK) fail_msg("%s", tn_msg);
        assert_string_equal(tn_pth_part(p, &averaged), "state_dict");
        assert_false(averaged);
        assert_int_equal(tn_pth_count(p), 1);
        tn_pth_close(&p);
    }
    tn_weights *none = NULL;
    tn_weights_ask ask = small("efficientnet-b0", TN_PADDING_SYMMETRIC);
    ask.ema = TN_EMA_YES;
    assert_int_equal(tn_weights_read(corpus("ema-settings"), &ask, NULL, &none), TN_EARG);
    unit_says("holds no averaged weights");
}

static void bad_storages(void **unused) {
    (void)unused;
    static const char *const OF[][2] = {
        {"checksum", "CRC error"},
        {"no-storage", "data/0: is missing"},
        {"tensor-storage-size", "data/0: has another length than its tensors"},
        {"whole-numbers", "tensor conv_stem.weight is of type I64: F32, F16, BF16 and F64 are read"}};
    for (size_t k = 0; k < sizeof OF / sizeof *OF; k++) {
        tn_pth *p = NULL;
        float x[216];
        if (tn_pth_open(corpus(OF[k][0]), TN_EMA_IF_THERE, &p) != TN_OK) fail_msg("%s", tn_msg);
        assert_int_equal(tn_pth_values(p, tn_pth_at(p, 0), x), TN_EFORMAT);
        unit_says(OF[k][1]);
        tn_pth_close(&p);
    }
}

static void refusals(void **unused) {
    (void)unused;
    static const char *const OF[][2] = {
        {"code-system", "its pickle names posix.system, which is no part of a state dictionary, and is not run"},
        {"code-4", "names posix.system"},
        {"code-eval", "names __builtin__.eval"},
        {"code-dict", "names collections.defaultdict"},
        {"code-inst", "the opcode INST"},
        {"code-newobj", "names os.system"},
        {"module", "names torch.nn.modules.linear.Linear"},
        {"bytes", "names _codecs.encode"},
        {"opcode-ext", "the opcode EXT1, which a state dictionary does not need"},
        {"opcode-newobj", "the opcode NEWOBJ"},
        {"opcode-unknown", "there is no opcode 0xff"},
        {"calls-storage", "calls torch.FloatStorage"},
        {"tensor-call", "names torch._utils._rebuild_sparse_tensor"},
        {"tensor-storage-type", "names torch.ComplexFloatStorage"},
        {"ends", "its pickle is damaged: it ends too early"},
        {"behind", "its pickle has bytes behind its end"},
        {"memo", "a number in its memo is impossible"},
        {"memo-beyond", "a number in its memo is impossible"},
        {"memo-within", "its state dictionary is empty"},
        {"marks", "items of a list or a dictionary are not where it is"},
        {"deep", "holds no dictionary"},
        {"list", "holds no dictionary: save one with torch.save(net.state_dict(), \"new.pth\")"},
        {"list-itself", "holds no dictionary"},
        {"itself", "no state dictionary in `model.model.model.model` under"},
        {"itself", "its keys are model"},
        {"ema-itself", "has no state dictionary under"},
        {"ema-module", "no state dictionary in `ema` under state_dict, model, model_state_dict or net"},
        {"ema-module", "its keys are decay, module. Give --ema no to read weights that are not averaged"},
        {"empty", "its state dictionary is empty"},
        {"empty-nested", "its state dictionary state_dict is empty"},
        {"no-tensors", "its keys are epoch, weights"},
        {"not-a-tensor", "`epoch` in its state dictionary is no tensor"},
        {"tensor-size-beyond", "tensor conv_stem.weight is no part of its storage"},
        {"tensor-size-below", "is no part of its storage"},
        {"tensor-offset-beyond", "is no part of its storage"},
        {"tensor-stride-below", "is no part of its storage"},
        {"tensor-overflow", "is no part of its storage"},
        {"tensor-storage-below", "the size of a storage is impossible"},
        {"cut", "ends too early or is damaged"},
        {"stream-cut", "it ends too early"},
        {"stream-more", "bytes that belong to no tensor"},
        {"big-endian", "its numbers are not little-endian"},
        {"twice", "y/data.pkl: is there twice"},
        {"compressed", "its record x/data.pkl is compressed or encrypted"},
        {"torchscript", "is an archive of TorchScript, which is a program"},
        {"keras", "is an archive of Keras 3"},
        {"other-zip", "not of torch.save: it has no data.pkl"},
        {"no-records", "it has no data.pkl"}};
    for (size_t k = 0; k < sizeof OF / sizeof *OF; k++) refused(corpus(OF[k][0]), OF[k][1]);
}

/* A stream whose dictionary has an entry too many; it recalls itself as key and value, and the last one is the tensor of a small file. */
static void too_many(void **unused) {
    (void)unused;
    static const char BEGIN[] =
        "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}X\r\0\0\0little_endian\x88s.\x80\2}q\0(";
    static const char KEY[] = "X\x10\0\0\0conv_stem.weight", END[] = "u.\x80\2].";
    char *bytes = NULL;
    size_t n = 0, from = 0, to;
    assert_int_equal(tn_file_read(corpus("tensor-view"), &bytes, &n), TN_OK);
    while (memcmp(bytes + from, KEY, sizeof KEY - 1) != 0) from++;
    for (to = from; memcmp(bytes + to, "NtRs.", 5) != 0;) to++;
    FILE *f = fopen(unit_path("many.pth"), "wb");
    fwrite(BEGIN, 1, sizeof BEGIN - 1, f);
    for (int i = 0; i < 65536; i++) fwrite("h\0h\0", 1, 4, f);
    fwrite(bytes + from, 1, to + 3 - from, f);
    fwrite(END, 1, sizeof END - 1, f);
    assert_int_equal(fclose(f), 0);
    refused(unit_path("many.pth"), "has more than 65536 entries");
    free(bytes);
}

static void cut_files(void **unused) {
    (void)unused;
    static const char *const NAME[] = {"timm.pth", "timm_lite_16bit.pth", "lukemelas_lite.pth"};
    for (size_t i = 0; i < sizeof NAME / sizeof *NAME; i++) {
        char *bytes = NULL;
        size_t n = 0;
        assert_int_equal(tn_file_read(golden_file(NAME[i]), &bytes, &n), TN_OK);
        for (size_t part = 0; part < 40; part++) {
            FILE *f = fopen(unit_path("cut.pth"), "wb");
            assert_int_equal(fwrite(bytes, 1, n * part / 40, f), n * part / 40);
            assert_int_equal(fclose(f), 0);
            refused(unit_path("cut.pth"), "cut.pth: ");
        }
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nested),    cmocka_unit_test(narrow),
                                       cmocka_unit_test(stream),    cmocka_unit_test(block_numbers),
                                       cmocka_unit_test(counted),   cmocka_unit_test(bad_storages),
                                       cmocka_unit_test(refusals),  cmocka_unit_test(too_many),
                                       cmocka_unit_test(cut_files), cmocka_unit_test(no_average)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
