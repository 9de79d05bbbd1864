/*
 * emu.h - a GPU in software, to run src/dev/cuda without one. Shared by runtime.c (memory and streams, in place of libcudart),
 * cudnn.c (executes graphs, in front of the real libcudnn), kernels.h and kernels.cpp (our kernels, compiled by g++),
 * ptx.h (our kernels, as nvcc translates them).
 *
 * A device pointer is a pointer of malloc with bit 62 set: the host faults when it follows one, and sanitizers see its bounds. Work on a
 * stream is queued, and done when the host waits: who reads before finds poison.
 * With TN_EMU_DRY=1 nothing is computed or copied: to count memory. TN_EMU_PEAK=FILE gets the most bytes that were allocated at once.
 * With TN_EMU_PTX="FILE FILE ..." each launch is also run from PTX, and compared: ptx_compare.c.
 */
#ifndef TN_TESTS_GPU_EMU_H
#define TN_TESTS_GPU_EMU_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMU_TAG ((uintptr_t)1 << 62)

/* The memory of a device pointer; NULL stays NULL. A host pointer ends the process; who: the user of the pointer. */
void *emu_memory(const void *device, const char *who);
/* Queue work on a stream. */
void emu_queue(cudaStream_t stream, void (*work)(void *), void *context);
/* TN_EMU_FAIL="WHAT N": should this call fail? N counts the calls of a kind, from 1; "N+": and all later ones.
 *   malloc, host   no memory on the GPU, or page-locked
 *   copy, launch   a launch failure, met by the next call
 *   wait           an ECC error, met by a wait
 *   lost           the device is gone, met by a wait
 *   plan           cuDNN refuses a plan
 *   execute        cuDNN fails to begin a convolution
 * After a launch failure, an ECC error or a loss each later call fails, too, as on a GPU. */
bool emu_fails(const char *what);
/* Stop with a message: a bug that a GPU would hide or punish. */
void emu_stop(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The allocation that this memory is in; false: in none. */
bool emu_allocation(const void *memory, char **start_out, size_t *n_bytes_out);

/* --- a launch, to be compared with PTX ---------------------------------------------------------------------------- */

typedef struct {
    void *at;
    bool is_written; /* no pointer to const */
    int element_bytes;
} emu_pointer;
typedef struct {
    const char *kernel; /* what g++ calls it, after "K = " */
    unsigned grid[3], block[3];
    void **arguments;
    const size_t *argument_bytes;
    int n_arguments;
    const emu_pointer *pointers; /* all that are in the arguments, without NULLs */
    int n_pointers;
    void (*run)(void *context); /* the kernel by g++ */
    void *context;
} emu_launch;
bool emu_wants_ptx(void);
void emu_compare(const emu_launch *launch);
void emu_approximates(void); /* called by kernels before exp and log */

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
