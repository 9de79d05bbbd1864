/* access.cpp - see access.h: the functions that -fsanitize=thread calls. */
#include "access.h"

/* Neither the thread's stack nor what the emulation itself keeps, nor what runs outside of kernels. */
static bool counts(uintptr_t at) {
    return emu::here.kernel && at - (uintptr_t)emu::here.stack >= emu::here.stack_bytes &&
           at - (uintptr_t)&emu::here >= sizeof emu::here;
}
static void read(const void *x, size_t n) {
    if (counts((uintptr_t)x)) emu::read((uintptr_t)x, n);
}
static void write(const void *x, size_t n) {
    if (counts((uintptr_t)x)) emu::write((uintptr_t)x, n);
}

extern "C" {
#define ACCESS(name, ...)                                                                                              \
    void name(void *x);                                                                                                \
    void name(void *x) {                                                                                               \
        __VA_ARGS__;                                                                                                   \
    }
#define ACCESSES(n)                                                                                                    \
    ACCESS(__tsan_read##n, read(x, n))                                                                                 \
    ACCESS(__tsan_write##n, write(x, n))                                                                               \
    ACCESS(__tsan_unaligned_read##n, read(x, n))                                                                       \
    ACCESS(__tsan_unaligned_write##n, write(x, n))
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

#define RANGE(name, access)                                                                                            \
    void name(void *x, unsigned long n);                                                                               \
    void name(void *x, unsigned long n) {                                                                              \
        access(x, n);                                                                                                  \
    }
RANGE(__tsan_read_range, read)
RANGE(__tsan_write_range, write)

void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_vptr_update(void **x, void *value);
void __tsan_vptr_update(void **, void *) {}
}
