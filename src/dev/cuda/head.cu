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
    if (i < n) y[i] = act_of<float>(act, x[i]);
}
__global__ void act_backward_kernel(int64_t n, int act, const float *x, const float *dy, float *dx) {
    int64_t i = this_thread();
    if (i < n) dx[i] = dy[i] * slope_of<float>(act, x[i]);
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
__global__ void cross_entropy_kernel(int B, int K, const float *logits, const float *target, double q, float scale,
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
        weight += q > 0 ? (double)t[k] * exp(q * log_p) : (double)t[k];
        all += (double)t[k] * (q > 0 ? -expm1(q * log_p) / q : -log_p);
    }
    loss[b] = (float)all;
    for (int k = 0; k < K; k++) {
        double log_p = (double)z[k] - most - log_sum, own = q > 0 ? (double)t[k] * exp(q * log_p) : (double)t[k];
        dz[k] = (float)((double)scale * (exp((double)z[k] - most) / sum * weight - own));
    }
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
void tn_cuda_cross_entropy(cudaStream_t s, int B, int K, const float *logits, const float *target, double q,
                           float scale, float *loss, float *dlogits) {
    LAUNCH(cross_entropy_kernel, B, B, K, logits, target, q, scale, loss, dlogits);
}
