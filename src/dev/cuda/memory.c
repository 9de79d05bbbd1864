/*
 * memory.c - memory of a GPU, and copies from and to the host.
 *
 * Copies between pageable memory and a GPU make the host wait. So small uploads go through page-locked memory, in turn; images too, in two
 * buffers, on a stream of their own: those of the next lane travel while this one is computed; and gradients go to the host on a third
 * stream while those of earlier layers are computed.
 */
#include "dev/cuda/cuda_priv.h"

#include "base/run.h"

#include <string.h>

enum { UPLOAD_BYTES = 1 << 20 }; /* a larger one waits: weights, once per start */

#define STREAM (tn_cuda_of(dev)->stream)
#define BF16   tn_cuda_bf16(dev)

/* --- begin, end --------------------------------------------------------------------------------------------------- */

static cudaError_t make_events(int n, cudaEvent_t *const *event) {
    cudaError_t e = cudaSuccess;
    for (int i = 0; e == cudaSuccess && i < n; i++) e = cudaEventCreateWithFlags(event[i], cudaEventDisableTiming);
    return e;
}

cudaError_t tn_cuda_memory_begin(tn_cuda *cuda) {
    cudaStream_t *stream[] = {&cuda->stream, &cuda->images, &cuda->gradients};
    cudaEvent_t *event[1 + TN_DEV_COPIES + TN_UPLOADS + 2 * TN_STAGED];
    cudaError_t e = cudaSuccess;
    int n = 0;
    for (int i = 0; e == cudaSuccess && i < 3; i++) e = cudaStreamCreateWithFlags(stream[i], cudaStreamNonBlocking);
    event[n++] = &cuda->computed;
    for (int i = 0; i < TN_DEV_COPIES; i++) event[n++] = &cuda->downloaded[i];
    for (int i = 0; i < TN_UPLOADS; i++) event[n++] = &cuda->upload[i].read;
    for (int i = 0; i < TN_STAGED; i++) {
        event[n++] = &cuda->staged[i].copied;
        event[n++] = &cuda->staged[i].read;
    }
    if (e == cudaSuccess) e = make_events(n, event);
    if (e == cudaSuccess) e = cudaMalloc((void **)&cuda->squares, TN_CUDA_SQUARES * sizeof *cuda->squares);
    for (int i = 0; e == cudaSuccess && i < TN_UPLOADS; i++) e = cudaMallocHost(&cuda->upload[i].host, UPLOAD_BYTES);
    return e;
}

void tn_cuda_memory_end(tn_cuda *cuda) {
    cudaStream_t stream[] = {cuda->stream, cuda->images, cuda->gradients};
    for (int i = 0; i < 3; i++)
        if (stream[i]) cudaStreamSynchronize(stream[i]);
    for (int i = 0; i < TN_SCRATCHES; i++) cudaFree(cuda->scratch[i].x);
    for (int i = 0; i < TN_UPLOADS; i++) {
        cudaFreeHost(cuda->upload[i].host);
        if (cuda->upload[i].read) cudaEventDestroy(cuda->upload[i].read);
    }
    for (int i = 0; i < TN_STAGED; i++) {
        cudaFreeHost(cuda->staged[i].host);
        cudaFree(cuda->staged[i].x);
        if (cuda->staged[i].copied) cudaEventDestroy(cuda->staged[i].copied);
        if (cuda->staged[i].read) cudaEventDestroy(cuda->staged[i].read);
    }
    for (int i = 0; i < TN_DEV_COPIES; i++)
        if (cuda->downloaded[i]) cudaEventDestroy(cuda->downloaded[i]);
    if (cuda->computed) cudaEventDestroy(cuda->computed);
    for (int i = 0; i < 3; i++)
        if (stream[i]) cudaStreamDestroy(stream[i]);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void *alloc_bytes(tn_dev *dev, size_t n_bytes) {
    void *x = NULL;
    tn_cuda_check(dev, cudaPeekAtLastError(), "a kernel");
    cudaError_t e = cudaMalloc(&x, n_bytes ? n_bytes : 1);
    if (e == cudaErrorMemoryAllocation) {
        cudaGetLastError(); /* else the next check would meet it */
        return NULL;
    }
    tn_cuda_check(dev, e, "cudaMalloc");
    tn_cuda_check(dev, cudaMemsetAsync(x, 0, n_bytes, STREAM), "cudaMemset");
    return x;
}
float *tn_cuda_alloc(tn_dev *dev, int64_t n) {
    return alloc_bytes(dev, (size_t)n * sizeof(float));
}
void tn_cuda_free(tn_dev *dev, float *x) {
    tn_cuda_check(dev, cudaFree(x), "cudaFree");
}

void tn_cuda_memory(tn_dev *dev, size_t *free_out, size_t *all_out) {
    tn_cuda_check(dev, cudaMemGetInfo(free_out, all_out), "cudaMemGetInfo");
}

static void no_memory(tn_dev *dev, size_t n_bytes) {
    size_t free_bytes = 0, total = 0;
    cudaMemGetInfo(&free_bytes, &total);
    tn_die(TN_ENOMEM, "GPU %d (%s): %zu MiB are needed, %zu of %zu MiB are free: lower train.lane_images",
           tn_cuda_of(dev)->number, tn_cuda_of(dev)->name, n_bytes >> 20, free_bytes >> 20, total >> 20);
}

void *tn_cuda_scratch(tn_dev *dev, tn_scratch which, size_t n_bytes) {
    tn_cuda *cuda = tn_cuda_of(dev);
    if (n_bytes <= cuda->scratch[which].n_bytes) return cuda->scratch[which].x;
    tn_cuda_free(dev, cuda->scratch[which].x);
    cuda->scratch[which].x = alloc_bytes(dev, n_bytes);
    if (!cuda->scratch[which].x) no_memory(dev, n_bytes);
    cuda->scratch[which].n_bytes = n_bytes;
    return cuda->scratch[which].x;
}

static void *host_bytes(tn_dev *dev, size_t n_bytes) {
    void *host = NULL;
    tn_cuda_check(dev, cudaPeekAtLastError(), "a kernel");
    cudaError_t e = cudaMallocHost(&host, n_bytes ? n_bytes : 1);
    if (e == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        return NULL;
    }
    tn_cuda_check(dev, e, "cudaMallocHost");
    return memset(host, 0, n_bytes);
}
float *tn_cuda_host_alloc(tn_dev *dev, int64_t n) {
    return host_bytes(dev, (size_t)n * sizeof(float));
}
void tn_cuda_host_free(tn_dev *dev, float *host) {
    if (host) tn_cuda_check(dev, cudaFreeHost(host), "cudaFreeHost");
}

/* --- copies that the host waits for ------------------------------------------------------------------------------- */

/* The caller may write to host memory again at once: so a large upload waits. */
void tn_cuda_upload(tn_dev *dev, int64_t n, const float *host, float *x) {
    tn_cuda *cuda = tn_cuda_of(dev);
    size_t n_bytes = (size_t)n * sizeof *x;
    if (n_bytes > UPLOAD_BYTES) {
        tn_cuda_check(dev, cudaMemcpyAsync(x, host, n_bytes, cudaMemcpyHostToDevice, STREAM), "an upload");
        tn_cuda_check(dev, cudaStreamSynchronize(STREAM), "an upload");
        return;
    }
    tn_upload *u = &cuda->upload[cuda->next_upload];
    cuda->next_upload = (cuda->next_upload + 1) % TN_UPLOADS;
    tn_cuda_check(dev, cudaEventSynchronize(u->read), "an upload"); /* at once, if it was never recorded */
    memcpy(u->host, host, n_bytes);
    tn_cuda_check(dev, cudaMemcpyAsync(x, u->host, n_bytes, cudaMemcpyHostToDevice, STREAM), "an upload");
    tn_cuda_check(dev, cudaEventRecord(u->read, STREAM), "an upload");
}

void tn_cuda_download(tn_dev *dev, int64_t n, const float *x, float *host) {
    size_t n_bytes = (size_t)n * sizeof *x;
    tn_cuda_check(dev, cudaMemcpyAsync(host, x, n_bytes, cudaMemcpyDeviceToHost, STREAM), "a download");
    tn_cuda_check(dev, cudaStreamSynchronize(STREAM), "a download");
}

void tn_cuda_store_host(tn_dev *dev, int64_t n, const float *host, void *x) {
    float *copy = tn_cuda_scratch(dev, TN_SCRATCH_FLOATS, (size_t)n * sizeof *copy);
    tn_cuda_upload(dev, n, host, copy);
    tn_cuda_store(STREAM, BF16, n, copy, x);
    tn_cuda_check(dev, cudaPeekAtLastError(), "a store");
}
void tn_cuda_load_host(tn_dev *dev, int64_t n, const void *x, float *host) {
    float *copy = tn_cuda_scratch(dev, TN_SCRATCH_FLOATS, (size_t)n * sizeof *copy);
    tn_cuda_load(STREAM, BF16, n, x, copy);
    tn_cuda_download(dev, n, copy, host);
}

/* --- images ------------------------------------------------------------------------------------------------------- */

/* Nothing may read or write the buffers. */
static void make_room(tn_dev *dev, tn_staged *s, size_t n_bytes) {
    if (n_bytes <= s->room) return;
    tn_cuda_host_free(dev, (float *)(void *)s->host);
    tn_cuda_check(dev, cudaFree(s->x), "cudaFree");
    s->host = host_bytes(dev, n_bytes);
    if (!s->host) tn_die(TN_ENOMEM, "no memory for images on their way to the GPU (%zu bytes)", n_bytes);
    s->x = alloc_bytes(dev, n_bytes);
    if (!s->x) no_memory(dev, n_bytes);
    tn_cuda_check(dev, cudaStreamSynchronize(STREAM), "cudaMemset"); /* before the other stream writes there */
    s->room = n_bytes;
}

/* A buffer without staged images; if both have some, the older one. */
static tn_staged *next_staged(tn_cuda *cuda) {
    if (cuda->staged[cuda->next_staged].of) cuda->next_staged = (cuda->next_staged + 1) % TN_STAGED;
    tn_staged *s = &cuda->staged[cuda->next_staged];
    cuda->next_staged = (cuda->next_staged + 1) % TN_STAGED;
    return s;
}

static tn_staged *stage(tn_dev *dev, size_t n_bytes, const unsigned char *host) {
    tn_cuda *cuda = tn_cuda_of(dev);
    tn_staged *s = next_staged(cuda);
    tn_cuda_check(dev, cudaEventSynchronize(s->copied), "a copy of images");
    make_room(dev, s, n_bytes);
    tn_cuda_check(dev, cudaStreamWaitEvent(cuda->images, s->read, 0), "a copy of images");
    memcpy(s->host, host, n_bytes);
    tn_cuda_check(dev, cudaMemcpyAsync(s->x, s->host, n_bytes, cudaMemcpyHostToDevice, cuda->images),
                  "a copy of images");
    tn_cuda_check(dev, cudaEventRecord(s->copied, cuda->images), "a copy of images");
    s->of = host;
    s->n_bytes = n_bytes;
    return s;
}

void tn_cuda_stage(tn_dev *dev, int64_t n_pixels, const unsigned char *host) {
    for (int i = 0; !host && i < TN_STAGED; i++) tn_cuda_of(dev)->staged[i].of = NULL;
    if (host) stage(dev, (size_t)n_pixels * 3, host);
}

void tn_cuda_pixels_host(tn_dev *dev, int64_t n_pixels, const unsigned char *host, const tn_byte_norm *norm, void *x) {
    tn_cuda *cuda = tn_cuda_of(dev);
    tn_staged *s = NULL;
    for (int i = 0; i < TN_STAGED; i++)
        if (cuda->staged[i].of == host && cuda->staged[i].n_bytes == (size_t)n_pixels * 3) s = &cuda->staged[i];
    if (!s) s = stage(dev, (size_t)n_pixels * 3, host);
    s->of = NULL;
    tn_cuda_check(dev, cudaStreamWaitEvent(STREAM, s->copied, 0), "images");
    tn_cuda_norm n = {{norm->scale[0], norm->scale[1], norm->scale[2]},
                      {norm->shift[0], norm->shift[1], norm->shift[2]}};
    tn_cuda_pixels(STREAM, BF16, n_pixels * 3, s->x, n, x);
    tn_cuda_check(dev, cudaEventRecord(s->read, STREAM), "images");
}

/* --- gradients ---------------------------------------------------------------------------------------------------- */

void tn_cuda_download_begin(tn_dev *dev, int copy, int64_t n, const float *x, float *host) {
    tn_cuda *cuda = tn_cuda_of(dev);
    tn_cuda_check(dev, cudaEventRecord(cuda->computed, STREAM), "a download");
    tn_cuda_check(dev, cudaStreamWaitEvent(cuda->gradients, cuda->computed, 0), "a download");
    tn_cuda_check(dev, cudaMemcpyAsync(host, x, (size_t)n * sizeof *x, cudaMemcpyDeviceToHost, cuda->gradients),
                  "a download");
    tn_cuda_check(dev, cudaEventRecord(cuda->downloaded[copy], cuda->gradients), "a download");
}

bool tn_cuda_download_done(tn_dev *dev, int copy) {
    tn_cuda_check(dev, cudaPeekAtLastError(), "a kernel");
    cudaError_t e = cudaEventQuery(tn_cuda_of(dev)->downloaded[copy]);
    if (e == cudaErrorNotReady) {
        cudaGetLastError(); /* else the next check would meet it */
        return false;
    }
    tn_cuda_check(dev, e, "a download");
    return true;
}

void tn_cuda_upload_begin(tn_dev *dev, int64_t n, const float *host, float *x) {
    tn_cuda_check(dev, cudaMemcpyAsync(x, host, (size_t)n * sizeof *x, cudaMemcpyHostToDevice, STREAM), "an upload");
}
