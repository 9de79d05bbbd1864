/* runtime.c - stands in for the part of libcudart that src/dev/cuda uses. */
#include "emu.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    void (*work)(void *);
    void *context;
    struct job *next;
} job;
struct CUstream_st {
    job *first, **last;
    struct CUstream_st *next;
};

void emu_stop(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fputs("emulated GPU: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

static bool is_unified(void) {
    return getenv("TN_EMU_UNIFIED") != NULL;
}

void *emu_memory(const void *device, const char *who) {
    if (!device || is_unified()) return (void *)(uintptr_t)device;
    if (!((uintptr_t)device & EMU_TAG)) emu_stop("%s: a host pointer as device memory", who);
    return (void *)((uintptr_t)device & ~EMU_TAG);
}
static void check_host(const void *x, const char *who) {
    if ((uintptr_t)x & EMU_TAG) emu_stop("%s: a device pointer as host memory", who);
}

/* TN_EMU_FAIL="malloc 3" or "copy 5", "launch 2": that call fails, counted from 1. */
static cudaError_t last_error;
static cudaError_t injected(const char *what, cudaError_t error) {
    static struct {
        const char *what;
        int n;
    } count[8];
    const char *wanted = getenv("TN_EMU_FAIL");
    int i = 0;
    while (i < 7 && count[i].what && strcmp(count[i].what, what) != 0) i++;
    count[i].what = what;
    count[i].n++;
    size_t n = strlen(what);
    if (!wanted || strncmp(wanted, what, n) != 0 || wanted[n] != ' ' || atoi(wanted + n) != count[i].n)
        return cudaSuccess;
    return last_error = error;
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

void emu_queue(cudaStream_t s, void (*work)(void *), void *context) {
    if (is_unified()) {
        work(context);
        return;
    }
    job *j = malloc(sizeof *j);
    if (!j || !s) emu_stop(s ? "no memory" : "work on the default stream, which would wait for all others");
    *j = (job){work, context, NULL};
    *s->last = j;
    s->last = &j->next;
}
static void drain(cudaStream_t s) {
    while (s->first) {
        job *j = s->first;
        s->first = j->next;
        if (!s->first) s->last = &s->first;
        j->work(j->context);
        free(j);
    }
}
static cudaStream_t streams;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags) {
    (void)flags;
    *s = calloc(1, sizeof **s);
    (*s)->last = &(*s)->first;
    (*s)->next = streams;
    streams = *s;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    cudaError_t e = injected("wait", cudaErrorECCUncorrectable);
    drain(s);
    return e;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
    drain(s);
    for (cudaStream_t *at = &streams; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    free(s);
    return cudaSuccess;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

typedef struct allocation {
    char *memory;
    size_t n;
    struct allocation *next;
} allocation;
static allocation *allocations;

bool emu_allocation(const void *memory, char **start_out, size_t *n_bytes_out) {
    for (const allocation *a = allocations; a; a = a->next)
        if ((uintptr_t)memory - (uintptr_t)a->memory < a->n) {
            *start_out = a->memory;
            *n_bytes_out = a->n;
            return true;
        }
    return false;
}
static void remember(void *memory, size_t n) {
    allocation *a = malloc(sizeof *a);
    if (!a) emu_stop("no memory");
    *a = (allocation){memory, n, allocations};
    allocations = a;
}
static void forget(const void *memory) {
    allocation **at = &allocations, *found;
    while (*at && (*at)->memory != memory) at = &(*at)->next;
    found = *at;
    if (memory && !found) emu_stop("cudaFree: no allocation begins here");
    if (found) *at = found->next;
    free(found);
}

cudaError_t cudaMalloc(void **x, size_t n) {
    void *memory;
    cudaError_t e = injected("malloc", cudaErrorMemoryAllocation);
    if (e != cudaSuccess) return e;
    if (posix_memalign(&memory, 256, n ? n : 1) != 0) return last_error = cudaErrorMemoryAllocation;
    memset(memory, 0xCD, n); /* nobody promises zeros */
    remember(memory, n);
    *x = is_unified() ? memory : (void *)((uintptr_t)memory | EMU_TAG);
    return cudaSuccess;
}
cudaError_t cudaFree(void *x) { /* waits, as the real one does */
    for (cudaStream_t s = streams; s; s = s->next) drain(s);
    forget(emu_memory(x, "cudaFree"));
    free(emu_memory(x, "cudaFree"));
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    *free_bytes = 0;
    *total = (size_t)80 << 30;
    return cudaSuccess;
}

typedef struct {
    void *to;
    const void *from;
    size_t n;
    int value;
} copy;
static void do_copy(void *context) {
    copy *c = context;
    memcpy(c->to, c->from, c->n);
    free(c);
}
static void do_set(void *context) {
    copy *c = context;
    memset(c->to, c->value, c->n);
    free(c);
}
static copy *copy_of(void *to, const void *from, size_t n, int value) {
    copy *c = malloc(sizeof *c);
    if (!c) emu_stop("no memory");
    *c = (copy){to, from, n, value};
    return c;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind, cudaStream_t s) {
    cudaError_t e = injected("copy", cudaErrorLaunchFailure);
    if (e != cudaSuccess) return e;
    if (kind == cudaMemcpyHostToDevice) {
        check_host(from, "an upload");
        emu_queue(s, do_copy, copy_of(emu_memory(to, "an upload"), from, n, 0));
    } else if (kind == cudaMemcpyDeviceToHost) {
        check_host(to, "a download");
        memset(to, 0xFF, n); /* who reads before the stream is waited for finds this */
        emu_queue(s, do_copy, copy_of(to, emu_memory(from, "a download"), n, 0));
    } else {
        emu_queue(s, do_copy, copy_of(emu_memory(to, "a copy"), emu_memory(from, "a copy"), n, 0));
    }
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *x, int value, size_t n, cudaStream_t s) {
    emu_queue(s, do_set, copy_of(emu_memory(x, "cudaMemset"), NULL, n, value));
    return cudaSuccess;
}

/* --- the device --------------------------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *n) { /* with TN_EMU_GPUS=0 as without a driver: the count is not written */
    if (getenv("TN_EMU_GPUS") && strcmp(getenv("TN_EMU_GPUS"), "0") == 0)
        return last_error = cudaErrorInsufficientDriver;
    *n = getenv("TN_EMU_GPUS") ? atoi(getenv("TN_EMU_GPUS")) : 1;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int i) {
    (void)i;
    return cudaSuccess;
}
#undef cudaGetDeviceProperties
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *out, int i) {
    (void)i;
    memset(out, 0, sizeof *out);
    const char *version = getenv("TN_EMU_SM") ? getenv("TN_EMU_SM") : "900";
    snprintf(out->name, sizeof out->name, "emulated %s",
             strcmp(version, "800") == 0   ? "A100"
             : strcmp(version, "900") == 0 ? "H100"
                                           : "B200");
    out->major = atoi(version) / 100;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
    *version = 0;
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void) {
    cudaError_t e = last_error;
    last_error = cudaSuccess;
    return e;
}
cudaError_t cudaPeekAtLastError(void) {
    return last_error;
}
const char *cudaGetErrorString(cudaError_t e) {
    switch (e) {
    case cudaSuccess:
        return "no error";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorECCUncorrectable:
        return "uncorrectable ECC error encountered";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorLaunchFailure:
        return "unspecified launch failure";
    default:
        return "an error";
    }
}
cudaError_t emu_launch_error(void);
cudaError_t emu_launch_error(void) {
    return injected("launch", cudaErrorLaunchFailure);
}
