/* cuda.c - the table of the GPU device, its begin and end, and errors; operations are launches of kernels.h. */
#include "dev/cuda/cuda_priv.h"
#include "dev/cuda/room.h"

#include "base/progress.h"
#include "base/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM      (tn_cuda_of(dev)->stream)
#define BF16        tn_cuda_bf16(dev)
#define CHECK(what) tn_cuda_check(dev, cudaPeekAtLastError(), what)

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* A GPU that is lost or broken: another node can. */
static bool is_lost(cudaError_t e) {
    return e == cudaErrorECCUncorrectable || e == cudaErrorDevicesUnavailable || e == cudaErrorNvlinkUncorrectable ||
           e == cudaErrorDeviceUninitialized || e == cudaErrorContained || e == cudaErrorHardwareStackError ||
           e == cudaErrorSystemNotReady || e == cudaErrorNoDevice || e == cudaErrorUnknown;
}
static tn_status status_of(cudaError_t e) {
    return e == cudaErrorMemoryAllocation ? TN_ENOMEM : is_lost(e) ? TN_ENODE : TN_EBUG;
}

void tn_cuda_check(tn_dev *dev, cudaError_t e, const char *what) {
    if (e == cudaSuccess) return;
    tn_die(status_of(e), "GPU %d (%s): %s failed: %s%s", tn_cuda_of(dev)->number, tn_cuda_of(dev)->name, what,
           cudaGetErrorString(e), is_lost(e) ? ": the GPU is lost; use another node, and tell the administrators" : "");
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static void fill(tn_dev *dev, int64_t n, float value, float *x) {
    tn_cuda_fill(STREAM, n, value, x);
}

static float *partial(tn_dev *dev, int64_t M, int C) {
    return tn_cuda_scratch(dev, TN_SCRATCH_PARTIAL, (size_t)tn_cuda_partial_floats(M, C) * sizeof(float));
}

static void bn_affine(tn_dev *dev, int C, const float *gamma, const float *beta, const float *mean, const float *var,
                      float eps, float *a, float *b) {
    tn_cuda_bn_affine(STREAM, C, gamma, beta, mean, var, eps, a, b);
}
static void bn_backward(tn_dev *dev, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                        const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    tn_cuda_bn_backward(STREAM, M, C, sums, gamma, mean, var, eps, gho, dgamma, dbeta);
}
static void read_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, const float *keep,
                          const float *dpool, void *dz, double *sums) {
    tn_cuda_read_backward(STREAM, BF16, B, HW, C, tn_cuda_view_of(x), g, keep, dpool, dz, partial(dev, B * HW, C),
                          sums);
}
static void pool_forward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, float *y) {
    tn_cuda_pool(STREAM, BF16, B, HW, C, tn_cuda_view_of(x), partial(dev, B * HW, C), y);
}
static void scale_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, float *ds) {
    tn_cuda_scale_backward(STREAM, BF16, B, HW, C, tn_cuda_view_of(x), g, partial(dev, B * HW, C), ds);
}
static void residual(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const float *keep, const void *side,
                     void *y) {
    tn_cuda_residual(STREAM, BF16, B * HW, HW, C, tn_cuda_view_of(x), keep, side, y);
    CHECK("a residual");
}

/* Few numbers: our own product, which is exact float32 and needs no plans. */
static void dense_forward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *b, float *y) {
    tn_cuda_product(STREAM, B, O, I, x, I, 1, w, 1, I, b, y);
}
static void dense_backward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db) {
    tn_cuda_product(STREAM, O, I, B, dy, 1, O, x, I, 1, NULL, dw);
    tn_cuda_column_sums(STREAM, B, O, dy, db);
    if (dx) tn_cuda_product(STREAM, B, I, O, dy, O, 1, w, I, 1, NULL, dx);
    CHECK("the gradient of a dense layer");
}
static void act_forward(tn_dev *dev, int64_t n, tn_act act, const float *x, float *y) {
    tn_cuda_act_forward(STREAM, n, (int)act, x, y);
}
static void act_backward(tn_dev *dev, int64_t n, tn_act act, const float *x, const float *dy, float *dx) {
    tn_cuda_act_backward(STREAM, n, (int)act, x, dy, dx);
}
static void mul(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y) {
    tn_cuda_mul(STREAM, n, x, mask, y);
}
static void join_forward(tn_dev *dev, int B, int I, int M, const float *x, const float *extra, float *y) {
    tn_cuda_columns(STREAM, B, I, x, I, 0, y, I + M, 0);
    tn_cuda_columns(STREAM, B, M, extra, M, 0, y, I + M, I);
}
static void join_backward(tn_dev *dev, int B, int I, int M, const float *dy, float *dx) {
    tn_cuda_columns(STREAM, B, I, dy, I + M, 0, dx, I, 0);
}
static void softmax(tn_dev *dev, int B, int K, const float *logits, float *p) {
    tn_cuda_softmax(STREAM, B, K, logits, p);
}
static void cross_entropy(tn_dev *dev, int B, int K, const float *logits, const float *target, float scale,
                          float *loss_out, float *dlogits) {
    tn_cuda_cross_entropy(STREAM, B, K, logits, target, scale, loss_out, dlogits);
}
static void scale(tn_dev *dev, int64_t n, float a, float *x) {
    tn_cuda_scale(STREAM, n, a, x);
}
static void lerp(tn_dev *dev, int64_t n, float a, const float *x, float *y) {
    tn_cuda_lerp(STREAM, n, a, x, y);
}
static void add(tn_dev *dev, int64_t n, const float *x, float *y) {
    tn_cuda_add(STREAM, n, x, y);
}
static void add_squares(tn_dev *dev, int64_t n, const float *x, double *sum) {
    tn_cuda_add_squares(STREAM, n, x, tn_cuda_of(dev)->squares, sum);
}
static void sgd(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    tn_cuda_sgd(STREAM, n, rate, momentum, decay, g, m, w);
}
static void adamw(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w) {
    double c1 = 1 - pow((double)beta1, (double)step), c2 = 1 - pow((double)beta2, (double)step);
    tn_cuda_adamw(STREAM, n, rate, beta1, beta2, eps, decay, (float)c1, (float)c2, g, m, v, w);
    CHECK("a step of the optimiser");
}

/* --- begin, end --------------------------------------------------------------------------------------------------- */

/* The rank's number on its node, from whichever launcher started it. */
static int local_rank(void) {
    static const char *const NAME[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK",
                                       "SLURM_LOCALID"};
    for (size_t i = 0; i < sizeof NAME / sizeof *NAME; i++)
        if (getenv(NAME[i])) return atoi(getenv(NAME[i])); /* NOLINT: no error to see */
    return 0;
}

static tn_status no_gpu(cudaError_t e) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    if (e == cudaErrorInsufficientDriver && driver > 0)
        return tn_fail(TN_ENODE,
                       "train.device = \"cuda\": this program needs CUDA %d.%d, the driver of this node has %d.%d",
                       CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, driver / 1000, driver % 1000 / 10);
    return tn_fail(
        TN_ENODE,
        "train.device = \"cuda\": this node has no NVIDIA GPU that this process may use (%s): use a node with one "
        "(under Slurm, slurm.gpus_per_node), or set train.device = \"cpu\"",
        cudaGetErrorString(e));
}

static tn_status open_gpu(tn_dev *dev) {
    tn_cuda *cuda = tn_cuda_of(dev);
    struct cudaDeviceProp about;
    int n = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e != cudaSuccess || n == 0) return no_gpu(e != cudaSuccess ? e : cudaErrorNoDevice);
    cuda->number = local_rank() % n;
    if (local_rank() >= n)
        tn_warn("rank %d of this node takes GPU %d of the %d that it sees: another rank may use it, too; start as many "
                "ranks per node as GPUs",
                local_rank(), cuda->number, n);
    if ((e = cudaSetDevice(cuda->number)) != cudaSuccess ||
        (e = cudaGetDeviceProperties(&about, cuda->number)) != cudaSuccess)
        return no_gpu(e);
    snprintf(cuda->name, sizeof cuda->name, "%.63s", about.name);
    if (about.major < 8)
        return tn_fail(TN_ENODE, "GPU %d (%s) has compute capability %d.%d; tenfold needs 8.0 or more", cuda->number,
                       cuda->name, about.major, about.minor);
    if ((e = tn_cuda_memory_begin(cuda)) != cudaSuccess)
        return tn_fail(status_of(e), "GPU %d (%s): %s", cuda->number, cuda->name, cudaGetErrorString(e));
    cudnnStatus_t st = cudnnCreate(&cuda->cudnn);
    if (st == CUDNN_STATUS_SUCCESS) st = cudnnSetStream(cuda->cudnn, cuda->stream);
    if (st != CUDNN_STATUS_SUCCESS)
        return tn_fail(TN_ENODE, "GPU %d (%s): cuDNN: %s", cuda->number, cuda->name, cudnnGetErrorString(st));
    dev->isa = TN_ISA_BEST;
    snprintf(dev->library, sizeof dev->library, "%s, cuDNN %zu, %s", dev->op->library, cudnnGetVersion(), cuda->name);
    return tn_graph_properties(cuda->cudnn, &cuda->properties);
}

static void end(tn_dev *dev) {
    tn_cuda *cuda = tn_cuda_of(dev);
    cudaFree(cuda->squares);
    if (cuda->properties) cudnnBackendDestroyDescriptor(cuda->properties);
    if (cuda->cudnn) cudnnDestroy(cuda->cudnn);
    tn_cuda_memory_end(cuda);
    free(cuda);
}

static tn_status begin(tn_dev *dev) {
    tn_cuda *cuda = calloc(1, sizeof *cuda);
    if (!cuda) return tn_fail_memory(sizeof *cuda, "the device");
    dev->state = cuda;
    tn_status st = open_gpu(dev);
    if (st != TN_OK) end(dev);
    return st;
}

const tn_dev_table tn_cuda_table = {
    .library = "cuda 2",
    .in_host_memory = false,
    .eval_pixels = 0,
    .room = tn_cuda_room,
    .memory = tn_cuda_memory,
    .begin = begin,
    .end = end,
    .alloc = tn_cuda_alloc,
    .free = tn_cuda_free,
    .upload = tn_cuda_upload,
    .download = tn_cuda_download,
    .store = tn_cuda_store_host,
    .load = tn_cuda_load_host,
    .fill = fill,
    .pixels = tn_cuda_pixels_host,
    .stage = tn_cuda_stage,
    .host_alloc = tn_cuda_host_alloc,
    .host_free = tn_cuda_host_free,
    .download_begin = tn_cuda_download_begin,
    .download_done = tn_cuda_download_done,
    .upload_begin = tn_cuda_upload_begin,
    .conv_new = tn_cuda_conv_new,
    .conv_free = tn_cuda_conv_free,
    .conv_weights = tn_cuda_conv_weights,
    .conv_forward = tn_cuda_conv_forward,
    .conv_backward = tn_cuda_conv_backward,
    .bn_affine = bn_affine,
    .bn_backward = bn_backward,
    .read_backward = read_backward,
    .pool_forward = pool_forward,
    .scale_backward = scale_backward,
    .residual = residual,
    .dense_forward = dense_forward,
    .dense_backward = dense_backward,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .mul = mul,
    .join_forward = join_forward,
    .join_backward = join_backward,
    .softmax = softmax,
    .cross_entropy = cross_entropy,
    .scale = scale,
    .lerp = lerp,
    .add = add,
    .add_squares = add_squares,
    .sgd = sgd,
    .adamw = adamw,
};
_Static_assert(TN_ACT_NONE == 0 && TN_ACT_SWISH == 1 && TN_ACT_RELU6 == 2 && TN_ACT_SIGMOID == 3,
               "the numbers of kernels.cuh");
