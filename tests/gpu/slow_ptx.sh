# test_gpu_ptx.sh for PTX as it is shipped, where a*b+c may be one operation, for every kind of GPU and three orders of threads; and
# whole nets.
source=$2
set -eu
[ -n "${TN_GPU_DEV-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
PATH=$PATH:/usr/local/cuda/bin
command -v nvcc >/dev/null || { echo "nvcc is not there" && exit 77; }
for arch in 80 90 100; do
    mkdir $arch
    nvcc -ptx -std=c++17 -O2 -arch=compute_$arch -I "$source/src" -odir $arch "$source"/src/dev/cuda/*.cu
    n=$(cat $arch/*.ptx | grep -c '\.entry')
    TN_EMU_PTX="$(echo $arch/*.ptx)" "$TN_GPU_DEV" >out 2>&1 || { cat out && exit 1; }
    grep "^PTX: $n of $n kernels compared" out || { grep "^PTX: " out && exit 1; }
done
TN_EMU_PTX="$(echo 90/*.ptx)" "$TN_GPU_GOLDEN" >out 2>&1 || { cat out && exit 1; }
tail -n 1 out
