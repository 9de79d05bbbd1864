/* gemm.c - oneDNN, all of it that is used: the matrix product. */
#include "dev/cpu/cpu_priv.h"

#include "base/run.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>

const char *tn_cpu_library(void) {
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

#if defined(__x86_64__)
/* oneDNN takes a limit before its first product and keeps it until the process ends. What it says afterwards is what it
 * uses: a build without the choice, or a product before the first device, would go on with another one. */
static tn_status limit_products(tn_isa isa, dnnl_cpu_isa_t limit) {
    dnnl_status_t st = dnnl_set_max_cpu_isa(limit);
    dnnl_cpu_isa_t used = dnnl_get_effective_cpu_isa();
    if (used == limit) return TN_OK;
    return tn_fail(
        TN_EARG,
        "%s cannot be held to instruction set %s (status %d; it uses %#x, not %#x), and the results would have "
        "other bits: take a oneDNN that was built with ONEDNN_ENABLE_MAX_CPU_ISA",
        tn_cpu_library(), tn_isa_words[isa], (int)st, (unsigned)used, (unsigned)limit);
}

tn_status tn_gemm_begin(tn_isa isa) {
    static const dnnl_cpu_isa_t LIMIT[] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core,
                                           dnnl_cpu_isa_avx512_core};
    static bool begun;
    static tn_isa first;
    if (!begun) {
        TN_TRY(limit_products(isa, LIMIT[isa]));
        begun = true;
        first = isa;
    }
    return LIMIT[isa] == LIMIT[first]
               ? TN_OK
               : tn_fail(TN_ENODE,
                         "this process computes with instruction set %s since its first model and cannot change to %s: "
                         "run the same command again, what is done stays",
                         tn_isa_words[first], tn_isa_words[isa]);
}
#else
tn_status tn_gemm_begin(tn_isa isa) { /* TN_ISA_PLAIN is the only one, and oneDNN has no choice to make */
    (void)isa;
    return TN_OK;
}
#endif

void tn_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    int n_threads = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_status_t st =
        dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc);
    omp_set_num_threads(n_threads);
    if (st != dnnl_success)
        tn_die(TN_EBUG, "oneDNN matrix product %lld x %lld x %lld failed with status %d", (long long)m, (long long)n,
               (long long)k, (int)st);
}
