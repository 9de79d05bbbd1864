/*
 * bench_products.c - products of EfficientNet's pointwise convolutions: the device's own beside oneDNN's, one thread.
 *
 *   build/release/tests/bench_products fp32 [avx2|plain]   beside sgemm; built where oneDNN is installed (libdnnl-dev)
 *   build/release/tests/bench_products bf16                beside oneDNN's bf16 matrix product, its weights packed as it likes; sums in fp32
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

/* --- fp32 ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const tn_kernels *k;
    int64_t M, K, N, n_wide, k_wide; /* rows, summed, columns; rounded up to 16 */
    float *x, *w, *panels, *y, *dw;
} operands;

static void own_f32(const operands *o) {
    o->k->product_f32(o->M, o->n_wide, o->K, o->x, o->k_wide, 1, o->panels, o->K * 16, 16, false, o->y, o->n_wide);
}
static void peer_f32(const operands *o) {
    dnnl_sgemm('N', 'T', o->M, o->N, o->K, 1, o->x, o->k_wide, o->w, o->K, 0, o->y, o->n_wide);
}
static void own_weights_f32(const operands *o) {
    o->k->product_f32(o->N, o->k_wide, o->M, o->y, 1, o->n_wide, o->x, 16, o->k_wide, true, o->dw, o->k_wide);
}
static void peer_weights_f32(const operands *o) {
    dnnl_sgemm('T', 'N', o->N, o->K, o->M, 1, o->y, o->n_wide, o->x, o->k_wide, 1, o->dw, o->k_wide);
}

/* --- bf16: the same memory, read as bf16 ------------------------------------------------------------------------------ */

typedef struct {
    dnnl_primitive_t primitive;
    dnnl_memory_t a, b, c;
} peer;

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static peer forward, backward; /* y = x w^T, dw += dy^T x */
static uint32_t *room;

static void must(dnnl_status_t st) {
    if (st == dnnl_success) return;
    fprintf(stderr, "oneDNN: status %d\n", (int)st);
    exit(1);
}

static dnnl_memory_desc_t matrix(int64_t rows, int64_t columns, dnnl_data_type_t type, int64_t row_step,
                                 int64_t column_step) {
    dnnl_memory_desc_t d;
    must(dnnl_memory_desc_init_by_strides(&d, 2, (dnnl_dims_t){rows, columns}, type,
                                          (dnnl_dims_t){row_step, column_step}));
    return d;
}

/* c (M,N) = a b, or += ; b as oneDNN likes it if `packed` */
static peer peer_of(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *c, void *a_at,
                    void *b_at, void *c_at, bool packed, bool add) {
    peer p;
    dnnl_memory_desc_t any;
    must(dnnl_memory_desc_init_by_tag(&any, 2, b->dims, b->data_type, dnnl_format_tag_any));
    dnnl_matmul_desc_t d;
    must(dnnl_matmul_desc_init(&d, a, packed ? &any : b, NULL, c));
    dnnl_post_ops_t sum;
    dnnl_primitive_attr_t attributes;
    must(dnnl_primitive_attr_create(&attributes));
    must(dnnl_post_ops_create(&sum));
    if (add) must(dnnl_post_ops_append_sum(sum, 1));
    must(dnnl_primitive_attr_set_post_ops(attributes, sum));
    dnnl_primitive_desc_t pd;
    must(dnnl_primitive_desc_create(&pd, &d, attributes, engine, NULL));
    must(dnnl_primitive_create(&p.primitive, pd));
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    must(dnnl_memory_create(&p.a, a, engine, a_at));
    must(dnnl_memory_create(&p.b, chosen, engine, packed ? DNNL_MEMORY_ALLOCATE : b_at)); /* its values do not matter */
    must(dnnl_memory_create(&p.c, c, engine, c_at));
    return p;
}

static void prepare_peers(const operands *o) {
    must(dnnl_engine_create(&engine, dnnl_cpu, 0));
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    dnnl_memory_desc_t x = matrix(o->M, o->K, dnnl_bf16, o->k_wide, 1), w = matrix(o->K, o->N, dnnl_bf16, 1, o->K),
                       y = matrix(o->M, o->N, dnnl_f32, o->n_wide, 1), dy = matrix(o->N, o->M, dnnl_bf16, 1, o->n_wide),
                       dw = matrix(o->N, o->K, dnnl_f32, o->k_wide, 1);
    forward = peer_of(&x, &w, &y, o->x, o->w, o->y, true, false);
    backward = peer_of(&dy, &x, &dw, o->y, o->x, o->dw, false, true);
}

static void run(const peer *p) {
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b}, {DNNL_ARG_DST, p->c}};
    must(dnnl_primitive_execute(p->primitive, stream, 3, args));
}

static void own_bf16(const operands *o) {
    o->k->product(o->M, (int)(o->n_wide / 16), (o->K + 1) / 2, (const uint32_t *)(const void *)o->x, o->k_wide / 2,
                  (const uint32_t *)(const void *)o->panels, o->y, o->n_wide);
}
static void peer_bf16(const operands *o) {
    (void)o;
    run(&forward);
}
static void own_weights_bf16(const operands *o) {
    o->k->weights_product(o->M, (int)o->N, o->K, (const uint16_t *)(const void *)o->y, o->n_wide,
                          (const uint16_t *)(const void *)o->x, o->k_wide, room, o->dw, o->k_wide);
}
static void peer_weights_bf16(const operands *o) {
    (void)o;
    run(&backward);
}

/* --- both ------------------------------------------------------------------------------------------------------------- */

typedef void product(const operands *o);
static product *const PRODUCTS[2][KINDS] = {{own_f32, peer_f32, own_weights_f32, peer_weights_f32},
                                            {own_bf16, peer_bf16, own_weights_bf16, peer_weights_bf16}};

static void prepare(operands *o, tn_precision precision) {
    o->x = numbers(o->M * o->k_wide);
    o->w = numbers(o->N * o->K);
    o->panels = numbers(o->n_wide * (o->K + 1));
    o->y = numbers(o->M * o->n_wide);
    o->dw = numbers(o->n_wide * o->k_wide);
    room = (uint32_t *)(void *)numbers(tn_weights_room(o->M, (int)o->N, o->k_wide));
    if (!o->x || !o->w || !o->panels || !o->y || !o->dw || !room) exit(5);
    if (precision == TN_FP32)
        o->k->pack_f32(o->K, o->N, o->w, 1, o->K, o->panels);
    else
        o->k->pack_pairs(1, o->K, o->N, o->w, 1, o->K, (uint32_t *)(void *)o->panels);
    if (precision == TN_BF16) prepare_peers(o);
}

static void measure(const tn_kernels *k, tn_precision precision, const int shape[3]) {
    operands o = {.k = k, .M = shape[0], .K = shape[1], .N = shape[2]};
    o.n_wide = (o.N + 15) / 16 * 16, o.k_wide = (o.K + 15) / 16 * 16;
    int repeats = (int)((precision == TN_BF16 ? 1000000000 : 100000000) / (o.M * o.N * o.K)) + 1;
    double seconds[KINDS][TIMES], rate[KINDS];
    prepare(&o, precision);
    for (int t = 0; t < TIMES; t++)
        for (int i = 0; i < KINDS; i++) {
            double begin = now_s();
            for (int r = 0; r < repeats; r++) PRODUCTS[precision][i](&o);
            seconds[i][t] = now_s() - begin;
        }
    for (int i = 0; i < KINDS; i++) {
        qsort(seconds[i], TIMES, sizeof **seconds, ascending);
        rate[i] = 2e-9 * (double)(o.M * o.N * o.K) * repeats / seconds[i][TIMES / 2];
    }
    printf("| %lld x %lld x %lld | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f |\n", (long long)o.M, (long long)o.K,
           (long long)o.N, rate[0], rate[1], rate[0] / rate[1], rate[2], rate[3], rate[2] / rate[3]);
    for (int i = 0; i < 5; i++) free((float *[]){o.x, o.w, o.panels, o.y, o.dw}[i]);
    free(room);
}

int main(int argc, char **argv) {
    bool bf16 = argc > 1 && strcmp(argv[1], "bf16") == 0;
    if (argc < 2 || (!bf16 && strcmp(argv[1], "fp32") != 0)) {
        fprintf(stderr, "usage: bench_products fp32 [avx2|plain] | bf16\n");
        return 2;
    }
    tn_isa isa = argc < 3 ? tn_isa_best() : strcmp(argv[2], "avx2") == 0 ? TN_ISA_AVX2 : TN_ISA_PLAIN;
    omp_set_num_threads(1);
    if (argc > 2) dnnl_set_max_cpu_isa(isa == TN_ISA_AVX2 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_sse41);
    printf("%s, %s\n\n| rows x summed x columns | own | oneDNN | ratio | dw own | dw oneDNN | ratio |\n| --- | --- | "
           "--- | "
           "--- | --- | --- | --- |\n",
           tn_isa_words[isa], argv[1]);
    for (size_t i = 0; i < sizeof SHAPE / sizeof *SHAPE; i++)
        measure(tn_kernels_for(isa), bf16 ? TN_BF16 : TN_FP32, SHAPE[i]);
    return 0;
}
