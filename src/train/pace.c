/* pace.c - times the parts of a training step in several processes at once. */
#include "train/pace.h"

#include "augment/augment.h"
#include "base/progress.h"
#include "cfg/cell.h"
#include "model/model.h"
#include "net/optim.h"
#include "train/cost.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM_UP = 2, LEAST_TIMES = 5, MOST_TIMES = 200 };
static const double ENOUGH_S = 1.0;

/* In memory that all processes share. */
typedef struct {
    atomic_int n_ready; /* processes that are ready to be timed or have failed */
    struct {
        tn_pace pace;
        tn_status st;
        char msg[TN_MSG_BYTES];
    } of[];
} shared;

typedef struct {
    const tn_cfg *cfg;
    int size_px, n_images;
    const tn_pace_image *image;
    tn_dev *dev;
    tn_net *net;
    tn_exec *exec;
    int64_t n, n_state;
    float *params, *state, *m, *v, *ema_params, *ema_state, *grads, *moments; /* device */
    float *target, *p;                                                        /* host */
    unsigned char *pixels, *fitted, *decoded;
    size_t decoded_room;
    int64_t n_done; /* pieces of the present kind that are done */
} bench;

/* --- what is timed ------------------------------------------------------------------------------------------------ */

static tn_images images(const bench *b) {
    static const tn_input_norm NORM = {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}};
    return tn_images_of(b->pixels, &NORM);
}

static tn_status lane(bench *b) {
    double loss;
    tn_exec_lane in = {
        .image = images(b), .target = b->target, .seed = 1, .position = b->n_done * b->cfg->train.lane_images};
    if (b->cfg->self.consistency_weight > 0) tn_exec_eval(b->exec, &in.image, NULL, b->p);
    tn_exec_train(b->exec, &in, b->grads, b->moments, &loss);
    return TN_OK;
}

/* The work of train.c: update, and one copy and addition of the gradient, which is about what the sum over ranks costs. */
static tn_status rest(bench *b) {
    const tn_dev_table *op = b->dev->op;
    op->scale(b->dev, b->n, 0.5F, b->grads);
    tn_dev_squares(b->dev, b->n, b->grads);
    tn_optim_step(b->dev, b->net, b->cfg, 1e-6, b->n_done + 1, b->grads, b->params, b->m, b->v);
    op->lerp(b->dev, b->n_state, 0.1F, b->moments, b->state);
    op->lerp(b->dev, b->n, 0.1F, b->params, b->ema_params);
    op->lerp(b->dev, b->n_state, 0.1F, b->state, b->ema_state);
    op->lerp(b->dev, b->n, 0.5F, b->ema_params, b->grads);
    tn_exec_weights(b->exec, b->params, b->state);
    return TN_OK;
}

static tn_status evaluate(bench *b) {
    tn_images all = images(b);
    tn_exec_eval(b->exec, &all, NULL, b->p);
    return TN_OK;
}

/* Decode what the box needs. *box: on return in coordinates of the pixels, which are *w x *h. */
static tn_status decode(bench *b, const tn_pace_image *x, tn_box *box, const unsigned char **pixels, int *w, int *h) {
    int shrink = tn_shrink_for(*box, b->size_px);
    tn_box wanted = tn_box_shrunk(*box, shrink), got;
    TN_TRY(tn_jpeg_decode_part(x->bytes, x->n_bytes, x->w, x->h, &wanted, shrink, &b->decoded, &b->decoded_room, &got));
    *pixels = b->decoded;
    *w = got.w;
    *h = got.h;
    *box = (tn_box){wanted.x - got.x, wanted.y - got.y, wanted.w, wanted.h};
    return TN_OK;
}

/* Load an image as the loader does. n_augment: 0, or as many as the job file has. */
static tn_status load_one(bench *b, int n_augment) {
    const tn_augment *list = b->cfg->train.augment, *crop = tn_augment_find(n_augment, list, TN_AUG_CROP);
    const tn_pace_image *x = &b->image[b->n_done % b->n_images];
    tn_box box = tn_crop_draw(crop, 1, (uint64_t)b->n_done, 0, x->w, x->h);
    const unsigned char *pixels = x->bytes;
    int w = x->w, h = x->h;
    if (b->cfg->preprocess.store != TN_STORE_RAW) TN_TRY(decode(b, x, &box, &pixels, &w, &h));
    TN_TRY(tn_image_fit(pixels, w, h, box, 0, b->size_px, b->fitted));
    return tn_augment_image(n_augment, list, 1, (uint64_t)b->n_done, 0, b->size_px, b->fitted);
}

static tn_status load(bench *b) {
    return load_one(b, b->cfg->train.n_augment);
}

static tn_status load_whole(bench *b) {
    return load_one(b, 0);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median time of a piece of work, measured for a second or more. */
static tn_status time_of(bench *b, tn_status (*piece)(bench *), double *out) {
    double seconds[MOST_TIMES], begin_s = 0;
    int n = 0;
    for (b->n_done = 0; n < LEAST_TIMES || (n < MOST_TIMES && tn_now_s() - begin_s < ENOUGH_S); b->n_done++) {
        double before = tn_now_s();
        if (b->n_done == WARM_UP) begin_s = before;
        TN_TRY(piece(b));
        if (b->n_done >= WARM_UP) seconds[n++] = tn_now_s() - before;
    }
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    *out = seconds[n / 2];
    return TN_OK;
}

/* --- memory of a process ------------------------------------------------------------------------------------------ */

static tn_status make_device(bench *b) {
    const tn_cfg *c = b->cfg;
    tn_net_spec spec = tn_train_net(c, 0);
    TN_TRY(tn_net_new(&spec, &b->net));
    tn_isa isa = c->train.isa == TN_ISA_BEST ? tn_isa_best() : c->train.isa;
    TN_TRY(tn_dev_open(c->train.device, c->train.lane_threads, isa, c->train.precision, &b->dev));
    TN_TRY(tn_exec_new(b->dev, b->net, c->train.lane_images, b->size_px, true, &b->exec));
    b->n = tn_net_params(b->net);
    b->n_state = tn_net_state(b->net);
    float **vector[] = {&b->params, &b->m, &b->v, &b->ema_params, &b->grads, &b->state, &b->ema_state, &b->moments};
    for (int i = 0; i < 8; i++)
        if (!(*vector[i] = b->dev->op->alloc(b->dev, i < 5 ? b->n : b->n_state)))
            return tn_fail_memory((size_t)b->n * sizeof(float), "the weights");
    return TN_OK;
}

static tn_status make_host(bench *b) {
    int px = tn_predict_px(b->cfg, b->size_px), most = px > b->size_px ? px : b->size_px;
    size_t B = (size_t)b->cfg->train.lane_images, K = (size_t)b->cfg->data.n_classes,
           image = (size_t)most * (size_t)most * 3;
    float *params = malloc((size_t)b->n * sizeof *params), *state = malloc((size_t)b->n_state * sizeof *state);
    b->pixels = malloc(B * image * sizeof *b->pixels);
    b->fitted = malloc(image * sizeof *b->fitted);
    b->target = calloc(B * K, sizeof *b->target);
    b->p = malloc(B * K * sizeof *b->p);
    bool ok = params && state && b->pixels && b->fitted && b->target && b->p;
    if (ok) {
        tn_net_init(b->net, 1, params, state);
        b->dev->op->upload(b->dev, b->n, params, b->params);
        b->dev->op->upload(b->dev, b->n_state, state, b->state);
        for (size_t i = 0; i < B * image; i++) b->pixels[i] = (unsigned char)(i * 7919 % 251);
        for (size_t i = 0; i < B; i++) b->target[i * K + i % K] = 1;
        tn_exec_weights(b->exec, b->params, b->state);
    }
    free(params);
    free(state);
    return ok ? TN_OK : tn_fail_memory(B * image, "the images");
}

/* An artificial image of clouds, edges and grain, which takes about as many bits as a photograph. */
static tn_status make_image(const tn_cfg *cfg, tn_pace_image *out) {
    int h = cfg->preprocess.size_px, w = h * 4 / 3;
    size_t n = (size_t)w * (size_t)h * 3;
    unsigned char *pixels = malloc(n);
    uint32_t grain = 1;
    if (!pixels) return tn_fail_memory(n, "an image");
    for (int i = 0; i < w * h * 3; i++) {
        double x = i / 3 % w, y = i / 3 / w; /* NOLINT: integer division is meant */
        grain = grain * 1664525U + 1013904223U;
        double v = 128 + 60 * sin(x / 17) * cos(y / 23 + i % 3) + (fmod(x + y, 60) < 20 ? 40 : 0) + (grain >> 28) - 8;
        pixels[i] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    *out = (tn_pace_image){.bytes = pixels, .n_bytes = n, .w = w, .h = h};
    if (cfg->preprocess.store == TN_STORE_RAW) return TN_OK;
    tn_status st = tn_jpeg_encode(pixels, w, h, cfg->preprocess.jpeg_quality, &out->bytes, &out->n_bytes);
    free(pixels);
    return st;
}

/* --- the processes ------------------------------------------------------------------------------------------------ */

/* Wait until all processes are ready: otherwise those that start early would be timed with idle cores. */
static void wait_for_all(shared *s, int n) {
    atomic_fetch_add(&s->n_ready, 1);
    while (atomic_load(&s->n_ready) < n) usleep(1000);
}

/* Time evaluation once more, at the size of prediction if that is another one. */
static tn_status measure_prediction(bench *b, tn_pace *out) {
    int px = tn_predict_px(b->cfg, b->size_px);
    out->predict_s = out->eval_s;
    out->predict_load_s = out->eval_load_s;
    if (px == b->size_px) return TN_OK;
    b->size_px = px;
    tn_exec_free(&b->exec);
    TN_TRY(tn_exec_new(b->dev, b->net, b->cfg->train.lane_images, px, false, &b->exec));
    tn_exec_weights(b->exec, b->params, b->state);
    TN_TRY(time_of(b, evaluate, &out->predict_s));
    return time_of(b, load_whole, &out->predict_load_s);
}

static tn_status measure(bench *b, shared *s, int n_processes, tn_pace *out) {
    tn_status st = make_device(b);
    if (st == TN_OK) st = make_host(b);
    wait_for_all(s, n_processes);
    TN_TRY(st);
    TN_TRY(time_of(b, lane, &out->lane_s));
    TN_TRY(time_of(b, rest, &out->rest_s));
    TN_TRY(time_of(b, evaluate, &out->eval_s));
    TN_TRY(time_of(b, load, &out->load_s));
    TN_TRY(time_of(b, load_whole, &out->eval_load_s));
    return measure_prediction(b, out);
}

/* A child process. It frees nothing, because its memory ends with it. */
_Noreturn static void child(bench *b, shared *s, int i, int n_processes) {
    tn_status st = measure(b, s, n_processes, &s->of[i].pace);
    memcpy(s->of[i].msg, tn_msg, sizeof tn_msg);
    s->of[i].st = st;
    _exit(0);
}

static void take_slower(const tn_pace *x, tn_pace *worst) {
    worst->lane_s = fmax(worst->lane_s, x->lane_s);
    worst->rest_s = fmax(worst->rest_s, x->rest_s);
    worst->eval_s = fmax(worst->eval_s, x->eval_s);
    worst->load_s = fmax(worst->load_s, x->load_s);
    worst->eval_load_s = fmax(worst->eval_load_s, x->eval_load_s);
    worst->predict_s = fmax(worst->predict_s, x->predict_s);
    worst->predict_load_s = fmax(worst->predict_load_s, x->predict_load_s);
}

static tn_status run_all(bench *b, shared *s, int n, tn_pace *out) {
    tn_status st = TN_OK;
    *out = (tn_pace){0};
    for (int i = 0; i < n; i++) {
        s->of[i].st = TN_EIO;
        snprintf(s->of[i].msg, TN_MSG_BYTES, "a process that timed a step at %d px was killed: out of memory?",
                 b->size_px);
        pid_t pid = fork();
        if (pid == 0) child(b, s, i, n);
        if (pid < 0) atomic_fetch_add(&s->n_ready, 1);
    }
    for (pid_t pid; (pid = wait(NULL)) > 0 ||
                    errno == EINTR;) /* a killed process counts as ready, so that the others do not wait */
        if (pid > 0) atomic_fetch_add(&s->n_ready, n);
    for (int i = 0; i < n; i++) {
        if (s->of[i].st != TN_OK) st = tn_fail(s->of[i].st, "%s", s->of[i].msg);
        take_slower(&s->of[i].pace, out);
    }
    return st;
}

tn_status tn_pace_measure(const tn_cfg *cfg, int size_px, int n_processes, int n_images, const tn_pace_image *image,
                          tn_pace *out) {
    tn_pace_image made = {.bytes = NULL};
    bench b = {.cfg = cfg, .size_px = size_px, .n_images = n_images, .image = image};
    if (n_images == 0) {
        TN_TRY(make_image(cfg, &made));
        b.image = &made;
        b.n_images = 1;
    }
    size_t n_bytes = sizeof(shared) + (size_t)n_processes * sizeof(((shared *)NULL)->of[0]);
    shared *s = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tn_status st = s == MAP_FAILED ? tn_fail_memory(n_bytes, "the pace") : run_all(&b, s, n_processes, out);
    if (s != MAP_FAILED) munmap(s, n_bytes);
    free(made.bytes);
    return st;
}

/* --- predictions -------------------------------------------------------------------------------------------------- */

static double shared_cores(const tn_cfg *cfg, double computing_s, double loading_s, int n_ranks, int n_cores) {
    return fmax(computing_s, (n_ranks * cfg->train.lane_threads * computing_s + loading_s) / n_cores);
}

double tn_pace_step_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores) {
    int lanes_here = (cfg->train.lanes + n_ranks - 1) / n_ranks;
    double images = (double)cfg->train.lanes * cfg->train.lane_images;
    return shared_cores(cfg, lanes_here * p->lane_s + p->rest_s, images * p->load_s, n_ranks, n_cores);
}

static double evaluation_s(const tn_cfg *cfg, double lane_s, double load_s, int n_ranks, int n_cores) {
    return shared_cores(cfg, lane_s / cfg->train.lane_images / n_ranks, load_s, n_ranks, n_cores);
}

double tn_pace_eval_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores) {
    return evaluation_s(cfg, p->eval_s, p->eval_load_s, n_ranks, n_cores);
}

double tn_pace_predict_s(const tn_cfg *cfg, const tn_pace *p, int n_ranks, int n_cores) {
    return evaluation_s(cfg, p->predict_s, p->predict_load_s, n_ranks, n_cores);
}
