/* ref.c - every other operation by its formula (dev.h). */
#include "dev/ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
static void fill(tn_dev *dev, int64_t n, float value, float *x) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) x[i] = value;
}

/* --- activations -------------------------------------------------------------------------------------------------- */

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double act(tn_act kind, double x) {
    switch (kind) {
    case TN_ACT_SWISH:
        return x * sigmoid(x);
    case TN_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case TN_ACT_RELU:
        return fmax(x, 0);
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
    case TN_ACT_RELU:
        return x > 0;
    case TN_ACT_SIGMOID:
        return s * (1 - s);
    default:
        return 1;
    }
}

static void act_forward(tn_dev *dev, int64_t n, tn_act kind, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] = (float)act(kind, x[i]);
}
static void act_backward(tn_dev *dev, int64_t n, tn_act kind, const float *x, const float *dy, float *dx) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) dx[i] = (float)((double)dy[i] * act_slope(kind, x[i]));
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

static void bn_eval(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta,
                    const float *mean, const float *var, float eps, tn_act kind, float *y) {
    (void)dev;
    for (int64_t m = 0; m < M; m++)
        for (int c = 0; c < C; c++) {
            double hat = ((double)x[m * C + c] - (double)mean[c]) / sqrt((double)var[c] + (double)eps);
            y[m * C + c] = (float)act(kind, (double)gamma[c] * hat + (double)beta[c]);
        }
}

static void bn_train(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta, float eps,
                     tn_act kind, float *y, float *mean_out, float *var_out) {
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;
        for (int64_t m = 0; m < M; m++) sum += (double)x[m * C + c];
        for (int64_t m = 0; m < M; m++) squares += pow((double)x[m * C + c] - sum / (double)M, 2);
        mean_out[c] = (float)(sum / (double)M);
        var_out[c] = (float)(squares / (double)M);
    }
    bn_eval(dev, M, C, x, gamma, beta, mean_out, var_out, eps, kind, y);
}

static void bn_backward(tn_dev *dev, int64_t M, int C, const float *x, const float *gamma, const float *beta,
                        const float *mean, const float *var, float eps, tn_act kind, const float *dy, float *dx,
                        float *dgamma, float *dbeta) {
    (void)dev;
    for (int c = 0; c < C; c++) {
        double inverse = 1 / sqrt((double)var[c] + (double)eps), g = (double)gamma[c], sum = 0, sum_hat = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t m = 0; m < M; m++) {
                int64_t i = m * C + c;
                double hat = ((double)x[i] - (double)mean[c]) * inverse;
                double dz = (double)dy[i] * act_slope(kind, g * hat + (double)beta[c]);
                if (pass == 0) {
                    sum += dz;
                    sum_hat += dz * hat;
                } else {
                    dx[i] = (float)(g * inverse * (dz - sum / (double)M - hat * sum_hat / (double)M));
                }
            }
        }
        dbeta[c] = (float)sum;
        dgamma[c] = (float)sum_hat;
    }
}

/* --- squeeze-and-excitation, pooling, residual
 * ------------------------------------------------------------------------ */

static void pool_forward(tn_dev *dev, int B, int64_t HW, int C, const float *x, float *y) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int64_t i = 0; i < HW; i++) sum += (double)x[(b * HW + i) * C + c];
            y[b * C + c] = (float)(sum / (double)HW);
        }
}
static void pool_backward(tn_dev *dev, int B, int64_t HW, int C, const float *dy, float *dx, bool add) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int64_t i = 0; i < HW; i++)
            for (int c = 0; c < C; c++) {
                float *d = &dx[(b * HW + i) * C + c];
                double part = (double)dy[b * C + c] / (double)HW;
                *d = (float)(add ? (double)*d + part : part);
            }
}
static void scale_forward(tn_dev *dev, int B, int64_t HW, int C, const float *x, const float *s, float *y) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int64_t i = 0; i < HW; i++)
            for (int c = 0; c < C; c++) y[(b * HW + i) * C + c] = x[(b * HW + i) * C + c] * s[b * C + c];
}
static void scale_backward(tn_dev *dev, int B, int64_t HW, int C, const float *x, const float *s, const float *dy,
                           float *dx, float *ds) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int64_t i = 0; i < HW; i++) {
                int64_t at = (b * HW + i) * C + c;
                sum += (double)dy[at] * (double)x[at];
                dx[at] = dy[at] * s[b * C + c];
            }
            ds[b * C + c] = (float)sum;
        }
}
static void residual(tn_dev *dev, int B, int64_t n, const float *x, const float *keep, const float *side, float *y) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int64_t i = b * n; i < (b + 1) * n; i++) y[i] = side[i] + (keep ? keep[b] : 1) * x[i];
}
static void keep_some(tn_dev *dev, int B, int64_t n, const float *x, const float *keep, float *y) {
    (void)dev;
    for (int b = 0; b < B; b++)
        for (int64_t i = b * n; i < (b + 1) * n; i++) y[i] = keep[b] * x[i];
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
            loss -= (double)target[b * K + k] * ((double)logits[b * K + k] - total);
            weight += (double)target[b * K + k];
        }
        for (int k = 0; k < K; k++)
            dlogits[b * K + k] =
                (float)((double)scale * (weight * exp((double)logits[b * K + k] - total) - (double)target[b * K + k]));
        loss_out[b] = (float)loss;
    }
}

/* --- flat vectors ------------------------------------------------------------------------------------------------- */

static void add(tn_dev *dev, int64_t n, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}
static void scale(tn_dev *dev, int64_t n, float a, float *x) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) x[i] *= a;
}
static void lerp(tn_dev *dev, int64_t n, float a, const float *x, float *y) {
    (void)dev;
    for (int64_t i = 0; i < n; i++) y[i] += a * (x[i] - y[i]);
}
static double sum_of_squares(tn_dev *dev, int64_t n, const float *x) {
    (void)dev;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
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
    .alloc = alloc,
    .free = release,
    .upload = copy_in,
    .download = copy_out,
    .fill = fill,
    .conv_new = tn_ref_conv_new,
    .conv_free = tn_ref_conv_free,
    .conv_weights = tn_ref_conv_weights,
    .conv_forward = tn_ref_conv_forward,
    .conv_backward_data = tn_ref_conv_backward_data,
    .conv_backward_weights = tn_ref_conv_backward_weights,
    .bn_train = bn_train,
    .bn_eval = bn_eval,
    .bn_backward = bn_backward,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .scale_forward = scale_forward,
    .scale_backward = scale_backward,
    .residual = residual,
    .keep = keep_some,
    .dense_forward = dense_forward,
    .dense_backward = dense_backward,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .mul = mul,
    .join_forward = tn_ref_join_forward,
    .join_backward = tn_ref_join_backward,
    .softmax = tn_ref_softmax,
    .cross_entropy = tn_ref_cross_entropy,
    .add = add,
    .scale = scale,
    .lerp = lerp,
    .sum_of_squares = sum_of_squares,
    .sgd = sgd,
    .adamw = adamw,
};
