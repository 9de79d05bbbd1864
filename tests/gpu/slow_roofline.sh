# The tables of results/published/gpu-roofline.md: B1 with lanes of several sizes, B0 and B4. And that a sample of blocks says what all blocks say.
set -eu
[ -n "${TN_GPU_ROOFLINE-}" ] || { echo "CUDA's headers or cuDNN are not there, or with sanitizers" && exit 77; }
"$TN_GPU_ROOFLINE" check efficientnet-b1:240
"$TN_GPU_ROOFLINE" table efficientnet-b1:240 efficientnet-b0:224 efficientnet-b4:380
"$TN_GPU_ROOFLINE" gate efficientnet-b2:260 >log 2>&1 && echo "a larger net passes the gate of B1" && exit 1
grep -q "MB are moved per image" log
