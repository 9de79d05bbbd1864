/*
 * bench_products.c - fp32 products of EfficientNet's pointwise convolutions: the device's own beside oneDNN's sgemm, one thread.
 *
 *   build/release/tests/bench_products [avx2|plain]        built where oneDNN is installed (libdnnl-dev)
 *
 * Columns: rows of a block, summed, columns; GFLOP/s of y = x w^T and of dw = dy^T x, medians of 15 alternating measurements in the
 * thread's processor time; ratios above 1: ours is faster.
 */
#include "dev/cpu/kernels.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIMES = 15, KINDS = 4, SIZE = 4096 * 4096 };

static const int SHAPE[][3] = {{768, 16, 96},    {768, 96, 24},    {384, 40, 240},   {384, 240, 40},
                               {256, 80, 480},   {256, 480, 80},   {128, 112, 672},  {128, 672, 112},
                               {128, 192, 1152}, {128, 1152, 192}, {128, 320, 1280}, {128, 1152, 320}};

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static float *numbers(int64_t n) {
    float *x = aligned_alloc(64, (size_t)(n + 64) / 16 * 64);
    for (int64_t i = 0; x && i < n; i++) x[i] = (float)(i * 7919 % 2003) / 2003 - 0.5F;
    return x;
}

static void measure(const tn_kernels *k, const int shape[3]) {
    int64_t M = shape[0], K = shape[1], N = shape[2], n_wide = (N + 15) / 16 * 16, k_wide = (K + 15) / 16 * 16;
    int repeats = (int)(100000000 / (M * N * K)) + 1;
    float *x = numbers(M * k_wide), *w = numbers(N * K), *panels = numbers(n_wide * K), *y = numbers(M * n_wide),
          *dw = numbers(n_wide * k_wide);
    double seconds[KINDS][TIMES], rate[KINDS];
    if (!x || !w || !panels || !y || !dw) exit(5);
    k->pack_f32(K, N, w, 1, K, panels);
    for (int t = 0; t < TIMES; t++) {
        double at[KINDS + 1] = {now_s()};
        for (int r = 0; r < repeats; r++)
            k->product_f32(M, n_wide, K, x, k_wide, 1, panels, K * 16, 16, false, y, n_wide);
        at[1] = now_s();
        for (int r = 0; r < repeats; r++) dnnl_sgemm('N', 'T', M, N, K, 1, x, k_wide, w, K, 0, y, n_wide);
        at[2] = now_s();
        for (int r = 0; r < repeats; r++) k->product_f32(N, k_wide, M, y, 1, n_wide, x, 16, k_wide, true, dw, k_wide);
        at[3] = now_s();
        for (int r = 0; r < repeats; r++) dnnl_sgemm('T', 'N', N, K, M, 1, y, n_wide, x, k_wide, 1, dw, k_wide);
        at[4] = now_s();
        for (int i = 0; i < KINDS; i++) seconds[i][t] = at[i + 1] - at[i];
    }
    for (int i = 0; i < KINDS; i++) {
        qsort(seconds[i], TIMES, sizeof **seconds, ascending);
        rate[i] = 2e-9 * (double)(M * N * K) * repeats / seconds[i][TIMES / 2];
    }
    printf("| %lld x %lld x %lld | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f |\n", (long long)M, (long long)K,
           (long long)N, rate[0], rate[1], rate[0] / rate[1], rate[2], rate[3], rate[2] / rate[3]);
    for (int i = 0; i < 5; i++) free((float *[]){x, w, panels, y, dw}[i]);
}

int main(int argc, char **argv) {
    tn_isa isa = argc < 2 ? tn_isa_best() : strcmp(argv[1], "avx2") == 0 ? TN_ISA_AVX2 : TN_ISA_PLAIN;
    omp_set_num_threads(1);
    if (argc > 1) dnnl_set_max_cpu_isa(isa == TN_ISA_AVX2 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_sse41);
    printf("%s\n\n| rows x summed x columns | own | oneDNN | ratio | dw own | dw oneDNN | ratio |\n| --- | --- | --- | "
           "--- | --- | --- "
           "| --- |\n",
           tn_isa_words[isa]);
    for (size_t i = 0; i < sizeof SHAPE / sizeof *SHAPE; i++) measure(tn_kernels_for(isa), SHAPE[i]);
    return 0;
}
