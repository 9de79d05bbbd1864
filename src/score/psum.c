/* psum.c - sums of rows of probabilities (prow.h). Sums of rows of largest values are kept in this order: number of listed classes, sum
 * of any other class, classes, their sums. */
#include "score/prow_priv.h"

#include <math.h>
#include <string.h>

enum { TOP = TN_PROW_TOP, LISTED = 0, OTHERS = 1, CLASS = 2, SUM = 2 + TN_PSUM_TOP };
static const double LEAST_P = 1e-7;

double tn_log_p(float p) {
    return log(fmax((double)p, LEAST_P));
}

static double term(bool logs, float p) {
    return logs ? tn_log_p(p) : (double)p;
}

/* --- of largest values -------------------------------------------------------------------------------------------- */

static int place_in_sum(const double *sum, double class) {
    int n = (int)sum[LISTED], at = n;
    for (int e = 0; e < n; e++) at = sum[CLASS + e] == class ? e : at;
    return at;
}

/* List one more class; if there is no room, instead of the one with the smallest sum, if that is smaller. */
static void list_class(double class, double value, double *sum) {
    int at = (int)sum[LISTED];
    if (at == TN_PSUM_TOP) {
        at = 0;
        for (int e = 1; e < TN_PSUM_TOP; e++) at = sum[SUM + e] < sum[SUM + at] ? e : at;
        if (!(value > sum[SUM + at])) return;
    } else {
        sum[LISTED]++;
    }
    sum[CLASS + at] = class;
    sum[SUM + at] = value;
}

static void add_row(int K, bool logs, int times, const float *row, double *sum) {
    double rest = times * term(logs, tn_prow_rest_after(K, TOP, row)), others = sum[OTHERS];
    int n = (int)sum[LISTED];
    bool found[TOP] = {false};
    for (int e = 0; e < n; e++) {
        int j = tn_prow_place(row, (int)sum[CLASS + e]);
        sum[SUM + e] += j < TOP ? times * term(logs, row[TOP + j]) : rest;
        if (j < TOP) found[j] = true;
    }
    for (int j = 0; j < TOP; j++)
        if (!found[j]) list_class((double)row[j], others + times * term(logs, row[TOP + j]), sum);
    sum[OTHERS] += rest;
}

static void merge_row(const double *from, double *sum) {
    double others = sum[OTHERS];
    int n = (int)sum[LISTED], n_from = (int)from[LISTED];
    bool found[TN_PSUM_TOP] = {false};
    for (int e = 0; e < n; e++) {
        int at = place_in_sum(from, sum[CLASS + e]);
        sum[SUM + e] += at < n_from ? from[SUM + at] : from[OTHERS];
        if (at < n_from) found[at] = true;
    }
    for (int e = 0; e < n_from; e++)
        if (!found[e]) list_class(from[CLASS + e], others + from[SUM + e], sum);
    sum[OTHERS] += from[OTHERS];
}

static void end_few(int K, bool logs, int n_rows, const double *sum, float *row_out) {
    tn_prow_entry list[TN_PSUM_TOP];
    int n = (int)sum[LISTED];
    double total = logs ? (K - n) * exp(sum[OTHERS] / n_rows) : 1;
    for (int e = 0; logs && e < n; e++) total += exp(sum[SUM + e] / n_rows);
    for (int e = 0; e < n; e++) list[e] = (tn_prow_entry){(int)sum[CLASS + e], sum[SUM + e]};
    tn_prow_sort_top(n, list);
    for (int j = 0; j < TOP; j++) {
        double mean = list[j].value / n_rows;
        row_out[j] = (float)list[j].class;
        row_out[TOP + j] = (float)(logs ? exp(mean) / total : mean);
    }
    row_out[2 * TOP] = -1;
    row_out[2 * TOP + 1] = 0;
}

/* --- of either kind ----------------------------------------------------------------------------------------------- */

/* Works on all values of all rows at once, because a loop over the few classes of one row has too much overhead. */
static void add_whole(bool logs, int times, int64_t n_values, const float *p, double *sum) {
    if (logs)
        for (int64_t i = 0; i < n_values; i++) sum[i] += times * tn_log_p(p[i]);
    else
        for (int64_t i = 0; i < n_values; i++) sum[i] += times * (double)p[i];
}

void tn_psum_add(int K, bool logs, int times, int64_t n, const float *row, double *sum) {
    if (tn_prow_whole(K)) add_whole(logs, times, n * K, row, sum);
    for (int64_t i = 0; !tn_prow_whole(K) && i < n; i++)
        add_row(K, logs, times, row + i * TN_PROW_FEW, sum + i * TN_PSUM_FEW);
}

void tn_psum_merge(int K, int64_t n, const double *from, double *sum) {
    for (int64_t i = 0; tn_prow_whole(K) && i < n * K; i++) sum[i] += from[i];
    for (int64_t i = 0; !tn_prow_whole(K) && i < n; i++) merge_row(from + i * TN_PSUM_FEW, sum + i * TN_PSUM_FEW);
}

static void end_logs(int n_rows, int K, const double *sum, float *p_out) {
    double total = 0, value[TN_WHOLE_CLASSES];
    for (int k = 0; k < K; k++) total += value[k] = exp(sum[k] / n_rows);
    for (int k = 0; k < K; k++) p_out[k] = (float)(value[k] / total);
}

void tn_psum_end(int K, bool logs, int n_rows, int64_t n, const double *sum, float *row_out) {
    if (!tn_prow_whole(K))
        for (int64_t i = 0; i < n; i++) end_few(K, logs, n_rows, sum + i * TN_PSUM_FEW, row_out + i * TN_PROW_FEW);
    else if (logs)
        for (int64_t i = 0; i < n; i++) end_logs(n_rows, K, sum + i * K, row_out + i * K);
    else
        for (int64_t i = 0; i < n * K; i++) row_out[i] = (float)(sum[i] / n_rows);
}

/* at: the largest value so far, and its class. */
static void compare(double class, double value, tn_prow_entry *at) {
    tn_prow_entry e = {(int)class, value};
    if (tn_prow_before(&e, at)) *at = e;
}

static int argmax_few(int K, const double *sum, const float *row) {
    double rest = (double)tn_prow_rest_after(K, TOP, row);
    tn_prow_entry at = {.class = K, .value = -INFINITY};
    int n = (int)sum[LISTED];
    for (int e = 0; e < n; e++) {
        int j = tn_prow_place(row, (int)sum[CLASS + e]);
        compare(sum[CLASS + e], sum[SUM + e] + (j < TOP ? (double)row[TOP + j] : rest), &at);
    }
    for (int j = 0; j < TOP; j++)
        if (place_in_sum(sum, (double)row[j]) == n) compare((double)row[j], sum[OTHERS] + (double)row[TOP + j], &at);
    return at.class;
}

int tn_psum_argmax_with(int K, const double *sum, const float *row) {
    if (!tn_prow_whole(K)) return argmax_few(K, sum, row);
    int best = 0;
    double most = sum[0] + (double)row[0];
    for (int k = 1; k < K; k++)
        if (sum[k] + (double)row[k] > most) {
            most = sum[k] + (double)row[k];
            best = k;
        }
    return best;
}
