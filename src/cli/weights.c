/* weights.c - tenfold weights: what a net is, and what a checkpoint holds. */
#include "cli/args.h"

#include "learn/ckpt.h"

#include <string.h>

static tn_status digest(const tn_args *args) {
    tn_ckpt *ck = NULL;
    TN_TRY(tn_ckpt_read(args->word[1], &ck));
    char hex[TN_HEX_BYTES];
    tn_ckpt_digest(ck, "", hex);
    printf("%s\n", hex);
    tn_ckpt_free(&ck);
    return TN_OK;
}

static tn_status describe_net(const tn_args *args) {
    tn_net_spec spec = {
        .stem_stride = 2, .n_classes = args->classes ? args->classes : 1000, .dropout = -1, .drop_connect = 0.2};
    TN_TRY(strlen(args->word[1]) < sizeof spec.name ? TN_OK
                                                    : tn_fail(TN_EARG, "%s: not the name of a net", args->word[1]));
    strcpy(spec.name, args->word[1]);
    tn_net *net = NULL;
    TN_TRY(tn_net_new(&spec, &net));
    tn_net_describe(net, args->size_px, stdout);
    tn_net_free(&net);
    return TN_OK;
}

static tn_status describe_file(const char *path) {
    tn_ckpt *ck = NULL;
    tn_ckpt_model model;
    tn_net *net = NULL;
    TN_TRY(tn_ckpt_read(path, &ck));
    tn_status st = tn_ckpt_model_of(ck, &model);
    if (st == TN_OK) st = tn_net_new(&model.net, &net);
    if (st == TN_OK) {
        const char *cell = tn_ckpt_word(ck, "cell"), *clock = tn_ckpt_word(ck, "clock");
        printf("%s: cell %s, input %d px, %d tensors\n", path, cell ? cell : "?", model.size_px, tn_ckpt_count(ck));
        if (clock) printf("clock %s\n", clock);
        tn_net_describe(net, model.size_px, stdout);
    }
    tn_net_free(&net);
    tn_ckpt_free(&ck);
    return st;
}

static tn_status run(const tn_args *args) {
    if (strcmp(args->word[0], "digest") == 0) return digest(args);
    if (strcmp(args->word[0], "describe") != 0)
        return tn_fail(TN_EARG, "tenfold weights %s: give `digest FILE` or `describe NET|FILE`", args->word[0]);
    return tn_file_exists(args->word[1]) ? describe_file(args->word[1]) : describe_net(args);
}

const tn_verb tn_verb_weights = {
    .name = "weights",
    .words = "digest FILE | describe NET|FILE",
    .least_words = 2,
    .most_words = 2,
    .options = TN_OPT_CLASSES,
    .summary = "one hash of all weights in a file; layers and parameters of a net",
    .help = "digest    one hash of all tensors in a checkpoint: names, shapes and values, whatever their order in the "
            "file\n"
            "describe  layer table and the number of parameters, of a net by name or of a checkpoint\n\n"
            "example: tenfold weights describe efficientnet-b1 --classes 1000\n"
            "         tenfold weights digest results/quickstart/train/r0-f0-s48-x1/best.safetensors",
    .run = run,
};
