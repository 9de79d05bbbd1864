/*
 * kernels.h - included before the .cu files of src/dev/cuda by g++: CUDA's words in C++. A launch is queued with its arguments; device pointers
 * in them become memory when it runs.
 *
 * Threads of a block run one after another in a shuffled order (TN_EMU_SEED), each until it ends or comes to a barrier.
 */
#ifndef TN_TESTS_GPU_KERNELS_H
#define TN_TESTS_GPU_KERNELS_H

#include "dev/cuda/kernels.h"
#include "emu.h"

#include <cmath>
#include <cstring>
#include <cuda_runtime.h>
#include <functional>
#include <type_traits>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __launch_bounds__
#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
/* Shared memory lies in one section, which is poisoned before each block; but not that of templates: gcc leaves it where it is. */
#define __shared__ static __attribute__((section("emu_shared")))

namespace emu {
/* Where the kernel that runs is; for access.cpp, too. */
struct place {
    dim3 grid, block, block_at, thread_at;
    const char *kernel;                         /* as TN_LAUNCH has it; NULL: none runs */
    uint32_t launch, first_block, block_number; /* counted from 1 since the process began; the launch's first block */
    unsigned thread, round;                     /* of the block; barriers that the block has passed */
    const char *stack;                          /* of the thread */
    size_t stack_bytes;
};
extern place here;
void barrier(int line);
void run(const char *kernel, dim3 grid, dim3 block, const std::function<void()> &thread);
void queue(cudaStream_t s, std::function<void()> *work);

template <class T> T near_to(T x) {
    if constexpr (std::is_pointer_v<T>)
        return (T)emu_memory((const void *)x, "a kernel");
    else
        return x;
}
inline tn_cuda_view near_to(tn_cuda_view v) {
    return {near_to(v.x), near_to(v.a), near_to(v.b), v.act, near_to(v.scale)};
}
inline tn_cuda_grad near_to(tn_cuda_grad d) {
    return {near_to(d.dz), near_to(d.y), near_to(d.g), near_to(d.h), near_to(d.o)};
}
void launched(const char *name, dim3 block);
template <class... P, class... A>
void launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block, cudaStream_t s, A... args) {
    launched(name, block);
    queue(s, new std::function<void()>([=] { run(name, grid, block, [=] { kernel(near_to(P(args))...); }); }));
}
} // namespace emu

#define blockIdx                                    (emu::here.block_at)
#define threadIdx                                   (emu::here.thread_at)
#define blockDim                                    (emu::here.block)
#define gridDim                                     (emu::here.grid)
#define __syncthreads()                             emu::barrier(__LINE__)
#define TN_LAUNCH(kernel, grid, block, stream, ...) emu::launch(#kernel, kernel, grid, block, stream, __VA_ARGS__)

static inline float __uint_as_float(uint32_t x) {
    float y;
    std::memcpy(&y, &x, sizeof y);
    return y;
}
static inline uint32_t __float_as_uint(float x) {
    uint32_t y;
    std::memcpy(&y, &x, sizeof y);
    return y;
}

#define __expf(x)        expf(x) /* glibc has a function of this name */
#define __fdividef(x, y) ((x) / (y))

#endif
