# The emulation of a GPU catches what a GPU would punish or hide: tests/gpu/bugs.cu.
set -eu
[ -n "${TN_GPU_BUGS-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
export ASAN_OPTIONS=handle_segv=0:detect_leaks=0 # a crash stays one
ends() { # BUG WORDS: a crash, with these words
    local code=0
    { "$TN_GPU_BUGS" "$1" >out 2>&1; } 2>/dev/null || code=$?
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
