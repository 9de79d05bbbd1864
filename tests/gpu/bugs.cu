/*
 * bugs.cu - bugs that the emulation must catch: `bugs N` has the N-th; test_gpu_bugs.sh expects how it ends.
 */
#include <cstdio>
#include <cstdlib>

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
    if (bug == 1)
        TN_LAUNCH(one_too_many, dim3(2), dim3(32), s, (int)N, x, y);
    else if (bug == 2)
        TN_LAUNCH(early_exit, dim3(1), dim3(32), s, y);
    else if (bug == 3)
        TN_LAUNCH(twice, dim3(1), dim3(32), s, (int)N, (const float *)host, y);
    else if (bug == 4)
        TN_LAUNCH(no_barrier, dim3(1), dim3(32), s, y);
    else if (bug == 5)
        TN_LAUNCH(neighbours, dim3(1), dim3(32), s, y);
    else if (bug == 6)
        TN_LAUNCH(twice, dim3(1), dim3(2048), s, (int)N, x, y);
    else
        TN_LAUNCH(twice, dim3(1), dim3(32), s, (int)N, x, y);
    cudaMemcpyAsync(back, y, sizeof back, cudaMemcpyDeviceToHost, s);
    if (bug == 7) return printf("%g\n", (double)back[3]) < 0; /* without waiting */
    cudaStreamSynchronize(s);
    if (bug == 8) return (int)x[0];
    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += !(back[i] == (bug == 4 || bug == 5 ? (float)(31 - i) : 2 * host[i]));
    printf("%d wrong\n", wrong);
    return 0;
}
