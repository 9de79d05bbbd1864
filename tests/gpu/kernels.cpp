/*
 * kernels.cpp - runs the threads of a block as coroutines. A coroutine takes one thread after another, as long as they end; only one
 * that waits at a barrier keeps its stack. So kernels without barriers cost little more than a loop.
 */
#include "kernels.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define ASAN_START(save, stack, n)  __sanitizer_start_switch_fiber(save, stack, n)
#define ASAN_FINISH(save, stack, n) __sanitizer_finish_switch_fiber(save, stack, n)
#else
#define ASAN_START(save, stack, n)  (void)0
#define ASAN_FINISH(save, stack, n) (void)0
#endif

/* Save this stack in *from and go on with the other one. As swapcontext, without its two system calls; x86-64 alone. */
extern "C" void emu_switch(void **from, void *to);
__asm__(".text\n"
        ".globl emu_switch\n"
        "emu_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp, (%rdi)\n"
        "mov %rsi, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\n"
        "pop %rcx\njmp *%rcx\n"); /* not ret: the processor would predict a return to the caller, and be wrong each time */

extern "C" cudaError_t emu_launch_error(void);
extern "C" char __start_emu_shared[], __stop_emu_shared[];

namespace emu {
place here;

namespace {
enum { STACK_BYTES = 128 << 10, MOST_THREADS = 1024 };
struct coroutine {
    void *at; /* its stack, while another one runs */
    std::vector<char> stack;
    unsigned thread; /* the one that it runs, or that waits */
    dim3 thread_at;
    int line; /* of the barrier where it waits */
    void *fake_stack;
};
struct block {
    const std::function<void()> *body;
    unsigned n, next, n_ended; /* threads: all, begun, ended */
    std::vector<unsigned> order;
};
/* Never destroyed: what they hold at the end is no leak. */
std::vector<coroutine *> &idle = *new std::vector<coroutine *>, &waiting = *new std::vector<coroutine *>;
block now;
coroutine *current;
void *scheduler;
[[maybe_unused]] const void *scheduler_stack;
[[maybe_unused]] size_t scheduler_bytes;
[[maybe_unused]] void *scheduler_fake;
uint64_t random_state = 1;

uint32_t random_number() {
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33);
}
template <class T> void shuffle(std::vector<T> &x) {
    for (size_t i = x.size(); i > 1; i--) std::swap(x[i - 1], x[random_number() % i]);
}

void to_scheduler() {
    coroutine *me = current;
    ASAN_START(&me->fake_stack, scheduler_stack, scheduler_bytes);
    emu_switch(&me->at, scheduler);
    ASAN_FINISH(me->fake_stack, &scheduler_stack, &scheduler_bytes);
}
void to_coroutine(coroutine *c) {
    current = c;
    here.stack = c->stack.data();
    here.stack_bytes = c->stack.size();
    ASAN_START(&scheduler_fake, c->stack.data(), c->stack.size());
    emu_switch(&scheduler, c->at);
    ASAN_FINISH(scheduler_fake, nullptr, nullptr);
    current = nullptr;
}
void set_thread(const coroutine *c) {
    here.thread = c->thread;
    here.thread_at = c->thread_at;
}
/* A coroutine's life: threads until none is left to begin, then idle. */
void live() {
    ASAN_FINISH(nullptr, &scheduler_stack, &scheduler_bytes);
    for (;;) {
        while (now.next < now.n) {
            unsigned i = current->thread = now.order[now.next++], row = i / here.block.x;
            current->thread_at = dim3(i % here.block.x, row % here.block.y, row / here.block.y);
            set_thread(current);
            (*now.body)();
            now.n_ended++;
        }
        idle.push_back(current);
        to_scheduler();
    }
}
coroutine *one_more() {
    if (!idle.empty()) {
        coroutine *c = idle.back();
        idle.pop_back();
        return c;
    }
    coroutine *c = new coroutine();
    c->stack.resize(STACK_BYTES);
    enum { REGISTERS = 6 };
    uintptr_t top = (uintptr_t)(c->stack.data() + c->stack.size()) & ~(uintptr_t)15;
    void **first =
        (void **)top - 2; /* the address that emu_switch returns to; above it, where `live` never returns to */
    first[0] = (void *)live;
    first[1] = nullptr;
    for (int i = 1; i <= REGISTERS; i++) first[-i] = nullptr;
    c->at = first - REGISTERS;
    return c;
}

void run_block() {
    memset(__start_emu_shared, 0xFF, (size_t)(__stop_emu_shared - __start_emu_shared));
    now.next = now.n_ended = 0;
    here.block_number++;
    here.round = 0;
    while (now.n_ended < now.n) {
        while (now.next < now.n) to_coroutine(one_more());
        if (waiting.empty()) break;
        if (now.n_ended > 0)
            emu_stop("__syncthreads: %zu threads wait for %u that have ended", waiting.size(), now.n_ended);
        std::vector<coroutine *> go;
        go.swap(waiting);
        for (coroutine *c : go)
            if (c->line != go[0]->line)
                emu_stop("%s: threads of a block wait at different barriers, of lines %d and %d", here.kernel, c->line,
                         go[0]->line);
        shuffle(go);
        here.round++;
        for (coroutine *c : go) {
            set_thread(c);
            to_coroutine(c);
        }
    }
}
} // namespace

void barrier(int line) {
    current->line = line;
    waiting.push_back(current);
    to_scheduler();
}

void run(const char *kernel, dim3 grid, dim3 block, const std::function<void()> &thread) {
    unsigned n = block.x * block.y * block.z;
    if (n == 0 || n > MOST_THREADS || grid.x == 0 || grid.y == 0 || grid.y > 65535 || grid.z != 1)
        emu_stop("a launch of %u x %u blocks of %u threads", grid.x, grid.y, n);
    here.grid = grid;
    here.block = block;
    here.kernel = kernel;
    if (emu_on_kernel) emu_on_kernel(kernel, (int64_t)grid.x * grid.y);
    here.launch++;
    here.first_block = here.block_number + 1;
    now.body = &thread;
    now.n = n;
    now.order.resize(n);
    for (unsigned i = 0; i < n; i++) now.order[i] = i;
    shuffle(now.order);
    for (unsigned y = 0; y < grid.y; y++)
        for (unsigned x = 0; x < grid.x; x++) {
            if (emu_on_block && !emu_on_block((int64_t)y * grid.x + x)) continue;
            here.block_at = dim3(x, y, 0);
            run_block();
        }
    here.kernel = nullptr;
}

/* TN_EMU_LAUNCHES=FILE: at the end of the process, lines "KERNEL THREADS" with the most threads of a block. */
void launched(const char *name, dim3 block) {
    static std::map<std::string, unsigned> *most;
    if (!getenv("TN_EMU_LAUNCHES")) return;
    if (!most) {
        most = new std::map<std::string, unsigned>();
        atexit([] {
            FILE *f = fopen(getenv("TN_EMU_LAUNCHES"), "w");
            if (!f) emu_stop("TN_EMU_LAUNCHES cannot be written");
            for (const auto &kernel : *most) fprintf(f, "%s %u\n", kernel.first.c_str(), kernel.second);
            fclose(f);
        });
    }
    std::string base(name + strspn(name, "("));
    unsigned &n = (*most)[base.substr(0, base.find_first_of("<) "))];
    n = std::max(n, block.x * block.y * block.z);
}

void queue(cudaStream_t s, std::function<void()> *work) {
    if (random_state == 1 && getenv("TN_EMU_SEED")) random_state += (uint64_t)atoi(getenv("TN_EMU_SEED")) * 2;
    if (emu_launch_error() != cudaSuccess) {
        delete work;
        return;
    }
    emu_queue(
        s,
        [](void *context) {
            std::function<void()> *f = static_cast<std::function<void()> *>(context);
            (*f)();
            delete f;
        },
        work);
}
} // namespace emu
