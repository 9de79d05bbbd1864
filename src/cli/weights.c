/* weights.c - tenfold weights: describes networks and weight files; converts from and to other programs. */
#include "cli/weights_verb.h"

#include "base/progress.h"
#include "model/weights.h"
#include "store/guard.h"
#include "store/h5.h"

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
    if (st == TN_OK && model.net.n_classes == 0) {
        printf("%s: no classifier; the one below is an example with two classes\n", path);
        model.net.n_classes = 2;
    }
    if (st == TN_OK) st = tn_net_new(&model.net, &net);
    if (st == TN_OK) {
        const char *cell = tn_ckpt_word(ck, "cell"), *clock = tn_ckpt_word(ck, "clock");
        tn_print(stdout, "%s: cell %s, input %d px, %d tensors\n", path, cell ? cell : "?", model.size_px,
                 tn_ckpt_count(ck));
        if (clock) tn_print(stdout, "clock %s\n", clock);
        tn_net_describe(net, model.size_px, stdout);
    }
    tn_net_free(&net);
    tn_ckpt_free(&ck);
    return st;
}

/* --- other programs ----------------------------------------------------------------------------------------------- */

static tn_status padding_of(const char *word, tn_padding *out) {
    *out = TN_PADDING_GUESS;
    if (!word) return TN_OK;
    *out = strcmp(word, "same") == 0 ? TN_PADDING_SAME : TN_PADDING_SYMMETRIC;
    if (*out == TN_PADDING_SAME || strcmp(word, "symmetric") == 0) return TN_OK;
    return tn_fail(TN_EARG, "--padding %s: give symmetric (PyTorch's) or same (TensorFlow's)", word);
}

static tn_status ema_of(const char *word, tn_ema *out) {
    *out = !word ? TN_EMA_IF_THERE : strcmp(word, "no") == 0 ? TN_EMA_NO : TN_EMA_YES;
    if (!word || *out == TN_EMA_NO || strcmp(word, "yes") == 0) return TN_OK;
    return tn_fail(TN_EARG, "--ema %s: give yes (the averaged weights) or no (those as trained)", word);
}

static void print_model(const tn_weights *w) {
    const tn_ckpt_model *m = &w->model;
    printf("%s by names of %s, %d px, %d tensors\n", m->net.name, w->origin, m->size_px, tn_net_tensors(w->net));
    if (*w->prefix) tn_print(stdout, "the prefix `%s` was removed from their names\n", w->prefix);
    if (*w->part)
        tn_print(stdout, "its dictionary `%s` was read%s\n", w->part, w->averaged ? ": averaged weights" : "");
    if (w->has_copy)
        printf("the file has two copies of the net: the %s one was read, the other ignored\n",
               w->averaged ? "averaged" : "trained");
    printf("padding %s, batch norm eps %g momentum %g\n", m->net.pad_same ? "same" : "symmetric", m->net.bn_eps,
           m->net.bn_momentum);
    printf("input (x / 255 - mean) / std, mean %g %g %g, std %g %g %g\n", (double)m->norm.mean[0],
           (double)m->norm.mean[1], (double)m->norm.mean[2], (double)m->norm.std[0], (double)m->norm.std[1],
           (double)m->norm.std[2]);
    if (m->net.n_classes)
        printf("classifier of %d classes\n", m->net.n_classes);
    else
        printf("no classifier%s\n",
               w->had_single ? ": that of the file has one class, a single logit, and is left out" : "");
}

enum { LIBRARY_CPU_S = 60 }; /* CPU limit of the process that calls libhdf5; the largest net takes 6 s */

typedef struct {
    const char *from, *to;
    tn_weights_ask ask;
    bool timm_names;
} transfer;

static tn_status do_transfer(void *arg) {
    const transfer *t = arg;
    tn_weights *w = NULL;
    TN_TRY(tn_weights_read(t->from, &t->ask, stdout, &w));
    tn_status st = t->timm_names ? tn_weights_export(w, t->to) : tn_weights_write(w, t->to);
    if (st == TN_OK) print_model(w);
    tn_weights_free(&w);
    return st;
}

/* A damaged HDF5 file can hang or crash libhdf5: it is read in a process of its own. */
static tn_status guarded(transfer *t) {
    return tn_h5_is(t->from) ? tn_guard(do_transfer, t, LIBRARY_CPU_S, t->from) : do_transfer(t);
}

static tn_status import(const tn_args *args) {
    transfer t = {.from = args->word[1], .to = args->word[2], .ask.net = args->net};
    TN_TRY(padding_of(args->padding, &t.ask.padding));
    TN_TRY(ema_of(args->ema, &t.ask.ema));
    return guarded(&t);
}

static tn_status export(const tn_args *args) {
    return guarded(&(transfer){.from = args->word[1], .to = args->word[2], .timm_names = true});
}

static tn_status describe(const tn_args *args) {
    return tn_file_exists(args->word[1]) ? describe_file(args->word[1]) : describe_net(args);
}

static tn_status verb_weights(const tn_args *args) {
    static const struct {
        const char *name, *words;
        int n_words;
        bool asks, compares; /* takes --net, --padding and --ema; takes --against */
        tn_status (*work)(const tn_args *args);
    } WORK[] = {{"import", "FILE OUT", 3, true, false, import},
                {"export", "CHECKPOINT OUT", 3, false, false, export},
                {"verify", "FILE IMAGE --against LOGITS", 3, false, true, tn_weights_verify},
                {"digest", "FILE", 2, false, false, digest},
                {"describe", "NET|FILE", 2, false, false, describe}};
    for (size_t i = 0; i < sizeof WORK / sizeof *WORK; i++) {
        if (strcmp(WORK[i].name, args->word[0]) != 0) continue;
        if (args->n_words != WORK[i].n_words || (args->against != NULL) != WORK[i].compares)
            return tn_fail(TN_EARG, "usage: tenfold weights %s %s", WORK[i].name, WORK[i].words);
        if (!WORK[i].asks && (args->net || args->padding || args->ema))
            return tn_fail(TN_EARG, "tenfold weights %s does not take --net, --padding or --ema: only import does",
                           WORK[i].name);
        return WORK[i].work(args);
    }
    return tn_fail(TN_EARG, "tenfold weights %s: give import, export, verify, digest or describe", args->word[0]);
}

const tn_verb tn_verb_weights = {
    .name = "weights",
    .words = "import FILE OUT | export FILE OUT | verify FILE IMAGE | digest FILE | describe NET|FILE",
    .least_words = 2,
    .most_words = 3,
    .options = TN_OPT_CLASSES | TN_OPT_WEIGHTS,
    .summary = "import, export, verify and hash weights; list a network's layers",
    .help =
        "import    converts weights of other programs to OUT, for model.pretrained: safetensors or PyTorch's .pth "
        "with\n"
        "          names of timm, torchvision or lukemelas (prefixes such as model. are removed), Keras .h5, or a\n"
        "          checkpoint. A .pth is read as data, no code in it is run: other things than tensors are refused.\n"
        "          Every tensor must match by name and shape; otherwise all mismatches are listed and nothing is\n"
        "          written\n"
        "export    writes a checkpoint or imported weights to OUT, as safetensors with timm's names\n"
        "verify    computes the logits of one image, normalised as the weights require, and compares them with\n"
        "          stored ones: prints the largest difference and the first five classes; exit code 4 if they\n"
        "          differ by more than 1e-4 of the largest logit\n"
        "digest    prints one hash of all tensors in a checkpoint: names, shapes and values, in any order\n"
        "describe  prints the layers and the number of parameters of a named network or of a checkpoint\n\n"
        "example: tenfold weights import tf_efficientnet_b0.safetensors b0.safetensors --padding same\n"
        "         tenfold weights verify b0.safetensors cat.png --against logits.safetensors\n"
        "         tenfold weights describe efficientnet-b1 --classes 1000\n"
        "         tenfold weights digest results/quickstart/train/r0-f0-s96-x1/best.safetensors",
    .run = verb_weights,
};
