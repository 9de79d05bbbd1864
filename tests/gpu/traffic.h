/*
 * traffic.h - the work that a program gave to the emulated GPU, in order: traffic.cpp counts it. Graphs of cuDNN and copies are counted and
 * not done, and of most kernels some blocks run, so values mean nothing; device memory takes no room where nothing touches it.
 *
 * A kernel's first m blocks run, and m more; each of the others is taken to need what one of the second m needed. So what all blocks
 * read counts once, and what neighbours share, too.
 */
#ifndef TN_TESTS_GPU_TRAFFIC_H
#define TN_TESTS_GPU_TRAFFIC_H

#ifdef __cplusplus
extern "C" {
#endif

enum { EMU_NAME_BYTES = 48 };

/* A kernel, a graph of cuDNN ("cuDNN forward"), or "upload", "download", "copy", "memset". */
typedef struct {
    char name[EMU_NAME_BYTES]; /* of a kernel: without parameters of its template */
    double bytes; /* of device memory. Kernels: sectors of 32 bytes that are read, and those that are written, each
                                * once. Graphs: each tensor once, and the workspace twice */
    double asked; /* kernels: bytes of all loads and stores of all threads, in device and shared memory */
    double instructions; /* kernels, of all threads, estimated (traffic.cpp) */
    double operations;   /* graphs: 2 for each product */
} emu_work;

/* Forget what was counted, and count. m is the number of blocks / parts, but at least 4; parts 0: no block runs, kernels count zero. */
void emu_work_begin(int parts);
/* All work since then; valid until the next work. */
const emu_work *emu_work_list(int *n_out);

#ifdef __cplusplus
}
#endif

#endif
