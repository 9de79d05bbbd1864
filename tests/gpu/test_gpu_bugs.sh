# The emulation of a GPU catches what a GPU would punish or hide: tests/gpu/bugs.cu.
set -eu
[ -n "${TN_GPU_BUGS-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
program=$TN_GPU_BUGS
export ASAN_OPTIONS=handle_segv=0:detect_leaks=0 # a crash stays one
ends() { # BUG WORDS: a crash, with these words
    local code=0
    { "$program" "$1" >out 2>&1; } 2>/dev/null || code=$?
    [ $code -ge 128 ] && { [ -z "$2" ] || grep -q -- "$2" out; } || { echo "bug $1: exit code $code" && cat out && exit 1; } >&2
}
test "$("$TN_GPU_BUGS" 0)" = "0 wrong"
test "$("$TN_GPU_BUGS" 5)" = "0 wrong"
ends 2 "threads wait for .* that have ended"
ends 3 "a kernel: a host pointer as device memory"
test "$("$TN_GPU_BUGS" 4)" != "0 wrong" # a missing barrier: the other threads have not written yet
ends 6 "a launch of 1 x 1 blocks of 2048 threads"
test "$("$TN_GPU_BUGS" 7)" = "-nan" # what is read before the stream is waited for
ends 8 "" # the host looks into device memory
# one number too many: seen with a sanitizer alone
if ldd "$TN_GPU_BUGS" | grep -q libasan; then
    if "$TN_GPU_BUGS" 1 >out 2>&1; then echo "one number too many is not seen" && exit 1; fi
    grep -q "heap-buffer-overflow" out
fi
ends 14 "two_barriers: threads of a block wait at different barriers, of lines"

# races: the values of the last five are right in any order of threads
[ -n "${TN_GPU_RACES-}" ] || exit 0 # with sanitizers
for bug in 9 10 11 12 13; do test "$("$TN_GPU_BUGS" $bug)" = "0 wrong"; done
program=$TN_GPU_RACES
test "$("$program" 0)" = "0 wrong"
test "$("$program" 5)" = "0 wrong"
ends 4 "no_barrier: thread .* shared memory"
ends 9 "a race: no_barrier_in_a_loop: thread [0-9]* .* what thread [0-9]* .*, with no barrier between, in shared memory, block (0,0)"
ends 10 "a race: no_sync_of_the_warp: thread .* what thread .* in shared memory"
ends 11 "a race: blocks_write_one_place: thread [0-9]* of block (1,0) writes what block (0,0) writes"
ends 12 "a race: blocks_read_and_write: thread [0-9]* of block (2,0) writes what block (0,0) reads"
ends 13 "unwritten<16>.: thread [0-9]* of block (1,0) reads shared memory that nobody wrote"
