/* true_class.c - see true_class.h. */
#include "score/true_class.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRIOR_ROWS = 10, MOST_STEPS = 200, TEMPERATURES = 16, SECTIONS = 8 };
static const double RIGHT = 0.9, LEAST_T = 0.2, MOST_T = 4, SMALL_CHANGE = 1e-5, LEAST_P = 1e-9;

typedef struct {
    int64_t n;
    int K;
    int64_t *row;   /* (n) rows that are used */
    int32_t *label; /* (n) */
    double *weight; /* (n) */
    float *p;       /* (n,K): P at the present temperature */
    double *prior;  /* (K,K), as `given` */
    double *given;  /* (K,K): the matrix of the present temperature */
    double *counts; /* (K,K): sums of q by label and class */
} fit;

/* P of a row: p to the power of 1 / T, with the sum 1. */
static void temper(int K, double t, const float *p, float *out) {
    double sum = 0;
    for (int k = 0; k < K; k++) {
        double x = p[k] > LEAST_P ? (double)p[k] : LEAST_P;
        x = t == 1 ? x : exp(log(x) / t);
        out[k] = (float)x;
        sum += x;
    }
    for (int k = 0; k < K; k++) out[k] = (float)(out[k] / sum);
}

static tn_status allocate(int64_t N, int K, const uint8_t *use, fit *f) {
    size_t k2 = (size_t)K * (size_t)K;
    int64_t n_use = 0, every = 1;
    for (int64_t i = 0; i < N; i++) n_use += use[i] != 0;
    if (n_use > TN_TRUE_CLASS_ROWS) every = (n_use + TN_TRUE_CLASS_ROWS - 1) / TN_TRUE_CLASS_ROWS;
    size_t n = (size_t)((n_use + every - 1) / every);
    *f = (fit){.K = K,
               .row = malloc(n * sizeof *f->row + 1),
               .label = malloc(n * sizeof *f->label + 1),
               .weight = malloc(n * sizeof *f->weight + 1),
               .p = malloc(n * (size_t)K * sizeof *f->p + 1),
               .prior = malloc(k2 * sizeof *f->prior),
               .given = malloc(k2 * sizeof *f->given),
               .counts = malloc(k2 * sizeof *f->counts)};
    if (!f->row || !f->label || !f->weight || !f->p || !f->prior || !f->given || !f->counts)
        return tn_fail_memory(n * (size_t)K * sizeof *f->p + 3 * k2 * sizeof *f->prior, "the noise matrix");
    int64_t at = 0;
    for (int64_t i = 0; i < N; i++)
        if (use[i] && at++ % every == 0) f->row[f->n++] = i;
    return TN_OK;
}

static void release(fit *f) {
    void *all[] = {f->row, f->label, f->weight, f->p, f->prior, f->given, f->counts};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void set_prior(fit *f) {
    int K = f->K;
    double sum = 0, *of_label = f->counts; /* (K) the weight of each label */
    memset(of_label, 0, (size_t)K * sizeof *of_label);
    for (int64_t i = 0; i < f->n; i++) {
        of_label[f->label[i]] += f->weight[i];
        sum += f->weight[i];
    }
    for (int j = 0; j < K; j++) {
        double share = sum > 0 ? of_label[j] / sum : 1.0 / K;
        for (int k = 0; k < K; k++) f->prior[j * K + k] = (j == k ? RIGHT : 0) + (1 - RIGHT) * share;
    }
}

/* One step of expectation and maximisation. Returns the log likelihood under the matrix before; *change_out: the largest change in it. */
static double step(fit *f, double *given, double *change_out) {
    int K = f->K;
    double likelihood = 0;
    for (int j = 0; j < K * K; j++) f->counts[j] = PRIOR_ROWS * f->prior[j];
    for (int64_t i = 0; i < f->n; i++) {
        const double *of_label = given + (int64_t)f->label[i] * K;
        double *counts = f->counts + (int64_t)f->label[i] * K, sum = 0;
        const float *p = f->p + i * K;
        for (int k = 0; k < K; k++) sum += (double)p[k] * of_label[k];
        likelihood += f->weight[i] * log(sum);
        for (int k = 0; k < K; k++) counts[k] += f->weight[i] * (double)p[k] * of_label[k] / sum;
    }
    *change_out = 0;
    for (int k = 0; k < K; k++) {
        double sum = 0;
        for (int j = 0; j < K; j++) sum += f->counts[j * K + k];
        for (int j = 0; j < K; j++) {
            double x = f->counts[j * K + k] / sum;
            *change_out = fmax(*change_out, fabs(x - given[j * K + k]));
            given[j * K + k] = x;
        }
    }
    return likelihood;
}

/* Fit the matrix at a temperature, from the one before; keep the better of it and out. Returns the log likelihood. */
static double fit_at(fit *f, double log_t, const float *p, double *best, tn_true_class *out) {
    double likelihood = 0, change = 1, t = exp(log_t);
    for (int64_t i = 0; i < f->n; i++) temper(f->K, t, p + f->row[i] * f->K, f->p + i * f->K);
    for (int i = 0; i < MOST_STEPS && change > SMALL_CHANGE; i++) likelihood = step(f, f->given, &change);
    if (likelihood > *best) {
        *best = likelihood;
        out->temperature = t;
        memcpy(out->given, f->given, (size_t)f->K * (size_t)f->K * sizeof *out->given);
    }
    return likelihood;
}

static void search(fit *f, const float *p, tn_true_class *out) {
    const double STEP = log(MOST_T / LEAST_T) / (TEMPERATURES - 1), GOLDEN = (sqrt(5) - 1) / 2;
    double best = -INFINITY;
    for (int i = 0; i < TEMPERATURES; i++) fit_at(f, log(LEAST_T) + i * STEP, p, &best, out);
    double low = fmax(log(out->temperature) - STEP, log(LEAST_T)),
           high = fmin(log(out->temperature) + STEP, log(MOST_T));
    double a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low);
    double of_a = fit_at(f, a, p, &best, out), of_b = fit_at(f, b, p, &best, out);
    for (int i = 0; i < SECTIONS; i++) {
        if (of_a >= of_b) {
            high = b, b = a, of_b = of_a;
            a = high - GOLDEN * (high - low);
            of_a = fit_at(f, a, p, &best, out);
        } else {
            low = a, a = b, of_a = of_b;
            b = low + GOLDEN * (high - low);
            of_b = fit_at(f, b, p, &best, out);
        }
    }
}

tn_status tn_true_class_fit(int64_t N, int K, const float *p, const int32_t *label, const double *weight,
                            const uint8_t *use, tn_true_class *out) {
    size_t n_bytes = (size_t)K * (size_t)K * sizeof(double);
    fit f;
    *out = (tn_true_class){.K = K, .temperature = 1, .given = malloc(n_bytes)};
    tn_status st = allocate(N, K, use, &f);
    if (st == TN_OK && !out->given) st = tn_fail_memory(n_bytes, "the noise matrix");
    if (st == TN_OK) {
        for (int64_t i = 0; i < f.n; i++) {
            f.label[i] = label[f.row[i]];
            f.weight[i] = weight ? weight[f.row[i]] : 1;
        }
        set_prior(&f);
        memcpy(out->given, f.prior, n_bytes);
        memcpy(f.given, f.prior, n_bytes);
        if (f.n > 0) search(&f, p, out);
    }
    release(&f);
    if (st != TN_OK) tn_true_class_free(out);
    return st;
}

void tn_true_class_free(tn_true_class *m) {
    free(m->given);
    *m = (tn_true_class){.K = 0};
}

void tn_true_class_of(const tn_true_class *m, int64_t N, const float *p, const int32_t *label, const uint8_t *judged,
                      float *q_out) {
    int K = m->K;
    for (int64_t i = 0; i < N; i++) {
        float *q = q_out + i * K;
        double sum = 0;
        if (!judged[i]) continue;
        temper(K, m->temperature, p + i * K, q);
        for (int k = 0; k < K; k++) sum += (double)q[k] * m->given[(int64_t)label[i] * K + k];
        for (int k = 0; k < K && sum > 0; k++) /* 0: the label contradicts p altogether, and p stands */
            q[k] = (float)((double)q[k] * m->given[(int64_t)label[i] * K + k] / sum);
    }
}
