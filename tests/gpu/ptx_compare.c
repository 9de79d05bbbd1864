/*
 * ptx_compare.c - each launch of the emulation is run twice on the same memory: as nvcc translated the kernel (TN_EMU_PTX) and as g++ did.
 * What it wrote must be the same. The results of g++ are kept.
 *
 * Equal bits are expected (zeros may differ in sign), except
 *   where g++ called exp or log: nvcc has its own
 *   of PTX in which a*b+c may be one operation (nvcc without -fmad=false).
 * Then numbers may differ by NEAR times the largest number that was written, and bf16 also by one step; so may what a kernel that writes
 * bf16 adds up, by one step of the largest of these.
 */
#include "emu.h"
#include "ptx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR        2e-6
#define NEAR_DOUBLE 1e-12
#define STEP        0.0078125 /* of bf16, relative */

static bool approximate; /* did the kernel call exp or log? */
void emu_approximates(void) {
    approximate = true;
}

enum { MOST_MEMORIES = 32, MOST_SAME = 8 };
typedef struct {
    int n, element_bytes[MOST_MEMORIES];
    ptx_memory of[MOST_MEMORIES];
} memories;
typedef struct {
    char *of[MOST_MEMORIES]; /* NULL: not written */
} contents;

static ptx_kernel *kernels;
static int n_kernels, n_launches, n_exact;

/* --- the files ---------------------------------------------------------------------------------------------------- */

static void report(void) {
    int n_never = 0;
    int64_t n_code = 0, n_ran = 0;
    for (int i = 0; i < n_kernels; i++) {
        n_code += kernels[i].n_code;
        for (int k = 0; k < kernels[i].n_code; k++) n_ran += kernels[i].ran[k];
        if (kernels[i].n_compared == 0) {
            fprintf(stderr, "PTX: %s: %s was never compared\n", kernels[i].file, kernels[i].name);
            n_never++;
        }
    }
    fprintf(stderr,
            "PTX: %d of %d kernels compared, in %d launches; %d had to have the same bits; %.1f %% of the code ran\n",
            n_kernels - n_never, n_kernels, n_launches, n_exact, 100.0 * (double)n_ran / (double)n_code);
}

bool emu_wants_ptx(void) {
    const char *files = getenv("TN_EMU_PTX");
    if (!files || n_kernels > 0) return files != NULL;
    char *copy = strdup(files), *rest = NULL;
    for (char *file = strtok_r(copy, " ", &rest); file; file = strtok_r(NULL, " ", &rest))
        n_kernels = ptx_read(file, &kernels, n_kernels);
    free(copy);
    if (n_kernels == 0) emu_stop("TN_EMU_PTX: no kernel in %s", files);
    atexit(report);
    return true;
}

/* Kernels of this name; of templates in a header, one per file. */
static int find(const char *in, ptx_kernel *found[MOST_SAME]) {
    int n = 0;
    const char *start = strstr(in, "K = ");
    char *name = ptx_plain_name(start ? start + strlen("K = ") : in);
    name[strcspn(name, "];")] = '\0';
    for (int i = 0; i < n_kernels; i++)
        if (strcmp(kernels[i].name, name) == 0 && n < MOST_SAME) found[n++] = &kernels[i];
    if (n == 0) emu_stop("PTX: kernel %s is in none of the files", name);
    free(name);
    return n;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void add_memory(const emu_pointer *p, memories *m) {
    ptx_memory x = {.is_written = p->is_written};
    if (!emu_allocation(p->at, &x.at, &x.n_bytes)) emu_stop("PTX: an argument points to no device memory");
    int i = 0;
    while (i < m->n && m->of[i].at != x.at) i++;
    if (i == MOST_MEMORIES) emu_stop("PTX: a launch with too much memory");
    if (i == m->n) {
        m->of[m->n] = x;
        m->element_bytes[m->n++] = 0;
    }
    if (!p->is_written) return;
    if (m->of[i].is_written && m->element_bytes[i] != p->element_bytes && m->element_bytes[i] != 0)
        emu_stop("PTX: a kernel writes memory as two types");
    m->of[i].is_written = true;
    m->element_bytes[i] = p->element_bytes;
}
static contents copied(const memories *m) {
    contents c = {{NULL}};
    for (int i = 0; i < m->n; i++) {
        if (!m->of[i].is_written) continue;
        c.of[i] = malloc(m->of[i].n_bytes + 1);
        if (!c.of[i]) emu_stop("no memory");
        memcpy(c.of[i], m->of[i].at, m->of[i].n_bytes);
    }
    return c;
}
static void restore(const memories *m, const contents *c) {
    for (int i = 0; i < m->n; i++)
        if (c->of[i]) memcpy(m->of[i].at, c->of[i], m->of[i].n_bytes);
}
static void forget(contents *c) {
    for (int i = 0; i < MOST_MEMORIES; i++) free(c->of[i]);
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static double number(const char *at, int bytes) {
    uint64_t bits = 0;
    float narrow;
    double wide;
    memcpy(&bits, at, (size_t)bytes);
    if (bytes == 8) {
        memcpy(&wide, &bits, sizeof wide);
        return wide;
    }
    if (bytes == 2) bits <<= 16; /* bf16 */
    memcpy(&narrow, &bits, sizeof narrow);
    return (double)narrow;
}
/* The largest absolute value of g++'s numbers that either of the two has changed. */
static double largest(size_t n, int bytes, const char *before, const char *gcc, const char *nvcc) {
    double most = 0;
    for (size_t i = 0; i + (size_t)bytes <= n; i += (size_t)bytes) {
        if (memcmp(before + i, gcc + i, (size_t)bytes) == 0 && memcmp(before + i, nvcc + i, (size_t)bytes) == 0)
            continue;
        double x = fabs(number(gcc + i, bytes));
        if (x > most && x <= HUGE_VAL) most = x;
    }
    return most;
}
/* near, relative: how far numbers may be from each other. */
static void compare_numbers(const ptx_kernel *k, size_t n, int bytes, const char *gcc, const char *nvcc, double near,
                            double relative) {
    for (size_t i = 0; i < n; i += (size_t)bytes) {
        double a = number(gcc + i, bytes), b = number(nvcc + i, bytes), room = near + relative * fabs(a);
        if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= room) continue;
        emu_stop("PTX: %s: %s: number %zu of %zu: g++ has %.9g, nvcc %.9g, which may differ by %.2g", k->file, k->name,
                 i / (size_t)bytes, n / (size_t)bytes, a, b, room);
    }
}
static void compare(const ptx_kernel *k, const memories *m, const contents *before, const contents *by_nvcc) {
    bool exact = !approximate && !k->is_fused;
    double step = 0;
    for (int pass = 0; pass < 2; pass++) /* bf16 first, then what is added up of it */
        for (int i = 0; i < m->n; i++) {
            size_t n = m->of[i].n_bytes;
            int bytes = m->element_bytes[i];
            const char *gcc = m->of[i].at, *nvcc = by_nvcc->of[i];
            if (!nvcc || (bytes == 2) != (pass == 0)) continue;
            if (n % (size_t)bytes != 0) emu_stop("PTX: memory that ends within a number");
            double most = exact ? 0 : largest(n, bytes, before->of[i], gcc, nvcc);
            if (pass == 0) step = fmax(step, most * STEP);
            double near = bytes == 8 ? NEAR_DOUBLE * most : NEAR * most + (pass == 0 ? 0 : step);
            compare_numbers(k, n, bytes, gcc, nvcc, near, pass == 0 && !exact ? STEP : 0);
        }
}

/* --- a launch ----------------------------------------------------------------------------------------------------- */

static void run_ptx(const emu_launch *l, const ptx_kernel *k, const memories *m) {
    bool same = k->n_parameters == l->n_arguments;
    for (int i = 0; same && i < l->n_arguments; i++) same = (size_t)k->parameters[i].bytes == l->argument_bytes[i];
    if (!same) emu_stop("PTX: %s: %s: g++ has other parameters", k->file, k->name);
    ptx_run(k, l->grid, l->block, l->arguments, m->of, m->n);
}

void emu_compare(const emu_launch *l) {
    ptx_kernel *same[MOST_SAME];
    int n_same = find(l->kernel, same);
    memories m = {.n = 0};
    for (int i = 0; i < l->n_pointers; i++) add_memory(&l->pointers[i], &m);
    contents before = copied(&m), by_nvcc[MOST_SAME];
    for (int i = 0; i < n_same; i++) {
        run_ptx(l, same[i], &m);
        by_nvcc[i] = copied(&m);
        restore(&m, &before);
    }
    approximate = false;
    l->run(l->context);
    for (int i = 0; i < n_same; i++) {
        compare(same[i], &m, &before, &by_nvcc[i]);
        same[i]->n_compared++;
        n_exact += !approximate && !same[i]->is_fused;
        n_launches++;
        forget(&by_nvcc[i]);
    }
    forget(&before);
}
