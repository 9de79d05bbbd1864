/*
 * bugs.cu - bugs that the emulation must catch: `bugs N` has the N-th; test_gpu_bugs.sh and, with
 * nvcc's PTX, test_gpu_ptx.sh expect how it ends.
 */
#include <cmath>
#include <cstdio>
#include <cstdlib>

#ifndef TN_LAUNCH
#define TN_LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#endif
#ifdef __CUDA_ARCH__
#define OF_NVCC 1
#else
#define OF_NVCC 0
#endif

namespace {
__global__ void twice(int n, const float *x, float *y) {
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) y[i] = 2 * x[i];
}
__global__ void one_too_many(int n, const float *x, float *y) {
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i <= n) y[i] = 2 * x[i];
}
__global__ void early_exit(float *y) {
    if (threadIdx.x > 7) return;
    __syncthreads();
    y[threadIdx.x] = 1;
}
/* Threads read what others write, with a barrier between, or without. */
__global__ void neighbours(float *y) {
    __shared__ float memory[32];
    memory[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = memory[31 - threadIdx.x];
}
__global__ void no_barrier(float *y) {
    __shared__ float memory[32];
    memory[threadIdx.x] = (float)threadIdx.x;
    y[threadIdx.x] = memory[31 - threadIdx.x];
}
/* Races that leave the right values in any order: races.cpp alone sees them. y = 2 i. */
__global__ void no_barrier_in_a_loop(float *y) {
    __shared__ float memory[32];
    float sum = 0;
    for (int i = 0; i < 2; i++) {
        memory[threadIdx.x] = 1;
        __syncthreads();
        sum += memory[31 - threadIdx.x];
    }
    y[threadIdx.x] = sum * (float)threadIdx.x;
}
__global__ void no_sync_of_the_warp(float *y) {
    __shared__ float memory[32];
    memory[threadIdx.x] = 2;
    __syncthreads();
    for (int half = 16; half > 0; half /= 2)
        if ((int)threadIdx.x < half) memory[threadIdx.x] = fmaxf(memory[threadIdx.x], memory[threadIdx.x + half]);
    __syncthreads();
    y[threadIdx.x] = memory[0] * (float)threadIdx.x;
}
__global__ void blocks_write_one_place(float *y) {
    y[threadIdx.x] = 2 * (float)threadIdx.x;
}
__global__ void blocks_read_and_write(const float *x, float *y, float *again) {
    if (blockIdx.x < 2) y[threadIdx.x + 16 * blockIdx.x] = 2 * x[threadIdx.x + 16 * blockIdx.x];
    if (blockIdx.x == 2) again[threadIdx.x] = (float)threadIdx.x;
}
template <int N> __global__ void unwritten(float *y) { /* but by the block before */
    __shared__ float memory[N];
    if (blockIdx.x == 0) memory[threadIdx.x] = 2;
    __syncthreads();
    y[threadIdx.x + N * blockIdx.x] = memory[threadIdx.x] * (float)(threadIdx.x + N * blockIdx.x);
}
__global__ void two_barriers(float *y) {
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = 1;
}
/* What nvcc and g++ read differently: a bit of one number, a number more. */
__global__ void a_bit(const float *x, float *y) {
    int i = (int)threadIdx.x;
    y[i] = 2 * x[i] + (i == 17 && OF_NVCC ? 4e-6F : 0);
}
__global__ void a_number(int n, const float *x, float *y) {
    int i = (int)threadIdx.x;
    if (i < n + OF_NVCC) y[i] = 2 * x[i];
}
__global__ void not_aligned(const float *x, float *y) {
    double two = *reinterpret_cast<const double *>(x + 2 * threadIdx.x + 1);
    y[2 * threadIdx.x + 1] = (float)two;
}
__global__ void const_is_written(const float *x, float *y) {
    const_cast<float *>(x)[threadIdx.x] = y[threadIdx.x];
}
void launch(int bug, cudaStream_t s, int n, const float *host, float *x, float *y) {
    if (bug == 1)
        TN_LAUNCH(one_too_many, dim3(2), dim3(32), s, n, x, y);
    else if (bug == 2)
        TN_LAUNCH(early_exit, dim3(1), dim3(32), s, y);
    else if (bug == 3)
        TN_LAUNCH(twice, dim3(1), dim3(32), s, n, host, y);
    else if (bug == 4)
        TN_LAUNCH(no_barrier, dim3(1), dim3(32), s, y);
    else if (bug == 5)
        TN_LAUNCH(neighbours, dim3(1), dim3(32), s, y);
    else if (bug == 6)
        TN_LAUNCH(twice, dim3(1), dim3(2048), s, n, x, y);
    else if (bug == 9)
        TN_LAUNCH(no_barrier_in_a_loop, dim3(1), dim3(32), s, y);
    else if (bug == 10)
        TN_LAUNCH(no_sync_of_the_warp, dim3(1), dim3(32), s, y);
    else if (bug == 11)
        TN_LAUNCH(blocks_write_one_place, dim3(2), dim3(32), s, y);
    else if (bug == 12)
        TN_LAUNCH(blocks_read_and_write, dim3(3), dim3(16), s, x, y, x);
    else if (bug == 13)
        TN_LAUNCH((unwritten<16>), dim3(2), dim3(16), s, y);
    else if (bug == 14)
        TN_LAUNCH(two_barriers, dim3(1), dim3(32), s, y);
    else if (bug == 15)
        TN_LAUNCH(a_bit, dim3(1), dim3(32), s, x, y);
    else if (bug == 16)
        TN_LAUNCH(a_number, dim3(1), dim3(32), s, n - 1, x, y);
    else if (bug == 17)
        TN_LAUNCH(not_aligned, dim3(1), dim3(8), s, x, y);
    else if (bug == 18)
        TN_LAUNCH(const_is_written, dim3(1), dim3(32), s, x, y);
    else
        TN_LAUNCH(twice, dim3(1), dim3(32), s, n, x, y);
}
} // namespace

int main(int argc, char **argv) {
    enum { N = 32 };
    float host[N], back[N], *x, *y;
    int bug = argc > 1 ? atoi(argv[1]) : 0;
    cudaStream_t s;
    for (int i = 0; i < N; i++) host[i] = (float)i;
    cudaStreamCreateWithFlags(&s, 0);
    cudaMalloc((void **)&x, sizeof host);
    cudaMalloc((void **)&y, sizeof host);
    cudaMemcpyAsync(x, host, sizeof host, cudaMemcpyHostToDevice, s);
    launch(bug, s, (int)N, host, x, y);
    cudaMemcpyAsync(back, y, sizeof back, cudaMemcpyDeviceToHost, s);
    if (bug == 7) return printf("%g\n", (double)back[3]) < 0; /* without waiting */
    cudaStreamSynchronize(s);
    if (bug == 8) return (int)x[0];
    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += !(back[i] == (bug == 4 || bug == 5 ? (float)(31 - i) : 2 * host[i]));
    printf("%d wrong\n", wrong);
    return 0;
}
