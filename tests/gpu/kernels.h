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
#include <math.h>
#include <type_traits>
#include <vector>

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

/* The pointers in an argument. */
template <class T, class F> void each_pointer(T &x, F f) {
    if constexpr (std::is_pointer_v<T>) f(x);
}
template <class F> void each_pointer(tn_cuda_view &v, F f) {
    f(v.x), f(v.a), f(v.b), f(v.scale);
}
template <class F> void each_pointer(tn_cuda_grad &d, F f) {
    f(d.dz), f(d.y), f(d.g), f(d.h), f(d.o);
}
template <class T> T near_to(T x) {
    each_pointer(x, [](auto &p) { p = (std::remove_reference_t<decltype(p)>)emu_memory((const void *)p, "a kernel"); });
    return x;
}
template <auto K> const char *name_of() {
    return __PRETTY_FUNCTION__;
}
/* One argument at least. */
template <auto K, class... P> void execute(const char *kernel, dim3 grid, dim3 block, P... arguments) {
    std::function<void()> all = [=] { run(kernel, grid, block, [=] { K(arguments...); }); };
    if (!emu_wants_ptx()) {
        all();
        return;
    }
    std::vector<emu_pointer> pointers;
    auto add = [&](auto p) {
        typedef std::remove_pointer_t<decltype(p)> T;
        typedef std::conditional_t<std::is_void_v<T>, char, T> element;
        if (p) pointers.push_back({(void *)p, !std::is_const_v<T>, (int)sizeof(element)});
    };
    (each_pointer(arguments, add), ...);
    void *addresses[] = {&arguments...};
    const size_t sizes[] = {sizeof arguments...};
    emu_launch launch = {name_of<K>(),
                         {grid.x, grid.y, grid.z},
                         {block.x, block.y, block.z},
                         addresses,
                         sizes,
                         (int)sizeof...(P),
                         pointers.data(),
                         (int)pointers.size(),
                         [](void *f) { (*static_cast<std::function<void()> *>(f))(); },
                         &all};
    emu_compare(&launch);
}
void launched(const char *name, dim3 block);
template <auto K, class... P, class... A>
void launch(const char *name, void (*)(P...), dim3 grid, dim3 block, cudaStream_t s, A... args) {
    launched(name, block);
    queue(s, new std::function<void()>([=] { execute<K, P...>(name, grid, block, near_to(P(args))...); }));
}
} // namespace emu

#define blockIdx        (emu::here.block_at)
#define threadIdx       (emu::here.thread_at)
#define blockDim        (emu::here.block)
#define gridDim         (emu::here.grid)
#define __syncthreads() emu::barrier(__LINE__)
#define TN_LAUNCH(kernel, grid, block, stream, ...)                                                                    \
    emu::launch<kernel>(#kernel, kernel, grid, block, stream, __VA_ARGS__)

/* Functions that nvcc has its own of. */
#define expf(x) (emu_approximates(), expf(x))
#define exp(x)  (emu_approximates(), exp(x))
#define log(x)  (emu_approximates(), log(x))

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
