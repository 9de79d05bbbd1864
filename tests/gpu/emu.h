/*
 * emu.h - a GPU in software, to run src/dev/cuda without one. Shared by runtime.c (memory and streams, in place of libcudart),
 * cudnn.c (executes graphs, in front of the real libcudnn), kernels.h and kernels.cpp (our kernels, compiled by g++).
 *
 * A device pointer is a pointer of malloc with bit 62 set: the host faults when it follows one, and sanitizers see its bounds. Work on a
 * stream is queued, and done when the host waits: who reads before finds poison.
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

#ifdef __cplusplus
}
#endif

#endif
