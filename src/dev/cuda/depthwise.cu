/* depthwise.cu - depthwise convolutions: forward, data gradient, weight gradient. See kernels.h. */
#include "dev/cuda/kernels.cuh"

namespace {

__global__ void depthwise_weights_kernel(int C, int taps, const float *from, float *to, bool back) {
    int64_t i = this_thread();
    int c = (int)(i / taps), t = (int)(i % taps);
    if (i >= (int64_t)C * taps) return;
    if (back)
        to[i] = from[(int64_t)t * C + c];
    else
        to[(int64_t)t * C + c] = from[i];
}

/* A strip: STRIP neighbouring pixels of a row, of two channels: what a thread computes at a time. Each number that it loads meets all of
 * its products in registers. */
enum { STRIP = TN_CUDA_STRIP };

/* A block: DOWN rows of ACROSS strips of output pixels, of 32 channels. Their input is read and activated once, and kept in shared
 * memory as float32. A thread: a strip. Blocks: channels, tiles across, tiles down, images. */
enum { TILE_CHANNELS = 32, QUADS = TILE_CHANNELS / 4, PAIRS = TILE_CHANNELS / 2, DOWN = 8, PIXELS_AT_ONCE = 4 };
template <class T, int IN_H, int IN_W, int N_THREADS>
__device__ inline void fill_tile(tn_cuda_depthwise d, tn_cuda_view x, int64_t b, int h0, int l0, int c, float4 *tile) {
    constexpr int PIXELS = IN_H * IN_W, STEP = N_THREADS / QUADS;
    int quad = (int)threadIdx.x % QUADS;
    float a[4], o[4];
    if (x.a) load4(x.a + c, a), load4(x.b + c, o);
    for (int first = (int)threadIdx.x / QUADS; first < PIXELS; first += STEP * PIXELS_AT_ONCE) {
        float v[PIXELS_AT_ONCE][4];
        bool inside[PIXELS_AT_ONCE];
#pragma unroll
        for (int i = 0; i < PIXELS_AT_ONCE; i++) {
            int px = first + i * STEP, h = h0 + px / IN_W, l = l0 + px % IN_W;
            inside[i] = px < PIXELS && h >= 0 && h < d.H && l >= 0 && l < d.W;
            for (int e = 0; e < 4; e++) v[i][e] = 0;
            if (inside[i]) load4(static_cast<const T *>(x.x) + ((b * d.H + h) * d.W + l) * d.C + c, v[i]);
        }
        if (x.a) {
#pragma unroll
            for (int i = 0; i < PIXELS_AT_ONCE * 4; i++) v[i / 4][i % 4] = a[i % 4] * v[i / 4][i % 4] + o[i % 4];
            act_all<T, PIXELS_AT_ONCE * 4>(x.act, v[0]);
        }
#pragma unroll
        for (int i = 0; i < PIXELS_AT_ONCE; i++) {
            int px = first + i * STEP;
            if (px < PIXELS)
                tile[px * QUADS + quad] =
                    inside[i] ? make_float4(v[i][0], v[i][1], v[i][2], v[i][3]) : make_float4(0, 0, 0, 0);
        }
    }
}
template <class T, int R, int STRIDE, int ACROSS>
__global__ void __launch_bounds__(PAIRS *DOWN *ACROSS, STRIDE == 2 ? 4 : 0)
    depthwise_forward_kernel(tn_cuda_depthwise d, int across, int down, tn_cuda_view x, const float *w, T *y) {
    constexpr int IN_H = (DOWN - 1) * STRIDE + R, IN_W = (ACROSS * STRIP - 1) * STRIDE + R;
    __shared__ float4 tile[IN_H * IN_W * QUADS];
    int columns = (d.C + TILE_CHANNELS - 1) / TILE_CHANNELS, t = (int)threadIdx.x;
    uint32_t at = blockIdx.x / (uint32_t)columns;
    int c0 = (int)(blockIdx.x % (uint32_t)columns) * TILE_CHANNELS, q0 = (int)(at % (uint32_t)across) * ACROSS * STRIP,
        p0 = (int)(at / (uint32_t)across % (uint32_t)down) * DOWN;
    int64_t b = at / (uint32_t)across / (uint32_t)down;
    if (c0 + t % QUADS * 4 < d.C)
        fill_tile<T, IN_H, IN_W, PAIRS * DOWN * ACROSS>(d, x, b, p0 * STRIDE - d.pad_top, q0 * STRIDE - d.pad_left,
                                                        c0 + t % QUADS * 4, tile);
    __syncthreads();
    int pair = t % PAIRS, c = c0 + pair * 2, q = t / PAIRS % ACROSS * STRIP, p = t / PAIRS / ACROSS;
    if (c >= d.C || p0 + p >= d.P) return;
    const float2 *from = reinterpret_cast<const float2 *>(tile) + (p * STRIDE * IN_W + q * STRIDE) * PAIRS + pair;
    float acc[STRIP][2] = {{0}};
#pragma unroll
    for (int r = 0; r < R; r++) {
        float f[R][2];
#pragma unroll
        for (int k = 0; k < R; k++) load2(w + (int64_t)(r * R + k) * d.C + c, f[k]);
#pragma unroll
        for (int j = 0; j < (STRIP - 1) * STRIDE + R; j++) {
            float2 v = from[(r * IN_W + j) * PAIRS];
#pragma unroll
            for (int k = j % STRIDE; k < R; k += STRIDE)
                if (j >= k && j - k < STRIP * STRIDE) {
                    acc[(j - k) / STRIDE][0] += v.x * f[k][0];
                    acc[(j - k) / STRIDE][1] += v.y * f[k][1];
                }
        }
    }
    T *to = y + ((b * d.P + p0 + p) * d.Q + q0 + q) * d.C + c;
#pragma unroll
    for (int j = 0; j < STRIP; j++)
        if (q0 + q + j < d.Q) store2(acc[j], to + (int64_t)j * d.C);
}

/* Add up acc (K numbers of 2 channels per thread) over threadIdx.y; out: number k of channel c at out[k * C + c]. */
template <int K> __device__ inline void place_sums(const float acc[K][2], int C, float *out) {
    __shared__ float2 memory[K * THREADS];
    int n = (int)blockDim.x, all = n * (int)blockDim.y, t = (int)threadIdx.y * n + (int)threadIdx.x;
#pragma unroll
    for (int k = 0; k < K; k++) memory[k * all + t] = make_float2(acc[k][0], acc[k][1]);
    __syncthreads();
    for (int i = t; i < K * n; i += all) {
        int k = i / n, c = ((int)blockIdx.x * n + i % n) * 2;
        float sum[2] = {0};
        for (int j = k * all + i % n; j < (k + 1) * all; j += n) sum[0] += memory[j].x, sum[1] += memory[j].y;
        if (c < C) store2(sum, out + k * C + c);
    }
    __syncthreads();
}

/* Which of N pixels of a row, from `first` on, are there: a bit for each. */
template <int N> __device__ inline uint32_t pixels_there(int first, int width) {
    int from = first < 0 ? -first : 0, to = width - first < N ? width - first : N;
    return to > from ? (1U << to) - (1U << from) : 0;
}
/* Two channels of N pixels of a row, 0 for those that are not there. x[at] is the first; all are loaded before one is used. Numbers of 32
 * bits: addresses cost as much as products. */
template <class T, int N>
__device__ inline void load_pixels(const T *x, uint32_t at, int C, uint32_t there, float v[N][2]) {
    packed2<T> w[N];
#pragma unroll
    for (int j = 0; j < N; j++) {
        w[j] = {};
        if (there >> j & 1U) w[j] = fetch2(x + (at + (uint32_t)(j * C)));
    }
#pragma unroll
    for (int j = 0; j < N; j++) unpack2(w[j], v[j]);
}
/* A thread: strips of input pixels. The first one begins where a product with the first column of weights falls on an output pixel. */
template <class T, int R, int STRIDE>
__global__ void __launch_bounds__(THREADS, sizeof(T) == 2 ? 3 : 2)
    depthwise_data_kernel(int each, int strips, tn_cuda_depthwise d, tn_cuda_view x, const T *dy, const float *w,
                          bool add, T *dx, float *partial) {
    constexpr int FIRST = -((R - 1) / STRIDE), LAST = (STRIP - 1) / STRIDE,
                  HALF = STRIP / 2; /* output pixels, from that of weight 0 */
    int c = (int)(blockIdx.x * blockDim.x + threadIdx.x) * 2, end = d.B * d.H * strips, first = (int)blockIdx.y * each;
    if (end - first > each) end = first + each;
    float acc[2][2] = {{0}}, a[2] = {0}, o[2] = {0};
    if (c < d.C && x.a) load2(x.a + c, a), load2(x.b + c, o);
    for (int i = first + (int)threadIdx.y; c < d.C && i < end; i += (int)blockDim.y) {
        int row = i / strips, h = row % d.H, l = i % strips * STRIP - d.pad_left % STRIDE,
            q = (l + d.pad_left) / STRIDE;
        uint32_t top = (uint32_t)(row / d.H * d.P), of_row = (uint32_t)(row * d.W + l) * (uint32_t)d.C + (uint32_t)c,
                 there = pixels_there<LAST - FIRST + 1>(q + FIRST, d.Q), there_x = pixels_there<STRIP>(l, d.W);
        float sum[STRIP][2] = {{0}};
#pragma unroll
        for (int r = 0; r < R; r++) {
            int p = h + d.pad_top - r;
            if (p < 0 || p % STRIDE != 0 || p / STRIDE >= d.P) continue;
            uint32_t px = (top + (uint32_t)(p / STRIDE)) * (uint32_t)d.Q + (uint32_t)(q + FIRST);
            float f[R][2], v[LAST - FIRST + 1][2];
            load_pixels<T, LAST - FIRST + 1>(dy, px * (uint32_t)d.C + (uint32_t)c, d.C, there, v);
#pragma unroll
            for (int k = 0; k < R; k++) load2(w + (r * R + k) * d.C + c, f[k]);
#pragma unroll
            for (int m = FIRST; m <= LAST; m++)
#pragma unroll
                for (int k = 0; k < R; k++)
                    if (m * STRIDE + k >= 0 && m * STRIDE + k < STRIP)
                        for (int e = 0; e < 2; e++) sum[m * STRIDE + k][e] += v[m - FIRST][e] * f[k][e];
        }
#pragma unroll
        for (int half = 0; half < STRIP; half += HALF) {
            float raw[HALF][2], z[HALF][2];
            uint32_t at = of_row + (uint32_t)(half * d.C), in = there_x >> half;
            load_pixels<T, HALF>(static_cast<const T *>(x.x), at, d.C, in, raw);
            if (x.a) {
#pragma unroll
                for (int j = 0; j < HALF; j++)
                    for (int e = 0; e < 2; e++) z[j][e] = a[e] * raw[j][e] + o[e];
                slope_all<T, HALF * 2>(x.act, z[0], sum[half]);
            }
            if (opaque(add)) {
                load_pixels<T, HALF>(dx, at, d.C, in, z);
#pragma unroll
                for (int j = 0; j < HALF; j++)
                    for (int e = 0; e < 2; e++) sum[half + j][e] += z[j][e];
            }
#pragma unroll
            for (int j = 0; j < HALF; j++) {
                if (!(in >> j & 1U)) continue;
                store2(sum[half + j], dx + (at + (uint32_t)(j * d.C)));
                for (int e = 0; e < 2; e++) {
                    float kept = rounded<T>(sum[half + j][e]);
                    acc[0][e] += kept;
                    acc[1][e] += kept * raw[j][e];
                }
            }
        }
    }
    if (partial) place_sums<2>(acc, d.C, partial + (int64_t)blockIdx.y * 2 * d.C);
}

/* A thread: strips of output pixels, half as wide with stride 2, and its own sum of each of the R x R products. partial (pieces, R*R, C). */
template <class T, int R, int STRIDE>
__global__ void __launch_bounds__(THREADS, R == 3 ? 3 : 2)
    depthwise_filter_kernel(int each, int strips, tn_cuda_depthwise d, const T *v, const T *dy, float *partial) {
    constexpr int WIDE = STRIP / STRIDE, IN = (WIDE - 1) * STRIDE + R;
    int c = (int)(blockIdx.x * blockDim.x + threadIdx.x) * 2, end = d.B * d.P * strips, first = (int)blockIdx.y * each;
    if (end - first > each) end = first + each;
    float acc[R][R][2] = {{{0}}};
    for (int i = first + (int)threadIdx.y; c < d.C && i < end; i += (int)blockDim.y) {
        int row = i / strips, q = i % strips * WIDE, top = row % d.P * STRIDE - d.pad_top,
            left = q * STRIDE - d.pad_left;
        uint32_t image = (uint32_t)(row / d.P * d.H), there = pixels_there<IN>(left, d.W);
        float g[WIDE][2];
        load_pixels<T, WIDE>(dy, (uint32_t)(row * d.Q + q) * (uint32_t)d.C + (uint32_t)c, d.C,
                             pixels_there<WIDE>(q, d.Q), g);
#pragma unroll
        for (int r = 0; r < R; r++) {
            if (top + r < 0 || top + r >= d.H) continue;
            uint32_t px = (image + (uint32_t)(top + r)) * (uint32_t)d.W + (uint32_t)left;
            float x[IN][2];
            load_pixels<T, IN>(v, px * (uint32_t)d.C + (uint32_t)c, d.C, there, x);
#pragma unroll
            for (int j = 0; j < IN; j++)
#pragma unroll
                for (int k = j % STRIDE; k < R; k += STRIDE)
                    if (j >= k && j - k < WIDE * STRIDE)
                        for (int e = 0; e < 2; e++) acc[r][k][e] += g[(j - k) / STRIDE][e] * x[j][e];
        }
    }
#pragma unroll
    for (int r = 0; r < R; r++) place_sums<R>(acc[r], d.C, partial + ((int64_t)blockIdx.y * R + r) * R * d.C);
}

/* Blocks of pairs of channels by places; the strips of `rows` rows of `width` pixels are cut into pieces. */
struct strips_launch {
    int strips, each, pieces;
    dim3 grid, block;
};
inline strips_launch strips_of(int rows, int width, int strip, int C) {
    if ((int64_t)rows * width * C >> 32) abort(); /* load_pixels */
    strips_launch l;
    int pairs = tn_cuda_pairs(C), columns = (C / 2 + pairs - 1) / pairs;
    l.strips = (width + strip - 1) / strip;
    l.each = tn_cuda_strips_each((int64_t)rows * l.strips, C);
    l.pieces = tn_cuda_strips_pieces((int64_t)rows * l.strips, C);
    l.grid = dim3((unsigned)columns, (unsigned)l.pieces);
    l.block = dim3((unsigned)pairs, (unsigned)(THREADS / pairs));
    return l;
}
inline strips_launch filter_launch(const tn_cuda_depthwise *d) {
    return strips_of(d->B * d->P, d->Q, STRIP / d->stride, d->C);
}
inline strips_launch data_launch(const tn_cuda_depthwise *d) {
    return strips_of(d->B * d->H, d->W + d->pad_left % d->stride, STRIP, d->C);
}

} // namespace

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

template <class T, int R, int STRIDE, int ACROSS>
static void forward(cudaStream_t s, const tn_cuda_depthwise *d, tn_cuda_view x, const float *w, T *y) {
    int columns = (d->C + TILE_CHANNELS - 1) / TILE_CHANNELS, wide = ACROSS * STRIP, across = (d->Q + wide - 1) / wide,
        down = (d->P + DOWN - 1) / DOWN;
    dim3 blocks((unsigned)(d->B * down * across * columns));
    TN_LAUNCH((depthwise_forward_kernel<T, R, STRIDE, ACROSS>), blocks, dim3(PAIRS * DOWN * ACROSS), s, *d, across,
              down, x, w, y);
}
void tn_cuda_depthwise_forward(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const float *w,
                               void *y) {
    /* with stride 2 the input of two strips does not fit */
    BY_SHAPE(if (STRIDE == 1 && d->Q > STRIP) forward < T, R, STRIDE, STRIDE == 1 ? 2 : 1 > (s, d, x, w, REAL(T, y));
             else forward<T, R, STRIDE, 1>(s, d, x, w, REAL(T, y)));
}
void tn_cuda_depthwise_data(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const void *dy,
                            const float *w, bool add, void *dx, float *partial, double *sums) {
    strips_launch l = data_launch(d);
    float *to = sums ? partial : NULL;
    BY_SHAPE(TN_LAUNCH((depthwise_data_kernel<T, R, STRIDE>), l.grid, l.block, s, l.each, l.strips, *d, x,
                       READ_REAL(T, dy), w, add, REAL(T, dx), to));
    if (sums)
        TN_LAUNCH((merge_kernel<double>), merge_grid(2 * d->C), dim3(32, MERGE_LANES), s, l.pieces, 2 * d->C, to, sums);
}
int64_t tn_cuda_depthwise_floats(const tn_cuda_depthwise *d) {
    int64_t filter = (int64_t)(filter_launch(d).pieces + 1) * d->R * d->R * d->C,
            data = (int64_t)data_launch(d).pieces * 2 * d->C;
    return filter > data ? filter : data;
}
void tn_cuda_depthwise_filter(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, const void *v, const void *dy,
                              float *partial, float *dw) {
    strips_launch l = filter_launch(d);
    int n = d->R * d->R * d->C;
    float *sum = partial + (int64_t)l.pieces * n;
    BY_SHAPE(TN_LAUNCH((depthwise_filter_kernel<T, R, STRIDE>), l.grid, l.block, s, l.each, l.strips, *d,
                       READ_REAL(T, v), READ_REAL(T, dy), partial));
    TN_LAUNCH((merge_kernel<float>), merge_grid(n), dim3(32, MERGE_LANES), s, l.pieces, n, partial, sum);
    tn_cuda_depthwise_weights(s, d->C, d->R, sum, dw, true);
}
