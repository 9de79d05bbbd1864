/* passes.cu - passes over activations: each value is read, changed and written once. See kernels.h. */
#include "dev/cuda/kernels.cuh"

namespace {

template <class T> __global__ void store_kernel(int64_t n, const float *x, T *y) {
    int64_t i = this_thread();
    if (i < n) put(x[i], y + i);
}
template <class T> __global__ void load_kernel(int64_t n, const T *x, float *y) {
    int64_t i = this_thread();
    if (i < n) y[i] = one(x + i);
}

/* A thread: 8 values, or the rest of them. */
template <class T> __global__ void pixels_kernel(int64_t n, const unsigned char *x, tn_cuda_norm norm, T *y) {
    uint32_t t = this_thread();
    int64_t i = (int64_t)t * V;
    if (i >= n) return;
    float v[V];
    uint2 bytes = {0, 0};
    if (i + V <= n) {
        bytes = *reinterpret_cast<const uint2 *>(x + i);
    } else {
        for (int j = 0; j < V && i + j < n; j++) (j < 4 ? bytes.x : bytes.y) |= (uint32_t)x[i + j] << 8 * (j % 4);
    }
    for (int j = 0; j < V; j++) {
        int c = (int)((t % 3 * (V % 3) + (uint32_t)j) % 3);
        float byte = (float)(((j < 4 ? bytes.x : bytes.y) >> 8 * (j % 4)) & 255U);
        v[j] = (c == 0   ? norm.scale[0]
                : c == 1 ? norm.scale[1]
                         : norm.scale[2]) *
                   byte +
               (c == 0   ? norm.shift[0]
                : c == 1 ? norm.shift[1]
                         : norm.shift[2]);
    }
    if (i + V <= n)
        store(v, y + i);
    else
        for (int j = 0; j < V && i + j < n; j++) put(v[j], y + i + j);
}

/* A thread: 8 channels of READ_ROWS rows that are `step` rows apart, so that it loads their coefficients once. */
enum { READ_ROWS = 4 };
template <class T> __global__ void read_kernel(int64_t M, uint32_t step, int64_t HW, int C, tn_cuda_view x, T *y) {
    uint32_t t = this_thread(), G = (uint32_t)(C / V), first = t / G;
    int c = (int)(t % G) * V;
    if (first >= step) return;
    affine f = affine_of(x, c);
    packed<T> row[READ_ROWS];
#pragma unroll
    for (int i = 0; i < READ_ROWS; i++) {
        int64_t m = first + (int64_t)i * step;
        if (m < M) row[i] = fetch(static_cast<const T *>(x.x) + m * C + c);
    }
#pragma unroll
    for (int i = 0; i < READ_ROWS; i++) {
        int64_t m = first + (int64_t)i * step;
        if (m >= M) break;
        float v[V];
        unpack(row[i], v);
        apply_scaled<T>(x, f, x.scale ? (uint32_t)m / (uint32_t)HW : 0, C, c, v);
        store(v, y + m * C + c);
    }
}

template <class T> __global__ void read_grad_kernel(int64_t n, int C, tn_cuda_grad d, T *dy) {
    uint32_t t = this_thread();
    int64_t i = t;
    int c = (int)(t % (uint32_t)(C / V)) * V;
    if (i >= n) return;
    float dz[V], y[V], g[V], h[V], o[V];
    load(static_cast<const T *>(d.dz) + i * V, dz);
    load(static_cast<const T *>(d.y) + i * V, y);
    load(d.g + c, g);
    load(d.h + c, h);
    load(d.o + c, o);
    for (int j = 0; j < V; j++) dz[j] = g[j] * dz[j] + h[j] * y[j] + o[j];
    store(dz, dy + i * V);
}

template <class T>
__global__ void finish_kernel(int64_t n, int C, const T *x, const float *a, const float *b, int act, const T *side,
                              T *y) {
    uint32_t t = this_thread();
    int64_t i = t;
    int c = (int)(t % (uint32_t)(C / V)) * V;
    if (i >= n) return;
    float v[V], ac[V], bc[V], s[V] = {0};
    load(x + i * V, v);
    load(a + c, ac);
    load(b + c, bc);
    if (side) load(side + i * V, s);
    for (int j = 0; j < V; j++) v[j] = ac[j] * v[j] + bc[j];
    act_all<T, V>(act, v);
    for (int j = 0; j < V; j++) v[j] += s[j];
    store(v, y + i * V);
}

template <class T>
__global__ void residual_kernel(int64_t n, int64_t HW, int C, tn_cuda_view x, const float *keep, const T *side, T *y) {
    uint32_t t = this_thread(), G = (uint32_t)(C / V);
    int64_t i = t, m = t / G, b = t / G / (uint32_t)HW;
    int c = (int)(t % G) * V;
    if (i >= n) return;
    float v[V], s[V] = {0}, k = keep ? keep[b] : 1.0F;
    load(static_cast<const T *>(x.x) + m * C + c, v);
    apply_scaled<T>(x, affine_of(x, c), b, C, c, v);
    if (side) load(side + i * V, s);
    for (int j = 0; j < V; j++) v[j] = s[j] + k * v[j];
    store(v, y + i * V);
}

template <class T> __global__ void add_real_kernel(int64_t n, const T *x, T *y) {
    int64_t i = this_thread();
    if (i < n) put(one(y + i) + one(x + i), y + i);
}

} // namespace

void tn_cuda_store(cudaStream_t s, bool bf16, int64_t n, const float *x, void *y) {
    EITHER(LAUNCH(store_kernel<T>, n, n, x, REAL(T, y)));
}
void tn_cuda_load(cudaStream_t s, bool bf16, int64_t n, const void *x, float *y) {
    EITHER(LAUNCH(load_kernel<T>, n, n, READ_REAL(T, x), y));
}
void tn_cuda_pixels(cudaStream_t s, bool bf16, int64_t n, const unsigned char *x, tn_cuda_norm norm, void *y) {
    int64_t threads = (n + V - 1) / V;
    EITHER(LAUNCH(pixels_kernel<T>, threads, n, x, norm, REAL(T, y)));
}
void tn_cuda_read(cudaStream_t s, bool bf16, int64_t M, int64_t HW, int C, tn_cuda_view x, void *y) {
    int64_t step = (M + READ_ROWS - 1) / READ_ROWS;
    EITHER(LAUNCH(read_kernel<T>, step * (C / V), M, (uint32_t)step, HW, C, x, REAL(T, y)));
}
void tn_cuda_read_grad(cudaStream_t s, bool bf16, int64_t M, int C, tn_cuda_grad d, void *dy) {
    int64_t n = M * C / V;
    EITHER(LAUNCH(read_grad_kernel<T>, n, n, C, d, REAL(T, dy)));
}
void tn_cuda_finish(cudaStream_t s, bool bf16, int64_t M, int C, const void *x, const float *a, const float *b, int act,
                    const void *side, void *y) {
    int64_t n = M * C / V;
    EITHER(LAUNCH(finish_kernel<T>, n, n, C, READ_REAL(T, x), a, b, act, READ_REAL(T, side), REAL(T, y)));
}
void tn_cuda_residual(cudaStream_t s, bool bf16, int64_t M, int64_t HW, int C, tn_cuda_view x, const float *keep,
                      const void *side, void *y) {
    int64_t n = M * C / V;
    EITHER(LAUNCH(residual_kernel<T>, n, n, HW, C, x, keep, READ_REAL(T, side), REAL(T, y)));
}
void tn_cuda_add_real(cudaStream_t s, bool bf16, int64_t n, const void *x, void *y) {
    EITHER(LAUNCH(add_real_kernel<T>, n, n, READ_REAL(T, x), REAL(T, y)));
}
