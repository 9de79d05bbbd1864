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
enum { FILTER_CHANNELS = TN_CUDA_FILTER_CHANNELS, FILTER_LANES = TN_CUDA_FILTER_LANES };
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
    int64_t n = (int64_t)d->B * d->P * ((d->Q + WIDE - 1) / WIDE) * (d->C / V);
    BY_SHAPE(TN_LAUNCH((depthwise_forward_kernel<T, R, STRIDE>), grid(n), dim3(THREADS), s, n, *d, x, w, REAL(T, y)));
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
