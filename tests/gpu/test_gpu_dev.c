/*
 * test_gpu_dev.c - every operation of the device `cuda` against ref, fp32 and bf16: tests/op/test_dev.c for this device.
 *
 *   test_gpu_dev [ORDERS]   on the emulated GPU as many orders of threads and sums, of 3; a real one has its own (tests/gpu/proof)
 *
 * The emulation adds products one by one in float32, in a random order: hence more room.
 */
#define DEVICE       TN_DEVICE_CUDA
#define CHANNELS     8
#define ROOM         4
#define MOST_THREADS 1           /* of the host: the device does not use them */
#define main         main_of_cpu /* has its own */
#include "op/test_dev.c"
#undef main

int main(int argc, char **argv) {
    if (tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_FP32, &ref) != TN_OK) return 1;
    int failed = 0, n_orders = argc > 1 ? atoi(argv[1]) : 3;
    const char *seed[] = {"0", "1", "2"};
    for (int i = 0; i < n_orders && i < 3; i++) {
        setenv("TN_EMU_SEED", seed[i], 1);
        failed += all_of_isa(TN_ISA_PLAIN);
    }
    tn_dev_close(&ref);
    return failed;
}
