/*
 * about.c - what GPU is here: about MIB
 *
 * Prints `key: value` lines: gpu, capability, memory, driver, cuda, cudnn, and bandwidth in GB/s, of copies of MIB within its memory, read and
 * written bytes together. Exit code 8 with the reason on stderr: there is no GPU.
 */
#include "base/progress.h"
#include "base/status.h"

#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>

enum { COPIES = 20, ROUNDS = 3 };

static void must(cudaError_t e, const char *what) {
    if (e == cudaSuccess) return;
    fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(e));
    exit((int)TN_ENODE);
}

/* The best of some rounds, after one that is not counted. */
static double bandwidth(size_t n_bytes) {
    cudaStream_t stream;
    void *from, *to;
    double least_s = 1e30;
    must(cudaMalloc(&from, n_bytes), "cudaMalloc");
    must(cudaMalloc(&to, n_bytes), "cudaMalloc");
    must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    must(cudaMemsetAsync(from, 1, n_bytes, stream), "cudaMemset");
    for (int round = -1; round < ROUNDS; round++) {
        must(cudaStreamSynchronize(stream), "a wait");
        double begin_s = tn_now_s();
        for (int i = 0; i < COPIES; i++)
            must(cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyDeviceToDevice, stream), "a copy");
        must(cudaStreamSynchronize(stream), "copies");
        double seconds = tn_now_s() - begin_s;
        if (round >= 0 && seconds < least_s) least_s = seconds;
    }
    must(cudaStreamDestroy(stream), "cudaStreamDestroy");
    must(cudaFree(from), "cudaFree");
    must(cudaFree(to), "cudaFree");
    return 2.0 * COPIES * (double)n_bytes / least_s / 1e9;
}

int main(int argc, char **argv) {
    struct cudaDeviceProp about;
    int n = 0, driver = 0;
    size_t mib = argc > 1 ? (size_t)atoi(argv[1]) : 1024, free_bytes = 0, total = 0, cudnn = cudnnGetVersion();
    must(cudaGetDeviceCount(&n), "there is no GPU");
    must(n > 0 ? cudaSuccess : cudaErrorNoDevice, "there is no GPU");
    must(cudaSetDevice(0), "GPU 0");
    must(cudaGetDeviceProperties(&about, 0), "the properties of GPU 0");
    must(cudaDriverGetVersion(&driver), "the driver's version");
    must(cudaMemGetInfo(&free_bytes, &total), "the memory of GPU 0");
    printf("gpu: %s\n", about.name);
    printf("capability: %d.%d\n", about.major, about.minor);
    printf("memory: %zu MiB, %zu free\n", total >> 20, free_bytes >> 20);
    printf("driver: CUDA %d.%d\n", driver / 1000, driver % 1000 / 10);
    printf("cuda: %d.%d\n", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    printf("cudnn: %zu.%zu.%zu\n", cudnn / 10000, cudnn % 10000 / 100, cudnn % 100);
    printf("bandwidth: %.0f\n", bandwidth(mib << 20));
    return 0;
}
