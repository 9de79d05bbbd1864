/*
 * cuda_priv.h - the device on NVIDIA GPUs; shared by cuda.c (GPU, table), memory.c (memory, copies), conv.c (convolutions), graph.c
 * (cuDNN).
 *
 * All computation goes to one stream, in the order of the calls; images and gradients are copied on two others. The host waits for
 * downloads, for uploads above 1 MiB, for a free buffer of uploads or images, and when scratch memory grows. begin, alloc and conv_new report
 * failures; any later one is fatal (tn_die).
 */
#ifndef TN_DEV_CUDA_CUDA_PRIV_H
#define TN_DEV_CUDA_CUDA_PRIV_H

#include "dev/cuda/kernels.h"
#include "dev/dev.h"

#include <cudnn.h>

extern const tn_dev_table tn_cuda_table;

/* Scratch memory by what is in it. */
typedef enum {
    TN_SCRATCH_READ,      /* the values of a view */
    TN_SCRATCH_GRAD,      /* those of a gradient's view */
    TN_SCRATCH_OUT,       /* what is not yet in its place: a gradient to be added, or of weights */
    TN_SCRATCH_PARTIAL,   /* partial sums */
    TN_SCRATCH_FLOATS,    /* float32 from or for the host */
    TN_SCRATCH_WORKSPACE, /* cuDNN's */
    TN_SCRATCHES
} tn_scratch;

enum { TN_UPLOADS = 16, TN_STAGED = 2 };

/* A small upload waits in page-locked memory until the GPU has read it. */
typedef struct {
    void *host;
    cudaEvent_t read;
} tn_upload;

/* Bytes of images on their way: page-locked, then in device memory, then read by the kernel that stores them. */
typedef struct {
    const unsigned char *of; /* the host's memory that they are a copy of; NULL: read already */
    size_t n_bytes, room;
    unsigned char *host, *x;
    cudaEvent_t copied, read;
} tn_staged;

typedef struct {
    cudaStream_t stream, images, gradients;
    cudaEvent_t computed, downloaded[TN_DEV_COPIES];
    tn_upload upload[TN_UPLOADS];
    tn_staged staged[TN_STAGED];
    int next_upload, next_staged;
    cudnnHandle_t cudnn;
    cudnnBackendDescriptor_t properties; /* of this GPU: what plans are made for */
    int number;
    char name[64];
    double *squares; /* (TN_CUDA_SQUARES) */
    struct {
        void *x;
        size_t n_bytes;
    } scratch[TN_SCRATCHES];
} tn_cuda;

static inline tn_cuda *tn_cuda_of(const tn_dev *dev) {
    return dev->state;
}
static inline bool tn_cuda_bf16(const tn_dev *dev) {
    return dev->precision == TN_BF16;
}
static inline tn_cuda_view tn_cuda_view_of(const tn_view *v) {
    return (tn_cuda_view){v->x, v->a, v->b, (int)v->act, v->scale};
}

/* memory.c: the operations of dev.h on memory. Streams and events are made by tn_cuda_memory_begin. */
cudaError_t tn_cuda_memory_begin(tn_cuda *cuda);
void tn_cuda_memory_end(tn_cuda *cuda);
void tn_cuda_memory(tn_dev *dev, size_t *free_out, size_t *all_out);
float *tn_cuda_alloc(tn_dev *dev, int64_t n);
void tn_cuda_free(tn_dev *dev, float *x);
void tn_cuda_upload(tn_dev *dev, int64_t n, const float *host, float *x);
void tn_cuda_download(tn_dev *dev, int64_t n, const float *x, float *host);
void tn_cuda_store_host(tn_dev *dev, int64_t n, const float *host, void *x);
void tn_cuda_load_host(tn_dev *dev, int64_t n, const void *x, float *host);
void tn_cuda_pixels_host(tn_dev *dev, int64_t n_pixels, const unsigned char *host, const tn_byte_norm *norm, void *x);
void tn_cuda_stage(tn_dev *dev, int64_t n_pixels, const unsigned char *host);
float *tn_cuda_host_alloc(tn_dev *dev, int64_t n);
void tn_cuda_host_free(tn_dev *dev, float *host);
void tn_cuda_download_begin(tn_dev *dev, int copy, int64_t n, const float *x, float *host);
bool tn_cuda_download_done(tn_dev *dev, int copy);
void tn_cuda_upload_begin(tn_dev *dev, int64_t n, const float *host, float *x);

/* At least n_bytes, valid until the next call for the same scratch. Fatal if there is no memory. */
void *tn_cuda_scratch(tn_dev *dev, tn_scratch which, size_t n_bytes);
/* Fatal if a call failed, or a kernel before it. what: the operation. */
void tn_cuda_check(tn_dev *dev, cudaError_t error, const char *what);

tn_status tn_cuda_conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out);
void tn_cuda_conv_free(tn_dev *dev, tn_conv **conv);
void tn_cuda_conv_weights(tn_dev *dev, tn_conv *conv, const float *w);
void tn_cuda_conv_forward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                          float *mean, float *var);
void tn_cuda_conv_backward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                           bool add, double *sums, float *dw);

/* --- graph.c: a convolution of B images by cuDNN; depthwise ones only to compare with (tests/gpu/depthwise.c) ------- */

typedef enum { TN_GRAPH_FORWARD, TN_GRAPH_DATA, TN_GRAPH_FILTER, TN_GRAPHS } tn_graph_kind;
typedef struct tn_graph tn_graph;

/* The caller destroys *out. Errors TN_ENODE. */
tn_status tn_graph_properties(cudnnHandle_t cudnn, cudnnBackendDescriptor_t *out);

/* x (B,H,W,C), y (B,P,Q,K), w (K,R,R,C) and their gradients are in the device's precision, sums in float32. (cuDNN 9.19 has no engine that writes
 * a float32 gradient of bf16 operands.)
 * Errors  TN_EARG cuDNN has no engine that is deterministic and as exact as asked (its words are in the message); TN_ENOMEM. */
tn_status tn_graph_new(tn_dev *dev, tn_graph_kind kind, const tn_conv_shape *shape, int B, tn_graph **out);
void tn_graph_free(tn_graph **graph);
size_t tn_graph_workspace(const tn_graph *graph); /* bytes */
/* FORWARD writes y, DATA x, FILTER w. */
void tn_graph_run(tn_dev *dev, const tn_graph *graph, const void *x, const void *w, const void *y);

#endif
