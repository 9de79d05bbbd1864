/*
 * kernels.cuh - what our kernels share: 8 values of either precision, views, the pieces of a sum, launches.
 *
 * A thread handles 8 channels of a row: `g` counts such groups, G = C / 8. Blocks that sum over rows have Gb groups times as many
 * rows as fill THREADS threads; a block sums a piece of the rows, and a second kernel adds the pieces in order, in double.
 * g++ compiles the same files for the emulation (tests/gpu/emu.h): then TN_LAUNCH and the words of CUDA are there already.
 */
#ifndef TN_DEV_CUDA_KERNELS_CUH
#define TN_DEV_CUDA_KERNELS_CUH

#include "dev/cuda/kernels.h"
#include "dev/cuda/pieces.h"

#include <cuda_runtime.h>
#include <math.h>
#include <stdlib.h>

#ifndef TN_LAUNCH
#define TN_LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#endif

namespace {

enum { V = 8, THREADS = 256, MOST_GROUPS = 32, MERGE_LANES = 32 };
enum { NONE, SWISH, RELU6, SIGMOID }; /* tn_act */

struct bf16 {
    uint16_t bits;
};

/* --- 8 values of either precision --------------------------------------------------------------------------------- */

__device__ inline float wide(uint32_t bits) {
    return __uint_as_float(bits);
}
/* Two numbers as bf16, the first one in the lower half: to nearest, ties to even. One instruction on a GPU. */
__device__ inline uint32_t narrow(float low, float high) {
#ifdef __CUDA_ARCH__
    uint32_t both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#else
    uint32_t half[2], u[2] = {__float_as_uint(low), __float_as_uint(high)};
    for (int i = 0; i < 2; i++)
        half[i] = (u[i] & 0x7fffffffU) > 0x7f800000U ? 0x7fffU : (u[i] + 0x7fffU + ((u[i] >> 16) & 1U)) >> 16;
    return half[0] | half[1] << 16;
#endif
}
/* The same as they are in memory: several rows that are loaded before the first is used take half the registers in bf16. */
template <class T> struct packed;
template <> struct packed<float> { float4 low, high; };
template <> struct packed<bf16> { uint4 all; };
__device__ inline packed<float> fetch(const float *p) {
    return {*reinterpret_cast<const float4 *>(p), *reinterpret_cast<const float4 *>(p + 4)};
}
__device__ inline packed<bf16> fetch(const bf16 *p) {
    return {*reinterpret_cast<const uint4 *>(p)};
}
__device__ inline void unpack(const packed<float> &w, float v[V]) {
    v[0] = w.low.x, v[1] = w.low.y, v[2] = w.low.z, v[3] = w.low.w;
    v[4] = w.high.x, v[5] = w.high.y, v[6] = w.high.z, v[7] = w.high.w;
}
__device__ inline void unpack(const packed<bf16> &p, float v[V]) {
    const uint4 &w = p.all;
    v[0] = wide(w.x << 16), v[1] = wide(w.x & 0xffff0000U), v[2] = wide(w.y << 16), v[3] = wide(w.y & 0xffff0000U);
    v[4] = wide(w.z << 16), v[5] = wide(w.z & 0xffff0000U), v[6] = wide(w.w << 16), v[7] = wide(w.w & 0xffff0000U);
}
template <class T> __device__ inline void load(const T *p, float v[V]) {
    unpack(fetch(p), v);
}
__device__ inline void store(const float v[V], float *p) {
    *reinterpret_cast<float4 *>(p) = make_float4(v[0], v[1], v[2], v[3]);
    *reinterpret_cast<float4 *>(p + 4) = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ inline void store(const float v[V], bf16 *p) {
    uint4 w;
    w.x = narrow(v[0], v[1]);
    w.y = narrow(v[2], v[3]);
    w.z = narrow(v[4], v[5]);
    w.w = narrow(v[6], v[7]);
    *reinterpret_cast<uint4 *>(p) = w;
}
/* Four and two neighbouring values. */
__device__ inline void load4(const float *p, float v[4]) {
    float4 a = *reinterpret_cast<const float4 *>(p);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
}
__device__ inline void load4(const bf16 *p, float v[4]) {
    uint2 w = *reinterpret_cast<const uint2 *>(p);
    v[0] = wide(w.x << 16), v[1] = wide(w.x & 0xffff0000U), v[2] = wide(w.y << 16), v[3] = wide(w.y & 0xffff0000U);
}
template <class T> struct packed2;
template <> struct packed2<float> { float2 both; };
template <> struct packed2<bf16> { uint32_t both; };
__device__ inline packed2<float> fetch2(const float *p) {
    return {*reinterpret_cast<const float2 *>(p)};
}
__device__ inline packed2<bf16> fetch2(const bf16 *p) {
    return {*reinterpret_cast<const uint32_t *>(p)};
}
__device__ inline void unpack2(packed2<float> w, float v[2]) {
    v[0] = w.both.x, v[1] = w.both.y;
}
__device__ inline void unpack2(packed2<bf16> w, float v[2]) {
    v[0] = wide(w.both << 16), v[1] = wide(w.both & 0xffff0000U);
}
template <class T> __device__ inline void load2(const T *p, float v[2]) {
    unpack2(fetch2(p), v);
}
__device__ inline void store2(const float v[2], float *p) {
    *reinterpret_cast<float2 *>(p) = make_float2(v[0], v[1]);
}
__device__ inline void store2(const float v[2], bf16 *p) {
    *reinterpret_cast<uint32_t *>(p) = narrow(v[0], v[1]);
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
    p->bits = (uint16_t)narrow(x, 0.0F);
}
/* What a store and a load make of x. */
template <class T> __device__ inline float rounded(float x) {
    return sizeof(T) == 2 ? wide(narrow(x, 0.0F) << 16) : x;
}

/* --- activations, views ------------------------------------------------------------------------------------------- */

/* For values that are stored as T. The short forms of exp and 1/x err by 2 + 1.2 |x| units in the last place, which bf16 does not show; they
 * are one instruction each on a GPU. */
template <class T> __device__ inline float sigmoid(float x) {
    if (sizeof(T) == sizeof(float)) return 1.0F / (1.0F + expf(-x));
#ifdef __CUDA_ARCH__
    float e, s;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(x * -1.4426950409F));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(s) : "f"(1.0F + e));
    return s;
#else
    return 1.0F / (1.0F + expf(-x));
#endif
}
/* The compiler makes no copies of what follows for each value of x. */
__device__ inline int opaque(int x) {
#ifdef __CUDA_ARCH__
    asm volatile("" : "+r"(x));
#endif
    return x;
}

/* N values of images at a time, whose activation is not the sigmoid: one branch for all of them. */
template <class T, int N> __device__ inline void act_all(int act, float x[N]) {
    act = opaque(act);
    if (act == SWISH)
        for (int i = 0; i < N; i++) x[i] *= sigmoid<T>(x[i]);
    else if (act == RELU6)
        for (int i = 0; i < N; i++) x[i] = fminf(fmaxf(x[i], 0.0F), 6.0F);
}
/* d *= the activation's slope at x */
template <class T, int N> __device__ inline void slope_all(int act, const float x[N], float d[N]) {
    act = opaque(act);
    if (act == SWISH)
        for (int i = 0; i < N; i++) {
            float s = sigmoid<T>(x[i]);
            d[i] *= s * (1.0F + x[i] * (1.0F - s));
        }
    else if (act == RELU6)
        for (int i = 0; i < N; i++) d[i] *= x[i] > 0.0F && x[i] < 6.0F ? 1.0F : 0.0F;
}

/* The coefficients of a view for 8 channels. */
struct affine {
    float a[V], b[V];
};
__device__ inline affine affine_of(const tn_cuda_view &x, int c) {
    affine f;
    if (x.a) load(x.a + c, f.a), load(x.b + c, f.b);
    return f;
}
/* What the view makes of 8 values of image b, without its scale, and with it. */
template <class T> __device__ inline void apply(const tn_cuda_view &x, const affine &f, float v[V]) {
    if (!x.a) return;
    for (int j = 0; j < V; j++) v[j] = f.a[j] * v[j] + f.b[j];
    act_all<T, V>(x.act, v);
}
template <class T>
__device__ inline void apply_scaled(const tn_cuda_view &x, const affine &f, int64_t b, int C, int c, float v[V]) {
    apply<T>(x, f, v);
    if (!x.scale) return;
    float s[V];
    load(x.scale + b * C + c, s);
    for (int j = 0; j < V; j++) v[j] *= s[j];
}

/* Below 2^32: divisions of 64 bits are slow. */
__device__ inline uint32_t this_thread() {
    return blockIdx.x * blockDim.x + threadIdx.x;
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
/* Add up acc (N numbers per thread) over the rows of the block; out: number k of channel c at out[k * stride + c]. N = numbers per
 * channel times V. */
template <int N>
__device__ inline void block_sums(const float acc[N], shape s, int g0, int G, float *out, int64_t stride) {
    enum { PITCH = N + 1 }; /* threads meet different banks */
    __shared__ float memory[THREADS * PITCH];
    int t = (int)threadIdx.x;
    for (int k = 0; k < N; k++) memory[t * PITCH + k] = acc[k];
    __syncthreads();
    for (int i = t; i < s.Gb * N; i += (int)blockDim.x) {
        int g = i / N, k = i % N;
        float sum = 0;
        for (int r = 0; r < s.rows; r++) sum += memory[(r * s.Gb + g) * PITCH + k];
        if (g0 + g < G) out[(k / V) * stride + (g0 + g) * V + k % V] = sum;
    }
    __syncthreads();
}

/* The sum of x over the lanes of a column; all threads call it, lane 0 gets it. */
__device__ inline double lane_sum(double x) {
    __shared__ double memory[MERGE_LANES][32];
    __syncthreads();
    memory[threadIdx.y][threadIdx.x] = x;
    __syncthreads();
    for (unsigned half = MERGE_LANES / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) memory[threadIdx.y][threadIdx.x] += memory[threadIdx.y + half][threadIdx.x];
        __syncthreads();
    }
    return memory[0][threadIdx.x];
}
/* partial (pieces, n) -> sums (n) */
template <class S>
__global__ void __launch_bounds__(32 * MERGE_LANES) merge_kernel(int pieces, int n, const float *partial, S *sums) {
    enum { AT_ONCE = 8 };
    int c = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
    for (int i = (int)threadIdx.y; c < n && i < pieces; i += AT_ONCE * MERGE_LANES) {
        float v[AT_ONCE];
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) {
            int piece = i + k * MERGE_LANES;
            v[k] = piece < pieces ? partial[(int64_t)piece * n + c] : 0;
        }
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) sum += (double)v[k];
    }
    sum = lane_sum(sum);
    if (threadIdx.y == 0 && c < n) sums[c] = (S)sum;
}

/* --- launches ----------------------------------------------------------------------------------------------------- */

inline dim3 grid(int64_t n) {
    if (n >> 32) abort(); /* this_thread */
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

#endif
