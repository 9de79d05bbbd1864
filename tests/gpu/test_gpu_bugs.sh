# The emulation of a GPU catches what a GPU would punish or hide: tests/gpu/bugs.cu.
set -eu
[ -n "${TN_GPU_BUGS-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
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
"$TN_GPU_BUGS" 1 >out 2>&1 || grep -q "heap-buffer-overflow" out
