/* head.cu - the head, and the weights of dense convolutions. See kernels.h. */
#include "dev/cuda/kernels.cuh"

namespace {

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

/* A block: TILE x TILE numbers of c. Its GROUPS groups of threads share the inner dimension, of which a group takes CHUNK at a time; their
 * sums are added in order. A thread: 4 rows of a column. */
enum { TILE = 16, CHUNK = 32, GROUPS = 8, GROUP_THREADS = TILE * TILE / 4, PITCH = TILE + 4 };
/* A chunk of the matrix from (row0, k0) on, k its fast index in memory or not; zeros beyond n_rows and K. to[k][row] */
__device__ inline void fill_chunk(const float *x, uint32_t row, uint32_t inner, int row0, int n_rows, int k0, int K,
                                  int t, float (*to)[PITCH]) {
#pragma unroll 4
    for (int i = t; i < TILE * CHUNK; i += GROUP_THREADS) {
        int k = inner == 1 ? i % CHUNK : i / TILE, r = inner == 1 ? i / CHUNK : i % TILE;
        to[k][r] = row0 + r < n_rows && k0 + k < K ? x[(uint32_t)(row0 + r) * row + (uint32_t)(k0 + k) * inner] : 0;
    }
}
__global__ void __launch_bounds__(GROUPS *GROUP_THREADS, 2)
    product_kernel(int M, int N, int K, const float *a, uint32_t a_row, uint32_t a_column, const float *b,
                   uint32_t b_row, uint32_t b_column, const float *bias, float *c) {
    __shared__ __align__(16) float as[GROUPS][CHUNK][PITCH], bs[GROUPS][CHUNK][PITCH];
    int group = (int)threadIdx.x / GROUP_THREADS, t = (int)threadIdx.x % GROUP_THREADS, x = t % TILE, y = t / TILE;
    int n0 = (int)blockIdx.x * TILE, m0 = (int)blockIdx.y * TILE;
    float sum[4] = {0};
    for (int k0 = 0; k0 < K; k0 += GROUPS * CHUNK) {
        fill_chunk(a, a_row, a_column, m0, M, k0 + group * CHUNK, K, t, as[group]);
        fill_chunk(b, b_column, b_row, n0, N, k0 + group * CHUNK, K, t, bs[group]);
        __syncthreads();
        for (int k = 0; k < CHUNK && k0 + group * CHUNK < K; k++) {
            float4 four = *reinterpret_cast<const float4 *>(&as[group][k][y * 4]);
            float other = bs[group][k][x];
            sum[0] += four.x * other, sum[1] += four.y * other, sum[2] += four.z * other, sum[3] += four.w * other;
        }
        __syncthreads();
    }
    float(*sums)[TILE][TILE] = reinterpret_cast<float(*)[TILE][TILE]>(as);
    for (int i = 0; i < 4; i++) sums[group][y * 4 + i][x] = sum[i];
    __syncthreads();
    if ((int)threadIdx.x >= TILE * TILE) return;
    int m = (int)threadIdx.x / TILE, n = (int)threadIdx.x % TILE;
    float all = 0;
    for (int g = 0; g < GROUPS; g++) all += sums[g][m][n];
    if (m0 + m < M && n0 + n < N) c[(int64_t)(m0 + m) * N + n0 + n] = all + (bias ? bias[n0 + n] : 0);
}
__global__ void act_forward_kernel(int64_t n, int act, const float *x, float *y) {
    int64_t i = this_thread();
    if (i >= n) return;
    float v[1] = {x[i]};
    if (act == SIGMOID)
        v[0] = sigmoid<float>(v[0]);
    else
        act_all<float, 1>(act, v);
    y[i] = v[0];
}
__global__ void act_backward_kernel(int64_t n, int act, const float *x, const float *dy, float *dx) {
    int64_t i = this_thread();
    if (i >= n) return;
    float d[1] = {dy[i]};
    float s = sigmoid<float>(x[i]);
    if (act == SIGMOID)
        d[0] *= s * (1.0F - s);
    else
        slope_all<float, 1>(act, x + i, d);
    dx[i] = d[0];
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
__global__ void cross_entropy_kernel(int B, int K, const float *logits, const float *target, float scale,
                                     float *loss, float *dlogits) {
    int b = (int)this_thread();
    if (b >= B) return;
    const float *z = logits + (int64_t)b * K, *t = target + (int64_t)b * K;
    float *dz = dlogits + (int64_t)b * K;
    double most = z[0], sum = 0, weight = 0, all = 0;
    for (int k = 1; k < K; k++) most = fmax(most, (double)z[k]);
    for (int k = 0; k < K; k++) sum += exp((double)z[k] - most);
    double log_sum = log(sum);
    for (int k = 0; k < K; k++) {
        double log_p = (double)z[k] - most - log_sum;
        weight += (double)t[k];
        all -= (double)t[k] * log_p;
    }
    loss[b] = (float)all;
    for (int k = 0; k < K; k++)
        dz[k] = (float)((double)scale * (exp((double)z[k] - most) / sum * weight - (double)t[k]));
}

} // namespace

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
    if ((int64_t)M * K >> 32 || (int64_t)N * K >> 32) abort(); /* fill_chunk */
    TN_LAUNCH(product_kernel, blocks, dim3(GROUPS * GROUP_THREADS), s, M, N, K, a, (uint32_t)a_row, (uint32_t)a_column,
              b, (uint32_t)b_row, (uint32_t)b_column, bias, c);
}
void tn_cuda_column_sums(cudaStream_t s, int M, int N, const float *x, float *y) {
    TN_LAUNCH((merge_kernel<float>), merge_grid(N), dim3(32, MERGE_LANES), s, M, N, x, y);
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
