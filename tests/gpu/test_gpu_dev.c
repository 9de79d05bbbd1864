/*
 * test_gpu_dev.c - every operation of the device `cuda` on the emulated GPU against ref, fp32 and bf16: tests/op/test_dev.c for this device. Both
 * get the same arrays, in unified memory of the emulated GPU. Products are added one by one in float32, in a random order: hence more room.
 */
#define DEVICE   TN_DEVICE_CUDA
#define CHANNELS 8
#define ROOM     4
#define THREADS  1
#define main     main_of_cpu /* has its own */
#include "op/test_dev.c"
#undef main

/* ref's arrays, too: PTX (TN_EMU_PTX) may use nothing but the GPU's memory. */
static float *alloc(tn_dev *dev, int64_t n) {
    (void)dev;
    return cpu->op->alloc(cpu, n);
}
static void dealloc(tn_dev *dev, float *x) {
    (void)dev;
    cpu->op->free(cpu, x);
}

int main(void) {
    setenv("TN_EMU_UNIFIED", "1", 1);
    if (tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_FP32, &ref) != TN_OK) return 1;
    tn_dev_table table = *ref->op;
    const tn_dev_table *whole = ref->op;
    table.alloc = alloc;
    table.free = dealloc;
    ref->op = &table;
    int failed = 0;
    const char *only = getenv("TN_EMU_SEED"), *seed[] = {"0", "1", "2"}; /* of the order of threads and sums */
    for (int i = 0; i < (only ? 1 : 3); i++) {
        setenv("TN_EMU_SEED", only ? only : seed[i], 1);
        failed += all_of_isa(TN_ISA_PLAIN);
    }
    ref->op = whole;
    tn_dev_close(&ref);
    return failed;
}
