# nvcc's PTX of our kernels, run on the CPU beside what g++ makes of them (tests/gpu/ptx.h): the same bits of every kernel, in every
# launch of test_gpu_dev.c. And what it must catch: tests/gpu/bugs.cu.
source=$2
set -eu
[ -n "${TN_GPU_DEV-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
PATH=$PATH:/usr/local/cuda/bin
command -v nvcc >/dev/null || { echo "nvcc is not there" && exit 77; }
mkdir bugs kernels
nvcc -ptx -fmad=false -std=c++17 -O2 -arch=compute_80 -I "$source/src" -odir kernels "$source"/src/dev/cuda/*.cu "$source/tests/gpu/bugs.cu"
mv kernels/bugs.ptx bugs

catches() { # BUG WORDS
    local code=0
    { TN_EMU_PTX=bugs/bugs.ptx "$TN_GPU_BUGS" "$1" >out 2>&1; } 2>/dev/null || code=$?
    [ $code -ge 128 ] && grep -q -- "$2" out || { echo "bug $1: exit code $code" && cat out && exit 1; } >&2
}
passes() { # BUG: which is none for PTX
    TN_EMU_PTX=bugs/bugs.ptx "$TN_GPU_BUGS" "$1" >out 2>&1
    grep -q "^0 wrong" out && grep -q "PTX: 1 of [0-9]* kernels compared, in 1 launches; 1 had to" out || { cat out && exit 1; } >&2
}
passes 0
grep -q "PTX: bugs/bugs.ptx: early_exit was never compared" out
passes 5
catches 1 "no argument points to this memory: a load of 4 bytes"
catches 2 "bar.sync: 8 threads wait for 24 that have ended"
catches 4 "no_barrier, .* another thread uses this memory, with no barrier between"
catches 15 "a_bit: number 17 of 32: g++ has 34, nvcc 34.00000"
catches 16 "a_number: number 31 of 32: g++ has .*, nvcc 62"
catches 17 "not aligned: a load of 8 bytes"
catches 18 "memory behind a pointer to const: a store"
catches 11 "another thread uses this memory, with no barrier between: a store of 4 bytes"
sed "s/mul.rn.f32/mul.rz.f32/; s/add.rn.f32/add.rz.f32/" bugs/bugs.ptx >bugs/unknown.ptx
code=0
{ TN_EMU_PTX=bugs/unknown.ptx "$TN_GPU_BUGS" 0 >out 2>&1; } 2>/dev/null || code=$?
[ $code -ge 128 ] && grep -q "line [0-9]*: the interpreter does not have this instruction .*\.rz\.f32" out

n=$(cat kernels/*.ptx | grep -c '\.entry')
TN_EMU_PTX="$(echo kernels/*.ptx)" "$TN_GPU_DEV" 1 >out 2>&1 || { cat out && exit 1; }
grep "^PTX: " out
grep -q "^PTX: $n of $n kernels compared" out
sed -n 's/.* \([0-9]*\)[0-9.]* % of the code ran$/\1/p' out | grep -q "^9.$"
