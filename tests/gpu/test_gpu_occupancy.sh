# occupancy.awk has the numbers of NVIDIA's occupancy calculator, and complains where it should; with ptxas's words, but without nvcc.
source=$2
set -eu
awk=$source/tests/gpu/occupancy.awk
entry() { # KERNEL REGISTERS SHARED
    printf "ptxas info    : Compiling entry function 'void (anonymous namespace)::%s(long, int)' for 'sm_90'\n    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n" "$1"
    printf 'ptxas info    : Used %d registers, used 1 barriers%s\n' "$2" "${3:+, $3 bytes smem}"
}
occupancy() { # THREADS REGISTERS SHARED WANTED: on sm_90
    echo "k_kernel $1" >launches
    entry "k_kernel<float>" "$2" "$3" >ptxas.90
    awk -f "$awk" launches none ptxas.90 2>/dev/null >table || true
    grep -q "| $4 |\$" table || { echo "$*" && cat table && exit 1; }
}
: >none
occupancy 256 32 "" 100
occupancy 256 40 "" 75
occupancy 256 64 "" 50
occupancy 256 65 "" 37.5
occupancy 256 142 "" 12.5
occupancy 255 32 "" 100 # its last warp has 31 threads
occupancy 32 32 "" 50   # 32 blocks at most
occupancy 1024 32 "" 100
occupancy 256 32 57344 50 # and 1024 bytes more per block
occupancy 256 32 57472 37.5

says() { # WORDS FLOORS: with a kernel of 37.5 % and one of 100 %
    echo "$2" >floors
    ! awk -f "$awk" launches floors ptxas.90 >table 2>log && grep -q -- "$1" log || { echo "not said: $1" && cat log && exit 1; } >&2
}
{ entry "slow_kernel<float, 5, 1>" 72 && entry fast_kernel 20; } >ptxas.90
printf 'slow_kernel 256\nfast_kernel 256\n' >launches
echo "slow_kernel 37.5 for a reason" >floors
awk -f "$awk" launches floors ptxas.90 >table
test "$(grep -c '^| `' table)" = 2
says "slow_kernel<float, 5, 1>, sm_90: occupancy 37.5 %, below 50 %" ""
says "slow_kernel<float, 5, 1>, sm_90: occupancy 37.5 %, below 40 %" "slow_kernel 40 for a reason"
says "slow_kernel: give a reason" "slow_kernel 37.5"
says "slow_kernel: raise its floor" "slow_kernel 25 for a reason"
says "fast_kernel needs no floor" "fast_kernel 25 for a reason"
says "a floor of old_kernel, and there is no such kernel" "old_kernel 25 for a reason"
sed -i 's/0 bytes spill stores/8 bytes spill stores/' ptxas.90
says "slow_kernel<float, 5, 1>, sm_90: registers are kept in memory" "slow_kernel 37.5 for a reason"
echo "fast_kernel 256" >launches
says "slow_kernel<float, 5, 1>: the emulation has not launched it" ""
