/*
 * races.cpp - stops where the order of threads would decide on a GPU: two threads of a block touch the same byte between the same two
 * barriers, or two blocks of a launch the same byte of device memory, and one of them writes; and where shared memory is read that no
 * thread of the block wrote. A warp counts for nothing: its threads need a barrier as any others.
 *
 * It sees the races of the launches that were made, whatever the order in which the emulation ran the threads.
 */
#include "access.h"

namespace {

/* Of a byte: who wrote it last, and who read it. A round of a block ends at a barrier. */
struct event {
    uint32_t block; /* number since the process began; 0 = none */
    uint16_t round, thread;
};
struct cell {
    event write, read;
};
constexpr uint16_t SEVERAL = 0xFFFF;           /* threads */
constexpr uint32_t OTHERS = (uint32_t)1 << 31; /* with the block of a read: other blocks of the launch read, too */
emu::shadow<cell, 0> cells;

using emu::here;

uint32_t block_of(event e) {
    return e.block & ~OTHERS;
}
bool same_round(event e) {
    return block_of(e) == here.block_number && e.round == (uint16_t)here.round;
}
bool other_thread(event e) {
    return same_round(e) && e.thread != here.thread;
}
bool other_block(event e) {
    return block_of(e) >= here.first_block && (e.block & OTHERS || block_of(e) != here.block_number);
}
event this_one(uint32_t others) {
    return {here.block_number | others, (uint16_t)here.round, (uint16_t)here.thread};
}

[[noreturn]] void stop_thread(uintptr_t at, event e, const char *mine, const char *others) {
    char who[32] = "several";
    if (e.thread != SEVERAL) snprintf(who, sizeof who, "%u", e.thread);
    emu_stop("a race: %s: thread %u %s what thread %s %s, with no barrier between, in %s memory, block (%u,%u) of %u "
             "threads",
             here.kernel, here.thread, mine, who, others, emu::is_shared(at) ? "shared" : "device", here.block_at.x,
             here.block_at.y, here.block.x * here.block.y * here.block.z);
}
[[noreturn]] void stop_block(event e, const char *mine, const char *others) {
    unsigned i = block_of(e) - here.first_block;
    if (block_of(e) == here.block_number) /* nobody noted which of the others */
        emu_stop("a race: %s: thread %u of block (%u,%u) %s what another block %s", here.kernel, here.thread,
                 here.block_at.x, here.block_at.y, mine, others);
    emu_stop("a race: %s: thread %u of block (%u,%u) %s what block (%u,%u) %s", here.kernel, here.thread,
             here.block_at.x, here.block_at.y, mine, i % here.grid.x, i / here.grid.x, others);
}

void read_byte(uintptr_t at, bool shared) {
    cell &c = cells.of(at);
    if (other_thread(c.write)) stop_thread(at, c.write, "reads", "wrote");
    if (!shared && other_block(c.write)) stop_block(c.write, "reads", "writes");
    if (shared && c.write.block != here.block_number)
        emu_stop("%s: thread %u of block (%u,%u) reads shared memory that nobody wrote", here.kernel, here.thread,
                 here.block_at.x, here.block_at.y);
    if (same_round(c.read)) {
        if (c.read.thread != here.thread) c.read.thread = SEVERAL;
        return;
    }
    c.read = this_one(other_block(c.read) ? OTHERS : 0);
}
void write_byte(uintptr_t at, bool shared) {
    cell &c = cells.of(at);
    if (other_thread(c.write)) stop_thread(at, c.write, "writes", "wrote");
    if (other_thread(c.read)) stop_thread(at, c.read, "writes", "read");
    if (!shared && other_block(c.write)) stop_block(c.write, "writes", "writes");
    if (!shared && other_block(c.read)) stop_block(c.read, "writes", "reads");
    c.write = this_one(0);
}

} // namespace

void emu::read(uintptr_t at, size_t n) {
    bool shared = emu::is_shared(at);
    for (size_t i = 0; i < n; i++) read_byte(at + i, shared);
}
void emu::write(uintptr_t at, size_t n) {
    bool shared = emu::is_shared(at);
    for (size_t i = 0; i < n; i++) write_byte(at + i, shared);
}
