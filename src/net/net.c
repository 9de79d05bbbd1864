/* net.c - tensors of a net with timm's names and order, their initial values, and the printed table of layers. */
#include "net/net_priv.h"

#include "base/rng.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_UNITS = 1 << 20, INPUT_CHANNELS = 3, STEM_KERNEL = 3 };
static const double MAX_SCALE = 16; /* limit of width and depth */

/* --- tensors ------------------------------------------------------------------------------------------------------ */

bool tn_tensor_is_state(const tn_tensor *t) {
    return t->kind == TN_TENSOR_MEAN || t->kind == TN_TENSOR_VAR;
}

__attribute__((format(printf, 5, 6))) static int add(tn_net *net, tn_tensor_kind kind, int n_dims, const int64_t dim[],
                                                     const char *name, ...) {
    tn_tensor *t = &net->tensor[net->n_tensors];
    *t = (tn_tensor){.kind = kind, .n_dims = n_dims, .n = 1, .stage = net->n_stages};
    va_list args;
    va_start(args, name);
    vsnprintf(t->name, sizeof t->name, name, args);
    va_end(args);
    for (int i = 0; i < n_dims; i++) t->n *= t->dim[i] = dim[i];
    int64_t *total = tn_tensor_is_state(t) ? &net->n_state : &net->n_params;
    t->offset = *total;
    *total += t->n;
    return net->n_tensors++;
}

/* Add a convolution without bias and its batch norm. Returns the index of its weight. */
static int add_conv(tn_net *net, const char *prefix, const char *conv, const char *bn, int n_in, int n_out,
                    int kernel) {
    tn_tensor_kind kind = n_in == 1 ? TN_TENSOR_DEPTHWISE : TN_TENSOR_CONV;
    int first = add(net, kind, 4, (int64_t[]){n_out, n_in, kernel, kernel}, "%s%s.weight", prefix, conv);
    add(net, TN_TENSOR_SCALE, 1, (int64_t[]){n_out}, "%s%s.weight", prefix, bn);
    add(net, TN_TENSOR_SHIFT, 1, (int64_t[]){n_out}, "%s%s.bias", prefix, bn);
    add(net, TN_TENSOR_MEAN, 1, (int64_t[]){n_out}, "%s%s.running_mean", prefix, bn);
    add(net, TN_TENSOR_VAR, 1, (int64_t[]){n_out}, "%s%s.running_var", prefix, bn);
    return first;
}

static int add_dense(tn_net *net, const char *name, int n_in, int n_out) {
    int first = add(net, TN_TENSOR_DENSE, 2, (int64_t[]){n_out, n_in}, "%s.weight", name);
    add(net, TN_TENSOR_BIAS, 1, (int64_t[]){n_out}, "%s.bias", name);
    return first;
}

/* Add squeeze-and-excitation: two dense layers, stored as 1x1 convolutions with bias. */
static int add_se(tn_net *net, const char *prefix, int n_mid, int squeeze) {
    int first = add(net, TN_TENSOR_CONV, 4, (int64_t[]){squeeze, n_mid, 1, 1}, "%sse.conv_reduce.weight", prefix);
    add(net, TN_TENSOR_BIAS, 1, (int64_t[]){squeeze}, "%sse.conv_reduce.bias", prefix);
    add(net, TN_TENSOR_CONV, 4, (int64_t[]){n_mid, squeeze, 1, 1}, "%sse.conv_expand.weight", prefix);
    add(net, TN_TENSOR_BIAS, 1, (int64_t[]){n_mid}, "%sse.conv_expand.bias", prefix);
    return first;
}

/* In timm a block without expansion is depthwise-separable, and its batch norms are numbered from the depthwise convolution on. */
static void add_block(tn_net *net, tn_block *b) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "blocks.%d.%d.", b->stage, b->place);
    bool expands = b->n_mid != b->n_in;
    if (expands) b->expand = add_conv(net, prefix, "conv_pw", "bn1", b->n_in, b->n_mid, 1);
    b->depthwise = add_conv(net, prefix, "conv_dw", expands ? "bn2" : "bn1", 1, b->n_mid, b->kernel);
    if (b->squeeze) b->se = add_se(net, prefix, b->n_mid, b->squeeze);
    b->project =
        add_conv(net, prefix, expands ? "conv_pwl" : "conv_pw", expands ? "bn3" : "bn2", b->n_mid, b->n_out, 1);
}

static tn_status add_tensors(tn_net *net) {
    const tn_net_spec *s = &net->spec;
    int most = 14 + 19 * net->n_blocks; /* stem 5, head 5, dense 2 x 2; three convolutions of 5 and SE 4 per block */
    net->tensor = calloc((size_t)most, sizeof *net->tensor);
    if (!net->tensor) return tn_fail_memory((size_t)most * sizeof *net->tensor, "the tensors of a net");
    net->stem = add_conv(net, "", "conv_stem", "bn1", INPUT_CHANNELS, net->n_stem, STEM_KERNEL);
    for (int i = 0; i < net->n_blocks; i++) {
        net->n_stages = 1 + net->block[i].stage;
        add_block(net, &net->block[i]);
    }
    net->n_stages++;
    net->head = add_conv(net, "", "conv_head", "bn2", net->block[net->n_blocks - 1].n_out, net->n_head, 1);
    net->n_stages++;
    int features = net->n_head + s->extra_units;
    net->head_dense = s->head_units ? add_dense(net, "head_dense", features, s->head_units) : -1;
    net->classifier = add_dense(net, "classifier", s->head_units ? s->head_units : features, s->n_classes);
    TN_ASSERT(net->n_tensors <= most);
    return TN_OK;
}

/* --- a net -------------------------------------------------------------------------------------------------------- */

static tn_status check_range(const char *what, double value, bool fine, const char *accepted) {
    if (fine) return TN_OK;
    return tn_fail(TN_EARG, "the net's %s is %g: %s", what, value, accepted);
}

static tn_status check_spec(const tn_net_spec *s) {
    TN_TRY(check_range("width", s->width, s->width > 0 && s->width <= MAX_SCALE, "give 0 (the table's) or up to 16"));
    TN_TRY(check_range("depth", s->depth, s->depth > 0 && s->depth <= MAX_SCALE, "give 0 (the table's) or up to 16"));
    TN_TRY(check_range("stem_stride", s->stem_stride, s->stem_stride == 1 || s->stem_stride == 2, "give 1 or 2"));
    TN_TRY(check_range("the number of classes", s->n_classes, s->n_classes >= 2 && s->n_classes <= MAX_UNITS,
                       "give 2 to 1048576"));
    TN_TRY(check_range("extra_units", s->extra_units, s->extra_units >= 0 && s->extra_units <= MAX_UNITS,
                       "give 0 to 1048576"));
    TN_TRY(check_range("head_units", s->head_units, s->head_units >= 0 && s->head_units <= MAX_UNITS,
                       "give 0 to 1048576"));
    TN_TRY(check_range("dropout", s->dropout, s->dropout >= 0 && s->dropout < 1,
                       "give a share below 1, or -1 for the table's"));
    TN_TRY(check_range("drop_connect", s->drop_connect, s->drop_connect >= 0 && s->drop_connect < 1,
                       "give a share below 1"));
    TN_TRY(check_range("bn_eps", s->bn_eps, s->bn_eps > 0 && s->bn_eps < 1, "give 0 (the table's) or below 1"));
    return check_range("bn_momentum", s->bn_momentum, s->bn_momentum > 0 && s->bn_momentum <= 1,
                       "give 0 (the table's) or at most 1");
}

static tn_status build(tn_net *net, const tn_net_spec *spec) {
    TN_TRY(tn_effnet_find(spec->name, &net->family));
    net->spec = *spec;
    tn_net_spec *s = &net->spec;
    if (s->width == 0) s->width = net->family->width;
    if (s->depth == 0) s->depth = net->family->depth;
    if (s->dropout == -1) s->dropout = net->family->dropout;
    if (s->bn_eps == 0) s->bn_eps = net->family->bn_eps;
    if (s->bn_momentum == 0) s->bn_momentum = net->family->bn_momentum;
    TN_TRY(check_spec(s));
    net->act = net->family->lite ? TN_ACT_RELU6 : TN_ACT_SWISH;
    net->n_stem = tn_effnet_stem(net->family, s->width);
    net->n_head = tn_effnet_head(net->family, s->width);
    TN_TRY(tn_effnet_blocks(net->family, s->width, s->depth, &net->n_blocks, &net->block));
    return add_tensors(net);
}

tn_status tn_net_new(const tn_net_spec *spec, tn_net **out) {
    tn_net *net = calloc(1, sizeof *net);
    if (!net) return tn_fail_memory(sizeof *net, "a net");
    tn_status st = build(net, spec);
    if (st == TN_OK)
        *out = net;
    else
        tn_net_free(&net);
    return st;
}

void tn_net_free(tn_net **net) {
    if (!*net) return;
    free((*net)->block);
    free((*net)->tensor);
    free(*net);
    *net = NULL;
}

const tn_net_spec *tn_net_spec_of(const tn_net *net) {
    return &net->spec;
}
int64_t tn_net_params(const tn_net *net) {
    return net->n_params;
}
int64_t tn_net_state(const tn_net *net) {
    return net->n_state;
}
int tn_net_tensors(const tn_net *net) {
    return net->n_tensors;
}

const tn_tensor *tn_net_tensor(const tn_net *net, int i) {
    TN_ASSERT(i >= 0 && i < net->n_tensors);
    return &net->tensor[i];
}

int tn_net_stages(const tn_net *net) {
    return net->n_stages;
}

int64_t tn_net_params_in(const tn_net *net, int n_stages) {
    int64_t n = 0;
    for (int i = 0; i < net->n_tensors && net->tensor[i].stage < n_stages; i++)
        if (!tn_tensor_is_state(&net->tensor[i])) n += net->tensor[i].n;
    return n;
}

int tn_net_table_px(const tn_net *net) {
    return net->family->size_px;
}

int tn_net_least_px(const tn_net *net) {
    int px = net->spec.stem_stride;
    for (int i = 0; i < net->n_blocks; i++) px *= net->block[i].stride;
    return px;
}

int tn_net_out_px(const tn_net *net, int S, int kernel, int stride, int *pad_out) {
    if (!net->spec.pad_same) {
        *pad_out = (kernel - 1) / 2;
        return (S + 2 * *pad_out - kernel) / stride + 1;
    }
    int P = (S + stride - 1) / stride, total = (P - 1) * stride + kernel - S;
    *pad_out = total > 0 ? total / 2 : 0;
    return P;
}

/* --- initial values ----------------------------------------------------------------------------------------------- */

/* Each row has its own random generator, so that its counter cannot overflow. */
static void init_tensor(uint64_t seed, int index, const tn_tensor *t, float *x) {
    if (t->kind != TN_TENSOR_CONV && t->kind != TN_TENSOR_DEPTHWISE && t->kind != TN_TENSOR_DENSE) {
        bool one = t->kind == TN_TENSOR_SCALE || t->kind == TN_TENSOR_VAR;
        for (int64_t i = 0; i < t->n; i++) x[i] = one ? 1.0F : 0.0F;
        return;
    }
    int64_t per_row = t->n / t->dim[0];
    bool dense = t->kind == TN_TENSOR_DENSE;
    double fan_in = (double)per_row, fan_out = (double)(t->kind == TN_TENSOR_DEPTHWISE ? per_row : t->n / t->dim[1]);
    for (int64_t row = 0; row < t->dim[0]; row++) {
        tn_rng r = tn_rng_at(seed, TN_STREAM_INIT, (uint64_t)row, (uint64_t)index);
        for (int64_t i = row * per_row; i < (row + 1) * per_row; i++)
            x[i] = (float)(dense ? (2.0 * tn_rng_uniform(&r) - 1.0) / sqrt(fan_in)
                                 : tn_rng_normal(&r) * sqrt(2.0 / fan_out));
    }
}

void tn_net_init(const tn_net *net, uint64_t seed, float *params, float *state) {
    for (int i = 0; i < net->n_tensors; i++) {
        const tn_tensor *t = &net->tensor[i];
        init_tensor(seed, i, t, (tn_tensor_is_state(t) ? state : params) + t->offset);
    }
}

/* --- description -------------------------------------------------------------------------------------------------- */

/* Print one line for the tensors [first, last). */
static void describe_layer(const tn_net *net, FILE *out, const char *name, int S, int C, int first, int last) {
    int64_t n = 0;
    for (int i = first; i < last; i++) n += tn_tensor_is_state(&net->tensor[i]) ? 0 : net->tensor[i].n;
    char shape[48];
    if (S)
        snprintf(shape, sizeof shape, "%d x %d x %d", S, S, C);
    else
        snprintf(shape, sizeof shape, "%d", C);
    fprintf(out, "%-14s %18s %12lld\n", name, shape, (long long)n);
}

void tn_net_describe(const tn_net *net, int size_px, FILE *out) {
    const tn_net_spec *s = &net->spec;
    int S = size_px ? size_px : net->family->size_px, pad;
    fprintf(out, "%s, width %g, depth %g, input %d px\n", s->name, s->width, s->depth, S);
    fprintf(out, "%-14s %18s %12s\n", "layer", "output", "parameters");
    S = tn_net_out_px(net, S, STEM_KERNEL, s->stem_stride, &pad);
    describe_layer(net, out, "conv_stem", S, net->n_stem, net->stem, net->stem + 5);
    for (int i = 0; i < net->n_blocks; i++) {
        const tn_block *b = &net->block[i];
        S = tn_net_out_px(net, S, b->kernel, b->stride, &pad);
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.%d", b->stage, b->place);
        describe_layer(net, out, name, S, b->n_out, b->expand >= 0 ? b->expand : b->depthwise, b->project + 5);
    }
    describe_layer(net, out, "conv_head", S, net->n_head, net->head, net->head + 5);
    if (s->head_units) describe_layer(net, out, "head_dense", 0, s->head_units, net->head_dense, net->classifier);
    describe_layer(net, out, "classifier", 0, s->n_classes, net->classifier, net->n_tensors);
    fprintf(out, "parameters %lld\nstate %lld\n", (long long)net->n_params, (long long)net->n_state);
}
