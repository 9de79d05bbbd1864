/* confident.c - the confident joint, and the rows to prune. */
#include "filter/confident.h"

#include "score/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEAR = 1e-6; /* probabilities closer than this count as equal */

/* --- the joint ---------------------------------------------------------------------------------------------------- */

static void thresholds(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged, double *t,
                       int64_t *n) {
    for (int k = 0; k < K; k++) t[k] = (double)(n[k] = 0);
    for (int64_t i = 0; i < N; i++) {
        if (!judged[i]) continue;
        t[label[i]] += (double)p[i * K + label[i]];
        n[label[i]]++;
    }
    for (int k = 0; k < K; k++) t[k] = n[k] ? fmax(t[k] / (double)n[k], 2 * NEAR) : 2;
}

void tn_confident_thresholds(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             double *threshold_out) {
    int64_t n[TN_MAX_CLASSES];
    thresholds(N, K, p, label, judged, threshold_out, n);
}

/* The class that a row is confidently in; -1: none. */
static int confident_class(int K, const float *p, const double *t) {
    int n = 0, first = -1;
    for (int k = K - 1; k >= 0; k--)
        if ((double)p[k] >= t[k] - NEAR) {
            first = k;
            n++;
        }
    return n > 1 ? tn_argmax(K, p) : first;
}

/* Round a row to whole numbers and keep its sum: the values with the largest rounding errors are moved by one. */
static void round_row(int K, const double *x, int64_t *out) {
    double sum = 0;
    int64_t rounded = 0;
    for (int k = 0; k < K; k++) {
        sum += x[k];
        out[k] = (int64_t)rint(x[k]);
        rounded += out[k];
    }
    for (int64_t left = (int64_t)rint(sum) - rounded; left != 0; left += left > 0 ? -1 : 1) {
        int at = 0;
        for (int k = 1; k < K; k++) {
            double here = x[k] - (double)out[k], best = x[at] - (double)out[at];
            if (left > 0 ? here >= best : here < best) at = k;
        }
        out[at] += left > 0 ? 1 : -1;
    }
}

static void calibrate(int K, const int64_t *n, int64_t *joint) {
    for (int i = 0; i < K; i++) {
        double row[TN_MAX_CLASSES], sum = 0;
        for (int j = 0; j < K; j++) sum += (double)joint[i * K + j];
        for (int j = 0; j < K; j++) row[j] = (double)joint[i * K + j] / sum * (double)n[i];
        round_row(K, row, joint + i * K);
    }
}

static void joint_of(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged, double *t,
                     int64_t *n, int64_t *joint) {
    thresholds(N, K, p, label, judged, t, n);
    memset(joint, 0, (size_t)K * (size_t)K * sizeof *joint);
    for (int64_t i = 0; i < N; i++) {
        int j = judged[i] ? confident_class(K, p + i * K, t) : -1;
        if (j >= 0) joint[label[i] * K + j]++;
    }
    for (int k = 0; k < K; k++)
        if (joint[k * K + k] < 1) joint[k * K + k] = 1;
    calibrate(K, n, joint);
}

void tn_confident_joint(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                        double *threshold_out, int64_t *joint_out) {
    int64_t n[TN_MAX_CLASSES];
    joint_of(N, K, p, label, judged, threshold_out, n, joint_out);
}

/* --- pruning ------------------------------------------------------------------------------------------------------ */

/* Make the diagonal at least 1, so that one row stays; what it gains is taken evenly from the other non-zero counts. */
static void keep_one(int K, int64_t *counts, int own) {
    int64_t gained = counts[own] < 1 ? 1 - counts[own] : 0;
    int others = 0;
    for (int j = 0; j < K; j++) others += counts[j] != 0;
    others = others - 1 > 1 ? others - 1 : 1;
    for (int j = 0; j < K && gained > 0; j++) {
        double less = (double)counts[j] - (double)gained / others;
        counts[j] = less > 0 ? (int64_t)less : 0;
    }
    if (gained > 0) counts[own] = 1;
}

typedef struct {
    double key;
    int64_t row;
} ranked;

static int largest_first(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows of one class, and memory to rank them. */
typedef struct {
    int k;
    int64_t n;
    const int64_t *row; /* (n) ascending */
    ranked *list;       /* (n) */
} class_rows;

/* Mark the n_worst rows of the class with the largest p_j - p_k, or, if j < 0, with the lowest p_k. */
static void mark_worst(const class_rows *c, int K, const float *p, int j, int64_t n_worst, uint8_t *mark) {
    for (int64_t i = 0; i < c->n; i++) {
        const float *at = p + c->row[i] * K;
        double own = (double)at[c->k];
        c->list[i] = (ranked){j < 0 ? -own : (double)at[j] - own, c->row[i]};
    }
    qsort(c->list, (size_t)c->n, sizeof *c->list, largest_first);
    for (int64_t i = 0; i < n_worst && i < c->n; i++) mark[c->list[i].row] = 1;
}

/* List the judged rows class by class, each class in the order of rows. n (K): the number of rows by class. row_out (N). */
static void sort_by_class(int64_t N, int K, const int32_t *label, const uint8_t *judged, const int64_t *n,
                          int64_t *row_out) {
    int64_t at[TN_MAX_CLASSES] = {0};
    for (int k = 1; k < K; k++) at[k] = at[k - 1] + n[k - 1];
    for (int64_t i = 0; i < N; i++)
        if (judged[i]) row_out[at[label[i]]++] = i;
}

static void prune_class(const class_rows *c, int K, const float *p, int64_t *counts, tn_prune prune, uint8_t *worst,
                        uint8_t *low) {
    if (c->n < 2) return;
    keep_one(K, counts, c->k);
    for (int j = 0; j < K; j++)
        if (j != c->k && counts[j] > 0) mark_worst(c, K, p, j, counts[j], worst);
    if (prune == TN_PRUNE_BOTH) mark_worst(c, K, p, -1, c->n - counts[c->k], low);
}

static bool is_argmax(int K, const float *p, int k) {
    for (int j = 0; j < K; j++)
        if (j != k && (double)p[j] > (double)p[k] + NEAR) return false;
    return true;
}

tn_status tn_confident_judge(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             tn_prune prune, uint8_t *suspicious_out) {
    double t[TN_MAX_CLASSES];
    int64_t n[TN_MAX_CLASSES], first = 0, *row = malloc((size_t)N * sizeof *row + 1),
                               *joint = malloc((size_t)K * (size_t)K * sizeof *joint);
    ranked *list = malloc((size_t)N * sizeof *list + 1);
    uint8_t *low = calloc((size_t)N + 1, 1);
    tn_status st = row && joint && list && low
                       ? TN_OK
                       : tn_fail_memory((size_t)N * (sizeof *list + 9) + (size_t)K * (size_t)K * sizeof *joint,
                                        "confident learning");
    memset(suspicious_out, 0, (size_t)N);
    if (st == TN_OK) joint_of(N, K, p, label, judged, t, n, joint);
    if (st == TN_OK) sort_by_class(N, K, label, judged, n, row);
    for (int k = 0; st == TN_OK && k < K; first += n[k++])
        prune_class(&(class_rows){k, n[k], row + first, list}, K, p, joint + (int64_t)k * K, prune, suspicious_out,
                    low);
    for (int64_t i = 0; st == TN_OK && i < N; i++) {
        if (prune == TN_PRUNE_BOTH && !low[i]) suspicious_out[i] = 0;
        if (suspicious_out[i] && is_argmax(K, p + i * K, label[i])) suspicious_out[i] = 0;
    }
    free(row);
    free(joint);
    free(list);
    free(low);
    return st;
}
