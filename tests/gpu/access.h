/*
 * access.h - every access of our kernels to memory. g++ compiles the kernels a second time with -fsanitize=thread, which calls a
 * function before each load and store; access.cpp has these functions in the place of libtsan, and passes on what is not a thread's own:
 * to races.cpp or to traffic.cpp, whichever is linked.
 *
 * What g++ keeps in registers is not seen, nor what nvcc reads differently.
 */
#ifndef TN_TESTS_GPU_ACCESS_H
#define TN_TESTS_GPU_ACCESS_H

#include "kernels.h"

#include <cstdio>
#include <cstdlib>
#include <unordered_map>

extern "C" char __bss_start[], _end[], __start_emu_shared[], __stop_emu_shared[]; /* of the linker */

namespace emu {

/* Shared memory is static; device memory never is. */
inline bool is_shared(uintptr_t at) {
    return (at >= (uintptr_t)__bss_start && at < (uintptr_t)_end) ||
           (at >= (uintptr_t)__start_emu_shared && at < (uintptr_t)__stop_emu_shared);
}

/* The running thread (here) reads or writes n bytes of shared or device memory. */
void read(uintptr_t at, size_t n);
void write(uintptr_t at, size_t n);

/* A cell of zeros for every 2^GRAIN bytes of memory. The pages that were used last are found without a search. */
template <class T, int GRAIN> class shadow {
    enum { PAGE = 14, KEPT = 1024 };
    struct {
        uintptr_t number;
        T *cell;
    } kept[KEPT] = {};
    std::unordered_map<uintptr_t, T *> all;

  public:
    T &of(uintptr_t at) {
        uintptr_t number = at >> PAGE;
        auto &k = kept[number % KEPT];
        if (k.number != number) {
            T *&cell = all[number];
            if (!cell) cell = static_cast<T *>(calloc((size_t)1 << (PAGE - GRAIN), sizeof(T)));
            if (!cell) emu_stop("no memory");
            k = {number, cell};
        }
        return k.cell[(at & (((uintptr_t)1 << PAGE) - 1)) >> GRAIN];
    }
};

} // namespace emu

#endif
