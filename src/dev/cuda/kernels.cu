/*
 * kernels.cu - see kernels.h. Also compiled by g++ for the emulation (tests/gpu/emu): then TN_LAUNCH and the words of CUDA are there
 * already.
 *
 * A thread handles 8 channels of a row: `g` counts such groups, G = C / 8. Blocks that sum over rows have Gb groups times as many
 * rows as fill THREADS threads; a block sums a piece of the rows, and a second kernel adds the pieces in order, in double.
 */
#include "dev/cuda/kernels.h"

#include <cuda_runtime.h>
#include <math.h>

#ifndef TN_LAUNCH
#define TN_LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#endif

namespace {

enum { V = 8, THREADS = 256, MOST_GROUPS = 32, MERGE_LANES = 32 };
enum { NONE, SWISH, RELU6, RELU, SIGMOID }; /* tn_act */

struct bf16 {
    uint16_t bits;
};

/* --- 8 values of either precision --------------------------------------------------------------------------------- */

__device__ inline float wide(uint32_t bits) {
    return __uint_as_float(bits);
}
/* to nearest, ties to even */
__device__ inline uint32_t narrow(float x) {
    uint32_t u = __float_as_uint(x);
    if ((u & 0x7fffffffU) > 0x7f800000U) return 0x7fc0U; /* not a number stays one */
    return (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
}
__device__ inline void load(const float *p, float v[V]) {
    float4 a = *reinterpret_cast<const float4 *>(p), b = *reinterpret_cast<const float4 *>(p + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
__device__ inline void load(const bf16 *p, float v[V]) {
    uint4 w = *reinterpret_cast<const uint4 *>(p);
    v[0] = wide(w.x << 16), v[1] = wide(w.x & 0xffff0000U), v[2] = wide(w.y << 16), v[3] = wide(w.y & 0xffff0000U);
    v[4] = wide(w.z << 16), v[5] = wide(w.z & 0xffff0000U), v[6] = wide(w.w << 16), v[7] = wide(w.w & 0xffff0000U);
}
__device__ inline void store(const float v[V], float *p) {
    *reinterpret_cast<float4 *>(p) = make_float4(v[0], v[1], v[2], v[3]);
    *reinterpret_cast<float4 *>(p + 4) = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ inline void store(const float v[V], bf16 *p) {
    uint4 w;
    w.x = narrow(v[0]) | narrow(v[1]) << 16;
    w.y = narrow(v[2]) | narrow(v[3]) << 16;
    w.z = narrow(v[4]) | narrow(v[5]) << 16;
    w.w = narrow(v[6]) | narrow(v[7]) << 16;
    *reinterpret_cast<uint4 *>(p) = w;
}
__device__ inline float one(const float *p) {
    return *p;
}
__device__ inline float one(const bf16 *p) {
    return wide((uint32_t)p->bits << 16);
}
__device__ inline void put(float x, float *p) {
    *p = x;
}
__device__ inline void put(float x, bf16 *p) {
    p->bits = (uint16_t)narrow(x);
}
/* What a store and a load make of x. */
template <class T> __device__ inline float rounded(float x) {
    return sizeof(T) == 2 ? wide(narrow(x) << 16) : x;
}

/* --- activations, views ------------------------------------------------------------------------------------------- */

__device__ inline float sigmoid(float x) {
    return 1.0F / (1.0F + expf(-x));
}
__device__ inline float act_of(int act, float x) {
    switch (act) {
    case SWISH:
        return x * sigmoid(x);
    case RELU6:
        return fminf(fmaxf(x, 0.0F), 6.0F);
    case RELU:
        return fmaxf(x, 0.0F);
    case SIGMOID:
        return sigmoid(x);
    default:
        return x;
    }
}
__device__ inline float slope_of(int act, float x) {
    float s;
    switch (act) {
    case SWISH:
        s = sigmoid(x);
        return s * (1.0F + x * (1.0F - s));
    case RELU6:
        return x > 0.0F && x < 6.0F ? 1.0F : 0.0F;
    case RELU:
        return x > 0.0F ? 1.0F : 0.0F;
    case SIGMOID:
        s = sigmoid(x);
        return s * (1.0F - s);
    default:
        return 1.0F;
    }
}

/* The 8 values of image b, row m, from channel c, without the view's scale. */
template <class T> __device__ inline void view(tn_cuda_view x, int64_t m, int C, int c, float v[V]) {
    load(static_cast<const T *>(x.x) + m * C + c, v);
    if (!x.a) return;
    float a[V], b[V];
    load(x.a + c, a);
    load(x.b + c, b);
    for (int j = 0; j < V; j++) v[j] = act_of(x.act, a[j] * v[j] + b[j]);
}
template <class T> __device__ inline void scaled_view(tn_cuda_view x, int64_t m, int64_t b, int C, int c, float v[V]) {
    view<T>(x, m, C, c, v);
    if (!x.scale) return;
    float s[V];
    load(x.scale + b * C + c, s);
    for (int j = 0; j < V; j++) v[j] *= s[j];
}

__device__ inline int64_t this_thread() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

/* --- passes over activations: a thread per 8 values --------------------------------------------------------------- */

template <class T> __global__ void store_kernel(int64_t n, const float *x, T *y) {
    int64_t i = this_thread();
    if (i < n) put(x[i], y + i);
}
template <class T> __global__ void load_kernel(int64_t n, const T *x, float *y) {
    int64_t i = this_thread();
    if (i < n) y[i] = one(x + i);
}

template <class T> __global__ void read_kernel(int64_t n, int64_t HW, int C, tn_cuda_view x, T *y) {
    int64_t i = this_thread(), m = i / (C / V);
    int c = (int)(i % (C / V)) * V;
    if (i >= n) return;
    float v[V];
    scaled_view<T>(x, m, m / HW, C, c, v);
    store(v, y + m * C + c);
}

template <class T> __global__ void read_grad_kernel(int64_t n, int C, tn_cuda_grad d, T *dy) {
    int64_t i = this_thread();
    int c = (int)(i % (C / V)) * V;
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
    int64_t i = this_thread();
    int c = (int)(i % (C / V)) * V;
    if (i >= n) return;
    float v[V], ac[V], bc[V], s[V] = {0};
    load(x + i * V, v);
    load(a + c, ac);
    load(b + c, bc);
    if (side) load(side + i * V, s);
    for (int j = 0; j < V; j++) v[j] = act_of(act, ac[j] * v[j] + bc[j]) + s[j];
    store(v, y + i * V);
}

template <class T>
__global__ void residual_kernel(int64_t n, int64_t HW, int C, tn_cuda_view x, const float *keep, const T *side, T *y) {
    int64_t i = this_thread(), m = i / (C / V);
    int c = (int)(i % (C / V)) * V;
    if (i >= n) return;
    float v[V], s[V] = {0}, k = keep ? keep[m / HW] : 1.0F;
    scaled_view<T>(x, m, m / HW, C, c, v);
    if (side) load(side + i * V, s);
    for (int j = 0; j < V; j++) v[j] = s[j] + k * v[j];
    store(v, y + i * V);
}

template <class T> __global__ void add_real_kernel(int64_t n, const T *x, T *y) {
    int64_t i = this_thread();
    if (i < n) put(one(y + i) + one(x + i), y + i);
}

/* --- sums over rows ----------------------------------------------------------------------------------------------- */

/* A block: Gb groups by `rows` rows, threads in that order. */
struct shape {
    int Gb, rows;
};
__host__ __device__ inline shape block_shape(int C) {
    int G = C / V, Gb = G < MOST_GROUPS ? G : MOST_GROUPS;
    return shape{Gb, THREADS / Gb};
}
/* A piece: about PIECES of them, of at least 64 rows. */
inline int64_t piece_rows(int64_t M) {
    enum { PIECES = 1024, LEAST = 64 };
    int64_t n = (M + PIECES - 1) / PIECES;
    return n < LEAST ? LEAST : n;
}
inline int64_t n_pieces(int64_t M) {
    return (M + piece_rows(M) - 1) / piece_rows(M);
}

/* Add up acc (N numbers per thread) over the rows of the block; out: number k of channel c at out[k * stride + c]. N = numbers per
 * channel times V. */
template <int N> __device__ inline void block_sums(const float acc[N], shape s, int g0, int G, float *out, int64_t stride) {
    __shared__ float memory[THREADS * N];
    int t = (int)threadIdx.x;
    for (int k = 0; k < N; k++) memory[t * N + k] = acc[k];
    __syncthreads();
    for (int i = t; i < s.Gb * N; i += (int)blockDim.x) {
        int g = i / N, k = i % N;
        float sum = 0;
        for (int r = 0; r < s.rows; r++) sum += memory[(r * s.Gb + g) * N + k];
        if (g0 + g < G) out[(k / V) * stride + (g0 + g) * V + k % V] = sum;
    }
    __syncthreads();
}

/* partial (pieces, 3, C): the value of the piece's first row, the sum of the differences from it, and of their squares. */
template <class T> __global__ void moments_kernel(int64_t M, int64_t rows, int C, const T *y, float *partial) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V;
    int64_t first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float *out = partial + (int64_t)blockIdx.y * 3 * C, acc[2 * V] = {0}, pivot[V], v[V];
    if (g < G) {
        load(y + first * C + g * V, pivot);
        for (int64_t m = first + t / s.Gb; m < end; m += s.rows) {
            load(y + m * C + g * V, v);
            for (int j = 0; j < V; j++) {
                float d = v[j] - pivot[j];
                acc[j] += d;
                acc[V + j] += d * d;
            }
        }
        if (t < s.Gb) store(pivot, out + g * V);
    }
    block_sums<2 * V>(acc, s, g0, G, out + C, C);
}

/* Chan, Golub, LeVeque 1979 */
struct moment {
    double n, mean, squares;
};
__device__ inline moment merged(moment a, moment b) {
    if (b.n == 0) return a;
    double n = a.n + b.n, d = b.mean - a.mean;
    return moment{n, a.mean + d * b.n / n, a.squares + b.squares + d * d * a.n * b.n / n};
}
__global__ void moments_merge_kernel(int64_t M, int64_t rows, int pieces, int C, const float *partial, float *mean,
                                     float *var) {
    __shared__ moment memory[MERGE_LANES][32];
    int c = (int)(blockIdx.x * 32 + threadIdx.x), lane = (int)threadIdx.y;
    moment all = {0, 0, 0};
    for (int i = lane; c < C && i < pieces; i += MERGE_LANES) {
        const float *p = partial + (int64_t)i * 3 * C + c;
        double n = i < pieces - 1 ? (double)rows : (double)(M - i * rows), sum = p[C];
        all = merged(all, moment{n, (double)p[0] + sum / n, (double)p[2 * (int64_t)C] - sum * sum / n});
    }
    memory[lane][threadIdx.x] = all;
    __syncthreads();
    if (lane > 0 || c >= C) return;
    for (int i = 1; i < MERGE_LANES; i++) all = merged(all, memory[i][threadIdx.x]);
    mean[c] = (float)all.mean;
    var[c] = (float)(all.squares > 0 ? all.squares / all.n : 0);
}

/* partial (pieces, n) -> sums (n) */
template <class S> __global__ void merge_kernel(int pieces, int n, const float *partial, S *sums) {
    __shared__ double memory[MERGE_LANES][32];
    int c = (int)(blockIdx.x * 32 + threadIdx.x), lane = (int)threadIdx.y;
    double sum = 0;
    for (int i = lane; c < n && i < pieces; i += MERGE_LANES) sum += (double)partial[(int64_t)i * n + c];
    memory[lane][threadIdx.x] = sum;
    __syncthreads();
    if (lane > 0 || c >= n) return;
    for (int i = 1; i < MERGE_LANES; i++) sum += memory[i][threadIdx.x];
    sums[c] = (S)sum;
}

/* dz is stored first and summed as it was stored: who reads it meets the same values. */
template <class T>
__global__ void read_backward_kernel(int64_t M, int64_t rows, int64_t HW, int C, tn_cuda_view x, const T *g_in,
                                     const float *keep, const float *dpool, T *dz, float *partial) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V, c = g * V;
    int64_t first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float acc[2 * V] = {0};
    for (int64_t m = first + t / s.Gb; g < G && m < end; m += s.rows) {
        int64_t b = m / HW;
        float raw[V], d[V] = {0}, w[V];
        load(static_cast<const T *>(x.x) + m * C + c, raw);
        if (g_in) {
            float k = keep ? keep[b] : 1.0F;
            load(g_in + m * C + c, d);
            for (int j = 0; j < V; j++) d[j] *= k;
        }
        if (x.scale) {
            load(x.scale + b * C + c, w);
            for (int j = 0; j < V; j++) d[j] *= w[j];
        }
        if (dpool) {
            load(dpool + b * C + c, w);
            for (int j = 0; j < V; j++) d[j] += w[j] / (float)HW;
        }
        if (x.a) {
            float a[V], o[V];
            load(x.a + c, a);
            load(x.b + c, o);
            for (int j = 0; j < V; j++) d[j] *= slope_of(x.act, a[j] * raw[j] + o[j]);
        }
        store(d, dz + m * C + c);
        for (int j = 0; j < V; j++) {
            float kept = rounded<T>(d[j]);
            acc[j] += kept;
            acc[V + j] += kept * raw[j];
        }
    }
    block_sums<2 * V>(acc, s, g0, G, partial + (int64_t)blockIdx.y * 2 * C, C);
}

/* A block sums the rows of an image: y(b,c) = factor sum v, or sum g v if there is a gradient g. */
template <class T>
__global__ void image_sums_kernel(int64_t HW, int C, tn_cuda_view x, const T *grad, float factor, float *y) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V, c = g * V;
    int64_t b = blockIdx.y;
    float acc[V] = {0}, v[V], d[V];
    for (int64_t i = t / s.Gb; g < G && i < HW; i += s.rows) {
        int64_t m = b * HW + i;
        if (grad) {
            view<T>(x, m, C, c, v);
            load(grad + m * C + c, d);
        } else {
            scaled_view<T>(x, m, b, C, c, v);
        }
        for (int j = 0; j < V; j++) acc[j] += grad ? v[j] * d[j] : v[j];
    }
    for (int j = 0; j < V; j++) acc[j] *= factor;
    block_sums<V>(acc, s, g0, G, y + b * C, C);
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

__global__ void bn_affine_kernel(int C, const float *gamma, const float *beta, const float *mean, const float *var,
                                 float eps, float *a, float *b) {
    int c = (int)this_thread();
    if (c >= C) return;
    double scale = (double)gamma[c] / sqrt((double)var[c] + (double)eps);
    a[c] = (float)scale;
    b[c] = (float)((double)beta[c] - (double)mean[c] * scale);
}

__global__ void bn_backward_kernel(int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                                   const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    int c = (int)this_thread();
    if (c >= C) return;
    double inverse = 1 / sqrt((double)var[c] + (double)eps), m = (double)mean[c], sum = sums[c];
    double sum_hat = (sums[C + c] - m * sum) * inverse;
    double scale = (double)gamma[c] * inverse, slope = -scale * inverse * sum_hat / (double)M;
    dbeta[c] = (float)sum;
    dgamma[c] = (float)sum_hat;
    gho[c] = (float)scale;
    gho[C + c] = (float)slope;
    gho[2 * C + c] = (float)(-scale * sum / (double)M - slope * m);
}

/* --- depthwise convolution ---------------------------------------------------------------------------------------- */

__global__ void depthwise_weights_kernel(int C, int taps, const float *from, float *to, bool back) {
    int64_t i = this_thread();
    int c = (int)(i / taps), t = (int)(i % taps);
    if (i >= (int64_t)C * taps) return;
    if (back)
        to[i] = from[(int64_t)t * C + c];
    else
        to[(int64_t)t * C + c] = from[i];
}

/* A thread: 8 channels of WIDE neighbouring output pixels; n = B P ceil(Q/WIDE) C/8. */
enum { WIDE = 4 };
template <class T, int R, int STRIDE>
__global__ void depthwise_forward_kernel(int64_t n, tn_cuda_depthwise d, tn_cuda_view x, const float *w, T *y) {
    int64_t i = this_thread();
    if (i >= n) return;
    int G = d.C / V, tiles = (d.Q + WIDE - 1) / WIDE;
    int c = (int)(i % G) * V, q0 = (int)(i / G % tiles) * WIDE, p = (int)(i / G / tiles % d.P);
    int64_t b = i / G / tiles / d.P;
    float acc[WIDE][V] = {{0}};
    for (int r = 0; r < R; r++) {
        int h = p * STRIDE - d.pad_top + r;
        if (h < 0 || h >= d.H) continue;
#pragma unroll
        for (int j = 0; j < (WIDE - 1) * STRIDE + R; j++) {
            int at = q0 * STRIDE - d.pad_left + j;
            if (at < 0 || at >= d.W) continue;
            float v[V];
            view<T>(x, (b * d.H + h) * d.W + at, d.C, c, v);
#pragma unroll
            for (int k = 0; k < WIDE; k++) {
                int tap = j - k * STRIDE;
                if (tap < 0 || tap >= R) continue;
                float f[V];
                load(w + (int64_t)(r * R + tap) * d.C + c, f);
                for (int e = 0; e < V; e++) acc[k][e] += v[e] * f[e];
            }
        }
    }
#pragma unroll
    for (int k = 0; k < WIDE; k++)
        if (q0 + k < d.Q) store(acc[k], y + ((b * d.P + p) * d.Q + q0 + k) * d.C + c);
}

/* A thread: 8 channels of an input pixel. */
template <class T, int R, int STRIDE>
__global__ void depthwise_data_kernel(int64_t rows, tn_cuda_depthwise d, tn_cuda_view x, const T *dy, const float *w,
                                      bool add, T *dx, float *partial) {
    shape s = block_shape(d.C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = d.C / V, c = g * V;
    int64_t M = (int64_t)d.B * d.H * d.W, first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float acc[2 * V] = {0};
    for (int64_t m = first + t / s.Gb; g < G && m < end; m += s.rows) {
        int at = (int)(m % d.W), h = (int)(m / d.W % d.H);
        int64_t b = m / d.W / d.H;
        float sum[V] = {0};
#pragma unroll
        for (int r = 0; r < R; r++) {
            int p = h + d.pad_top - r;
            if (p < 0 || p % STRIDE != 0 || p / STRIDE >= d.P) continue;
#pragma unroll
            for (int k = 0; k < R; k++) {
                int q = at + d.pad_left - k;
                if (q < 0 || q % STRIDE != 0 || q / STRIDE >= d.Q) continue;
                float v[V], f[V];
                load(dy + ((b * d.P + p / STRIDE) * d.Q + q / STRIDE) * d.C + c, v);
                load(w + (int64_t)(r * R + k) * d.C + c, f);
                for (int e = 0; e < V; e++) sum[e] += v[e] * f[e];
            }
        }
        float raw[V], before[V];
        load(static_cast<const T *>(x.x) + m * d.C + c, raw);
        if (x.a) {
            float a[V], o[V];
            load(x.a + c, a);
            load(x.b + c, o);
            for (int e = 0; e < V; e++) sum[e] *= slope_of(x.act, a[e] * raw[e] + o[e]);
        }
        if (add) {
            load(dx + m * d.C + c, before);
            for (int e = 0; e < V; e++) sum[e] += before[e];
        }
        store(sum, dx + m * d.C + c);
        for (int e = 0; e < V; e++) {
            float kept = rounded<T>(sum[e]);
            acc[e] += kept;
            acc[V + e] += kept * raw[e];
        }
    }
    if (partial) block_sums<2 * V>(acc, s, g0, G, partial + (int64_t)blockIdx.y * 2 * d.C, d.C);
}

/* A block: 64 channels (2 per thread), FILTER_LANES rows of output pixels at a time; a thread slides along a row, with its window of
 * R x R input pixels in registers. partial (pieces, R*R, C). */
enum { FILTER_CHANNELS = 64, FILTER_LANES = 8 };
template <class T, int R, int STRIDE>
__global__ void depthwise_filter_kernel(int rows, tn_cuda_depthwise d, const T *v, const T *dy, float *partial) {
    __shared__ float memory[FILTER_LANES][FILTER_CHANNELS];
    int c = (int)blockIdx.x * FILTER_CHANNELS + (int)threadIdx.x * 2, lane = (int)threadIdx.y;
    bool there = c < d.C;
    int64_t first = (int64_t)blockIdx.y * rows, last = (int64_t)d.B * d.P,
            end = first + rows < last ? first + rows : last;
    float acc[R][R][2] = {{{0}}};
    for (int64_t i = first + lane; there && i < end; i += FILTER_LANES) {
        int64_t b = i / d.P;
        int p = (int)(i % d.P), top = p * STRIDE - d.pad_top;
        float window[R][R][2];
        for (int q = 0; q < d.Q; q++) {
            int left = q * STRIDE - d.pad_left;
#pragma unroll
            for (int r = 0; r < R; r++) {
#pragma unroll
                for (int k = 0; k < R; k++) {
                    int h = top + r, at = left + k;
                    if (q > 0 && k < R - STRIDE) {
                        window[r][k][0] = window[r][k + STRIDE < R ? k + STRIDE : 0][0];
                        window[r][k][1] = window[r][k + STRIDE < R ? k + STRIDE : 0][1];
                    } else if (h >= 0 && h < d.H && at >= 0 && at < d.W) {
                        const T *from = v + ((b * d.H + h) * d.W + at) * d.C + c;
                        window[r][k][0] = one(from);
                        window[r][k][1] = one(from + 1);
                    } else {
                        window[r][k][0] = window[r][k][1] = 0;
                    }
                }
            }
            const T *from = dy + ((int64_t)i * d.Q + q) * d.C + c;
            float g0 = one(from), g1 = one(from + 1);
#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int k = 0; k < R; k++) {
                    acc[r][k][0] += g0 * window[r][k][0];
                    acc[r][k][1] += g1 * window[r][k][1];
                }
        }
    }
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
        for (int k = 0; k < R; k++) {
            memory[lane][threadIdx.x * 2] = acc[r][k][0];
            memory[lane][threadIdx.x * 2 + 1] = acc[r][k][1];
            __syncthreads();
            int j = lane * 32 + (int)threadIdx.x;
            if (j < FILTER_CHANNELS && (int)blockIdx.x * FILTER_CHANNELS + j < d.C) {
                float sum = 0;
                for (int l = 0; l < FILTER_LANES; l++) sum += memory[l][j];
                partial[((int64_t)blockIdx.y * R * R + r * R + k) * d.C + blockIdx.x * FILTER_CHANNELS + j] = sum;
            }
            __syncthreads();
        }
}
inline int filter_rows(const tn_cuda_depthwise *d) {
    enum { BLOCKS = 1024 };
    int64_t rows = (int64_t)d->B * d->P, columns = (d->C + FILTER_CHANNELS - 1) / FILTER_CHANNELS;
    int64_t each = (rows * columns + BLOCKS - 1) / BLOCKS;
    return (int)(each < FILTER_LANES ? FILTER_LANES : each);
}
inline int filter_pieces(const tn_cuda_depthwise *d) {
    int64_t rows = (int64_t)d->B * d->P;
    return (int)((rows + filter_rows(d) - 1) / filter_rows(d));
}

/* --- weights of dense convolutions -------------------------------------------------------------------------------- */

/* i counts (K,R*R,C) */
template <class T> __global__ void filter_weights_kernel(int64_t n, int C, int taps, const float *w, T *prepared) {
    int64_t i = this_thread();
    if (i < n) put(w[(i / C / taps * C + i % C) * taps + i / C % taps], prepared + i);
}
template <class T> __global__ void filter_gradient_kernel(int64_t n, int C, int taps, const T *prepared, float *dw) {
    int64_t i = this_thread();
    if (i < n) dw[(i / C / taps * C + i % C) * taps + i / C % taps] = one(prepared + i);
}

/* --- head --------------------------------------------------------------------------------------------------------- */

enum { TILE = 32, TILE_ROWS = 8 };
struct matrix {
    const float *x;
    int64_t row, column;
};
__global__ void product_kernel(int M, int N, int K, const float *a, int64_t a_row, int64_t a_column, const float *b,
                               int64_t b_row, int64_t b_column, const float *bias, float *c) {
    __shared__ float as[TILE][TILE + 1], bs[TILE][TILE + 1];
    int n = (int)blockIdx.x * TILE + (int)threadIdx.x, m0 = (int)blockIdx.y * TILE;
    float sum[TILE / TILE_ROWS] = {0};
    for (int k0 = 0; k0 < K; k0 += TILE) {
        for (int r = (int)threadIdx.y; r < TILE; r += TILE_ROWS) {
            int k = k0 + (int)threadIdx.x, m = m0 + r, kb = k0 + r;
            as[r][threadIdx.x] = m < M && k < K ? a[m * a_row + k * a_column] : 0;
            bs[r][threadIdx.x] = kb < K && n < N ? b[kb * b_row + n * b_column] : 0;
        }
        __syncthreads();
        for (int k = 0; k < TILE; k++)
            for (int i = 0; i < TILE / TILE_ROWS; i++)
                sum[i] += as[threadIdx.y + i * TILE_ROWS][k] * bs[k][threadIdx.x];
        __syncthreads();
    }
    for (int i = 0; i < TILE / TILE_ROWS; i++) {
        int m = m0 + (int)threadIdx.y + i * TILE_ROWS;
        if (m < M && n < N) c[(int64_t)m * N + n] = sum[i] + (bias ? bias[n] : 0);
    }
}
__global__ void column_sums_kernel(int M, int N, const float *x, float *y) {
    int n = (int)this_thread();
    double sum = 0;
    if (n >= N) return;
    for (int m = 0; m < M; m++) sum += (double)x[(int64_t)m * N + n];
    y[n] = (float)sum;
}
__global__ void act_forward_kernel(int64_t n, int act, const float *x, float *y) {
    int64_t i = this_thread();
    if (i < n) y[i] = act_of(act, x[i]);
}
__global__ void act_backward_kernel(int64_t n, int act, const float *x, const float *dy, float *dx) {
    int64_t i = this_thread();
    if (i < n) dx[i] = dy[i] * slope_of(act, x[i]);
}
__global__ void mul_kernel(int64_t n, const float *x, const float *mask, float *y) {
    int64_t i = this_thread();
    if (i < n) y[i] = x[i] * mask[i];
}
__global__ void columns_kernel(int64_t total, int n, const float *x, int nx, int from, float *y, int ny, int at) {
    int64_t i = this_thread();
    if (i < total) y[i / n * ny + at + i % n] = x[i / n * nx + from + i % n];
}
__global__ void softmax_kernel(int B, int K, const float *logits, float *p) {
    int b = (int)this_thread();
    if (b >= B) return;
    const float *z = logits + (int64_t)b * K;
    float *out = p + (int64_t)b * K;
    double most = z[0], sum = 0;
    for (int k = 1; k < K; k++) most = fmax(most, (double)z[k]);
    for (int k = 0; k < K; k++) sum += exp((double)z[k] - most);
    for (int k = 0; k < K; k++) out[k] = (float)(exp((double)z[k] - most) / sum);
}
__global__ void cross_entropy_kernel(int B, int K, const float *logits, const float *target, float scale, float *loss,
                                     float *dlogits) {
    int b = (int)this_thread();
    if (b >= B) return;
    const float *z = logits + (int64_t)b * K, *t = target + (int64_t)b * K;
    float *dz = dlogits + (int64_t)b * K;
    double most = z[0], sum = 0, weight = 0, all = 0;
    for (int k = 1; k < K; k++) most = fmax(most, (double)z[k]);
    for (int k = 0; k < K; k++) sum += exp((double)z[k] - most);
    for (int k = 0; k < K; k++) {
        weight += (double)t[k];
        all -= (double)t[k] * ((double)z[k] - most - log(sum));
    }
    loss[b] = (float)all;
    for (int k = 0; k < K; k++)
        dz[k] = (float)((double)scale * (exp((double)z[k] - most) / sum * weight - (double)t[k]));
}

/* --- flat vectors ------------------------------------------------------------------------------------------------- */

__global__ void fill_kernel(int64_t n, float value, float *x) {
    int64_t i = this_thread();
    if (i < n) x[i] = value;
}
__global__ void scale_kernel(int64_t n, float a, float *x) {
    int64_t i = this_thread();
    if (i < n) x[i] *= a;
}
__global__ void lerp_kernel(int64_t n, float a, const float *x, float *y) {
    int64_t i = this_thread();
    if (i < n) y[i] += a * (x[i] - y[i]);
}
__global__ void add_kernel(int64_t n, const float *x, float *y) {
    int64_t i = this_thread();
    if (i < n) y[i] += x[i];
}
/* partial: one double per block */
__global__ void squares_kernel(int64_t n, const float *x, double *partial) {
    __shared__ double memory[THREADS];
    double sum = 0;
    for (int64_t i = this_thread(); i < n; i += (int64_t)gridDim.x * THREADS) sum += (double)x[i] * (double)x[i];
    memory[threadIdx.x] = sum;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) memory[threadIdx.x] += memory[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = memory[0];
}
__global__ void squares_merge_kernel(int n, const double *partial, double *sum) {
    __shared__ double memory[TN_CUDA_SQUARES];
    memory[threadIdx.x] = (int)threadIdx.x < n ? partial[threadIdx.x] : 0;
    __syncthreads();
    for (int half = TN_CUDA_SQUARES / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) memory[threadIdx.x] += memory[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) *sum += memory[0];
}
__global__ void sgd_kernel(int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    int64_t i = this_thread();
    if (i >= n) return;
    float d = g[i] + decay * w[i];
    m[i] = momentum * m[i] + d;
    w[i] -= rate * (d + momentum * m[i]);
}
__global__ void adamw_kernel(int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1, float c2,
                             const float *g, float *m, float *v, float *w) {
    int64_t i = this_thread();
    if (i >= n) return;
    m[i] = beta1 * m[i] + (1.0F - beta1) * g[i];
    v[i] = beta2 * v[i] + (1.0F - beta2) * g[i] * g[i];
    w[i] = w[i] * (1.0F - rate * decay) - rate * (m[i] / c1 / (sqrtf(v[i] / c2) + eps));
}

inline dim3 grid(int64_t n) {
    return dim3((unsigned)((n + THREADS - 1) / THREADS));
}
inline dim3 sums_block(int C) {
    shape s = block_shape(C);
    return dim3((unsigned)(s.Gb * s.rows));
}
inline dim3 sums_grid(int C, int64_t n) {
    int G = C / V, Gb = block_shape(C).Gb;
    return dim3((unsigned)((G + Gb - 1) / Gb), (unsigned)n);
}
inline dim3 merge_grid(int n) {
    return dim3((unsigned)((n + 31) / 32));
}

} // namespace

/* --- launches ----------------------------------------------------------------------------------------------------- */

#define LAUNCH(kernel, n, ...)                                                                                         \
    do {                                                                                                               \
        if ((n) > 0) TN_LAUNCH((kernel), grid(n), dim3(THREADS), s, __VA_ARGS__);                                      \
    } while (0)
#define REAL(T, x)      static_cast<T *>(x)
#define READ_REAL(T, x) static_cast<const T *>(x)
/* A launch in either precision; T is the type in its words. */
template <class F> static void either(bool in_bf16, F launch) {
    if (in_bf16)
        launch(bf16{});
    else
        launch(float{});
}
#define EITHER(...)                                                                                                    \
    either(bf16, [&](auto zero) {                                                                                      \
        typedef decltype(zero) T;                                                                                      \
        __VA_ARGS__;                                                                                                   \
    })

void tn_cuda_store(cudaStream_t s, bool bf16, int64_t n, const float *x, void *y) {
    EITHER(LAUNCH(store_kernel<T>, n, n, x, REAL(T, y)));
}
void tn_cuda_load(cudaStream_t s, bool bf16, int64_t n, const void *x, float *y) {
    EITHER(LAUNCH(load_kernel<T>, n, n, READ_REAL(T, x), y));
}
void tn_cuda_read(cudaStream_t s, bool bf16, int64_t M, int64_t HW, int C, tn_cuda_view x, void *y) {
    int64_t n = M * C / V;
    EITHER(LAUNCH(read_kernel<T>, n, n, HW, C, x, REAL(T, y)));
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

int64_t tn_cuda_partial_floats(int64_t M, int C) {
    return n_pieces(M) * 3 * C;
}
void tn_cuda_moments(cudaStream_t s, bool bf16, int64_t M, int C, const void *y, float *partial, float *mean,
                     float *var) {
    int64_t rows = piece_rows(M);
    EITHER(TN_LAUNCH((moments_kernel<T>), sums_grid(C, n_pieces(M)), sums_block(C), s, M, rows, C, READ_REAL(T, y),
                     partial));
    TN_LAUNCH(moments_merge_kernel, merge_grid(C), dim3(32, MERGE_LANES), s, M, rows, (int)n_pieces(M), C, partial,
              mean, var);
}
void tn_cuda_read_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                           const float *keep, const float *dpool, void *dz, float *partial, double *sums) {
    int64_t M = B * HW, rows = piece_rows(M);
    EITHER(TN_LAUNCH((read_backward_kernel<T>), sums_grid(C, n_pieces(M)), sums_block(C), s, M, rows, HW, C, x,
                     READ_REAL(T, g), keep, dpool, REAL(T, dz), partial));
    TN_LAUNCH((merge_kernel<double>), merge_grid(2 * C), dim3(32, MERGE_LANES), s, (int)n_pieces(M), 2 * C, partial,
              sums);
}
void tn_cuda_pool(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, float *y) {
    EITHER(TN_LAUNCH((image_sums_kernel<T>), sums_grid(C, B), sums_block(C), s, HW, C, x,
                     static_cast<const T *>(nullptr), 1.0F / (float)HW, y));
}
void tn_cuda_scale_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                            float *ds) {
    EITHER(TN_LAUNCH((image_sums_kernel<T>), sums_grid(C, B), sums_block(C), s, HW, C, x, READ_REAL(T, g), 1.0F, ds));
}

void tn_cuda_bn_affine(cudaStream_t s, int C, const float *gamma, const float *beta, const float *mean,
                       const float *var, float eps, float *a, float *b) {
    LAUNCH(bn_affine_kernel, C, C, gamma, beta, mean, var, eps, a, b);
}
void tn_cuda_bn_backward(cudaStream_t s, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                         const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    LAUNCH(bn_backward_kernel, C, M, C, sums, gamma, mean, var, eps, gho, dgamma, dbeta);
}

void tn_cuda_depthwise_weights(cudaStream_t s, int C, int R, const float *from, float *to, bool back) {
    LAUNCH(depthwise_weights_kernel, (int64_t)C * R * R, C, R * R, from, to, back);
}
/* A launch with R and STRIDE as constants of the kernel. */
template <int N> struct constant {
    enum { VALUE = N };
};
template <class F> static void by_shape(const tn_cuda_depthwise *d, F launch) {
    if (d->R == 3 && d->stride == 1)
        launch(constant<3>(), constant<1>());
    else if (d->R == 3)
        launch(constant<3>(), constant<2>());
    else if (d->stride == 1)
        launch(constant<5>(), constant<1>());
    else
        launch(constant<5>(), constant<2>());
}
#define BY_SHAPE(...)                                                                                                  \
    by_shape(d, [&](auto r, auto stride) {                                                                             \
        constexpr int R = decltype(r)::VALUE, STRIDE = decltype(stride)::VALUE;                                        \
        EITHER(__VA_ARGS__);                                                                                           \
    })

void tn_cuda_depthwise_forward(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const float *w,
                               void *y) {
    int64_t n = (int64_t)d->B * d->P * ((d->Q + WIDE - 1) / WIDE) * (d->C / V);
    BY_SHAPE(TN_LAUNCH((depthwise_forward_kernel<T, R, STRIDE>), grid(n), dim3(THREADS), s, n, *d, x, w, REAL(T, y)));
}
void tn_cuda_depthwise_data(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const void *dy,
                            const float *w, bool add, void *dx, float *partial, double *sums) {
    int64_t M = (int64_t)d->B * d->H * d->W, rows = piece_rows(M);
    float *to = sums ? partial : NULL;
    BY_SHAPE(TN_LAUNCH((depthwise_data_kernel<T, R, STRIDE>), sums_grid(d->C, n_pieces(M)), sums_block(d->C), s, rows,
                       *d, x, READ_REAL(T, dy), w, add, REAL(T, dx), to));
    if (sums)
        TN_LAUNCH((merge_kernel<double>), merge_grid(2 * d->C), dim3(32, MERGE_LANES), s, (int)n_pieces(M), 2 * d->C,
                  to, sums);
}
int64_t tn_cuda_depthwise_floats(const tn_cuda_depthwise *d) {
    return (int64_t)(filter_pieces(d) + 1) * d->R * d->R * d->C;
}
void tn_cuda_depthwise_filter(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, const void *v, const void *dy,
                              float *partial, float *dw) {
    int rows = filter_rows(d), n = d->R * d->R * d->C;
    dim3 blocks((unsigned)((d->C + FILTER_CHANNELS - 1) / FILTER_CHANNELS), (unsigned)filter_pieces(d));
    float *sum = partial + (int64_t)filter_pieces(d) * n;
    BY_SHAPE(TN_LAUNCH((depthwise_filter_kernel<T, R, STRIDE>), blocks, dim3(32, FILTER_LANES), s, rows, *d,
                       READ_REAL(T, v), READ_REAL(T, dy), partial));
    TN_LAUNCH((merge_kernel<float>), merge_grid(n), dim3(32, MERGE_LANES), s, filter_pieces(d), n, partial, sum);
    tn_cuda_depthwise_weights(s, d->C, d->R, sum, dw, true);
}

void tn_cuda_filter_weights(cudaStream_t s, bool bf16, int K, int C, int R, const float *w, void *prepared) {
    int64_t n = (int64_t)K * C * R * R;
    EITHER(LAUNCH(filter_weights_kernel<T>, n, n, C, R * R, w, REAL(T, prepared)));
}
void tn_cuda_filter_gradient(cudaStream_t s, bool bf16, int K, int C, int R, const void *prepared, float *dw) {
    int64_t n = (int64_t)K * C * R * R;
    EITHER(LAUNCH(filter_gradient_kernel<T>, n, n, C, R * R, READ_REAL(T, prepared), dw));
}

void tn_cuda_product(cudaStream_t s, int M, int N, int K, const float *a, int64_t a_row, int64_t a_column,
                     const float *b, int64_t b_row, int64_t b_column, const float *bias, float *c) {
    dim3 blocks((unsigned)((N + TILE - 1) / TILE), (unsigned)((M + TILE - 1) / TILE));
    TN_LAUNCH(product_kernel, blocks, dim3(TILE, TILE_ROWS), s, M, N, K, a, a_row, a_column, b, b_row, b_column, bias,
              c);
}
void tn_cuda_column_sums(cudaStream_t s, int M, int N, const float *x, float *y) {
    LAUNCH(column_sums_kernel, N, M, N, x, y);
}
void tn_cuda_act_forward(cudaStream_t s, int64_t n, int act, const float *x, float *y) {
    LAUNCH(act_forward_kernel, n, n, act, x, y);
}
void tn_cuda_act_backward(cudaStream_t s, int64_t n, int act, const float *x, const float *dy, float *dx) {
    LAUNCH(act_backward_kernel, n, n, act, x, dy, dx);
}
void tn_cuda_mul(cudaStream_t s, int64_t n, const float *x, const float *mask, float *y) {
    LAUNCH(mul_kernel, n, n, x, mask, y);
}
void tn_cuda_columns(cudaStream_t s, int B, int n, const float *x, int nx, int from, float *y, int ny, int at) {
    int64_t total = (int64_t)B * n;
    LAUNCH(columns_kernel, total, total, n, x, nx, from, y, ny, at);
}
void tn_cuda_softmax(cudaStream_t s, int B, int K, const float *logits, float *p) {
    LAUNCH(softmax_kernel, B, B, K, logits, p);
}
void tn_cuda_cross_entropy(cudaStream_t s, int B, int K, const float *logits, const float *target, float scale,
                           float *loss, float *dlogits) {
    LAUNCH(cross_entropy_kernel, B, B, K, logits, target, scale, loss, dlogits);
}

void tn_cuda_fill(cudaStream_t s, int64_t n, float value, float *x) {
    LAUNCH(fill_kernel, n, n, value, x);
}
void tn_cuda_scale(cudaStream_t s, int64_t n, float a, float *x) {
    LAUNCH(scale_kernel, n, n, a, x);
}
void tn_cuda_lerp(cudaStream_t s, int64_t n, float a, const float *x, float *y) {
    LAUNCH(lerp_kernel, n, n, a, x, y);
}
void tn_cuda_add(cudaStream_t s, int64_t n, const float *x, float *y) {
    LAUNCH(add_kernel, n, n, x, y);
}
void tn_cuda_add_squares(cudaStream_t s, int64_t n, const float *x, double *partial, double *sum) {
    enum { PER_THREAD = 8 };
    int64_t blocks = (n + THREADS * PER_THREAD - 1) / (THREADS * PER_THREAD);
    if (blocks > TN_CUDA_SQUARES) blocks = TN_CUDA_SQUARES;
    if (blocks > 0) TN_LAUNCH(squares_kernel, dim3((unsigned)blocks), dim3(THREADS), s, n, x, partial);
    TN_LAUNCH(squares_merge_kernel, dim3(1), dim3(TN_CUDA_SQUARES), s, (int)blocks, partial, sum);
}
void tn_cuda_sgd(cudaStream_t s, int64_t n, float rate, float momentum, float decay, const float *g, float *m,
                 float *w) {
    LAUNCH(sgd_kernel, n, n, rate, momentum, decay, g, m, w);
}
void tn_cuda_adamw(cudaStream_t s, int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                   float c2, const float *g, float *m, float *v, float *w) {
    LAUNCH(adamw_kernel, n, n, rate, beta1, beta2, eps, decay, c1, c2, g, m, v, w);
}
