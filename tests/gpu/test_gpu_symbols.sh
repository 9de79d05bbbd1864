# What can be said of src/dev/cuda without a GPU: the real libraries have every function that it calls, and none of these is deprecated. The
# gates see one planted call of each kind.
source=$2
set -eu
[ -n "${TN_CUDNN-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
. "$source/tests/gpu/symbols.sh"
compile() { # FILE: to an object here
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c17 -D_GNU_SOURCE -DCUDNN_WARN_DEPRECATED -Wall -Wextra -Werror -Werror=deprecated-declarations -I "$source/src" \
        -isystem "$TN_CUDA_INCLUDE" $TN_MPI_INCLUDE -c "$1" -o "$(basename "$1" .c).o"
}
for file in "$source"/src/dev/cuda/*.c; do
    case $file in */absent.c) ;; *) compile "$file" ;; esac
done
missing_symbols ./*.o
test "$(wc -l <called)" -ge 25 # what conv.c, cuda.c and graph.c call

cat >planted.c <<'C'
#include <cudnn.h>
int cudnnOfNoVersion(void);
int planted(cudnnHandle_t h);
int planted(cudnnHandle_t h) {
    return cudnnOfNoVersion() + (int)cudnnSetStream(h, 0);
}
C
compile planted.c
if missing_symbols ./*.o >missing; then echo "a missing function is not seen" && exit 1; fi
test "$(cat missing)" = cudnnOfNoVersion

cat >deprecated.c <<'C'
#include <cudnn.h>
int deprecated(cudnnHandle_t h, cudnnTensorDescriptor_t t, cudnnFilterDescriptor_t f, cudnnConvolutionDescriptor_t c);
int deprecated(cudnnHandle_t h, cudnnTensorDescriptor_t t, cudnnFilterDescriptor_t f, cudnnConvolutionDescriptor_t c) {
    return (int)cudnnConvolutionForward(h, h, t, h, f, h, c, CUDNN_CONVOLUTION_FWD_ALGO_GEMM, h, 0, h, t, h);
}
C
if compile deprecated.c 2>log; then echo "a deprecated call is not seen" && exit 1; fi
grep -q "cudnnConvolutionForward.* is deprecated" log
