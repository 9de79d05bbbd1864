/*
 * emu.h - a GPU in software, to run src/dev/cuda without one. Shared by runtime.c (memory and streams, in place of libcudart),
 * cudnn.c (executes graphs, in front of the real libcudnn), kernels.h and kernels.cpp (our kernels, compiled by g++).
 *
 * A device pointer is a pointer of malloc with bit 62 set: the host faults when it follows one, and sanitizers see its bounds. Work on a
 * stream is queued, and done when the host waits: who reads before finds poison.
 * With TN_EMU_DRY=1 nothing is computed or copied: to count memory. TN_EMU_PEAK=FILE gets the most bytes that were allocated at once.
 * With TN_EMU_UNIFIED=1 device memory is the host's, and work is done at once: for tests that give both devices the same arrays.
 */
#ifndef TN_TESTS_GPU_EMU_H
#define TN_TESTS_GPU_EMU_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMU_TAG ((uintptr_t)1 << 62)

/* The memory of a device pointer; NULL stays NULL. A host pointer ends the process; who: the user of the pointer. */
void *emu_memory(const void *device, const char *who);
/* Queue work on a stream. */
void emu_queue(cudaStream_t stream, void (*work)(void *), void *context);
/* Stop with a message: a bug that a GPU would hide or punish. */
void emu_stop(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Whoever counts work (traffic.cpp) has these functions; elsewhere they are NULL. Then graphs and copies are counted, and not done, and of
 * a kernel's blocks those run that emu_on_block wants. */
void *emu_on_malloc(size_t n_bytes) __attribute__((weak));
void emu_on_free(void *memory) __attribute__((weak));
void emu_on_copy(const char *what, size_t n_bytes) __attribute__((weak));
void emu_on_kernel(const char *name, int64_t n_blocks) __attribute__((weak));
int emu_on_block(int64_t i) __attribute__((weak));
void emu_on_graph(const char *what, size_t n_bytes, size_t workspace_bytes, double operations) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
