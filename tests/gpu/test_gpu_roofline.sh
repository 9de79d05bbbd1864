# What our kernels and cuDNN's graphs must move and compute lets an A100 and an H100 train as fast as wanted: tests/gpu/roofline.c, B1 at 240 px.
set -eu
[ -n "${TN_GPU_ROOFLINE-}" ] || { echo "CUDA's headers or cuDNN are not there, or with sanitizers" && exit 77; }
"$TN_GPU_ROOFLINE" gate efficientnet-b1:240
