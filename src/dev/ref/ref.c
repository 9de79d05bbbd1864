/* ref.c - all operations except convolution, by their formulae in dev.h. */
#include "dev/ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- begin, end ---------------------------------------------------------------------------------------------------- */

static tn_status begin(tn_dev *dev) {
    TN_TRY(
        tn_isa_check(dev->isa)); /* nothing here depends on it; but a cell of `cpu` may go on with `ref` on this node */
    if (dev->precision == TN_FP32) return TN_OK;
    return tn_fail(TN_EARG, "the device `ref` computes in fp32 only: set train.precision = \"fp32\"");
}
static void end(tn_dev *dev) {
    (void)dev;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static float *alloc(tn_dev *dev, int64_t n) {
    (void)dev;
    size_t n_bytes = ((size_t)n * sizeof(float) + 63) / 64 * 64;
    float *x = aligned_alloc(64, n_bytes ? n_bytes : 64);
    if (x) memset(x, 0, n_bytes);
    return x;
}
static void release(tn_dev *dev, float *x) {
    (void)dev;
    free(x);
}
static void copy_in(tn_dev *dev, int64_t n, const float *host, float *x) {
    (void)dev;
    memcpy(x, host, (size_t)n * sizeof *x);
}
static void copy_out(tn_dev *dev, int64_t n, const float *x, float *host) {
    (void)dev;
    memcpy(host, x, (size_t)n * sizeof *x);
}
static void store(tn_dev *dev, int64_t n, const float *host, void *x) {
    copy_in(dev, n, host, x);
}
static void load(tn_dev *dev, int64_t n, const void *x, float *host) {
    copy_out(dev, n, x, host);
}
static void fill(tn_dev *dev, int64_t n, float value, float *x) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) x[i] = value;
}

static void pixels(tn_dev *dev, int64_t n_pixels, const unsigned char *host, const tn_byte_norm *norm, void *x) {
    float *to = x;
    (void)dev;
    for (int64_t i = 0; i < n_pixels * 3; i++) to[i] = norm->scale[i % 3] * (float)host[i] + norm->shift[i % 3];
}

/* --- activations -------------------------------------------------------------------------------------------------- */

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

double tn_ref_act(tn_act kind, double x) {
    switch (kind) {
    case TN_ACT_SWISH:
        return x * sigmoid(x);
    case TN_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case TN_ACT_SIGMOID:
        return sigmoid(x);
    default:
        return x;
    }
}

static double act_slope(tn_act kind, double x) {
    double s = sigmoid(x);
    switch (kind) {
    case TN_ACT_SWISH:
        return s * (1 + x * (1 - s));
    case TN_ACT_RELU6:
        return x > 0 && x < 6;
    case TN_ACT_SIGMOID:
        return s * (1 - s);
    default:
        return 1;
    }
}

static void act_forward(tn_dev *dev, int64_t n, tn_act kind, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] = (float)tn_ref_act(kind, x[i]);
}
static void act_backward(tn_dev *dev, int64_t n, tn_act kind, const float *x, const float *dy, float *dx) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) dx[i] = (float)((double)dy[i] * act_slope(kind, x[i]));
}

/* --- reading stored activations ----------------------------------------------------------------------------------- */

double tn_ref_read(const tn_view *x, int64_t HW, int C, int64_t m, int c) {
    double v = (double)((const float *)x->x)[m * C + c];
    if (x->a) v = tn_ref_act(x->act, (double)x->a[c] * v + (double)x->b[c]);
    return x->scale ? v * (double)x->scale[m / HW * C + c] : v;
}

double tn_ref_slope(const tn_view *x, int C, int64_t m, int c) {
    double v = (double)((const float *)x->x)[m * C + c];
    return x->a ? act_slope(x->act, (double)x->a[c] * v + (double)x->b[c]) : 1;
}

double tn_ref_grad(const tn_grad_view *d, int C, int64_t m, int c) {
    double dz = (double)((const float *)d->dz)[m * C + c];
    if (!d->g) return dz;
    return (double)d->g[c] * dz + (double)d->h[c] * (double)((const float *)d->y)[m * C + c] + (double)d->o[c];
}

static void read_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, const float *keep,
                          const float *dpool, void *dz, double *sums) {
    (void)dev;
    for (int c = 0; c < 2 * C; c++) sums[c] = 0;
    for (int64_t m = 0; m < B * HW; m++)
        for (int c = 0; c < C; c++) {
            int64_t b = m / HW, at = m * C + c;
            double d = g ? (double)((const float *)g)[at] * (keep ? (double)keep[b] : 1) : 0;
            if (x->scale) d *= (double)x->scale[b * C + c];
            if (dpool) d += (double)dpool[b * C + c] / (double)HW;
            d *= tn_ref_slope(x, C, m, c);
            ((float *)dz)[at] = (float)d;
            sums[c] += d;
            sums[C + c] += d * (double)((const float *)x->x)[at];
        }
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

static void bn_affine(tn_dev *dev, int C, const float *gamma, const float *beta, const float *mean, const float *var,
                      float eps, float *a, float *b) {
    (void)dev;
    for (int c = 0; c < C; c++) {
        double inverse = 1 / sqrt((double)var[c] + (double)eps);
        a[c] = (float)((double)gamma[c] * inverse);
        b[c] = (float)((double)beta[c] - (double)gamma[c] * (double)mean[c] * inverse);
    }
}

/* dx = gamma inv (dz - sum / M - (x - mean) inv sum_hat / M) */
static void bn_backward(tn_dev *dev, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                        const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    (void)dev;
    for (int c = 0; c < C; c++) {
        double inverse = 1 / sqrt((double)var[c] + (double)eps), scale = (double)gamma[c] * inverse;
        double sum_hat = (sums[C + c] - (double)mean[c] * sums[c]) * inverse,
               per_x = scale * inverse * sum_hat / (double)M;
        gho[c] = (float)scale;
        gho[C + c] = (float)-per_x;
        gho[2 * C + c] = (float)((double)mean[c] * per_x - scale * sums[c] / (double)M);
        dgamma[c] = (float)sum_hat;
        dbeta[c] = (float)sums[c];
    }
}

/* --- squeeze-and-excitation, pooling, residual -------------------------------------------------------------------- */

static void pool_forward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, float *y) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int64_t m = b * HW; m < (b + 1) * HW; m++) sum += tn_ref_read(x, HW, C, m, c);
            y[b * C + c] = (float)(sum / (double)HW);
        }
}
static void scale_backward(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const void *g, float *ds) {
    (void)dev;
    tn_view unscaled = *x;
    unscaled.scale = NULL;
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int64_t m = b * HW; m < (b + 1) * HW; m++)
                sum += (double)((const float *)g)[m * C + c] * tn_ref_read(&unscaled, HW, C, m, c);
            ds[b * C + c] = (float)sum;
        }
}
static void residual(tn_dev *dev, int B, int64_t HW, int C, const tn_view *x, const float *keep, const void *side,
                     void *y) {
    (void)dev;
    for (int64_t m = 0; m < B * HW; m++)
        for (int c = 0; c < C; c++) {
            double v = tn_ref_read(x, HW, C, m, c) * (keep ? (double)keep[m / HW] : 1);
            ((float *)y)[m * C + c] = (float)(v + (side ? (double)((const float *)side)[m * C + c] : 0));
        }
}

/* --- head --------------------------------------------------------------------------------------------------------- */

static void dense_forward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *bias,
                          float *y) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int o = 0; o < O; o++) {
            double sum = (double)bias[o];
            for (int i = 0; i < I; i++) sum += (double)x[b * I + i] * (double)w[(int64_t)o * I + i];
            y[b * O + o] = (float)sum;
        }
}
static void dense_backward(tn_dev *dev, int B, int I, int O, const float *x, const float *w, const float *dy, float *dx,
                           float *dw, float *db) {
    (void)dev;
    for (int b = 0; dx && b < B; b++)
        for (int i = 0; i < I; i++) {
            double sum = 0;
            for (int o = 0; o < O; o++) sum += (double)dy[b * O + o] * (double)w[(int64_t)o * I + i];
            dx[b * I + i] = (float)sum;
        }
    for (int o = 0; o < O; o++) {
        double sum = 0;
        for (int b = 0; b < B; b++) sum += (double)dy[b * O + o];
        db[o] = (float)sum;
        for (int i = 0; i < I; i++) {
            double product = 0;
            for (int b = 0; b < B; b++) product += (double)dy[b * O + o] * (double)x[b * I + i];
            dw[(int64_t)o * I + i] = (float)product;
        }
    }
}
static void mul(tn_dev *dev, int64_t n, const float *x, const float *mask, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * mask[i];
}
void tn_ref_join_forward(tn_dev *dev, int B, int I, int M, const float *x, const float *extra, float *y) {
    (void)dev;
    for (int b = 0; b < B; b++) {
        memcpy(y + (int64_t)b * (I + M), x + (int64_t)b * I, (size_t)I * sizeof *y);
        if (M) memcpy(y + (int64_t)b * (I + M) + I, extra + (int64_t)b * M, (size_t)M * sizeof *y);
    }
}
void tn_ref_join_backward(tn_dev *dev, int B, int I, int M, const float *dy, float *dx) {
    (void)dev;
    for (int b = 0; b < B; b++) memcpy(dx + (int64_t)b * I, dy + (int64_t)b * (I + M), (size_t)I * sizeof *dx);
}

/* log of the sum of exponentials of K logits */
static double log_sum(int K, const float *logits) {
    double most = (double)logits[0], sum = 0;
    for (int k = 1; k < K; k++) most = fmax(most, (double)logits[k]);
    for (int k = 0; k < K; k++) sum += exp((double)logits[k] - most);
    return most + log(sum);
}
void tn_ref_softmax(tn_dev *dev, int B, int K, const float *logits, float *p) {
    (void)dev;
    for (int b = 0; b < B; b++) {
        double total = log_sum(K, logits + b * K);
        for (int k = 0; k < K; k++) p[b * K + k] = (float)exp((double)logits[b * K + k] - total);
    }
}
void tn_ref_cross_entropy(tn_dev *dev, int B, int K, const float *logits, const float *target, float scale,
                          float *loss_out, float *dlogits) {
    (void)dev;
    for (int b = 0; b < B; b++) {
        double total = log_sum(K, logits + b * K), loss = 0, weight = 0;
        for (int k = 0; k < K; k++) {
            double log_p = (double)logits[b * K + k] - total, t = (double)target[b * K + k];
            loss -= t * log_p;
            weight += t;
        }
        for (int k = 0; k < K; k++) {
            double log_p = (double)logits[b * K + k] - total, t = (double)target[b * K + k];
            dlogits[b * K + k] = (float)((double)scale * (weight * exp(log_p) - t));
        }
        loss_out[b] = (float)loss;
    }
}

/* --- flat vectors ------------------------------------------------------------------------------------------------- */

static void scale(tn_dev *dev, int64_t n, float a, float *x) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) x[i] *= a;
}
static void lerp(tn_dev *dev, int64_t n, float a, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] += a * (x[i] - y[i]);
}
static void add(tn_dev *dev, int64_t n, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}
static void add_squares(tn_dev *dev, int64_t n, const float *x, double *sum) {
    (void)dev;
    double here = 0;
    for (int64_t i = 0; i < n; i++) here += (double)x[i] * (double)x[i];
    *sum += here;
}
static void sgd(tn_dev *dev, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] + decay * w[i];
        m[i] = momentum * m[i] + d;
        w[i] -= rate * (d + momentum * m[i]);
    }
}
static void adamw(tn_dev *dev, int64_t n, float rate, float beta1, float beta2, float eps, float decay, int64_t step,
                  const float *g, float *m, float *v, float *w) {
    (void)dev;
    double c1 = 1 - pow((double)beta1, (double)step), c2 = 1 - pow((double)beta2, (double)step);
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        double move = (double)m[i] / c1 / (sqrt((double)v[i] / c2) + (double)eps);
        w[i] = (float)((double)w[i] * (1 - (double)rate * (double)decay) - (double)rate * move);
    }
}

const tn_dev_table tn_ref_table = {
    .library = "reference 2",
    .in_host_memory = true,
    .eval_pixels = 4 * 240 * 240,
    .begin = begin,
    .end = end,
    .alloc = alloc,
    .free = release,
    .upload = copy_in,
    .download = copy_out,
    .store = store,
    .load = load,
    .fill = fill,
    .pixels = pixels,
    .conv_new = tn_ref_conv_new,
    .conv_free = tn_ref_conv_free,
    .conv_weights = tn_ref_conv_weights,
    .conv_forward = tn_ref_conv_forward,
    .conv_backward = tn_ref_conv_backward,
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
    .join_forward = tn_ref_join_forward,
    .join_backward = tn_ref_join_backward,
    .softmax = tn_ref_softmax,
    .cross_entropy = tn_ref_cross_entropy,
    .scale = scale,
    .lerp = lerp,
    .add = add,
    .add_squares = add_squares,
    .sgd = sgd,
    .adamw = adamw,
};
