/*
 * far.c - a device in memory that the host cannot read: `cpu`, with bit 62 set in every address that it hands out. Such an address is
 * not canonical, so that any access to it is a segmentation fault. The linker puts it in the place of `cpu` (ld --wrap).
 *
 * A host pointer where a device pointer belongs, or the other way round, ends the process with a line that names the operation.
 */
#include "dev/cpu/cpu_priv.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern const tn_dev_table __real_tn_cpu_table; /* NOLINT: the linker's names */
#define CPU __real_tn_cpu_table

static const uintptr_t FAR = (uintptr_t)1 << 62;

static void *far_from(void *x) {
    return x ? (void *)((uintptr_t)x | FAR) : NULL;
}

static void *near_to(const char *where, const void *x) {
    if (!x) return NULL;
    if (!((uintptr_t)x & FAR)) {
        fprintf(stderr, "far: %s got a host pointer as device memory\n", where);
        abort();
    }
    return (void *)((uintptr_t)x & ~FAR);
}
#define NEAR(x) near_to(__func__, x)

static const void *host_to(const char *where, const void *x) {
    if ((uintptr_t)x & FAR) {
        fprintf(stderr, "far: %s got device memory as a host pointer\n", where);
        abort();
    }
    return x;
}
#define HOST(x) (void)host_to(__func__, x)

static tn_view near_view(const char *where, const tn_view *v) {
    return (tn_view){.x = near_to(where, v->x),
                     .a = near_to(where, v->a),
                     .b = near_to(where, v->b),
                     .act = v->act,
                     .scale = near_to(where, v->scale)};
}
#define VIEW(v) (&(tn_view[]){near_view(__func__, v)}[0])

static tn_status begin(tn_dev *dev) {
    return CPU.begin(dev);
}
static void end(tn_dev *dev) {
    CPU.end(dev);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static float *alloc(tn_dev *dev, int64_t n) {
    return far_from(CPU.alloc(dev, n));
}
static void release(tn_dev *dev, float *x) {
    CPU.free(dev, NEAR(x));
}
static void upload(tn_dev *dev, int64_t n, const float *host, float *x) {
    HOST(host);
    CPU.upload(dev, n, host, NEAR(x));
}
static void download(tn_dev *dev, int64_t n, const float *x, float *host) {
    HOST(host);
    CPU.download(dev, n, NEAR(x), host);
}
static void store(tn_dev *dev, int64_t n, const float *host, void *x) {
    HOST(host);
    CPU.store(dev, n, host, NEAR(x));
}
static void load(tn_dev *dev, int64_t n, const void *x, float *host) {
    HOST(host);
    CPU.load(dev, n, NEAR(x), host);
}
static void pixels(tn_dev *dev, int64_t n_pixels, const unsigned char *host, const tn_byte_norm *norm, void *x) {
    HOST(host);
    CPU.pixels(dev, n_pixels, host, norm, NEAR(x));
}
static void stage(tn_dev *dev, int64_t n_pixels, const unsigned char *host) {
    (void)dev;
    (void)n_pixels;
    HOST(host);
}
static float *host_alloc(tn_dev *dev, int64_t n) {
    return CPU.alloc(dev, n);
}
static void host_free(tn_dev *dev, float *host) {
    HOST(host);
    CPU.free(dev, host);
}
static void download_begin(tn_dev *dev, int copy, int64_t n, const float *x, float *host) {
    (void)copy;
    download(dev, n, x, host);
}
static bool download_done(tn_dev *dev, int copy) {
    (void)dev;
    (void)copy;
    return true;
}
static void fill(tn_dev *dev, int64_t n, float value, float *x) {
    CPU.fill(dev, n, value, NEAR(x));
}

/* --- convolution -------------------------------------------------------------------------------------------------- */

static tn_status conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out) {
    return CPU.conv_new(dev, shape, out);
}
static void conv_free(tn_dev *dev, tn_conv **conv) {
    CPU.conv_free(dev, conv);
}
static void conv_weights(tn_dev *dev, tn_conv *conv, const float *w) {
    CPU.conv_weights(dev, conv, NEAR(w));
}
static void conv_forward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var) {
    tn_finish f = {.a = NULL};
    if (finish)
        f = (tn_finish){.a = NEAR(finish->a),
                        .b = NEAR(finish->b),
                        .act = finish->act,
                        .side = NEAR(finish->side),
                        .pool = NEAR(finish->pool)};
    CPU.conv_forward(dev, conv, B, VIEW(x), finish ? &f : NULL, NEAR(y), NEAR(mean), NEAR(var));
}
static void expand_forward(tn_dev *dev, tn_conv *wide, const tn_finish *middle, tn_conv *depthwise, int B,
                           const void *x, const tn_finish *finish, void *y) {
    tn_finish m = {.a = NEAR(middle->a), .b = NEAR(middle->b), .act = middle->act};
    tn_finish f = {.a = NEAR(finish->a), .b = NEAR(finish->b), .act = finish->act, .pool = NEAR(finish->pool)};
    CPU.expand_forward(dev, wide, &m, depthwise, B, NEAR(x), &f, NEAR(y));
}
static void conv_backward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw) {
    tn_grad_view d = {NEAR(dy->dz), NEAR(dy->y), NEAR(dy->g), NEAR(dy->h), NEAR(dy->o)};
    CPU.conv_backward(dev, conv, B, VIEW(x), &d, NEAR(dx), add, NEAR(sums), NEAR(dw));
}

/* --- batch norm, reading, pooling --------------------------------------------------------------------------------- */

static void bn_affine(tn_dev *dev, int C, const float *gamma, const float *beta, const float *mean, const float *var,
                      float eps, float *a, float *b) {
    CPU.bn_affine(dev, C, NEAR(gamma), NEAR(beta), NEAR(mean), NEAR(var), eps, NEAR(a), NEAR(b));
}
static void bn_backward(tn_dev *dev, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                        const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    CPU.bn_backward(dev, M, C, NEAR(sums), NEAR(gamma), NEAR(mean), NEAR(var), eps, NEAR(gho), NEAR(dgamma),
                    NEAR(dbeta));
}
static void read_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, const float *keep,
                          const float *dpool, void *dz, double *sums) {
    CPU.read_backward(dev, B, HW, C, VIEW(x), NEAR(g), NEAR(keep), NEAR(dpool), NEAR(dz), NEAR(sums));
}
static void pool_forward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, float *y) {
    CPU.pool_forward(dev, B, HW, C, VIEW(x), NEAR(y));
}
static void scale_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, float *ds) {
    CPU.scale_backward(dev, B, HW, C, VIEW(x), NEAR(g), NEAR(ds));
}
static void residual(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const float *keep, const void *side,
                     void *y) {
    CPU.residual(dev, B, HW, C, VIEW(x), NEAR(keep), NEAR(side), NEAR(y));
}

/* --- head --------------------------------------------------------------------------------------------------------- */

static void dense_forward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *b, float *y) {
    CPU.dense_forward(dev, B, I, O, NEAR(x), NEAR(w), NEAR(b), NEAR(y));
}
static void dense_backward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db) {
    CPU.dense_backward(dev, B, I, O, NEAR(x), NEAR(w), NEAR(dy), NEAR(dx), NEAR(dw), NEAR(db));
}
static void act_forward(tn_dev *dev, int64_t n, tn_act act, const float *x, float *y) {
    CPU.act_forward(dev, n, act, NEAR(x), NEAR(y));
}
static void act_backward(tn_dev *dev, int64_t n, tn_act act, const float *x, const float *dy, float *dx) {
    CPU.act_backward(dev, n, act, NEAR(x), NEAR(dy), NEAR(dx));
}
static void mul(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y) {
    CPU.mul(dev, n, NEAR(x), NEAR(mask), NEAR(y));
}
static void join_forward(tn_dev *dev, int B, int I, int M, const float *x, const float *extra, float *y) {
    CPU.join_forward(dev, B, I, M, NEAR(x), NEAR(extra), NEAR(y));
}
static void join_backward(tn_dev *dev, int B, int I, int M, const float *dy, float *dx) {
    CPU.join_backward(dev, B, I, M, NEAR(dy), NEAR(dx));
}
static void softmax(tn_dev *dev, int B, int K, const float *logits, float *p) {
    CPU.softmax(dev, B, K, NEAR(logits), NEAR(p));
}
static void cross_entropy(tn_dev *dev, int B, int K, const float *logits, const float *target, float scale,
                          float *loss_out, float *dlogits) {
    CPU.cross_entropy(dev, B, K, NEAR(logits), NEAR(target), scale, NEAR(loss_out), NEAR(dlogits));
}

/* --- flat vectors ------------------------------------------------------------------------------------------------- */

static void scale(tn_dev *dev, int64_t n, float a, float *x) {
    CPU.scale(dev, n, a, NEAR(x));
}
static void lerp(tn_dev *dev, int64_t n, float a, const float *x, float *y) {
    CPU.lerp(dev, n, a, NEAR(x), NEAR(y));
}
static void add(tn_dev *dev, int64_t n, const float *x, float *y) {
    CPU.add(dev, n, NEAR(x), NEAR(y));
}
static void add_squares(tn_dev *dev, int64_t n, const float *x, double *sum) {
    CPU.add_squares(dev, n, NEAR(x), NEAR(sum));
}
static void sgd(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    CPU.sgd(dev, n, rate, momentum, decay, NEAR(g), NEAR(m), NEAR(w));
}
static void adamw(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w) {
    CPU.adamw(dev, n, rate, beta1, beta2, eps, decay, step, NEAR(g), NEAR(m), NEAR(v), NEAR(w));
}

extern const tn_dev_table __wrap_tn_cpu_table; /* NOLINT */
const tn_dev_table __wrap_tn_cpu_table = {
    /* NOLINT */
    .library = TN_CPU_LIBRARY,
    .in_host_memory = false,
    .eval_pixels = 4 * 240 * 240,
    .begin = begin,
    .end = end,
    .alloc = alloc,
    .free = release,
    .upload = upload,
    .download = download,
    .store = store,
    .load = load,
    .fill = fill,
    .pixels = pixels,
    .stage = stage,
    .host_alloc = host_alloc,
    .host_free = host_free,
    .download_begin = download_begin,
    .download_done = download_done,
    .upload_begin = upload,
    .conv_new = conv_new,
    .conv_free = conv_free,
    .conv_weights = conv_weights,
    .conv_forward = conv_forward,
    .expand_forward = expand_forward,
    .conv_backward = conv_backward,
    .bn_affine = bn_affine,
    .bn_backward = bn_backward,
    .read_backward = read_backward,
    .pool_forward = pool_forward,
    .scale_backward = scale_backward,
    .residual = residual,
    .dense_forward = dense_forward,
    .dense_backward = dense_backward,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .mul = mul,
    .join_forward = join_forward,
    .join_backward = join_backward,
    .softmax = softmax,
    .cross_entropy = cross_entropy,
    .scale = scale,
    .lerp = lerp,
    .add = add,
    .add_squares = add_squares,
    .sgd = sgd,
    .adamw = adamw,
};
