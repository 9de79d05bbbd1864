/* discriminant.c - sums over rows, a Cholesky factorisation, and the classifier. */
#include "probe/discriminant.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 128,
    TILE = 4,
    PANEL = 8
}; /* rows in the cache; rows of the matrix at a time; columns factored at a time */

/* --- sums --------------------------------------------------------------------------------------------------------- */

tn_status tn_class_sums_new(int d, int K, tn_class_sums **out) {
    tn_class_sums *s = calloc(1, sizeof *s);
    size_t wide = (size_t)d, n_bytes = (wide + (size_t)K) * wide * sizeof(double);
    *out = s;
    if (!s) return tn_fail_memory(sizeof *s, "sums of features");
    s->d = d;
    s->K = K;
    s->n = calloc((size_t)K, sizeof *s->n);
    s->sum = calloc((size_t)K * wide, sizeof *s->sum);
    s->square = calloc(wide * wide, sizeof *s->square);
    if (s->n && s->sum && s->square) return TN_OK;
    tn_class_sums_free(out);
    return tn_fail_memory(n_bytes, "sums of features");
}

void tn_class_sums_free(tn_class_sums **s) {
    if (!*s) return;
    free((*s)->n);
    free((*s)->sum);
    free((*s)->square);
    free(*s);
    *s = NULL;
}

void tn_class_sums_clear(tn_class_sums *s) {
    size_t d = (size_t)s->d, K = (size_t)s->K;
    memset(s->n, 0, K * sizeof *s->n);
    memset(s->sum, 0, K * d * sizeof *s->sum);
    memset(s->square, 0, d * d * sizeof *s->square);
}

/* Row i of the matrix gets the products of column i with the columns up to i, four rows of x at a time. */
static void add_products(int d, int i, int n, const float *x, double *row) {
    int r = 0;
    for (; r + TILE <= n; r += TILE) {
        const float *x0 = x + (int64_t)r * d, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
        double a0 = x0[i], a1 = x1[i], a2 = x2[i], a3 = x3[i];
        for (int j = 0; j <= i; j++) row[j] += (a0 * x0[j] + a1 * x1[j]) + (a2 * x2[j] + a3 * x3[j]);
    }
    for (; r < n; r++) {
        const float *x0 = x + (int64_t)r * d;
        double a0 = x0[i];
        for (int j = 0; j <= i; j++) row[j] += a0 * x0[j];
    }
}

/* Copies the labelled ones of n rows to out. Returns their number. */
static int gather(int d, int n, const float *x, const int32_t *label, float *out) {
    int m = 0;
    for (int r = 0; r < n; r++)
        if (label[r] >= 0) memcpy(out + (int64_t)m++ * d, x + (int64_t)r * d, (size_t)d * sizeof *x);
    return m;
}

tn_status tn_class_sums_add(tn_class_sums *s, int64_t n, const float *x, const int32_t *label) {
    int d = s->d;
    size_t n_bytes = (size_t)ROWS * (size_t)d * sizeof(float);
    float *block = malloc(n_bytes);
    if (!block) return tn_fail_memory(n_bytes, "the probe");
    for (int64_t first = 0; first < n; first += ROWS) {
        int n_here = (int)(n - first < ROWS ? n - first : ROWS);
        int m = gather(d, n_here, x + first * d, label + first, block);
        for (int r = 0; r < n_here; r++) {
            int k = label[first + r];
            if (k < 0) continue;
            s->n[k]++;
            for (int j = 0; j < d; j++) s->sum[(int64_t)k * d + j] += x[(first + r) * d + j];
        }
#pragma omp parallel for schedule(static, TILE)
        for (int i = 0; i < d; i++) add_products(d, i, m, block, s->square + (int64_t)i * d);
    }
    free(block);
    return TN_OK;
}

void tn_class_sums_join(tn_class_sums *s, double sign, const tn_class_sums *other) {
    int64_t d = s->d;
    for (int k = 0; k < s->K; k++) s->n[k] += (int64_t)sign * other->n[k];
    for (int64_t i = 0; i < s->K * d; i++) s->sum[i] += sign * other->sum[i];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++) s->square[i * d + j] += sign * other->square[i * d + j];
}

/* --- Cholesky factorisation ----------------------------------------------------------------------------------------- */

/* Factor the columns p .. p + m - 1 of the lower triangle, from row p on; all columns before are done. */
static bool factor_panel(int d, int p, int m, double *a) {
    for (int c = p; c < p + m; c++) {
        double pivot = a[(int64_t)c * d + c];
        for (int q = p; q < c; q++) pivot -= a[(int64_t)c * d + q] * a[(int64_t)c * d + q];
        if (!(pivot > 0) || !isfinite(pivot)) return false;
        double root = sqrt(pivot);
        a[(int64_t)c * d + c] = root;
        for (int i = c + 1; i < d; i++) {
            double v = a[(int64_t)i * d + c];
            for (int q = p; q < c; q++) v -= a[(int64_t)i * d + q] * a[(int64_t)c * d + q];
            a[(int64_t)i * d + c] = v / root;
        }
    }
    return true;
}

/* a (d,d), lower triangle, becomes L with L L' = a. column: memory for PANEL x d. False: not positive definite. */
static bool cholesky(int d, double *a, double *column) {
    for (int p = 0; p < d; p += PANEL) {
        int m = d - p < PANEL ? d - p : PANEL, next = p + m;
        if (!factor_panel(d, p, m, a)) return false;
        for (int q = 0; q < m; q++)
            for (int i = next; i < d; i++) column[(int64_t)q * d + i] = a[(int64_t)i * d + p + q];
#pragma omp parallel for schedule(dynamic, 16)
        for (int i = next; i < d; i++)
            for (int q = 0; q < m; q++) {
                double l = column[(int64_t)q * d + i];
                const double *c = column + (int64_t)q * d;
                for (int j = next; j <= i; j++) a[(int64_t)i * d + j] -= l * c[j];
            }
    }
    return true;
}

/* x (d) becomes the solution of L L' y = x. */
static void solve(int d, const double *l, double *x) {
    for (int i = 0; i < d; i++) {
        const double *row = l + (int64_t)i * d;
        double v = x[i];
        for (int j = 0; j < i; j++) v -= row[j] * x[j];
        x[i] = v / row[i];
    }
    for (int i = d - 1; i >= 0; i--) {
        const double *row = l + (int64_t)i * d;
        x[i] /= row[i];
        for (int j = 0; j < i; j++) x[j] -= row[j] * x[i];
    }
}

/* --- the classifier ------------------------------------------------------------------------------------------------- */

typedef struct {
    const tn_class_sums *s;
    double n, shrinkage;
    double *mean, *scale;      /* (d): of all rows; 1 / standard deviation, 0 for a constant feature */
    double *a, *column, *work; /* (d,d), (PANEL,d), (K,d) */
} fit;

static void moments(fit *f) {
    const tn_class_sums *s = f->s;
    int64_t d = s->d;
    f->n = 0;
    for (int k = 0; k < s->K; k++) f->n += (double)s->n[k];
    for (int64_t i = 0; i < d; i++) {
        double sum = 0;
        for (int k = 0; k < s->K; k++) sum += s->sum[k * d + i];
        f->mean[i] = sum / f->n;
        double square = s->square[i * d + i] / f->n, variance = square - f->mean[i] * f->mean[i];
        f->scale[i] = variance <= 1e-10 * square ? 0 : 1 / sqrt(variance); /* NaN stays */
    }
}

/* The covariance within classes, of scaled features, shrunken; the lower triangle of f->a. */
static void covariance(fit *f) {
    const tn_class_sums *s = f->s;
    int64_t d = s->d;
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < d; i++) {
        double *row = f->a + i * d;
        for (int64_t j = 0; j <= i; j++) row[j] = s->square[i * d + j];
        for (int k = 0; k < s->K; k++) {
            if (s->n[k] == 0) continue;
            double mean = s->sum[k * d + i] / (double)s->n[k];
            for (int64_t j = 0; j <= i; j++) row[j] -= mean * s->sum[k * d + j];
        }
        for (int64_t j = 0; j <= i; j++) row[j] *= f->scale[i] * f->scale[j] / f->n;
    }
    double trace = 0;
    for (int64_t i = 0; i < d; i++) trace += f->a[i * d + i];
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < i; j++) f->a[i * d + j] *= 1 - f->shrinkage;
        f->a[i * d + i] = (1 - f->shrinkage) * f->a[i * d + i] + f->shrinkage * trace / (double)d;
        if (f->scale[i] == 0) f->a[i * d + i] = 1; /* its weight is 0 anyway */
    }
}

/* Weights of class k. */
static void weights(fit *f, int k, float *w_out, float *b_out) {
    const tn_class_sums *s = f->s;
    int64_t d = s->d;
    double *x = f->work + k * d, n = (double)s->n[k], shift = 0;
    for (int64_t i = 0; i < d; i++) x[i] = n > 0 ? (s->sum[k * d + i] / n - f->mean[i]) * f->scale[i] : 0;
    solve((int)d, f->a, x);
    for (int64_t i = 0; i < d; i++) {
        double w = x[i] * f->scale[i];
        w_out[i * s->K + k] = (float)w;
        if (n > 0) shift += w * (s->sum[k * d + i] / n + f->mean[i]) / 2;
    }
    b_out[k] = n > 0 ? (float)(log(n / f->n) - shift) : -INFINITY;
}

static tn_status fit_all(fit *f, float *w_out, float *b_out) {
    moments(f);
    if (!(f->n > 0)) return tn_fail(TN_EARG, "a discriminant cannot be fitted: no row has a label");
    covariance(f);
    if (!cholesky(f->s->d, f->a, f->column))
        return tn_fail(TN_EFORMAT, "a discriminant cannot be fitted: the covariance of the features is singular");
#pragma omp parallel for schedule(dynamic, 1)
    for (int k = 0; k < f->s->K; k++) weights(f, k, w_out, b_out);
    return TN_OK;
}

tn_status tn_discriminant_fit(const tn_class_sums *s, double shrinkage, float *w_out, float *b_out) {
    size_t d = (size_t)s->d, n = 2 * d + d * d + PANEL * d + (size_t)s->K * d;
    double *memory = malloc(n * sizeof *memory);
    if (!memory) return tn_fail_memory(n * sizeof *memory, "a discriminant");
    fit f = {.s = s, .shrinkage = shrinkage, .mean = memory, .scale = memory + d, .a = memory + 2 * d};
    f.column = f.a + d * d;
    f.work = f.column + PANEL * d;
    tn_status st = fit_all(&f, w_out, b_out);
    free(memory);
    return st;
}

void tn_discriminant_logits(int d, int K, const float *w, const float *b, int64_t n, const float *x,
                            float *logits_out) {
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < n; r++) {
        float *z = logits_out + r * K;
        memcpy(z, b, (size_t)K * sizeof *z);
        for (int i = 0; i < d; i++)
            for (int k = 0; k < K; k++) z[k] += x[r * d + i] * w[(int64_t)i * K + k];
    }
}
