/*
 * test_gpu_dev.c - every operation of the device `cuda` on the emulated GPU against ref, fp32 and bf16: tests/op/test_dev.c for this device. Both
 * get the same arrays, in unified memory. Products are added one by one in float32, in a random order: hence more room.
 */
#define DEVICE       TN_DEVICE_CUDA
#define CHANNELS     8
#define ROOM         4
#define MOST_THREADS 1 /* of the host: the device does not use them */
#ifndef SEEDS
#define SEEDS 3
#endif
#define main main_of_cpu /* has its own */
#include "op/test_dev.c"
#undef main

int main(void) {
    setenv("TN_EMU_UNIFIED", "1", 1);
    if (tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_FP32, &ref) != TN_OK) return 1;
    int failed = 0;
    const char *seed[] = {"0", "1", "2"}; /* of the order of threads and sums */
    for (int i = 0; i < SEEDS; i++) {
        setenv("TN_EMU_SEED", seed[i], 1);
        failed += all_of_isa(TN_ISA_PLAIN);
    }
    tn_dev_close(&ref);
    return failed;
}
