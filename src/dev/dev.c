/* dev.c - the registration of devices: the only place that knows them by name. */
#include "dev/dev.h"

#include "dev/cpu/cpu.h"
#include "dev/ref/ref.h"

#include <stdlib.h>

tn_isa tn_isa_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_supports("avx512bf16") ? TN_ISA_AVX512_BF16 : TN_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return TN_ISA_AVX2;
#endif
    return TN_ISA_PLAIN;
}

const char *tn_isa_name(tn_isa isa) {
    static const char *const NAME[] = {"plain", "avx2", "avx512", "avx512_bf16"};
    return NAME[isa];
}

const char *tn_dev_library(void) {
    return tn_cpu_library();
}

tn_status tn_dev_open(tn_device_kind kind, int n_threads, tn_isa isa, tn_precision precision, tn_dev **out) {
    if (n_threads < 1) return tn_fail(TN_EARG, "%d threads for a device: give 1 or more", n_threads);
    if (isa > tn_isa_best())
        return tn_fail(TN_EARG, "this processor has no %s: its best is %s", tn_isa_name(isa),
                       tn_isa_name(tn_isa_best()));
    if (kind == TN_DEVICE_REF && precision != TN_FP32)
        return tn_fail(TN_EARG, "the device `ref` computes in fp32 only: set train.precision = \"fp32\"");
    tn_dev *dev = calloc(1, sizeof *dev);
    if (!dev) return tn_fail_memory(sizeof *dev, "the device");
    dev->n_threads = n_threads;
    dev->isa = isa;
    dev->precision = precision;
    tn_status st = TN_OK;
    switch (kind) {
    case TN_DEVICE_REF:
        dev->op = &tn_ref_table;
        break;
    case TN_DEVICE_CPU:
        st = tn_cpu_begin(dev);
        break;
    }
    if (st == TN_OK)
        *out = dev;
    else
        free(dev);
    return st;
}

void tn_dev_close(tn_dev **dev) {
    if (!*dev) return;
    if ((*dev)->op == &tn_cpu_table) tn_cpu_end(*dev);
    free(*dev);
    *dev = NULL;
}
