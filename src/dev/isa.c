/* isa.c - the instruction set of this processor. It has its own file, so that tests/fault/old_node.c can replace it. */
#include "dev/dev.h"

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>

/* Linux keeps the tiles of a thread only for processes that ask for it; their signal frames grow by 8 KiB. */
static bool tiles_are_kept(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static tn_isa best_of_avx512(void) {
    if (!__builtin_cpu_supports("avx512bf16")) return TN_ISA_AVX512;
    return __builtin_cpu_supports("amx-bf16") && tiles_are_kept() ? TN_ISA_AVX512_AMX : TN_ISA_AVX512_BF16;
}
#endif

tn_isa tn_isa_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
        return best_of_avx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return TN_ISA_AVX2;
#endif
    return TN_ISA_PLAIN;
}
