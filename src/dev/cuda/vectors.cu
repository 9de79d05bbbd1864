/* vectors.cu - flat vectors: sums, averages, optimisers. See kernels.h. */
#include "dev/cuda/kernels.cuh"

namespace {

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
__global__ void adamw_kernel(int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                             float c2, const float *g, float *m, float *v, float *w) {
    int64_t i = this_thread();
    if (i >= n) return;
    m[i] = beta1 * m[i] + (1.0F - beta1) * g[i];
    v[i] = beta2 * v[i] + (1.0F - beta2) * g[i] * g[i];
    w[i] = w[i] * (1.0F - rate * decay) - rate * (m[i] / c1 / (sqrtf(v[i] / c2) + eps));
}

} // namespace

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
