/*
 * cudnn.c - executes cuDNN's graphs on the CPU. The real libcudnn makes, checks and compiles every graph for an H100; these functions stand in
 * front of it, remember the attributes, and interpret the same graph where a GPU would execute it. Written from cuDNN's documentation
 * alone; shares no code with the devices.
 *
 * It is hostile: sums run in an order drawn from TN_EMU_SEED and are kept in float32; the workspace is overwritten; inputs in bf16 are what
 * was stored. What it does not know ends the process.
 */
#include "emu.h"

#include <cudnn.h>
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REAL(f)                                                                                                        \
    ({                                                                                                                 \
        static __typeof__(&f) real;                                                                                    \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #f);                                                             \
        real;                                                                                                          \
    })

typedef cudnnBackendDescriptor_t descriptor;

/* --- what was said about descriptors ------------------------------------------------------------------------------ */

typedef struct attribute {
    int name;
    int64_t n;
    void *value; /* descriptors: their records */
    struct attribute *next;
} attribute;
typedef struct record {
    descriptor of;
    int kind;
    bool finalized;
    attribute *first;
    struct record *graph; /* of an engine configuration */
    struct record *next;
} record;
static record
    *records; /* a destroyed descriptor's record stays, because others may refer to it; a new one comes before it */

static record *record_of(descriptor d) {
    record *r = records;
    while (r && r->of != d) r = r->next;
    if (!r) emu_stop("cuDNN: a descriptor that nobody made");
    return r;
}
static const void *value_of(const record *r, int name) {
    const attribute *a = r->first;
    while (a && a->name != name) a = a->next;
    return a ? a->value : NULL;
}
static record *child(const record *r, int name) {
    const void *x = value_of(r, name);
    if (!x) emu_stop("cuDNN: attribute %d is missing", name);
    return *(record *const *)x;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, descriptor *out) {
    cudnnStatus_t st = REAL(cudnnBackendCreateDescriptor)(type, out);
    record *r = calloc(1, sizeof *r);
    if (st != CUDNN_STATUS_SUCCESS || !r) return st;
    *r = (record){.of = *out, .kind = (int)type, .next = records};
    records = r;
    return st;
}
cudnnStatus_t cudnnBackendFinalize(descriptor d) {
    if (record_of(d)->kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR && emu_fails("plan"))
        return CUDNN_STATUS_NOT_SUPPORTED;
    cudnnStatus_t st = REAL(cudnnBackendFinalize)(d);
    if (st == CUDNN_STATUS_SUCCESS) record_of(d)->finalized = true;
    return st;
}

static size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_HANDLE:
        return 8;
    case CUDNN_TYPE_CHAR:
    case CUDNN_TYPE_BOOLEAN:
        return 1;
    default:
        return 4;
    }
}

/* The properties that plans are made for, as JSON: those of the GPU that TN_EMU_SM names. */
static const char *properties(void) {
    static char out[1024];
    static const struct {
        const char *name;
        int version, processors, shared, clock, cache, memory_clock;
        long long memory;
    } GPU[] = {{"NVIDIA H100 80GB HBM3", 900, 132, 232448, 1980000, 52428800, 2619000, 84942979072},
               {"NVIDIA A100-SXM4-80GB", 800, 108, 166912, 1410000, 41943040, 1593000, 85100068864},
               {"NVIDIA B200", 1000, 148, 232448, 1965000, 132644864, 3996000, 191514411008}};
    const char *wanted = getenv("TN_EMU_SM");
    int i = 0;
    while (wanted && GPU[i].version != atoi(wanted))
        if (++i == 3) emu_stop("TN_EMU_SM=%s: 800, 900 and 1000 are known", wanted);
    snprintf(
        out, sizeof out,
        "{\"deviceVer\":%d,\"multiProcessorCount\":%d,\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152,"
        "\"maxSharedMemoryPerBlockOptin\":%d,\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,"
        "\"maxCtasPerSM\":32,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"regsPerBlock\":65536,"
        "\"totalGlobalMem\":%lld,\"smClockRateKHz\":%d,\"l2CacheSize\":%d,\"maxBlockSize\":[1024,1024,64],"
        "\"memClockRateKHz\":%d,\"maxGridSize\":[2147483647,65535,65535],\"supportCoopLaunch\":1,\"pciDeviceId\":0,"
        "\"isTccDriver\":0,\"cudaDeviceId\":0,\"driverVer\":13000,\"deviceName\":\"%s\"}",
        GPU[i].version, GPU[i].processors, GPU[i].shared, GPU[i].memory, GPU[i].clock, GPU[i].cache,
        GPU[i].memory_clock, GPU[i].name);
    return out;
}

cudnnStatus_t cudnnBackendSetAttribute(descriptor d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                       int64_t n, const void *x) {
    cudnnStatus_t st;
    if (name == CUDNN_ATTR_DEVICEPROP_HANDLE) /* there is no device to ask */
        return REAL(cudnnBackendSetAttribute)(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                              (int64_t)strlen(properties()), properties());
    if ((st = REAL(cudnnBackendSetAttribute)(d, name, type, n, x)) != CUDNN_STATUS_SUCCESS) return st;
    record *r = record_of(d);
    attribute *a = calloc(1, sizeof *a);
    size_t n_bytes = size_of(type) * (size_t)n;
    void *value = malloc(n_bytes + 8);
    if (!a || !value) emu_stop("no memory");
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        for (int64_t i = 0; i < n; i++) ((record **)value)[i] = record_of(((const descriptor *)x)[i]);
    else
        memcpy(value, x, n_bytes);
    *a = (attribute){.name = (int)name, .n = n, .value = value, .next = r->first};
    r->first = a;
    return st;
}

cudnnStatus_t cudnnBackendGetAttribute(descriptor const d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t n, int64_t *n_out, void *out) {
    cudnnStatus_t st = REAL(cudnnBackendGetAttribute)(d, name, type, n, n_out, out);
    if (st != CUDNN_STATUS_SUCCESS || name != CUDNN_ATTR_ENGINEHEUR_RESULTS || !out) return st;
    for (int64_t i = 0; i < *n_out && i < n; i++)
        record_of(((descriptor *)out)[i])->graph = child(record_of(d), CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    return st;
}

struct cudnnContext {
    cudaStream_t stream;
};
cudnnStatus_t cudnnCreate(cudnnHandle_t *h) {
    *h = calloc(1, sizeof **h);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t h) {
    free(h);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t s) {
    h->stream = s;
    return CUDNN_STATUS_SUCCESS;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t size[4], stride[4];
    cudnnDataType_t type;
    void *x;
} tensor;

typedef struct {
    const record *graph;
    int n;
    int64_t uid[16];
    void *pointer[16];
    void *workspace;
    size_t workspace_bytes;
} job;

static tensor tensor_of(const job *j, const record *r) {
    tensor t = {.x = NULL};
    int64_t uid = *(const int64_t *)value_of(r, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    memcpy(t.size, value_of(r, CUDNN_ATTR_TENSOR_DIMENSIONS), sizeof t.size);
    memcpy(t.stride, value_of(r, CUDNN_ATTR_TENSOR_STRIDES), sizeof t.stride);
    t.type = *(const cudnnDataType_t *)value_of(r, CUDNN_ATTR_TENSOR_DATA_TYPE);
    for (int i = 0; i < j->n; i++)
        if (j->uid[i] == uid) t.x = emu_memory(j->pointer[i], "a graph");
    if (!t.x) emu_stop("cuDNN: tensor %lld is not in the variant pack", (long long)uid);
    if ((uintptr_t)t.x % 16 != 0)
        emu_stop("cuDNN: tensor %lld is not aligned to 16 bytes, as its graph says", (long long)uid);
    return t;
}
static int64_t at(const tensor *t, int64_t a, int64_t b, int64_t c, int64_t d) {
    return a * t->stride[0] + b * t->stride[1] + c * t->stride[2] + d * t->stride[3];
}
static float get(const tensor *t, int64_t i) {
    if (t->type == CUDNN_DATA_FLOAT) return ((const float *)t->x)[i];
    if (t->type != CUDNN_DATA_BFLOAT16) emu_stop("cuDNN: data type %d", (int)t->type);
    uint32_t bits = (uint32_t)((const uint16_t *)t->x)[i] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static void put(const tensor *t, int64_t i, float x) {
    if (t->type == CUDNN_DATA_FLOAT) {
        ((float *)t->x)[i] = x;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    ((uint16_t *)t->x)[i] = isnan(x) ? 0x7fff : (uint16_t)(bits >> 16);
}

/* --- convolutions ------------------------------------------------------------------------------------------------- */

static uint64_t random_state;
static uint32_t random_number(void) {
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33);
}

/* sum + a . b, in float32, from a random place on, forwards or backwards. */
static float dot(float sum, int64_t n, const float *a, const float *b) {
    int64_t first = (int64_t)(random_number() % (uint64_t)n);
    if (random_number() & 1) {
        for (int64_t i = first; i < n; i++) sum += a[i] * b[i];
        for (int64_t i = 0; i < first; i++) sum += a[i] * b[i];
    } else {
        for (int64_t i = first; i-- > 0;) sum += a[i] * b[i];
        for (int64_t i = n; i-- > first;) sum += a[i] * b[i];
    }
    return sum;
}

/* A tensor (n,c,h,w) as floats in the order n, h, w, c. */
static float *floats_of(const tensor *t, bool values) {
    const int64_t *d = t->size;
    float *out = calloc((size_t)(d[0] * d[1] * d[2] * d[3]), sizeof *out), *to = out;
    if (!out) emu_stop("no memory");
    for (int64_t n = 0; values && n < d[0]; n++)
        for (int64_t h = 0; h < d[2]; h++)
            for (int64_t w = 0; w < d[3]; w++)
                for (int64_t c = 0; c < d[1]; c++) *to++ = get(t, at(t, n, c, h, w));
    return out;
}
static void put_floats(const tensor *t, const float *from) {
    const int64_t *d = t->size;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t h = 0; h < d[2]; h++)
            for (int64_t w = 0; w < d[3]; w++)
                for (int64_t c = 0; c < d[1]; c++) put(t, at(t, n, c, h, w), *from++);
}

typedef struct {
    tensor x, w, y;
    int64_t pre[2], stride[2];
} convolution;

static convolution convolution_of(const job *j, const record *op, int x, int w, int y, int conv, int alpha, int beta) {
    const record *c = child(op, conv);
    convolution out = {tensor_of(j, child(op, x)), tensor_of(j, child(op, w)), tensor_of(j, child(op, y)), {0}, {0}};
    const int64_t *dilation = value_of(c, CUDNN_ATTR_CONVOLUTION_DILATIONS);
    memcpy(out.pre, value_of(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), sizeof out.pre);
    memcpy(out.stride, value_of(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), sizeof out.stride);
    if (*(const float *)value_of(op, alpha) != 1 || *(const float *)value_of(op, beta) != 0 || dilation[0] != 1 ||
        dilation[1] != 1 || out.w.size[1] != out.x.size[1])
        emu_stop("cuDNN: a convolution with alpha, beta, dilation or groups");
    return out;
}
/* The input pixel of an output pixel and a tap; -1: outside */
static int64_t input(const convolution *c, int axis, int64_t out, int64_t tap) {
    int64_t i = out * c->stride[axis] - c->pre[axis] + tap;
    return i >= 0 && i < c->x.size[2 + axis] ? i : -1;
}

/* Every triple of an output pixel, a tap and the input pixel between them, from a random one on: visit(offsets of the channels' first
 * values in y, w and x). */
typedef struct {
    const convolution *c;
    float *x, *w, *y;
} operands;
static void each_pair(const operands *o, void (*visit)(const operands *o, int64_t y, int64_t w, int64_t x)) {
    const int64_t *X = o->c->x.size, *W = o->c->w.size, *Y = o->c->y.size;
    int64_t total = Y[0] * Y[2] * Y[3] * W[2] * W[3], first = (int64_t)(random_number() % (uint64_t)total);
    for (int64_t i = 0; i < total; i++) {
        int64_t k = (first + i) % total, t = k % W[3], r = k / W[3] % W[2], q = k / W[3] / W[2] % Y[3],
                p = k / W[3] / W[2] / Y[3] % Y[2], n = k / W[3] / W[2] / Y[3] / Y[2];
        int64_t h = input(o->c, 0, p, r), w = input(o->c, 1, q, t);
        if (h < 0 || w < 0) continue;
        visit(o, ((n * Y[2] + p) * Y[3] + q) * Y[1], (r * W[3] + t) * W[1], ((n * X[2] + h) * X[3] + w) * X[1]);
    }
}
/* w: (k,r,s,c), so that output channel k begins k * R * S * C later */
static void visit_forward(const operands *o, int64_t y, int64_t w, int64_t x) {
    int64_t K = o->c->w.size[0], C = o->c->w.size[1], step = C * o->c->w.size[2] * o->c->w.size[3];
    for (int64_t k = 0; k < K; k++) o->y[y + k] = dot(o->y[y + k], C, o->x + x, o->w + k * step + w);
}
static void visit_data(const operands *o, int64_t y, int64_t w, int64_t x) {
    int64_t K = o->c->w.size[0], C = o->c->w.size[1], step = C * o->c->w.size[2] * o->c->w.size[3];
    int64_t first = (int64_t)(random_number() % (uint64_t)K);
    for (int64_t j = 0; j < K; j++) {
        int64_t k = (first + j) % K;
        for (int64_t c = 0; c < C; c++) o->x[x + c] += o->y[y + k] * o->w[k * step + w + c];
    }
}
static void visit_filter(const operands *o, int64_t y, int64_t w, int64_t x) {
    int64_t K = o->c->w.size[0], C = o->c->w.size[1], step = C * o->c->w.size[2] * o->c->w.size[3];
    for (int64_t k = 0; k < K; k++)
        for (int64_t c = 0; c < C; c++) o->w[k * step + w + c] += o->y[y + k] * o->x[x + c];
}

/* The names of an operation's attributes, and what it computes. */
static const struct {
    cudnnBackendDescriptorType_t kind;
    cudnnBackendAttributeName_t x, w, y, conv, alpha, beta;
    void (*visit)(const operands *o, int64_t y, int64_t w, int64_t x);
    const char *name;
} OPERATION[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, visit_forward, "cuDNN forward"},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, visit_data, "cuDNN data gradient"},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, visit_filter, "cuDNN weight gradient"},
};
enum { N_OPERATIONS = sizeof OPERATION / sizeof *OPERATION };

static size_t bytes_of(const tensor *t) {
    size_t each = t->type == CUDNN_DATA_BFLOAT16 ? 2 : 4;
    return each * (size_t)(t->size[0] * t->size[1] * t->size[2] * t->size[3]);
}
static void compute(const convolution *c, void (*visit)(const operands *, int64_t, int64_t, int64_t)) {
    operands o = {c, floats_of(&c->x, visit != visit_data), floats_of(&c->w, visit != visit_filter),
                  floats_of(&c->y, visit != visit_forward)};
    each_pair(&o, visit);
    const tensor *out = visit == visit_forward ? &c->y : visit == visit_data ? &c->x : &c->w;
    put_floats(out, visit == visit_forward ? o.y : visit == visit_data ? o.x : o.w);
    free(o.x);
    free(o.w);
    free(o.y);
}

static void run(void *context) {
    job *j = context;
    const record *op = child(j->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    int i = 0;
    if (j->workspace_bytes) memset(emu_memory(j->workspace, "a workspace"), 0xCD, j->workspace_bytes);
    random_state = (getenv("TN_EMU_SEED") ? (uint64_t)atoi(getenv("TN_EMU_SEED")) : 0) * 2 +
                   1; /* a graph has the same bits each time */
    while (i < N_OPERATIONS && (int)OPERATION[i].kind != op->kind) i++;
    if (i == N_OPERATIONS) emu_stop("cuDNN: an operation of kind %d", op->kind);
    convolution c = convolution_of(j, op, OPERATION[i].x, OPERATION[i].w, OPERATION[i].y, OPERATION[i].conv,
                                   OPERATION[i].alpha, OPERATION[i].beta);
    if (emu_on_graph) {
        const int64_t *y = c.y.size, *w = c.w.size;
        emu_on_graph(OPERATION[i].name, bytes_of(&c.x) + bytes_of(&c.w) + bytes_of(&c.y), j->workspace_bytes,
                     2.0 * (double)(y[0] * y[2] * y[3]) * (double)(w[0] * w[1] * w[2] * w[3]));
    } else {
        compute(&c, OPERATION[i].visit);
    }
    free(j);
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, descriptor plan, descriptor pack) {
    const record *p = record_of(plan), *v = record_of(pack);
    int64_t n = 0, n_bytes = 0;
    if (!p->finalized || !v->finalized) return CUDNN_STATUS_BAD_PARAM;
    if (cudaPeekAtLastError() != cudaSuccess || emu_fails("execute")) return CUDNN_STATUS_EXECUTION_FAILED;
    REAL(cudnnBackendGetAttribute)(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &n_bytes);
    job *j = calloc(1, sizeof *j);
    const attribute *a = v->first;
    while (a && a->name != CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) a = a->next;
    if (!j || !a || a->n > 16) emu_stop("cuDNN: a variant pack without identities");
    j->graph = child(p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->graph;
    j->n = (int)a->n;
    memcpy(j->uid, a->value, (size_t)a->n * 8);
    memcpy(j->pointer, value_of(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS), (size_t)a->n * 8);
    memcpy(&j->workspace, value_of(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE), 8);
    j->workspace_bytes = (size_t)n_bytes;
    if (n_bytes && !j->workspace) return CUDNN_STATUS_BAD_PARAM;
    emu_queue(h->stream, run, j);
    return CUDNN_STATUS_SUCCESS;
}
