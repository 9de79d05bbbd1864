/*
 * parity.c - whole nets against PyTorch: evaluation, one training step, ten optimiser steps.
 *
 *   parity [--device cpu|ref|cuda] [--threads N] [--bf16] FILE...      FILE: by make_reference.py, which lists what is in it
 *
 * Prints one table per file (judge.h says what is compared and bounded). Exit code 1: some bound does not hold.
 */
#include "golden/golden.h"
#include "model/ckpt.h"
#include "net/optim.h"
#include "parity/judge.h"

#include <stdarg.h>

static const double TRAIN_BOUND = 1e-4, EVAL_BOUND = 1e-5, TEN_STEPS_BOUND = 1e-3;
/* A gradient this small beside its neighbour's is zero but for rounding: nothing relative can be said of it. */
static const double NO_GRADIENT = 1e-9;
enum { N_STEPS = 10 };

static const char *const DEVICES[TN_N_DEVICES] = {
    [TN_DEVICE_REF] = "ref", [TN_DEVICE_CPU] = "cpu", [TN_DEVICE_CUDA] = "cuda"};

typedef struct {
    tn_device_kind device;
    int n_threads;
    bool bf16;
    judge *of_all; /* bf16: families that all files share (judge.h); else NULL */
} settings;

typedef struct {
    const settings *how;
    tn_ckpt *file;
    tn_ckpt_model model;
    int B, K, thin; /* thin: the most values of a tensor that the file has; 0 = all */
    int64_t n_params, n_state, n_image;
    tn_net *net;
    tn_dev *dev;
    tn_exec *ex;
    float *params, *state, *grads, *moments, *m, *v; /* device */
    float *host_params, *host_state, *image;         /* image: of a thin file */
} rig;

static void must(tn_status st) {
    if (st == TN_OK) return;
    tn_fail_print();
    exit((int)st);
}

/* --- the reference ------------------------------------------------------------------------------------------------ */

static const float *stored(const rig *r, int64_t n, const char *fmt, ...) {
    char name[TN_TENSOR_NAME_BYTES + 16];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    for (int i = 0; i < tn_ckpt_count(r->file); i++) {
        const tn_ckpt_entry *e = tn_ckpt_at(r->file, i);
        if (strcmp(e->name, name) != 0) continue;
        int64_t count = 1;
        for (int d = 0; d < e->n_dims; d++) count *= e->dim[d];
        if (count == n) return e->data;
        must(tn_fail(TN_EFORMAT, "%s of the reference has %lld values, wanted %lld: make it anew", name,
                     (long long)count, (long long)n));
    }
    must(tn_fail(TN_EFORMAT, "the reference has no %s: make it anew", name));
    return NULL;
}

static double stored_number(const rig *r, const char *key) {
    const char *text = tn_ckpt_word(r->file, key);
    if (!text) must(tn_fail(TN_EFORMAT, "the reference does not say `%s`: make it anew", key));
    return atof(text);
}

/* The images of one step, -1 to 9, named `what`. Of a thin file: low frequencies and noise, as in `given` of make_reference.py. */
static const float *images(const rig *r, int step, const char *what) {
    int S = r->model.size_px;
    if (!r->thin) return stored(r, r->n_image, "%s", what);
    for (int64_t i = 0; i < r->n_image; i++) {
        int64_t c = i % 3, x = i / 3 % S, y = i / 3 / S % S, b = i / 3 / S / S;
        int64_t coarse = ((b * 7 + y * 7 / S) * 7 + x * 7 / S) * 3 + c;
        r->image[i] = (float)(1.5 * golden_hashed(coarse, 3001 + step) + 0.75 * golden_hashed(i, 4001 + step));
    }
    return r->image;
}
static const float *images_of_step(const rig *r, int step) {
    char what[32];
    snprintf(what, sizeof what, "step.%d.image", step);
    return images(r, step, what);
}

/* The file holds every step-th of n values. */
static int64_t step_of(const rig *r, int64_t n) {
    return r->thin ? golden_step_of(n, r->thin) : 1;
}
static int64_t thinned_count(const rig *r, int64_t n) {
    return (n + step_of(r, n) - 1) / step_of(r, n);
}
/* These to the front of x; how many they are. */
static int64_t thinned(const rig *r, int64_t n, float *x) {
    int64_t count = thinned_count(r, n);
    for (int64_t i = 0; i < count; i++) x[i] = x[i * step_of(r, n)];
    return count;
}

static const char *peer(const rig *r) {
    return r->how->bf16 ? "bf16" : "fp32";
}

static const char *family_of(const tn_tensor *t) {
    const struct {
        const char *part, *family;
    } convs[] = {{"conv_stem.", "stem convolution"}, {"conv_head.", "head convolution"}, {".conv_dw.", "depthwise"},
                 {".conv_pwl.", "project"},          {".se.", "squeeze-excite"},         {"classifier.", "dense"}};
    if (t->kind == TN_TENSOR_SCALE) return "batch-norm gamma";
    if (t->kind == TN_TENSOR_SHIFT) return "batch-norm beta";
    if (t->kind == TN_TENSOR_MEAN) return "running mean";
    if (t->kind == TN_TENSOR_VAR) return "running variance";
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++)
        if (strstr(t->name, convs[i].part)) return convs[i].family;
    /* the first stage does not expand, and timm calls its projection conv_pw */
    return strncmp(t->name, "blocks.0.", 9) == 0 ? "project" : "expand";
}

/* --- one net ------------------------------------------------------------------------------------------------------ */

static float *host(int64_t n) {
    float *x = calloc((size_t)n, sizeof *x);
    TN_ASSERT(x != NULL);
    return x;
}

static float *device(const rig *r, int64_t n) {
    float *x = r->dev->op->alloc(r->dev, n);
    TN_ASSERT(x != NULL);
    return x;
}

static rig rig_new(const char *path, const settings *how) {
    rig r = {.how = how};
    must(tn_ckpt_read(path, &r.file));
    must(tn_ckpt_model_of(r.file, &r.model));
    r.B = (int)stored_number(&r, "batch");
    r.K = r.model.net.n_classes;
    r.thin = tn_ckpt_word(r.file, "thin") ? (int)stored_number(&r, "thin") : 0;
    r.n_image = (int64_t)r.B * r.model.size_px * r.model.size_px * 3;
    must(tn_net_new(&r.model.net, &r.net));
    must(tn_dev_open(how->device, how->n_threads, tn_isa_best(), how->bf16 ? TN_BF16 : TN_FP32, &r.dev));
    must(tn_exec_new(r.dev, r.net, r.B, r.model.size_px, true, &r.ex));
    r.n_params = tn_net_params(r.net);
    r.n_state = tn_net_state(r.net);
    float **of_params[] = {&r.params, &r.grads, &r.m, &r.v}, **of_state[] = {&r.state, &r.moments};
    for (int i = 0; i < 4; i++) *of_params[i] = device(&r, r.n_params);
    for (int i = 0; i < 2; i++) *of_state[i] = device(&r, r.n_state);
    r.host_params = host(r.n_params);
    r.host_state = host(r.n_state);
    r.image = host(r.n_image);
    return r;
}

static void rig_free(rig *r) {
    float *device_memory[] = {r->params, r->grads, r->m, r->v, r->state, r->moments};
    for (int i = 0; i < 6; i++) r->dev->op->free(r->dev, device_memory[i]);
    free(r->host_params);
    free(r->host_state);
    free(r->image);
    tn_exec_free(&r->ex);
    tn_dev_close(&r->dev);
    tn_net_free(&r->net);
    tn_ckpt_free(&r->file);
}

/* A thin file has the running moments alone. */
static void make_weights(rig *r) {
    golden_weights(r->net, r->host_params, r->host_state);
    for (int i = 0; i < tn_net_tensors(r->net); i++) {
        const tn_tensor *t = tn_net_tensor(r->net, i);
        if (!tn_tensor_is_state(t)) continue;
        memcpy(r->host_state + t->offset, stored(r, t->n, "model.%s", t->name), (size_t)t->n * sizeof(float));
    }
}

static void load_weights(rig *r) {
    if (r->thin)
        make_weights(r);
    else
        must(tn_ckpt_net_load(r->file, r->net, "model.", r->host_params, r->host_state));
    r->dev->op->upload(r->dev, r->n_params, r->host_params, r->params);
    r->dev->op->upload(r->dev, r->n_state, r->host_state, r->state);
    tn_exec_weights(r->ex, r->params, r->state);
}

static double train(rig *r, const float *image, const float *target) {
    double loss = NAN;
    tn_exec_lane lane = {.image = {.x = image}, .target = target};
    tn_exec_train(r->ex, &lane, r->grads, r->moments, &loss);
    return loss;
}

/* --- comparisons -------------------------------------------------------------------------------------------------- */

static void compare(const rig *r, judge *j, const char *family, const char *what, double bound, int64_t n,
                    float *ours) {
    n = thinned(r, n, ours);
    judge_add(j, family, bound, n, ours, stored(r, n, "%s.%s", peer(r), what), stored(r, n, "fp64.%s", what), 0);
}

static void compare_gradient(const rig *r, judge *j, int i) {
    const tn_tensor *t = tn_net_tensor(r->net, i), *before = i > 0 ? tn_net_tensor(r->net, i - 1) : t;
    float *ours = r->host_params + t->offset;
    int64_t n = thinned(r, t->n, ours), n_before = thinned_count(r, before->n);
    const float *peers = stored(r, n, "%s.grad.%s", peer(r), t->name), *exact = stored(r, n, "fp64.grad.%s", t->name);
    const char *family = family_of(t);
    double scale = 0;
    if (t->kind == TN_TENSOR_SHIFT) { /* the next batch norm may take the shift out again */
        double gamma = judge_norm(n_before, stored(r, n_before, "fp64.grad.%s", before->name));
        if (judge_norm(n, exact) < NO_GRADIENT * gamma) {
            family = "batch-norm beta without gradient, relative to gamma's";
            scale = gamma;
        }
    }
    if (r->how->bf16 && strcmp(family, "dense") == 0) j = r->how->of_all;
    judge_add(j, family, TRAIN_BOUND, n, ours, peers, exact, scale);
}

/* Training mode shows no logits. Where one sample alone has a say, by the target 1/K, the gradient of the last bias is
 * (softmax - 1/K) / B: its logarithms are the logits less their mean. */
static void training_logits(rig *r, const float *image, float *logits_out) {
    const tn_tensor *bias = tn_net_tensor(r->net, tn_net_tensors(r->net) - 1);
    float *target = host((int64_t)r->B * r->K);
    for (int b = 0; b < r->B; b++) {
        float *row = logits_out + b * r->K;
        memset(target, 0, (size_t)(r->B * r->K) * sizeof *target);
        for (int k = 0; k < r->K; k++) target[b * r->K + k] = 1.0F / (float)r->K;
        train(r, image, target);
        r->dev->op->download(r->dev, r->K, r->grads + bias->offset, row);
        for (int k = 0; k < r->K; k++) row[k] = (float)log((double)row[k] * r->B + 1.0 / r->K);
    }
    free(target);
}

static void centre(int B, int K, const float *logits, float *out) {
    for (int b = 0; b < B; b++) {
        double mean = 0;
        for (int k = 0; k < K; k++) mean += (double)logits[b * K + k] / K;
        for (int k = 0; k < K; k++) out[b * K + k] = (float)((double)logits[b * K + k] - mean);
    }
}

static void compare_training_logits(rig *r, judge *j, const float *image) {
    int64_t n = (int64_t)r->B * r->K;
    float *all = host(3 * n), *ours = all, *peers = all + n, *exact = all + 2 * n;
    training_logits(r, image, ours);
    centre(r->B, r->K, ours, ours);
    centre(r->B, r->K, stored(r, n, "%s.logits", peer(r)), peers);
    centre(r->B, r->K, stored(r, n, "fp64.logits"), exact);
    judge_add(j, "training logits", TRAIN_BOUND, n, ours, peers, exact, 0);
    free(all);
}

static void evaluation(rig *r, judge *j) {
    int64_t n = (int64_t)r->B * r->K;
    float *logits = host(n);
    tn_exec_logits(r->ex, &(tn_images){.x = images(r, -1, "image")}, NULL, logits);
    compare(r, j, "evaluation logits", "eval", EVAL_BOUND, n, logits);
    for (int step = 0; step < N_STEPS; step++) {
        char what[32];
        snprintf(what, sizeof what, "step.%d.eval", step);
        tn_exec_logits(r->ex, &(tn_images){.x = images_of_step(r, step)}, NULL, logits);
        compare(r, j, "evaluation logits", what, EVAL_BOUND, n, logits);
    }
    free(logits);
}

static void one_step(rig *r, judge *j) {
    const float *target = stored(r, (int64_t)r->B * r->K, "target");
    load_weights(r);
    evaluation(r, j);
    const float *image = images(r, -1, "image"); /* evaluation made others */
    compare_training_logits(r, j, image);
    float loss = (float)train(r, image, target);
    compare(r, r->how->bf16 ? r->how->of_all : j, "loss", "loss", TRAIN_BOUND, 1, &loss);
    r->dev->op->download(r->dev, r->n_params, r->grads, r->host_params);
    r->dev->op->lerp(r->dev, r->n_state, (float)r->model.net.bn_momentum, r->moments, r->state);
    r->dev->op->download(r->dev, r->n_state, r->state, r->host_state);
    for (int i = 0; i < tn_net_tensors(r->net); i++) {
        const tn_tensor *t = tn_net_tensor(r->net, i);
        char what[TN_TENSOR_NAME_BYTES + 8];
        snprintf(what, sizeof what, "state.%s", t->name);
        if (tn_tensor_is_state(t))
            compare(r, j, family_of(t), what, TRAIN_BOUND, t->n, r->host_state + t->offset);
        else
            compare_gradient(r, j, i);
    }
}

/* --- ten steps ---------------------------------------------------------------------------------------------------- */

static double furthest(const float *x, const float *y) {
    double most = 0;
    for (int i = 0; i < N_STEPS; i++) {
        double d = fabs((double)x[i] - (double)y[i]) / fabs((double)y[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

/* fp32 follows PyTorch's fp32. In bf16 every loss of the ten is judged with all others. */
static int ten_steps(rig *r, tn_optim_kind kind, const char *name) {
    char key[32];
    float ours[N_STEPS];
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    TN_ASSERT(cfg != NULL);
    cfg->train.optimizer = kind;
    cfg->train.momentum = 0.9;
    cfg->train.layer_decay = 1;
    snprintf(key, sizeof key, "%s_decay", name);
    cfg->train.weight_decay = stored_number(r, key);
    snprintf(key, sizeof key, "%s_rate", name);
    double rate = stored_number(r, key);
    load_weights(r);
    r->dev->op->fill(r->dev, r->n_params, 0, r->m);
    r->dev->op->fill(r->dev, r->n_params, 0, r->v);
    for (int step = 0; step < N_STEPS; step++) {
        const float *image = images_of_step(r, step);
        ours[step] = (float)train(r, image, stored(r, (int64_t)r->B * r->K, "step.%d.target", step));
        tn_optim_step(r->dev, r->net, cfg, rate, step + 1, r->grads, r->params, r->m, r->v);
        tn_exec_weights(r->ex, r->params, r->state);
    }
    free(cfg);
    const float *fp32 = stored(r, N_STEPS, "fp32.%s", name), *bf16 = stored(r, N_STEPS, "bf16.%s", name);
    double error = furthest(ours, fp32);
    printf("- ten steps of %s, loss %.3f to %.3f: at most %.1e from PyTorch's fp32 loss", name, (double)ours[0],
           (double)ours[N_STEPS - 1], error);
    if (r->how->bf16) {
        for (int i = 0; i < N_STEPS; i++) judge_add(r->how->of_all, "loss", 0, 1, &ours[i], &bf16[i], &fp32[i], 0);
        printf(" (PyTorch's bf16: %.1e)\n", furthest(bf16, fp32));
        return 0;
    }
    bool failed = !(error <= TEN_STEPS_BOUND);
    printf(", bound %.0e: %s\n", TEN_STEPS_BOUND, failed ? "**fails**" : "fine");
    return failed;
}

static int check(const char *path, const settings *how) {
    rig r = rig_new(path, how);
    printf("\n## %s, %s padding, %d px, batch %d: device %s, %s\n\nAgainst %s.\n\n", r.model.net.name,
           r.model.net.pad_same ? "TF-SAME" : "symmetric", r.model.size_px, r.B, DEVICES[how->device], peer(&r),
           tn_ckpt_word(r.file, "source"));
    judge *j = judge_new(how->bf16);
    one_step(&r, j);
    int n_failed = judge_print(j, stdout);
    judge_free(&j);
    printf("\n");
    n_failed += ten_steps(&r, TN_OPTIM_ADAMW, "adamw");
    n_failed += ten_steps(&r, TN_OPTIM_SGD, "sgd");
    fflush(stdout);
    rig_free(&r);
    return n_failed;
}

static tn_device_kind device_of(const char *word) {
    for (int i = 0; i < TN_N_DEVICES; i++)
        if (strcmp(DEVICES[i], word) == 0) return (tn_device_kind)i;
    must(tn_fail(TN_EARG, "there is no device %s", word));
    return TN_DEVICE_CPU;
}

static int usage(void) {
    fprintf(stderr, "usage: parity [--device cpu|ref|cuda] [--threads N] [--bf16] FILE...\n");
    return TN_EARG;
}

int main(int argc, char **argv) {
    settings how = {.device = TN_DEVICE_CPU, .n_threads = 2};
    int i = 1, n_failed = 0;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--bf16") == 0)
            how.bf16 = true;
        else if (strcmp(argv[i], "--device") == 0)
            how.device = device_of(argv[++i]);
        else if (strcmp(argv[i], "--threads") == 0)
            how.n_threads = atoi(argv[++i]);
        else
            return usage();
    }
    if (i >= argc) return usage();
    if (how.bf16) how.of_all = judge_new(true);
    for (; i < argc; i++) n_failed += check(argv[i], &how);
    if (how.bf16) {
        printf("\n## All nets together\n\nThe losses of one step, and of every step of ten; the gradients of the dense "
               "layers.\n\n");
        n_failed += judge_print(how.of_all, stdout);
        judge_free(&how.of_all);
    }
    return n_failed ? 1 : 0;
}
