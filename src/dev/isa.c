/* isa.c - the instruction set of this processor. It has its own file, so that tests/fault/old_node.c can replace it. */
#include "dev/dev.h"

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
