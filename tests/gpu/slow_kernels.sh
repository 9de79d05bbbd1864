# nvcc compiles our kernels for every kind of GPU without a warning, none of them keeps registers in memory, and enough warps of each fit on a
# processor (occupancy.awk). The objects use no symbol that the real libraries lack. Prints the table of results/published/gpu-occupancy.md.
source=$2
set -eu
PATH=$PATH:/usr/local/cuda/bin
command -v nvcc >/dev/null || { echo "nvcc is not there" && exit 77; }
[ -n "${TN_GPU_DEV-}" ] || { echo "cuDNN is not there" && exit 77; }
. "$source/tests/gpu/symbols.sh"
TN_EMU_LAUNCHES=$PWD/launches "$TN_GPU_DEV" >log 2>&1 || { cat log && exit 1; }
for arch in 80 90 100; do
    : >ptxas.$arch
    for file in "$source"/src/dev/cuda/*.cu; do
        object=$(basename "$file" .cu).$arch.o
        nvcc -std=c++17 -O2 -I "$source/src" -gencode "arch=compute_$arch,code=sm_$arch" -Xptxas -v,-warn-spills,-Werror -Werror all-warnings \
            -c "$file" -o "$object" >log 2>&1 || { cat log && exit 1; }
        c++filt <log >>ptxas.$arch
    done
done
missing_symbols ./*.90.o
awk -f "$source/tests/gpu/occupancy.awk" launches "$source/tests/gpu/occupancy_floors" ptxas.80 ptxas.90 ptxas.100
