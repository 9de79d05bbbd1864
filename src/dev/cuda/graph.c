/*
 * graph.c - convolutions by the graph API of cuDNN 9, through its C backend.
 *
 * Never taken: engines that are not deterministic, or use FFT, Winograd or sums of reduced precision; in fp32 those with tensor cores, which
 * round to TF32. Of the others the first one in the order of cuDNN's heuristics that needs little workspace.
 */
#include "dev/cuda/cuda_priv.h"

#include "base/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UID_X = 1, UID_W, UID_Y, MOST_DESCRIPTORS = 16, MOST_ENGINES = 64 };

typedef cudnnBackendDescriptor_t descriptor;

struct tn_graph {
    descriptor plan;
    descriptor part[MOST_DESCRIPTORS]; /* what the plan was made of: must stay */
    int n_parts;
    size_t workspace_bytes;
};

/* --- descriptors: the first error ends the making of a graph ------------------------------------------------------- */

typedef struct {
    tn_graph *graph;
    cudnnStatus_t status;
    char words[512];
} maker;

static void note(maker *m, cudnnStatus_t status, const char *what) {
    char more[256] = "";
    if (status == CUDNN_STATUS_SUCCESS || m->status != CUDNN_STATUS_SUCCESS) return;
    m->status = status;
    cudnnGetLastErrorString(more, sizeof more);
    snprintf(m->words, sizeof m->words, "%s: %s: %s", what, cudnnGetErrorString(status), more);
}

static descriptor make(maker *m, cudnnBackendDescriptorType_t type) {
    descriptor d = NULL;
    TN_ASSERT(m->graph->n_parts < MOST_DESCRIPTORS);
    note(m, cudnnBackendCreateDescriptor(type, &d), "a descriptor");
    if (d) m->graph->part[m->graph->n_parts++] = d;
    return d;
}

static void set(maker *m, descriptor d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
                const void *x) {
    char what[48];
    if (m->status != CUDNN_STATUS_SUCCESS) return;
    snprintf(what, sizeof what, "attribute %d", (int)name);
    note(m, cudnnBackendSetAttribute(d, name, type, n, x), what);
}
static void set_descriptor(maker *m, descriptor d, cudnnBackendAttributeName_t name, descriptor x) {
    set(m, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
}
static void set_int(maker *m, descriptor d, cudnnBackendAttributeName_t name, int64_t x) {
    set(m, d, name, CUDNN_TYPE_INT64, 1, &x);
}
static void finalize(maker *m, descriptor d, const char *what) {
    if (m->status == CUDNN_STATUS_SUCCESS) note(m, cudnnBackendFinalize(d), what);
}

/* Channels innermost. */
static descriptor tensor(maker *m, int64_t uid, cudnnDataType_t type, int64_t n, int64_t c, int64_t h, int64_t w) {
    enum { ALIGN = 16 };
    descriptor d = make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    int64_t size[4] = {n, c, h, w}, stride[4] = {h * w * c, 1, w * c, c};
    set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, size);
    set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride);
    set_int(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
    set_int(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, ALIGN);
    finalize(m, d, "a tensor");
    return d;
}

/* The output size P x Q is given; the padding at the end follows from it. */
static descriptor convolution(maker *m, const tn_conv_shape *s) {
    descriptor d = make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t stride[2] = {s->stride, s->stride}, dilation[2] = {1, 1}, pre[2] = {s->pad_top, s->pad_left};
    int64_t post[2] = {(int64_t)(s->P - 1) * s->stride + s->R - s->H - s->pad_top,
                       (int64_t)(s->Q - 1) * s->stride + s->R - s->W - s->pad_left};
    set_int(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
    set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pre);
    set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, post);
    set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
    set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
    finalize(m, d, "the convolution");
    return d;
}

/* The names of an operation's attributes in each direction. */
static const struct {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t x, w, y, conv, alpha, beta;
} OPERATION[TN_GRAPHS] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static descriptor operations(maker *m, const tn_dev *dev, tn_graph_kind kind, const tn_conv_shape *s, int B) {
    cudnnDataType_t real = tn_cuda_bf16(dev) ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    descriptor x = tensor(m, UID_X, real, B, s->C, s->H, s->W),
               w = tensor(m, UID_W, real, s->K, s->depthwise ? 1 : s->C, s->R, s->R),
               y = tensor(m, UID_Y, real, B, s->K, s->P, s->Q), conv = convolution(m, s),
               op = make(m, OPERATION[kind].type);
    float one = 1, zero = 0;
    set_descriptor(m, op, OPERATION[kind].x, x);
    set_descriptor(m, op, OPERATION[kind].w, w);
    set_descriptor(m, op, OPERATION[kind].y, y);
    set_descriptor(m, op, OPERATION[kind].conv, conv);
    set(m, op, OPERATION[kind].alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(m, op, OPERATION[kind].beta, CUDNN_TYPE_FLOAT, 1, &zero);
    finalize(m, op, "the operation");
    descriptor graph = make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set_descriptor(m, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, op);
    finalize(m, graph, "the graph");
    return graph;
}

/* --- choosing an engine ------------------------------------------------------------------------------------------- */

static bool has_note(const cudnnBackendNumericalNote_t *note, int64_t n, cudnnBackendNumericalNote_t wanted) {
    for (int64_t i = 0; i < n; i++)
        if (note[i] == wanted) return true;
    return false;
}

static bool may_use(const tn_dev *dev, descriptor config) {
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0, n_engines = 0;
    descriptor engine = NULL;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS) return false;
    bool ok = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                       &n_engines, &engine) == CUDNN_STATUS_SUCCESS &&
              cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                       CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, note) == CUDNN_STATUS_SUCCESS;
    cudnnBackendDestroyDescriptor(engine);
    if (!ok || has_note(note, n, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ||
        has_note(note, n, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) ||
        has_note(note, n, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) || has_note(note, n, CUDNN_NUMERICAL_NOTE_FFT) ||
        has_note(note, n, CUDNN_NUMERICAL_NOTE_WINOGRAD))
        return false;
    return tn_cuda_bf16(dev) || !has_note(note, n, CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
}

/* The plan of a configuration; NULL: cuDNN refuses it, or it must not be used. */
static descriptor plan_of(const tn_dev *dev, descriptor config) {
    descriptor plan = NULL;
    if (!may_use(dev, config) ||
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan) != CUDNN_STATUS_SUCCESS)
        return NULL;
    bool ok = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                       &tn_cuda_of(dev)->properties) == CUDNN_STATUS_SUCCESS &&
              cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                       &config) == CUDNN_STATUS_SUCCESS &&
              cudnnBackendFinalize(plan) == CUDNN_STATUS_SUCCESS;
    if (ok) return plan;
    cudnnBackendDestroyDescriptor(plan);
    return NULL;
}

static size_t workspace_of(descriptor plan) {
    int64_t n = 0, n_bytes = 0;
    cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &n_bytes);
    return (size_t)n_bytes;
}

/* The configuration stays with the graph. */
static void take(maker *m, descriptor plan, descriptor config) {
    m->graph->plan = plan;
    m->graph->workspace_bytes = workspace_of(plan);
    m->graph->part[m->graph->n_parts++] = config;
}

/* The first usable plan of a list whose workspace is at most `most` bytes; if there is none, the first usable one. */
static void choose(maker *m, const tn_dev *dev, descriptor graph, cudnnBackendHeurMode_t mode, size_t most) {
    descriptor list = make(m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR), config[MOST_ENGINES] = {NULL}, best = NULL;
    int64_t n = 0;
    int taken = 0;
    set_descriptor(m, list, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set_descriptor(m, list, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, tn_cuda_of(dev)->properties);
    set(m, list, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (m->status != CUDNN_STATUS_SUCCESS || cudnnBackendFinalize(list) != CUDNN_STATUS_SUCCESS) return;
    for (int i = 0; i < MOST_ENGINES; i++) cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[i]);
    cudnnBackendGetAttribute(list, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_ENGINES, &n,
                             config);
    for (int i = 0; i < MOST_ENGINES && i < n && !(best && workspace_of(best) <= most); i++) {
        descriptor plan = plan_of(dev, config[i]);
        bool better = plan && (!best || workspace_of(plan) <= most);
        descriptor worse = better ? best : plan;
        if (better) best = plan, taken = i;
        if (worse) cudnnBackendDestroyDescriptor(worse);
    }
    for (int i = 0; i < MOST_ENGINES; i++)
        if (config[i] && !(best && i == taken)) cudnnBackendDestroyDescriptor(config[i]);
    if (best) take(m, best, config[taken]);
}

/* A larger workspace holds copies of the operands in another layout: the engine moves about twice the bytes. The first layer's three
 * channels are always padded there. */
static size_t small_workspace(const tn_dev *dev, const tn_conv_shape *s, int B) {
    int64_t n = (int64_t)B * ((int64_t)s->H * s->W * s->C + (int64_t)s->P * s->Q * s->K);
    return (size_t)n * tn_real_bytes(dev) / 8 + (4U << 20);
}

tn_status tn_graph_properties(cudnnHandle_t cudnn, cudnnBackendDescriptor_t *out) {
    cudnnStatus_t st = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, out);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendSetAttribute(*out, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &cudnn);
    if (st == CUDNN_STATUS_SUCCESS) st = cudnnBackendFinalize(*out);
    return st == CUDNN_STATUS_SUCCESS
               ? TN_OK
               : tn_fail(TN_ENODE, "cuDNN knows nothing of this GPU: %s", cudnnGetErrorString(st));
}

tn_status tn_graph_new(tn_dev *dev, tn_graph_kind kind, const tn_conv_shape *s, int B, tn_graph **out) {
    static const char *const NAME[TN_GRAPHS] = {"forward", "data gradient", "weight gradient"};
    maker m = {.graph = calloc(1, sizeof *m.graph), .status = CUDNN_STATUS_SUCCESS};
    if (!m.graph) return tn_fail_memory(sizeof *m.graph, "a convolution");
    descriptor graph = operations(&m, dev, kind, s, B);
    choose(&m, dev, graph, CUDNN_HEUR_MODE_A, small_workspace(dev, s, B));
    if (!m.graph->plan) choose(&m, dev, graph, CUDNN_HEUR_MODE_FALLBACK, SIZE_MAX);
    if (m.graph->plan) {
        *out = m.graph;
        return TN_OK;
    }
    tn_graph_free(&m.graph);
    return tn_fail(
        TN_EARG,
        "cuDNN %zu has no deterministic engine in %s on %s for the %s of a convolution %d x %d, stride %d, of "
        "(%d,%d,%d,%d) to %d channels%s%s",
        cudnnGetVersion(), tn_cuda_bf16(dev) ? "bf16" : "fp32", tn_cuda_of(dev)->name, NAME[kind], s->R, s->R,
        s->stride, B, s->H, s->W, s->C, s->K, *m.words ? ": " : "", m.words);
}

size_t tn_graph_workspace(const tn_graph *graph) {
    return graph->workspace_bytes;
}

void tn_graph_free(tn_graph **graph) {
    tn_graph *g = *graph;
    if (!g) return;
    if (g->plan) cudnnBackendDestroyDescriptor(g->plan);
    while (g->n_parts > 0) cudnnBackendDestroyDescriptor(g->part[--g->n_parts]);
    free(g);
    *graph = NULL;
}

void tn_graph_run(tn_dev *dev, const tn_graph *graph, const void *x, const void *w, const void *y) {
    descriptor pack = NULL;
    int64_t uid[] = {UID_X, UID_W, UID_Y};
    const void *pointer[] = {x, w, y};
    void *workspace = tn_cuda_scratch(dev, TN_SCRATCH_WORKSPACE, graph->workspace_bytes);
    cudnnStatus_t st = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, uid);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointer);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    if (st == CUDNN_STATUS_SUCCESS) st = cudnnBackendFinalize(pack);
    if (st == CUDNN_STATUS_SUCCESS) st = cudnnBackendExecute(tn_cuda_of(dev)->cudnn, graph->plan, pack);
    if (pack) cudnnBackendDestroyDescriptor(pack);
    tn_cuda_check(dev, cudaPeekAtLastError(), "a convolution");
    if (st != CUDNN_STATUS_SUCCESS)
        tn_die(TN_EBUG, "%s: a convolution failed in cuDNN: %s", tn_cuda_of(dev)->name, cudnnGetErrorString(st));
}
