/*
 * ptx.h - runs PTX on the CPU: the language that nvcc translates our kernels to. What nvcc made of a kernel is compared with what g++
 * made of it.
 *
 *   ptx_text.c        reads a .ptx file: instructions with their operands as numbers of slots
 *   ptx_operations.c  what an instruction computes: a table by mnemonic, e.g. "fma.rn.f32"
 *   ptx_run.c         threads, barriers, memory
 *   ptx_compare.c     TN_EMU_PTX="FILE FILE ...": each launch of the emulation is also run from these files, and compared
 *
 * It knows what our kernels use, and stops with a message at anything else: local memory, calls, atomics, shuffles, textures.
 * Source: Parallel Thread Execution ISA, version 9.0.
 */
#ifndef TN_TESTS_GPU_PTX_H
#define TN_TESTS_GPU_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A register, a constant or an address. Results of 32 bits or less are extended to 64. */
typedef union {
    uint16_t u16;
    int16_t s16;
    uint32_t u32;
    int32_t s32;
    uint64_t u64;
    int64_t s64;
    float f32;
    double f64;
} ptx_slot;

/* The first slots of every thread; their order is that of PTX_SPECIAL in ptx_text.c. */
typedef struct {
    ptx_slot tid[3], block_at[3], block[3], grid[3];
} ptx_special;
enum { PTX_N_SPECIAL = sizeof(ptx_special) / sizeof(ptx_slot) };

typedef enum { PTX_COMPUTE, PTX_LOAD, PTX_STORE, PTX_BRANCH, PTX_BARRIER, PTX_END } ptx_kind;
typedef enum { PTX_GLOBAL, PTX_SHARED, PTX_PARAM } ptx_space;

typedef struct ptx_instruction {
    ptx_kind kind;
    void (*compute)(ptx_slot *slot, const struct ptx_instruction *i);
    int guard; /* slot of the predicate, or -1: always */
    bool unless;
    int to[4], from[5], n_to, n_from; /* slots; of a load from[0], of a store from[0] is the address */
    ptx_space space;
    int bytes; /* of one value */
    bool is_signed;
    int64_t offset; /* to be added to the address */
    int target;     /* of a branch: number of an instruction */
    int line;       /* in the file */
} ptx_instruction;

typedef struct {
    int at, bytes;
} ptx_parameter;

typedef struct {
    char *name; /* as in C++, without namespaces and parameters: "merge_kernel<double>" */
    const char *file;
    ptx_instruction *code;
    bool *ran; /* each instruction: has it? */
    int n_code;
    ptx_slot *slots; /* as a thread finds them: constants, addresses; registers hold rubbish */
    int n_slots;
    ptx_parameter parameters[16];
    int n_parameters, parameter_bytes, shared_bytes;
    bool is_fused; /* nvcc was allowed to make a*b+c one operation, as these say: */
    bool may_fuse, has_rounded, has_fma;
    int n_compared;
} ptx_kernel;

/* Appends the kernels of a file to *kernels, which has n of them; returns how many there are then. */
int ptx_read(const char *path, ptx_kernel **kernels, int n);
/* A kernel's name, demangled or as g++ prints it, without namespaces and parameters; the caller frees it. */
char *ptx_plain_name(const char *text);

/* What a mnemonic computes, or NULL. n_to, n_from: of a mov, which may pack or unpack. */
void (*ptx_operation(const char *mnemonic, int n_to, int n_from))(ptx_slot *, const ptx_instruction *);

/* Memory that a kernel may read, or also write. */
typedef struct {
    char *at;
    size_t n_bytes;
    bool is_written;
} ptx_memory;

/* A launch; block and grid: x, y, z. Stops the process at what a GPU would punish: an address outside of `memory` or not a multiple of its
 * size, a barrier that some threads do not reach, two threads that use the same memory without a barrier between. */
void ptx_run(const ptx_kernel *kernel, const unsigned grid[3], const unsigned block[3], void *const *arguments,
             const ptx_memory *memory, int n_memory);

#endif
