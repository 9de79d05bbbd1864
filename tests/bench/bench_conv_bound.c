/*
 * bench_conv_bound.c - how fast a step could be if it were convolutions alone:
 *
 *   bench_conv_bound NET PX BATCH THREADS fp32|bf16 REPEATS
 *
 * Times oneDNN's convolutions of every layer of the net, each the best of REPEATS, in fp32 with layouts of its own
 * choice (blocked), in fp32 channels-last, and in bf16 channels-last; and our own kernels in the given precision for
 * the depthwise ones, whose two backward directions are one pass (given under weights). Prints a markdown table, and
 * last a line `bound_ms TRAIN INFER`: the sum over layers and directions of the fastest of what the given precision may
 * use. Squeeze-excite and dense layers are left out: they see one pixel per image.
 */
#include "base/progress.h"
#include "net/net_priv.h"

#include <dnnl.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, N_DIRECTIONS } direction;
typedef enum { BLOCKED_F32, NHWC_F32, NHWC_BF16, OWN, N_WAYS } way;
static const char *const WAYS[] = {"oneDNN fp32 blocked", "oneDNN fp32 channels-last", "oneDNN bf16 channels-last",
                                   "ours, depthwise"};

typedef struct {
    double s[N_DIRECTIONS], depthwise_s[N_DIRECTIONS];
} sums;

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static tn_dev *dev;

static void must(dnnl_status_t st, const char *what) {
    if (st == dnnl_success) return;
    fprintf(stderr, "error: oneDNN: %s failed with status %d\n", what, (int)st);
    exit(TN_EBUG);
}

/* --- one convolution in oneDNN ------------------------------------------------------------------------------------ */

/* Versions 2 and 3 of oneDNN differ in how a description is made: a struct that is filled in, or an object. */
#if DNNL_VERSION_MAJOR >= 3
static dnnl_memory_desc_t describe_one(int n, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t md;
    must(dnnl_memory_desc_create_with_tag(&md, n, dims, type, tag), "description");
    return md;
}

static dnnl_primitive_desc_t create(direction d, dnnl_memory_desc_t *md, const dnnl_dims_t strides,
                                    const dnnl_dims_t before, const dnnl_dims_t after, dnnl_primitive_desc_t forward) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_dims_t dense = {0, 0};
    dnnl_primitive_desc_t pd;
    if (d == FORWARD)
        must(dnnl_convolution_forward_primitive_desc_create(&pd, engine, dnnl_forward_training, direct, md[0], md[1],
                                                            NULL, md[2], strides, dense, before, after, NULL),
             "forward");
    else if (d == BACKWARD_DATA)
        must(dnnl_convolution_backward_data_primitive_desc_create(&pd, engine, direct, md[0], md[1], md[2], strides,
                                                                  dense, before, after, forward, NULL),
             "backward data");
    else
        must(dnnl_convolution_backward_weights_primitive_desc_create(&pd, engine, direct, md[0], md[1], NULL, md[2],
                                                                     strides, dense, before, after, forward, NULL),
             "backward weights");
    return pd;
}

static void forget(dnnl_memory_desc_t *md) {
    must(dnnl_memory_desc_destroy(*md), "destroy");
}

static dnnl_data_type_t type_of(const_dnnl_memory_desc_t md) {
    dnnl_data_type_t type;
    must(dnnl_memory_desc_query(md, dnnl_query_data_type, &type), "type");
    return type;
}
#else
typedef const dnnl_memory_desc_t *const_dnnl_memory_desc_t;

static dnnl_memory_desc_t describe_one(int n, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t md;
    must(dnnl_memory_desc_init_by_tag(&md, n, dims, type, tag), "description");
    return md;
}

static dnnl_primitive_desc_t create(direction d, dnnl_memory_desc_t *md, const dnnl_dims_t strides,
                                    const dnnl_dims_t before, const dnnl_dims_t after, dnnl_primitive_desc_t forward) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_convolution_desc_t cd;
    dnnl_primitive_desc_t pd;
    if (d == FORWARD)
        must(dnnl_convolution_forward_desc_init(&cd, dnnl_forward_training, direct, &md[0], &md[1], NULL, &md[2],
                                                strides, before, after),
             "forward");
    else if (d == BACKWARD_DATA)
        must(dnnl_convolution_backward_data_desc_init(&cd, direct, &md[0], &md[1], &md[2], strides, before, after),
             "backward data");
    else
        must(dnnl_convolution_backward_weights_desc_init(&cd, direct, &md[0], &md[1], NULL, &md[2], strides, before,
                                                         after),
             "backward weights");
    must(dnnl_primitive_desc_create(&pd, &cd, NULL, engine, forward), "description");
    return pd;
}

static void forget(dnnl_memory_desc_t *md) {
    (void)md;
}

static dnnl_data_type_t type_of(const_dnnl_memory_desc_t md) {
    return md->data_type;
}
#endif

static dnnl_primitive_desc_t primitive_for(const tn_conv_shape *s, way w, direction d) {
    dnnl_dims_t x = {s->B, s->C, s->H, s->W}, y = {s->B, s->K, s->P, s->Q};
    dnnl_dims_t dense = {s->K, s->C, s->R, s->R}, depthwise = {s->C, 1, 1, s->R, s->R};
    dnnl_data_type_t type = w == NHWC_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_format_tag_t tag = w == BLOCKED_F32 ? dnnl_format_tag_any : dnnl_nhwc;
    dnnl_memory_desc_t md[3] = {
        describe_one(4, x, type, tag),
        describe_one(s->depthwise ? 5 : 4, s->depthwise ? depthwise : dense, type, dnnl_format_tag_any),
        describe_one(4, y, type, tag)};
    dnnl_dims_t strides = {s->stride, s->stride}, before = {s->pad_top, s->pad_left};
    dnnl_dims_t after = {(s->P - 1) * s->stride + s->R - s->H - s->pad_top,
                         (s->Q - 1) * s->stride + s->R - s->W - s->pad_left};
    dnnl_primitive_desc_t pd = create(FORWARD, md, strides, before, after, NULL);
    if (d != FORWARD) {
        dnnl_primitive_desc_t forward = pd;
        pd = create(d, md, strides, before, after, forward);
        must(dnnl_primitive_desc_destroy(forward), "destroy");
    }
    for (int i = 0; i < 3; i++) forget(&md[i]);
    return pd;
}

/* Small values: denormals and NaN would change the speed. */
static dnnl_memory_t memory_for(dnnl_primitive_desc_t pd, dnnl_query_t what) {
    const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(pd, what, 0);
    dnnl_memory_t m;
    void *data;
    must(dnnl_memory_create(&m, md, engine, DNNL_MEMORY_ALLOCATE), "memory");
    must(dnnl_memory_get_data_handle(m, &data), "memory");
    size_t n_bytes = dnnl_memory_desc_get_size(md);
    if (type_of(md) == dnnl_f32)
        for (size_t i = 0; i < n_bytes / 4; i++) ((float *)data)[i] = (float)(i % 17) / 16 - 0.5F;
    else
        memset(data, 0x3d, n_bytes); /* 0.046 */
    return m;
}

static double time_onednn(const tn_conv_shape *s, way w, direction d, int repeats) {
    dnnl_primitive_desc_t pd = primitive_for(s, w, d);
    const dnnl_query_t what[N_DIRECTIONS][3] = {
        {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
        {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
        {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
    const int role[N_DIRECTIONS][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                       {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                       {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
    dnnl_exec_arg_t args[3];
    for (int i = 0; i < 3; i++) args[i] = (dnnl_exec_arg_t){role[d][i], memory_for(pd, what[d][i])};
    dnnl_primitive_t primitive;
    must(dnnl_primitive_create(&primitive, pd), "primitive");
    double best_s = INFINITY;
    for (int i = 0; i <= repeats; i++) {
        double begin_s = tn_now_s();
        must(dnnl_primitive_execute(primitive, stream, 3, args), "execute");
        must(dnnl_stream_wait(stream), "wait");
        if (i > 0) best_s = fmin(best_s, tn_now_s() - begin_s);
    }
    for (int i = 0; i < 3; i++) must(dnnl_memory_destroy(args[i].memory), "destroy");
    must(dnnl_primitive_destroy(primitive), "destroy");
    must(dnnl_primitive_desc_destroy(pd), "destroy");
    return best_s;
}

/* --- the same by our device --------------------------------------------------------------------------------------- */

static double time_own(const tn_conv_shape *s, direction d, int repeats) {
    int64_t n_x = (int64_t)s->B * s->H * s->W * s->C, n_y = (int64_t)s->B * s->P * s->Q * s->K;
    float *x = dev->op->alloc(dev, n_x), *y = dev->op->alloc(dev, n_y), *w = dev->op->alloc(dev, s->C * s->R * s->R);
    float *dx = dev->op->alloc(dev, n_x), *dw = dev->op->alloc(dev, s->C * s->R * s->R);
    tn_conv *conv = NULL;
    TN_ASSERT(x && y && w && dx && dw && dev->op->conv_new(dev, s, &conv) == TN_OK);
    dev->op->fill(dev, s->C * s->R * s->R, 0.25F, w);
    dev->op->conv_weights(dev, conv, w);
    tn_view view = {.x = x};
    tn_grad_view dy = {.dz = y};
    double best_s = INFINITY;
    for (int i = 0; i <= repeats; i++) {
        double begin_s = tn_now_s();
        if (d == FORWARD)
            dev->op->conv_forward(dev, conv, s->B, &view, NULL, y, NULL, NULL);
        else
            dev->op->conv_backward(dev, conv, s->B, &view, &dy, dx, false, NULL, dw);
        if (i > 0) best_s = fmin(best_s, tn_now_s() - begin_s);
    }
    dev->op->conv_free(dev, &conv);
    float *memory[] = {x, y, w, dx, dw};
    for (int i = 0; i < 5; i++) dev->op->free(dev, memory[i]);
    return best_s;
}

/* --- all layers of a net ------------------------------------------------------------------------------------------ */

typedef struct {
    const tn_net *net;
    int B, repeats;
    bool bf16;
    sums of[N_WAYS];
    double bound_s[2]; /* forward, backward */
    bool is_own;       /* own kernels are being timed */
    double *own_s;     /* forward and backward of every depthwise layer; of both processes */
    int n_own;
} bench;

/* Fastest of what the precision may use: in bf16 everything, since a layer may compute in fp32. */
static void measure(bench *b, const tn_conv_shape *s, bool first) {
    if (b->is_own) {
        if (!s->depthwise) return;
        b->own_s[b->n_own++] = time_own(s, FORWARD, b->repeats);
        b->own_s[b->n_own++] = time_own(s, BACKWARD_WEIGHTS, b->repeats);
        return;
    }
    double best_s[2] = {INFINITY, INFINITY}; /* forward, backward */
    for (int w = 0; w < N_WAYS; w++) {
        if ((w == OWN && !s->depthwise) || (w == NHWC_BF16 && !b->bf16)) continue;
        double here_s[2] = {0, 0};
        for (int d = 0; d < N_DIRECTIONS; d++) {
            if (first && d == BACKWARD_DATA) continue; /* nobody wants the gradient of the images */
            double t = w != OWN             ? time_onednn(s, (way)w, (direction)d, b->repeats)
                       : d == BACKWARD_DATA ? 0
                                            : b->own_s[b->n_own++];
            b->of[w].s[d] += t;
            if (s->depthwise) b->of[w].depthwise_s[d] += t;
            here_s[d != FORWARD] += t;
        }
        for (int i = 0; i < 2; i++) best_s[i] = fmin(best_s[i], here_s[i]);
    }
    for (int i = 0; i < 2; i++) b->bound_s[i] += best_s[i];
}

static int layer(bench *b, int S, int C, int K, int R, int stride, bool depthwise, bool first) {
    tn_conv_shape s = {.B = b->B, .H = S, .W = S, .C = C, .K = K, .R = R, .stride = stride, .depthwise = depthwise};
    s.P = s.Q = tn_net_out_px(b->net, S, R, stride, &s.pad_top);
    s.pad_left = s.pad_top;
    measure(b, &s, first);
    return s.P;
}

static void all_layers(bench *b, int px) {
    const tn_net *net = b->net;
    int S = layer(b, px, 3, net->n_stem, 3, 2, false, true);
    for (int i = 0; i < net->n_blocks; i++) {
        const tn_block *k = &net->block[i];
        if (k->expand >= 0) layer(b, S, k->n_in, k->n_mid, 1, 1, false, false);
        S = layer(b, S, k->n_mid, k->n_mid, k->kernel, k->stride, true, false);
        layer(b, S, k->n_mid, k->n_out, 1, 1, false, false);
    }
    layer(b, S, net->block[net->n_blocks - 1].n_out, net->n_head, 1, 1, false, false);
}

static void print(const bench *b) {
    printf("| ms per step (of which depthwise) | forward | backward data | backward weights | img/s if nothing else: "
           "train | "
           "infer |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for (int w = 0; w < N_WAYS; w++) {
        const sums *s = &b->of[w];
        if (w == NHWC_BF16 && !b->bf16) continue;
        printf("| %s |", WAYS[w]);
        for (int d = 0; d < N_DIRECTIONS; d++) printf(" %.0f (%.0f) |", s->s[d] * 1e3, s->depthwise_s[d] * 1e3);
        if (w == OWN)
            printf(" - | - |\n");
        else
            printf(" %.0f | %.0f |\n", b->B / (s->s[0] + s->s[1] + s->s[2]), b->B / s->s[0]);
    }
    double train_s = b->bound_s[0] + b->bound_s[1];
    printf("| the fastest for each layer, %s | %.0f | | %.0f | %.0f | %.0f |\n", b->bf16 ? "bf16 or fp32" : "fp32",
           b->bound_s[0] * 1e3, b->bound_s[1] * 1e3, b->B / train_s, b->B / b->bound_s[0]);
    printf("\nbound_ms %.3f %.3f\n", train_s * 1e3, b->bound_s[0] * 1e3);
}

/* The device holds oneDNN to its own instruction set for the life of a process: it gets one of its own. */
static void time_all_own(bench *b, int px, int n_threads) {
    size_t n_bytes = 2 * sizeof *b->own_s * (size_t)b->net->n_blocks;
    b->own_s = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TN_ASSERT(b->own_s != MAP_FAILED);
    int status = 0, child = fork();
    if (child == 0) {
        if (tn_dev_open(TN_DEVICE_CPU, n_threads, tn_isa_best(), b->bf16 ? TN_BF16 : TN_FP32, &dev) != TN_OK) {
            tn_fail_print();
            exit(TN_EARG);
        }
        b->is_own = true;
        all_layers(b, px);
        tn_dev_close(&dev);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) exit(TN_EBUG);
}

int main(int argc, char **argv) {
    if (argc != 7 || (strcmp(argv[5], "fp32") != 0 && strcmp(argv[5], "bf16") != 0)) {
        fprintf(stderr, "usage: bench_conv_bound NET PX BATCH THREADS fp32|bf16 REPEATS\n");
        return TN_EARG;
    }
    int n_threads = atoi(argv[4]), px = atoi(argv[2]);
    tn_net_spec spec = {.stem_stride = 2, .n_classes = 5, .dropout = -1};
    snprintf(spec.name, sizeof spec.name, "%s", argv[1]);
    tn_net *net = NULL;
    if (tn_net_new(&spec, &net) != TN_OK) {
        tn_fail_print();
        return TN_EARG;
    }
    bench b = {.net = net, .B = atoi(argv[3]), .repeats = atoi(argv[6]), .bf16 = strcmp(argv[5], "bf16") == 0};
    time_all_own(&b, px, n_threads);
    omp_set_num_threads(n_threads);
    must(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    all_layers(&b, px);
    print(&b);
    must(dnnl_stream_destroy(stream), "destroy");
    must(dnnl_engine_destroy(engine), "destroy");
    tn_net_free(&net);
    return 0;
}
