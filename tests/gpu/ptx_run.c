/*
 * ptx_run.c - threads, barriers and memory. A thread runs until it ends or comes to a barrier; then the next one does, in a shuffled order
 * (TN_EMU_SEED). Blocks run one after another.
 *
 * Races: each two bytes of memory that may be written know who wrote and read them last, and in which epoch. A new epoch begins with each
 * block and after each barrier. Two uses by different threads, one of them a write, must be in different epochs of one block.
 */
#include "emu.h"
#include "ptx.h"

#include <stdlib.h>
#include <string.h>

enum { CELL = 2, MOST_THREADS = 1024, MOST_MEMORIES = 32, MANY = 0xffff };

typedef struct {
    uint16_t writer, reader;          /* threads of a block; or MANY */
    uint32_t write_epoch, read_epoch; /* 0: none */
    bool read_elsewhere;              /* by an earlier block */
} cell;

typedef struct {
    ptx_slot *slots;
    int at; /* the next instruction */
    unsigned number;
} thread;

typedef struct {
    const ptx_kernel *kernel;
    ptx_special place; /* of the thread that runs */
    char *parameters, *shared;
    cell *shared_cells;
    const ptx_memory *memory;
    cell *cells[MOST_MEMORIES];  /* of what is written */
    int n_memory, recent;        /* recent: the memory that was used last */
    uint32_t epoch, first_epoch; /* now, and when the block began */
    unsigned n_threads, n_ended, n_waiting;
    unsigned order[MOST_THREADS];
    thread *waiting[MOST_THREADS], *idle[MOST_THREADS];
    unsigned n_idle;
    uint64_t random;
} machine;

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void stop(const machine *m, const ptx_instruction *i, const char *what, uint64_t address) {
    emu_stop("%s, line %d: %s, block (%u, %u), thread (%u, %u): %s: %s of %d bytes at %#llx", m->kernel->file, i->line,
             m->kernel->name, m->place.block_at[0].u32, m->place.block_at[1].u32, m->place.tid[0].u32,
             m->place.tid[1].u32, what, i->kind == PTX_LOAD ? "a load" : "a store",
             i->bytes * (i->kind == PTX_LOAD ? i->n_to : i->n_from - 1), (unsigned long long)address);
}

static bool is_race(const machine *m, const cell *c, unsigned me, bool write) {
    if (c->write_epoch > 0 && (c->write_epoch < m->first_epoch || (c->write_epoch == m->epoch && c->writer != me)))
        return true;
    if (!write) return false;
    return c->read_elsewhere || (c->read_epoch > 0 && c->read_epoch < m->first_epoch) ||
           (c->read_epoch == m->epoch && c->reader != me);
}
static void touch(const machine *m, const ptx_instruction *i, unsigned me, cell *c, int n, uint64_t address) {
    bool write = i->kind == PTX_STORE;
    for (; n > 0; n -= CELL, c++) {
        if (is_race(m, c, me, write)) stop(m, i, "another thread uses this memory, with no barrier between", address);
        if (write) {
            c->writer = (uint16_t)me;
            c->write_epoch = m->epoch;
        } else {
            c->read_elsewhere |= c->read_epoch > 0 && c->read_epoch < m->first_epoch;
            c->reader = (uint16_t)(c->read_epoch == m->epoch && c->reader != me ? (unsigned)MANY : me);
            c->read_epoch = m->epoch;
        }
    }
}

static char *global_memory(machine *m, const ptx_instruction *i, unsigned me, uint64_t address, int n) {
    for (int tried = 0; tried < m->n_memory; tried++) {
        const ptx_memory *x = &m->memory[m->recent];
        uint64_t at = address - (uint64_t)(uintptr_t)x->at;
        if (at < x->n_bytes && at + (uint64_t)n <= x->n_bytes) {
            if (i->kind == PTX_STORE && !x->is_written) stop(m, i, "memory behind a pointer to const", address);
            if (x->is_written) touch(m, i, me, &m->cells[m->recent][at / CELL], n, address);
            return x->at + at;
        }
        m->recent = (m->recent + 1) % m->n_memory;
    }
    stop(m, i, "no argument points to this memory", address);
    return NULL;
}
static char *memory_of(machine *m, const ptx_instruction *i, const thread *t, int n) {
    uint64_t address = t->slots[i->from[0]].u64 + (uint64_t)i->offset;
    if (address % (unsigned)n != 0) stop(m, i, "not aligned", address);
    if (i->space == PTX_GLOBAL) return global_memory(m, i, t->number, address, n);
    bool shared = i->space == PTX_SHARED;
    address = (uint32_t)address;
    if (address + (unsigned)n > (unsigned)(shared ? m->kernel->shared_bytes : m->kernel->parameter_bytes))
        stop(m, i, shared ? "outside of shared memory" : "outside of the parameters", address);
    if (!shared) return m->parameters + address;
    touch(m, i, t->number, &m->shared_cells[address / CELL], n, address);
    return m->shared + address;
}

static void load(machine *m, const ptx_instruction *i, thread *t) {
    const char *from = memory_of(m, i, t, i->bytes * i->n_to);
    int unused = 64 - 8 * i->bytes;
    for (int k = 0; k < i->n_to; k++) {
        uint64_t x = 0;
        memcpy(&x, from + k * i->bytes, (size_t)i->bytes); /* the low bytes come first, here as on a GPU */
        if (i->is_signed) x = (uint64_t)((int64_t)(x << unused) >> unused);
        t->slots[i->to[k]].u64 = x;
    }
}
static void store(machine *m, const ptx_instruction *i, const thread *t) {
    int n = i->n_from - 1;
    char *to = memory_of(m, i, t, i->bytes * n);
    for (int k = 0; k < n; k++) memcpy(to + k * i->bytes, &t->slots[i->from[k + 1]], (size_t)i->bytes);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Until the thread ends, or waits: true. */
static bool run_thread(machine *m, thread *t) {
    m->place.tid[0].u64 = t->slots[0].u64;
    m->place.tid[1].u64 = t->slots[1].u64;
    const ptx_instruction *code = m->kernel->code;
    bool *ran = m->kernel->ran;
    ptx_slot *slots = t->slots;
    for (int at = t->at;; at++) {
        const ptx_instruction *i = &code[at];
        if (i->guard >= 0 && (slots[i->guard].u64 != 0) == i->unless) continue;
        ran[at] = true;
        switch (i->kind) {
        case PTX_COMPUTE:
            i->compute(slots, i);
            break;
        case PTX_LOAD:
            load(m, i, t);
            break;
        case PTX_STORE:
            store(m, i, t);
            break;
        case PTX_BRANCH:
            at = i->target - 1;
            break;
        case PTX_BARRIER:
            t->at = at + 1;
            return true;
        case PTX_END:
            return false;
        }
    }
}

static thread *begin_thread(machine *m, unsigned number) {
    thread *t = m->n_idle > 0 ? m->idle[--m->n_idle] : calloc(1, sizeof *t);
    size_t n_bytes = (size_t)m->kernel->n_slots * sizeof *t->slots;
    if (t && !t->slots) t->slots = malloc(n_bytes);
    if (!t || !t->slots) emu_stop("no memory");
    unsigned x = m->place.block[0].u32, y = m->place.block[1].u32;
    memcpy(t->slots, m->kernel->slots, n_bytes);
    memcpy(t->slots, &m->place, sizeof m->place);
    t->slots[0].u64 = number % x;
    t->slots[1].u64 = number / x % y;
    t->slots[2].u64 = number / (x * y);
    t->number = number;
    t->at = 0;
    return t;
}
/* Runs a thread, and files it. */
static void run_and_file(machine *m, thread *t) {
    if (run_thread(m, t)) {
        m->waiting[m->n_waiting++] = t;
    } else {
        m->idle[m->n_idle++] = t;
        m->n_ended++;
    }
}

static unsigned random_below(machine *m, unsigned n) {
    m->random = m->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(m->random >> 33) % n;
}
static void check_barrier(const machine *m) {
    const ptx_instruction *i = &m->kernel->code[m->waiting[0]->at - 1];
    if (m->n_ended > 0)
        emu_stop("%s, line %d: %s: bar.sync: %u threads wait for %u that have ended", m->kernel->file, i->line,
                 m->kernel->name, m->n_waiting, m->n_ended);
    for (unsigned k = 1; k < m->n_waiting; k++)
        if (m->waiting[k]->at != m->waiting[0]->at)
            emu_stop("%s, line %d: %s: bar.sync: threads wait at different ones", m->kernel->file, i->line,
                     m->kernel->name);
}
static void run_block(machine *m) {
    size_t n_shared = (size_t)m->kernel->shared_bytes;
    memset(m->shared, 0xff, n_shared);
    memset(m->shared_cells, 0, (n_shared / CELL + 1) * sizeof *m->shared_cells);
    m->first_epoch = ++m->epoch;
    m->n_ended = m->n_waiting = 0;
    for (unsigned i = 0; i < m->n_threads; i++) run_and_file(m, begin_thread(m, m->order[i]));
    while (m->n_waiting > 0) {
        thread *go[MOST_THREADS];
        unsigned n = m->n_waiting;
        check_barrier(m);
        memcpy(go, m->waiting, n * sizeof(thread *));
        m->n_waiting = 0;
        m->epoch++;
        for (; n > 0; n--) {
            unsigned k = random_below(m, n);
            run_and_file(m, go[k]);
            go[k] = go[n - 1];
        }
    }
}

/* --- a launch ----------------------------------------------------------------------------------------------------- */

static void *zeros(size_t n, size_t each) {
    void *x = calloc(n + 1, each);
    if (!x) emu_stop("no memory");
    return x;
}
static void shuffle_threads(machine *m) {
    for (unsigned i = 0; i < m->n_threads; i++) {
        unsigned k = random_below(m, i + 1);
        m->order[i] = m->order[k];
        m->order[k] = i;
    }
}
static machine *begin(const ptx_kernel *kernel, const unsigned grid[3], const unsigned block[3], void *const *arguments,
                      const ptx_memory *memory, int n_memory) {
    machine *m = zeros(1, sizeof *m);
    m->kernel = kernel;
    for (int k = 0; k < 3; k++) m->place.grid[k].u64 = grid[k], m->place.block[k].u64 = block[k];
    m->n_threads = block[0] * block[1] * block[2];
    if (m->n_threads > MOST_THREADS || n_memory > MOST_MEMORIES) emu_stop("%s: a launch too large", kernel->name);
    m->parameters = zeros((size_t)kernel->parameter_bytes, 1);
    for (int k = 0; k < kernel->n_parameters; k++)
        memcpy(m->parameters + kernel->parameters[k].at, arguments[k], (size_t)kernel->parameters[k].bytes);
    m->shared = zeros((size_t)kernel->shared_bytes, 1);
    m->shared_cells = zeros((size_t)kernel->shared_bytes / CELL, sizeof *m->shared_cells);
    m->memory = memory;
    m->n_memory = n_memory;
    for (int k = 0; k < n_memory; k++)
        if (memory[k].is_written) m->cells[k] = zeros(memory[k].n_bytes / CELL, sizeof(cell));
    const char *seed = getenv("TN_EMU_SEED");
    m->random = 1 + (seed ? (uint64_t)atoi(seed) : 0); /* NOLINT: no error to see */
    shuffle_threads(m);
    return m;
}
static void end(machine *m) {
    for (; m->n_idle > 0; m->n_idle--) {
        free(m->idle[m->n_idle - 1]->slots);
        free(m->idle[m->n_idle - 1]);
    }
    for (int k = 0; k < m->n_memory; k++) free(m->cells[k]);
    free(m->shared_cells);
    free(m->shared);
    free(m->parameters);
    free(m);
}

void ptx_run(const ptx_kernel *kernel, const unsigned grid[3], const unsigned block[3], void *const *arguments,
             const ptx_memory *memory, int n_memory) {
    machine *m = begin(kernel, grid, block, arguments, memory, n_memory);
    for (unsigned y = 0; y < grid[1]; y++)
        for (unsigned x = 0; x < grid[0]; x++) {
            m->place.block_at[0].u64 = x;
            m->place.block_at[1].u64 = y;
            run_block(m);
        }
    end(m);
}
