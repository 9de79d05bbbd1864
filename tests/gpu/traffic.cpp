/*
 * traffic.cpp - see traffic.h.
 *
 * Instructions are estimated: 50 of each thread (indices, addresses), 6 for each exponential (a sigmoid in its short form), 3 for each 8
 * bytes that are loaded or stored (the load, a product, a conversion); 4 for each byte of depthwise gradients. That is 104 in a thread of
 * read_grad_kernel; nvcc's PTX for sm_80, followed by hand, has about 110. A strip of a 5 x 5 depthwise weight gradient (stride 1, bf16)
 * has 1,088, and 1,300 in the machine code for sm_90, of which 400 are products.
 */
#include "traffic.h"
#include "access.h"

#include <sys/mman.h>
#include <vector>

namespace {

enum { SECTOR_BYTES = 32, ALIGN = 256, LEAST_BLOCKS = 4 };
constexpr double OF_THREAD = 50, OF_EXP = 6, OF_BYTE = 3.0 / 8;
constexpr size_t ROOM = (size_t)256 << 30; /* addresses, not memory */

/* The launches that read and wrote a sector last. */
struct sector {
    uint32_t read, written;
};
char *memory; /* of the device; never given again */
sector *sectors;
size_t used;

std::vector<emu_work> works;
int parts;
/* Of the kernel that runs: its blocks, and those of the first part; the count of that. */
struct {
    int64_t n, m;
    emu_work first;
    double of_byte;
} now;

/* A thread's strip of 8 pixels: each loaded number has about R products, the address costs as much. */
double instructions_of_byte(const emu_work &w) {
    bool strip = strcmp(w.name, "depthwise_filter_kernel") == 0 || strcmp(w.name, "depthwise_data_kernel") == 0;
    return strip ? 4 : OF_BYTE;
}

void *reserve(size_t n) {
    void *x = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (x == MAP_FAILED) emu_stop("no %zu GiB of addresses", n >> 30);
    return x;
}
emu_work &add(const char *name, size_t n) {
    emu_work w = {};
    snprintf(w.name, sizeof w.name, "%.*s", (int)n, name);
    works.push_back(w);
    return works.back();
}

/* member: of which of the two launches. What is neither device nor shared memory are the arguments of the kernel. */
void access(uintptr_t at, size_t n, uint32_t sector::*member) {
    emu_work &work = works.back();
    size_t offset = at - (uintptr_t)memory;
    if (offset < used) {
        for (size_t i = offset / SECTOR_BYTES; i <= (offset + n - 1) / SECTOR_BYTES; i++) {
            if (sectors[i].*member == emu::here.launch) continue;
            sectors[i].*member = emu::here.launch;
            work.bytes += SECTOR_BYTES;
        }
    } else if (!emu::is_shared(at)) {
        return;
    }
    work.asked += (double)n;
    work.instructions += (double)n * now.of_byte;
}

/* y of the first m blocks, x of these and the second m */
double of_all(double y, double x) {
    return x + (x - y) / (double)now.m * (double)(now.n - 2 * now.m);
}
void extrapolate(emu_work &w) {
    w.bytes = of_all(now.first.bytes, w.bytes);
    w.asked = of_all(now.first.asked, w.asked);
    w.instructions = of_all(now.first.instructions, w.instructions);
}

} // namespace

void emu::read(uintptr_t at, size_t n) {
    access(at, n, &sector::read);
}
void emu::write(uintptr_t at, size_t n) {
    access(at, n, &sector::written);
}

extern "C" {
void *emu_on_malloc(size_t n) {
    if (!memory) {
        memory = static_cast<char *>(reserve(ROOM));
        sectors = static_cast<sector *>(reserve(ROOM / SECTOR_BYTES * sizeof *sectors));
    }
    char *x = memory + used;
    used += (n + ALIGN - 1) / ALIGN * ALIGN;
    if (used > ROOM) emu_stop("more than %zu GiB of device memory", ROOM >> 30);
    return x;
}
void emu_on_free(void *) {}
void emu_on_copy(const char *what, size_t n) {
    add(what, strlen(what)).bytes = (double)n;
}
void emu_on_kernel(const char *name, int64_t n_blocks) {
    name += strspn(name, "(");
    now.of_byte = instructions_of_byte(add(name, strcspn(name, "<)")));
    now.n = n_blocks;
    now.m = parts ? n_blocks / parts : 0;
    if (parts && now.m < LEAST_BLOCKS) now.m = LEAST_BLOCKS;
    if (now.n < 2 * now.m) now.m = now.n; /* all */
}
int emu_on_block(int64_t i) {
    if (i == now.m) now.first = works.back();
    if (i < 2 * now.m) {
        const dim3 &block = emu::here.block;
        works.back().instructions += OF_THREAD * block.x * block.y * block.z;
        return 1;
    }
    if (i == now.n - 1 && now.m > 0) extrapolate(works.back());
    return 0;
}
void emu_on_graph(const char *what, size_t n_bytes, size_t workspace_bytes, double operations) {
    emu_work &w = add(what, strlen(what));
    w.bytes = (double)n_bytes + 2 * (double)workspace_bytes;
    w.operations = operations;
}

float __real_expf(float x);
float __wrap_expf(float x);
float __wrap_expf(float x) {
    if (emu::here.kernel) works.back().instructions += OF_EXP;
    return __real_expf(x);
}

void emu_work_begin(int n_parts) {
    works.clear();
    parts = n_parts;
}
const emu_work *emu_work_list(int *n_out) {
    *n_out = (int)works.size();
    return works.data();
}
}
