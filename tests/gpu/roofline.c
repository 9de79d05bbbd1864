/*
 * roofline.c - how fast a GPU could train, from what our kernels and cuDNN's graphs must move and compute: roofline gate|table|check NET:PX ...
 *
 * One step of SGD with a lane of bf16 images is counted (traffic.h). A launch takes the longest of these, or at least LEAST_S:
 *
 *   bytes of device memory / (0.8 bandwidth)         bytes that threads asked for / bandwidth of L1
 *   operations of tensor cores / (0.5 peak)          instructions / (0.5 peak)
 *
 * Meanwhile the host makes the next launches, LAUNCH_S each, and the images of the next lane go to the GPU: a lane takes the longest of the
 * three. Nothing is known of L2, of occupancy, or of how well cuDNN's engines do.
 *
 * gate: exit code 1 if the first net is below the wanted speed, or moves more than MB_PER_IMAGE. table: and lanes of other sizes.
 * check: exit code 1 if counting some blocks differs from counting all, for 4 images.
 */
#include "traffic.h"

#include "base/run.h"
#include "net/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 5, LANE = 256, PARTS_OF_IMAGE = 4, MOST_KINDS = 64, GPUS = 2 };
static const double LEAST_S = 2.5e-6, LAUNCH_S = 4e-6;
static const double MB_PER_IMAGE = 358.1, SLACK = 1.01;
static const double OF_BANDWIDTH = 0.8, OF_PEAK = 0.5;

/* Bandwidths and peaks of tensor cores: NVIDIA's data sheets of A100 80GB SXM and H100 SXM. L1: 128 bytes per clock and multiprocessor;
 * instructions: 4 warps of 32 threads; 108 multiprocessors at 1.41 GHz, 132 at 1.755 GHz. PCIe of generation 4 and 5, 16 lanes, at half
 * its peak. */
static const struct {
    const char *name, *version;
    double bytes_s, l1_bytes_s, operations_s, instructions_s, upload_bytes_s;
    double wanted; /* images/s of the first net */
} GPU[GPUS] = {{"A100", "800", 2039e9, 19.5e12, 312e12, 19.5e12, 16e9, 2100},
               {"H100", "900", 3350e9, 29.6e12, 989e12, 29.6e12, 32e9, 3500}};

/* --- counting ------------------------------------------------------------------------------------------------------ */

/* The work of a lane of B images; kernels need the same on each GPU, graphs do not. */
typedef struct {
    int B, n;
    emu_work *work[GPUS];
} lane;

static void *zeros(int64_t n, size_t size) {
    void *x = calloc((size_t)n, size);
    TN_ASSERT(x != NULL);
    return x;
}

typedef struct {
    int B;
    tn_net *net;
    tn_dev *dev;
    tn_exec *ex;
    float *params, *grads, *momentum, *average, *state, *moments, *average_state; /* device */
    unsigned char *image;                                                         /* host */
    float *target;
    tn_cfg *cfg;
} trainer;

/* Does the work of a step of train.c with one lane. */
static void step(trainer *t) {
    const tn_dev_table *op = t->dev->op;
    int64_t n = tn_net_params(t->net), n_state = tn_net_state(t->net);
    double loss = 0;
    tn_exec_train(t->ex, &(tn_exec_lane){.image = {.bytes = t->image}, .target = t->target}, t->grads, t->moments,
                  &loss);
    op->scale(t->dev, n, 1, t->grads);
    tn_optim_step(t->dev, t->net, t->cfg, 0.1, 1, t->grads, t->params, t->momentum, NULL);
    op->lerp(t->dev, n_state, 0.1F, t->moments, t->state);
    op->lerp(t->dev, n, 0.1F, t->params, t->average);
    op->lerp(t->dev, n_state, 0.1F, t->state, t->average_state);
    tn_exec_weights(t->ex, t->params, t->state);
    op->download(t->dev, 1, t->params, t->target); /* waits */
}

static tn_status begin(trainer *t, const char *name, int px, int B) {
    tn_net_spec spec = {.stem_stride = 2, .n_classes = K, .dropout = -1, .drop_connect = 0.2};
    snprintf(spec.name, sizeof spec.name, "%s", name);
    TN_TRY(tn_net_new(&spec, &t->net));
    TN_TRY(tn_dev_open(TN_DEVICE_CUDA, 1, TN_ISA_PLAIN, TN_BF16, &t->dev));
    TN_TRY(tn_exec_new(t->dev, t->net, B, px, true, &t->ex));
    float **vector[] = {&t->params, &t->grads, &t->momentum, &t->average};
    float **state[] = {&t->state, &t->moments, &t->average_state};
    for (int i = 0; i < 4; i++) *vector[i] = t->dev->op->alloc(t->dev, tn_net_params(t->net));
    for (int i = 0; i < 3; i++) *state[i] = t->dev->op->alloc(t->dev, tn_net_state(t->net));
    t->image = zeros((int64_t)B * px * px * 3, 1);
    t->target = zeros((int64_t)B * K, sizeof *t->target);
    t->cfg = zeros(1, sizeof *t->cfg);
    t->cfg->train.optimizer = TN_OPTIM_SGD;
    t->cfg->train.momentum = 0.9;
    t->cfg->train.layer_decay = 1;
    t->cfg->train.clip_norm = 1;
    tn_exec_weights(t->ex, t->params, t->state);
    return TN_OK;
}
static void end(trainer *t) {
    tn_exec_free(&t->ex);
    tn_dev_close(&t->dev);
    tn_net_free(&t->net);
    free(t->image);
    free(t->target);
    free(t->cfg);
}

/* parts: as emu_work_begin. */
static tn_status count_step(const char *name, int px, int B, int parts, int *n_out, emu_work **out) {
    trainer t = {.B = B};
    TN_TRY(begin(&t, name, px, B));
    emu_work_begin(0);
    step(&t); /* scratch memory has its size */
    emu_work_begin(parts);
    step(&t);
    const emu_work *work = emu_work_list(n_out);
    *out = zeros(*n_out, sizeof *work);
    memcpy(*out, work, (size_t)*n_out * sizeof *work);
    end(&t);
    return TN_OK;
}

static tn_status count_lane(const char *name, int px, int B, int parts, lane *out) {
    int n = 0;
    out->B = B;
    for (int gpu = 0; gpu < GPUS; gpu++) {
        setenv("TN_EMU_SM", GPU[gpu].version, 1);
        TN_TRY(count_step(name, px, B, gpu == 0 ? parts : 0, &n, &out->work[gpu]));
        TN_ASSERT(gpu == 0 || n == out->n);
        out->n = n;
        for (int i = 0; i < n; i++)
            if (out->work[gpu][i].operations <= 0) out->work[gpu][i] = out->work[0][i];
    }
    return TN_OK;
}
static void forget(lane *l) {
    for (int gpu = 0; gpu < GPUS; gpu++) free(l->work[gpu]);
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

static bool is_copy(const emu_work *w) {
    return strcmp(w->name, "upload") == 0 || strcmp(w->name, "download") == 0;
}

typedef enum { BY_MEMORY, BY_L1, BY_OPERATIONS, BY_INSTRUCTIONS, BY_LEAST, LIMITS } limit;
static double seconds(const emu_work *w, int gpu, limit *by_out) {
    double s[LIMITS] = {
        [BY_MEMORY] = w->bytes / (OF_BANDWIDTH * GPU[gpu].bytes_s),
        [BY_L1] = w->asked / GPU[gpu].l1_bytes_s,
        [BY_OPERATIONS] = w->operations / (OF_PEAK * GPU[gpu].operations_s),
        [BY_INSTRUCTIONS] = w->instructions / (OF_PEAK * GPU[gpu].instructions_s),
        [BY_LEAST] = LEAST_S,
    };
    *by_out = BY_MEMORY;
    for (limit i = BY_L1; i < LIMITS; i++)
        if (s[i] > s[*by_out]) *by_out = i;
    return s[*by_out];
}

/* --- what is printed ------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    int launches;
    double bytes[GPUS], asked, operations, instructions, seconds[GPUS], by[GPUS][LIMITS];
} kind;
typedef struct {
    int B, n, copies;
    double copied_bytes; /* between host and GPU */
    kind kind[MOST_KINDS], all;
} summary;

static void add(kind *k, const lane *l, int i) {
    k->launches++;
    k->asked += l->work[0][i].asked;
    k->operations += l->work[0][i].operations;
    k->instructions += l->work[0][i].instructions;
    for (int gpu = 0; gpu < GPUS; gpu++) {
        const emu_work *w = &l->work[gpu][i];
        limit by;
        double s = seconds(w, gpu, &by);
        k->bytes[gpu] += w->bytes;
        k->seconds[gpu] += s;
        k->by[gpu][by] += s;
    }
}
static summary summary_of(const lane *l) {
    summary s = {.B = l->B, .all = {.name = "all"}};
    for (int i = 0; i < l->n; i++) {
        const char *name = l->work[0][i].name;
        int k = 0;
        if (is_copy(&l->work[0][i])) {
            s.copies++;
            s.copied_bytes += l->work[0][i].bytes;
            continue;
        }
        while (k < s.n && strcmp(s.kind[k].name, name) != 0) k++;
        TN_ASSERT(k < MOST_KINDS);
        if (k == s.n) s.kind[s.n++].name = name;
        add(&s.kind[k], l, i);
        add(&s.all, l, i);
    }
    return s;
}
/* The seconds that a lane takes, with or without waiting for the host. */
static double lane_seconds(const summary *s, int gpu, bool with_host) {
    double launches_s = (s->all.launches + s->copies) * LAUNCH_S, copies_s = s->copied_bytes / GPU[gpu].upload_bytes_s,
           host_s = launches_s > copies_s ? launches_s : copies_s;
    return with_host && host_s > s->all.seconds[gpu] ? host_s : s->all.seconds[gpu];
}

static int by_seconds(const void *a, const void *b) {
    double x = ((const kind *)a)->seconds[0], y = ((const kind *)b)->seconds[0];
    return (x < y) - (x > y);
}
static void print_kind(const kind *k, const summary *s) {
    printf("| %s | %d | %.2f | %.2f | %.3f | %.3f |", k->name, k->launches, k->bytes[0] / 1e6 / s->B,
           k->asked / 1e6 / s->B, k->operations / 1e9 / s->B, k->instructions / 1e9 / s->B);
    for (int gpu = 0; gpu < GPUS; gpu++) {
        static const char *const WORD[LIMITS] = {"memory", "L1", "tensor cores", "instructions", "2.5 us"};
        int most = 0;
        for (int i = 1; i < LIMITS; i++)
            if (k->by[gpu][i] > k->by[gpu][most]) most = i;
        printf(" %.1f | %.1f %% | %s |", k->seconds[gpu] * 1e6 / s->B, 100 * k->seconds[gpu] / s->all.seconds[gpu],
               k == &s->all ? "" : WORD[most]);
    }
    putchar('\n');
}
static void print_kinds(summary *s) {
    printf("| kernel or graph | launches | MB/image | MB/image of L1 | GFLOP/image | 10^9 instructions/image | A100, "
           "us/image | share | limit | H100, us/image | "
           "share | limit "
           "|\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |\n");
    qsort(s->kind, (size_t)s->n, sizeof *s->kind, by_seconds);
    for (int i = 0; i < s->n; i++) print_kind(&s->kind[i], s);
    print_kind(&s->all, s);
    printf("\n%d copies, %.2f MB/image: A100 %.1f us/image, H100 %.1f, beside the kernels\n", s->copies,
           s->copied_bytes / 1e6 / s->B, s->copied_bytes / GPU[0].upload_bytes_s * 1e6 / s->B,
           s->copied_bytes / GPU[1].upload_bytes_s * 1e6 / s->B);
}
static tn_status print_lanes(const char *name, int px) {
    printf("\n| images in a lane | A100, images/s | without the host | H100, images/s | without the host |\n| ---: | "
           "---: | ---: | "
           "---: | ---: |\n");
    for (int B = 8; B <= LANE; B *= 2) {
        lane l;
        TN_TRY(count_lane(name, px, B, PARTS_OF_IMAGE * B, &l));
        summary s = summary_of(&l);
        printf("| %d |", B);
        for (int gpu = 0; gpu < GPUS; gpu++)
            printf(" %.0f | %.0f |", B / lane_seconds(&s, gpu, true), B / lane_seconds(&s, gpu, false));
        putchar('\n');
        fflush(stdout);
        forget(&l);
    }
    return TN_OK;
}

static tn_status gate(const summary *s) {
    double mb = s->all.bytes[0] / s->B / 1e6;
    if (mb > MB_PER_IMAGE * SLACK)
        return tn_fail(TN_EBUG, "%.1f MB are moved per image, and were %.1f", mb, MB_PER_IMAGE);
    for (int gpu = 0; gpu < GPUS; gpu++) {
        double speed = s->B / lane_seconds(s, gpu, true);
        if (speed < GPU[gpu].wanted)
            return tn_fail(TN_EBUG, "%.0f images/s are estimated for %s, %.0f wanted", speed, GPU[gpu].name,
                           GPU[gpu].wanted);
    }
    return TN_OK;
}

/* All blocks of 4 images, and those that are counted otherwise. */
static tn_status check(const char *name, int px) {
    enum { B = 4 };
    lane some, all;
    TN_TRY(count_lane(name, px, B, PARTS_OF_IMAGE * B, &some));
    TN_TRY(count_lane(name, px, B, 1, &all));
    summary s = summary_of(&some), a = summary_of(&all);
    double ratio[] = {s.all.bytes[0] / a.all.bytes[0], s.all.asked / a.all.asked,
                      s.all.instructions / a.all.instructions};
    printf("%s, %d px, counted in some blocks and in all, %d images: bytes %.3f, of L1 %.3f, instructions %.3f\n", name,
           px, B, ratio[0], ratio[1], ratio[2]);
    forget(&some);
    forget(&all);
    for (int i = 0; i < 3; i++)
        if (!(fabs(ratio[i] - 1) < 0.05)) return tn_fail(TN_EBUG, "a sample of blocks says something else");
    return TN_OK;
}

static tn_status roofline(const char *name, int px, bool is_gate, bool lanes) {
    lane l;
    TN_TRY(count_lane(name, px, LANE, PARTS_OF_IMAGE * LANE, &l));
    summary s = summary_of(&l);
    printf("\n%s, %d px, a lane of %d images, bf16: A100 %.0f images/s, H100 %.0f\n\n", name, px, LANE,
           LANE / lane_seconds(&s, 0, true), LANE / lane_seconds(&s, 1, true));
    print_kinds(&s);
    tn_status st = is_gate ? gate(&s) : TN_OK;
    forget(&l);
    return st == TN_OK && lanes ? print_lanes(name, px) : st;
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    bool is_gate = strcmp(what, "gate") == 0, is_check = strcmp(what, "check") == 0;
    tn_status st = is_gate || is_check || strcmp(what, "table") == 0
                       ? TN_OK
                       : tn_fail(TN_EARG, "usage: roofline gate|table|check NET:PX ...");
    for (int i = 2; i < argc && st == TN_OK; i++) {
        char *px = strchr(argv[i], ':');
        if (px) *px++ = 0;
        st = !px        ? tn_fail(TN_EARG, "%s: NET:PX is wanted", argv[i])
             : is_check ? check(argv[i], atoi(px))
                        : roofline(argv[i], atoi(px), is_gate && i == 2, !is_gate && i == 2);
    }
    if (st != TN_OK) fprintf(stderr, "%s\n", tn_msg);
    return st == TN_OK ? 0 : 1;
}
