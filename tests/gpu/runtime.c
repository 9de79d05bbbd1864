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

void *emu_memory(const void *device, const char *who) {
    if (!device) return NULL;
    if (!((uintptr_t)device & EMU_TAG)) emu_stop("%s: a host pointer as device memory", who);
    return (void *)((uintptr_t)device & ~EMU_TAG);
}
static void check_host(const void *x, const char *who) {
    if ((uintptr_t)x & EMU_TAG) emu_stop("%s: a device pointer as host memory", who);
}

static cudaError_t last_error, broken; /* broken: what every call says since the context was lost */

bool emu_fails(const char *what) {
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
    if (!wanted || strncmp(wanted, what, n) != 0 || wanted[n] != ' ') return false;
    int first = atoi(wanted + n);
    return count[i].n == first || (count[i].n > first && strchr(wanted, '+'));
}
/* A call that may fail in a way that the device does not survive. */
static cudaError_t injected(const char *what, cudaError_t error) {
    if (emu_fails(what)) broken = error;
    if (broken) last_error = broken;
    return broken;
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

void emu_queue(cudaStream_t s, void (*work)(void *), void *context) {
    job *j = malloc(sizeof *j);
    if (!j || !s) emu_stop(s ? "no memory" : "work on the default stream, which would wait for all others");
    *j = (job){work, context, NULL};
    *s->last = j;
    s->last = &j->next;
}
static void reach(void *context);
static void wait_in_stream(void *context);

static void do_first(cudaStream_t s) {
    job *j = s->first;
    s->first = j->next;
    if (!s->first) s->last = &s->first;
    if (!getenv("TN_EMU_DRY") || j->work == reach || j->work == wait_in_stream) j->work(j->context);
    free(j);
}
static void drain(cudaStream_t s) {
    while (s->first) do_first(s);
}

/* --- events: a mark on a stream, and a stream or the host that waits until the work before it is done --------------- */

struct CUevent_st {
    cudaStream_t stream;
    int64_t recorded, reached; /* how often it was recorded; the latest of them that its stream has come to */
    int n_queries;
};
typedef struct {
    cudaEvent_t event;
    int64_t n;
} mark;
static mark *mark_of(cudaEvent_t e) {
    mark *m = malloc(sizeof *m);
    if (!m) emu_stop("no memory");
    *m = (mark){e, e->recorded};
    return m;
}
static void reach(void *context) {
    mark *m = context;
    m->event->reached = m->n;
    free(m);
}
static void work_until(cudaEvent_t e, int64_t n) {
    cudaStream_t s = e->stream;
    while (e->reached < n && s->first) do_first(s);
    if (e->reached < n) emu_stop("an event is waited for by its own stream, or its stream is gone");
}
static void wait_in_stream(void *context) {
    mark *m = context;
    if (m->event->reached < m->n) work_until(m->event, m->n);
    free(m);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) {
    (void)flags;
    *e = calloc(1, sizeof **e);
    return *e ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
    free(e);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
    e->stream = s;
    e->recorded++;
    emu_queue(s, reach, mark_of(e));
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) {
    (void)flags;
    if (e->recorded) emu_queue(s, wait_in_stream, mark_of(e));
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    work_until(e, e->recorded);
    injected("wait", cudaErrorECCUncorrectable);
    return injected("lost", cudaErrorDevicesUnavailable);
}
cudaError_t cudaEventQuery(cudaEvent_t e) { /* work is never done the first time that somebody asks */
    if (e->reached == e->recorded) return cudaSuccess;
    if (++e->n_queries % 2 == 1) return last_error = cudaErrorNotReady;
    return cudaEventSynchronize(e);
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
    injected("wait", cudaErrorECCUncorrectable);
    cudaError_t e = injected("lost", cudaErrorDevicesUnavailable);
    if (e == cudaSuccess) drain(s);
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
static size_t n_used, n_peak;

/* The most bytes that were allocated at once, into the file that TN_EMU_PEAK names. */
static void write_peak(void) {
    FILE *f = fopen(getenv("TN_EMU_PEAK"), "w");
    if (f) fprintf(f, "%zu\n", n_peak);
    if (f) fclose(f);
}
static void note_allocation(void *x, size_t n) {
    allocation *a = malloc(sizeof *a);
    if (!a) emu_stop("no memory");
    *a = (allocation){x, n, allocations};
    allocations = a;
    n_used += n;
    if (n_peak == 0 && getenv("TN_EMU_PEAK")) atexit(write_peak);
    if (n_used > n_peak) n_peak = n_used;
}
static void forget_allocation(const void *x) {
    allocation **at = &allocations, *a;
    while (*at && (*at)->memory != x) at = &(*at)->next;
    if (!(a = *at)) emu_stop("cudaFree of what cudaMalloc never gave");
    *at = a->next;
    n_used -= a->n;
    free(a);
}

bool emu_allocation(const void *memory, char **start_out, size_t *n_bytes_out) {
    for (const allocation *a = allocations; a; a = a->next)
        if ((uintptr_t)memory - (uintptr_t)a->memory < a->n) {
            *start_out = a->memory;
            *n_bytes_out = a->n;
            return true;
        }
    return false;
}

cudaError_t cudaMalloc(void **x, size_t n) {
    void *memory;
    if (broken) return last_error = broken;
    if (emu_fails("malloc")) return last_error = cudaErrorMemoryAllocation;
    if (emu_on_malloc)
        memory = emu_on_malloc(n);
    else if (posix_memalign(&memory, 256, n ? n : 1) != 0)
        return last_error = cudaErrorMemoryAllocation;
    else if (!getenv("TN_EMU_DRY"))
        memset(memory, 0xCD, n); /* nobody promises zeros */
    note_allocation(memory, n);
    *x = (void *)((uintptr_t)memory | EMU_TAG);
    return cudaSuccess;
}
cudaError_t cudaFree(void *x) { /* waits, as the real one does */
    if (broken) return last_error = broken;
    for (cudaStream_t s = streams; s; s = s->next) drain(s);
    if (x) forget_allocation(emu_memory(x, "cudaFree"));
    (emu_on_free ? emu_on_free : free)(emu_memory(x, "cudaFree"));
    return cudaSuccess;
}
cudaError_t cudaMallocHost(void **x, size_t n) {
    if (broken) return last_error = broken;
    *x = emu_fails("host") ? NULL : malloc(n ? n : 1);
    if (*x) memset(*x, 0xCD, n);
    return *x ? cudaSuccess : (last_error = cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void *x) {
    for (cudaStream_t s = streams; s; s = s->next) drain(s);
    free(x);
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    *total = getenv("TN_EMU_MIB") ? (size_t)atoll(getenv("TN_EMU_MIB")) << 20 : (size_t)80 << 30;
    *free_bytes = n_used < *total ? *total - n_used : 0;
    return cudaSuccess;
}

typedef struct {
    void *to;
    const void *from;
    size_t n;
    int value;
    const char *what;
} copy;
static void do_copy(void *context) {
    copy *c = context;
    if (emu_on_copy)
        emu_on_copy(c->what, c->n);
    else
        memcpy(c->to, c->from, c->n);
    free(c);
}
static void do_set(void *context) {
    copy *c = context;
    if (emu_on_copy)
        emu_on_copy(c->what, c->n);
    else
        memset(c->to, c->value, c->n);
    free(c);
}
static copy *copy_of(const char *what, void *to, const void *from, size_t n, int value) {
    copy *c = malloc(sizeof *c);
    if (!c) emu_stop("no memory");
    *c = (copy){to, from, n, value, what};
    return c;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind, cudaStream_t s) {
    cudaError_t e = injected("copy", cudaErrorLaunchFailure);
    if (e != cudaSuccess) return e;
    if (kind == cudaMemcpyHostToDevice) {
        check_host(from, "an upload");
        emu_queue(s, do_copy, copy_of("upload", emu_memory(to, "an upload"), from, n, 0));
    } else if (kind == cudaMemcpyDeviceToHost) {
        check_host(to, "a download");
        memset(to, 0xFF, n); /* who reads before the stream is waited for finds this */
        emu_queue(s, do_copy, copy_of("download", to, emu_memory(from, "a download"), n, 0));
    } else {
        emu_queue(s, do_copy, copy_of("copy", emu_memory(to, "a copy"), emu_memory(from, "a copy"), n, 0));
    }
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *x, int value, size_t n, cudaStream_t s) {
    if (broken) return last_error = broken;
    emu_queue(s, do_set, copy_of("memset", emu_memory(x, "cudaMemset"), NULL, n, value));
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
    last_error = broken;
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
    case cudaErrorDevicesUnavailable:
        return "CUDA-capable device(s) is/are busy or unavailable";
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
