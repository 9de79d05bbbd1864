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

/* The limit can be set once per process, before the first product; a later device keeps it. */
tn_status tn_gemm_begin(tn_isa isa) {
    const dnnl_cpu_isa_t of[] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core,
                                 dnnl_cpu_isa_avx512_core};
    dnnl_set_max_cpu_isa(of[isa]);
    return TN_OK;
}

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
