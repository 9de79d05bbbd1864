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

/* Values of PIXELS pixels by 32 channels in shared memory, float32, 8 of them at a time: in two halves of 16 bytes, so that neighbouring
 * threads meet neighbouring banks. */
enum { TILE_GROUPS = 4 };
template <int PIXELS> __device__ inline void put_tile(const float v[V], int px, int g, float4 *tile) {
    tile[px * TILE_GROUPS + g] = make_float4(v[0], v[1], v[2], v[3]);
    tile[(PIXELS + px) * TILE_GROUPS + g] = make_float4(v[4], v[5], v[6], v[7]);
}
template <int PIXELS> __device__ inline void get_tile(const float4 *tile, int px, int g, float v[V]) {
    float4 a = tile[px * TILE_GROUPS + g], b = tile[(PIXELS + px) * TILE_GROUPS + g];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

/* A block: 8 x 8 output pixels of 32 channels, whose input is read, activated and kept in shared memory. A thread: 8 channels of WIDE
 * neighbouring output pixels. Blocks: channels, tiles across, tiles down, images. */
enum { TILE = 8, WIDE = 2, TILE_THREADS = TILE_GROUPS * TILE * TILE / WIDE };
template <class T, int R, int STRIDE>
__global__ void __launch_bounds__(TILE_THREADS)
    depthwise_forward_kernel(tn_cuda_depthwise d, int across, int down, tn_cuda_view x, const float *w, T *y) {
    constexpr int IN = (TILE - 1) * STRIDE + R, PIXELS = IN * IN;
    __shared__ float4 tile[2 * PIXELS * TILE_GROUPS];
    int columns = (d.C + TILE_GROUPS * V - 1) / (TILE_GROUPS * V), t = (int)threadIdx.x, g = t % TILE_GROUPS;
    uint32_t at = blockIdx.x / (uint32_t)columns;
    int c = ((int)(blockIdx.x % (uint32_t)columns) * TILE_GROUPS + g) * V, q0 = (int)(at % (uint32_t)across) * TILE,
        p0 = (int)(at / (uint32_t)across % (uint32_t)down) * TILE;
    int64_t b = at / (uint32_t)across / (uint32_t)down;
    bool there = c < d.C;
    for (int px = t / TILE_GROUPS; there && px < PIXELS; px += TILE_THREADS / TILE_GROUPS) {
        int h = p0 * STRIDE - d.pad_top + px / IN, l = q0 * STRIDE - d.pad_left + px % IN;
        float v[V] = {0};
        if (h >= 0 && h < d.H && l >= 0 && l < d.W) view<T>(x, (b * d.H + h) * d.W + l, d.C, c, v);
        put_tile<PIXELS>(v, px, g, tile);
    }
    __syncthreads();
    int q = t / TILE_GROUPS % (TILE / WIDE) * WIDE, p = t / TILE_GROUPS / (TILE / WIDE);
    float acc[WIDE][V] = {{0}};
    if (!there || p0 + p >= d.P) return;
#pragma unroll
    for (int r = 0; r < R; r++) {
        float f[R][V], v[V];
#pragma unroll
        for (int k = 0; k < R; k++) load(w + (int64_t)(r * R + k) * d.C + c, f[k]);
#pragma unroll
        for (int j = 0; j < (WIDE - 1) * STRIDE + R; j++) {
            get_tile<PIXELS>(tile, (p * STRIDE + r) * IN + q * STRIDE + j, g, v);
#pragma unroll
            for (int k = 0; k < WIDE; k++)
                if (j >= k * STRIDE && j - k * STRIDE < R)
                    for (int e = 0; e < V; e++) acc[k][e] += v[e] * f[j - k * STRIDE][e];
        }
    }
#pragma unroll
    for (int k = 0; k < WIDE; k++)
        if (q0 + q + k < d.Q) store(acc[k], y + ((b * d.P + p0 + p) * d.Q + q0 + q + k) * d.C + c);
}

/* A thread: 8 channels of an input pixel. */
template <class T, int R, int STRIDE>
__global__ void __launch_bounds__(THREADS, 3)
    depthwise_data_kernel(int64_t rows, tn_cuda_depthwise d, tn_cuda_view x, const T *dy, const float *w, bool add,
                          T *dx, float *partial) {
    shape s = block_shape(d.C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = d.C / V, c = g * V;
    int64_t M = (int64_t)d.B * d.H * d.W, first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float acc[2 * V] = {0};
    for (int64_t m = first + t / s.Gb; g < G && m < end; m += s.rows) {
        uint32_t row = (uint32_t)m / (uint32_t)d.W;
        int at = (int)((uint32_t)m % (uint32_t)d.W), h = (int)(row % (uint32_t)d.H);
        int64_t b = row / (uint32_t)d.H;
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
            for (int e = 0; e < V; e++) sum[e] *= slope_of<T>(x.act, a[e] * raw[e] + o[e]);
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
enum { FILTER_CHANNELS = TN_CUDA_FILTER_CHANNELS, FILTER_LANES = TN_CUDA_FILTER_LANES };
template <class T, int R, int STRIDE>
__global__ void __launch_bounds__(THREADS, R == 3 ? 3 : 1)
    depthwise_filter_kernel(int rows, tn_cuda_depthwise d, const T *v, const T *dy, float *partial) {
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
    return tn_cuda_filter_rows((int64_t)d->B * d->P, d->C);
}
inline int filter_pieces(const tn_cuda_depthwise *d) {
    return tn_cuda_filter_pieces((int64_t)d->B * d->P, d->C);
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

void tn_cuda_depthwise_forward(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const float *w,
                               void *y) {
    int columns = (d->C + TILE_GROUPS * V - 1) / (TILE_GROUPS * V), across = (d->Q + TILE - 1) / TILE,
        down = (d->P + TILE - 1) / TILE;
    dim3 blocks((unsigned)(d->B * down * across * columns));
    BY_SHAPE(TN_LAUNCH((depthwise_forward_kernel<T, R, STRIDE>), blocks, dim3(TILE_THREADS), s, *d, across, down, x, w,
                       REAL(T, y)));
}
void tn_cuda_depthwise_data(cudaStream_t s, bool bf16, const tn_cuda_depthwise *d, tn_cuda_view x, const void *dy,
                            const float *w, bool add, void *dx, float *partial, double *sums) {
    int64_t M = (int64_t)d->B * d->H * d->W, rows = tn_cuda_piece_rows(M);
    float *to = sums ? partial : NULL;
    BY_SHAPE(TN_LAUNCH((depthwise_data_kernel<T, R, STRIDE>), sums_grid(d->C, tn_cuda_pieces(M)), sums_block(d->C), s,
                       rows, *d, x, READ_REAL(T, dy), w, add, REAL(T, dx), to));
    if (sums)
        TN_LAUNCH((merge_kernel<double>), merge_grid(2 * d->C), dim3(32, MERGE_LANES), s, (int)tn_cuda_pieces(M),
                  2 * d->C, to, sums);
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
