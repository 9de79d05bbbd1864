/* test_gpu_golden.c - whole small nets on the emulated GPU against PyTorch in double precision: tests/op/test_golden.c for this device. */
#define GOLDEN_DEVICES                                                                                                 \
    { TN_DEVICE_CUDA }
#define GOLDEN_DEVICE TN_DEVICE_CUDA
#define GOLDEN_ROOM   2 /* the emulation adds products one by one in float32, which is worse than any GPU */
#include "op/test_golden.c"
