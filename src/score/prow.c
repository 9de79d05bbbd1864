/* prow.c - see prow.h. Rows of largest values are kept in this order: classes, values, label, value of the label. */
#include "score/prow_priv.h"

#include "score/metric.h"
#include "score/probability.h"

#include <math.h>
#include <string.h>

enum { TOP = TN_PROW_TOP, LABEL = 2 * TN_PROW_TOP };

/* --- the largest of a list ---------------------------------------------------------------------------------------- */

void tn_prow_sort_top(int n, tn_prow_entry *list) {
    TN_ASSERT(n >= TOP);
    for (int j = 0; j < TOP; j++) {
        int best = j;
        for (int i = j + 1; i < n; i++)
            if (tn_prow_before(&list[i], &list[best])) best = i;
        tn_prow_entry e = list[best];
        list[best] = list[j];
        list[j] = e;
    }
}

static void set_label(int label, float value, float *row_out) {
    row_out[LABEL] = (float)label;
    row_out[LABEL + 1] = label < 0 ? 0 : value;
}

/* --- a row -------------------------------------------------------------------------------------------------------- */

/* Place a value that is larger than the last of the TOP. */
static void insert(float class, float value, float *row) {
    int at = TOP - 1;
    for (; at > 0 && value > row[TOP + at - 1]; at--) {
        row[at] = row[at - 1];
        row[TOP + at] = row[TOP + at - 1];
    }
    row[at] = class;
    row[TOP + at] = value;
}

void tn_prow_keep(int K, int label, const float *p, float *row_out) {
    if (tn_prow_whole(K)) {
        memcpy(row_out, p, (size_t)K * sizeof *p);
        return;
    }
    float zero = 0; /* NaN if a value is not finite */
    for (int k = 0; k < K; k++) zero += 0 * p[k];
    for (int j = 0; j < TOP; j++) row_out[TOP + j] = -1;
    for (int k = 0; k < K; k++)
        if (p[k] > row_out[2 * TOP - 1]) insert((float)k, p[k], row_out);
    set_label(label, label < 0 ? 0 : p[label], row_out);
    for (int j = 0; j < TOP && isnan(zero); j++) {
        row_out[j] = (float)j;
        row_out[TOP + j] = NAN;
    }
}

int tn_prow_argmax(int K, const float *row) {
    return tn_prow_whole(K) ? tn_argmax(K, row) : (int)row[0];
}

float tn_prow_rest_after(int K, int n, const float *row) {
    double sum = 0;
    for (int j = 0; j < n; j++) sum += (double)tn_prow_value(K, row, j);
    return n < K && sum < 1 ? (float)((1 - sum) / (K - n)) : 0;
}

float tn_prow_rest(int K, const float *row) {
    return tn_prow_rest_after(K, tn_prow_listed(K, row), row);
}

float tn_prow_at(int K, const float *row, int k) {
    if (tn_prow_whole(K)) return row[k];
    if (row[LABEL] == (float)k) return row[LABEL + 1];
    int at = tn_prow_place(row, k);
    return at < TOP ? row[TOP + at] : tn_prow_rest(K, row);
}

float tn_prow_other(int K, const float *row, int k) {
    float other = -1;
    if (!tn_prow_whole(K)) return row[TOP + (row[0] == (float)k)];
    for (int j = 0; j < K; j++)
        if (j != k && row[j] > other) other = row[j];
    return other;
}

/* --- mixtures ----------------------------------------------------------------------------------------------------- */

/* Add the classes that a row lists, but not those that another one lists. Returns their new number. */
static int add_listed(int K, const float *row, const float *other, int n, tn_prow_entry *list) {
    for (int j = 0; j < TOP; j++)
        if (!other || (tn_prow_place(other, (int)row[j]) == TOP && row[j] != other[LABEL]))
            list[n++].class = (int)row[j];
    bool label = row[LABEL] >= 0 && tn_prow_place(row, (int)row[LABEL]) == TOP;
    if (label && !other) list[n++].class = (int)row[LABEL];
    TN_ASSERT(n <= 2 * TOP + 2 && K > TOP);
    return n;
}

static void mix_few(int K, double weight_a, const float *a, double weight_b, const float *b, float *row_out) {
    tn_prow_entry list[2 * TOP + 2];
    int n = add_listed(K, b, a, add_listed(K, a, NULL, 0, list), list), label = (int)a[LABEL];
    float value = label < 0 ? 0 : (float)(weight_a * (double)a[LABEL + 1] + weight_b * (double)b[LABEL + 1]);
    TN_ASSERT(a[LABEL] == b[LABEL]);
    for (int i = 0; i < n; i++) {
        int k = list[i].class;
        list[i].value = weight_a * (double)tn_prow_at(K, a, k) + weight_b * (double)tn_prow_at(K, b, k);
    }
    tn_prow_sort_top(n, list);
    for (int j = 0; j < TOP; j++) {
        row_out[j] = (float)list[j].class;
        row_out[TOP + j] = (float)list[j].value;
    }
    set_label(label, value, row_out);
}

void tn_prow_mix(int K, double weight_a, const float *a, double weight_b, const float *b, float *row_out) {
    if (tn_prow_whole(K))
        for (int k = 0; k < K; k++) row_out[k] = (float)(weight_a * (double)a[k] + weight_b * (double)b[k]);
    else if (weight_a == 0 || weight_b == 0)
        memmove(row_out, weight_a == 0 ? b : a, TN_PROW_FEW * sizeof *row_out);
    else
        mix_few(K, weight_a, a, weight_b, b, row_out);
}

void tn_prow_add(int K, int n_before, const float *row, float *sum) {
    if (tn_prow_whole(K))
        for (int k = 0; k < K; k++) sum[k] += row[k];
    else
        tn_prow_mix(K, (double)n_before / (n_before + 1), sum, 1.0 / (n_before + 1), row, sum);
}

void tn_prow_end(int K, int n, float *sum) {
    for (int k = 0; tn_prow_whole(K) && k < K; k++) sum[k] /= (float)n;
}

int tn_prow_decide(int K, const float *row, const double *offset) {
    if (!offset) return tn_prow_argmax(K, row);
    int best = -1;
    double most = 0;
    for (int j = 0, n = tn_prow_listed(K, row); j < n; j++) {
        int k = tn_prow_class(K, row, j);
        double value = tn_log_p(tn_prow_value(K, row, j)) + offset[k];
        if (best >= 0 && (value < most || (value <= most && k > best))) continue;
        best = k;
        most = value;
    }
    return best;
}

void tn_prow_temper(int K, double b, float *row) {
    int n = tn_prow_whole(K) ? K : TOP;
    float *p = tn_prow_whole(K) ? row : row + TOP;
    double value[TN_WHOLE_CLASSES], most = 0, total = 0;
    if (b == 1) return;
    TN_ASSERT(tn_prow_whole(K) || row[LABEL] < 0);
    for (int j = 0; j < n; j++) most = fmax(most, (double)p[j]);
    if (n < K)
        total =
            (K - n) * exp(b * (log(fmax((double)tn_prow_rest(K, row), TN_PROW_LEAST_REST)) - tn_log_p((float)most)));
    for (int j = 0; j < n; j++) total += value[j] = exp(b * (tn_log_p(p[j]) - tn_log_p((float)most)));
    for (int j = 0; j < n; j++) p[j] = (float)(value[j] / total);
}

const char *tn_prow_wrong(int K, const float *row) {
    double sum = 0;
    for (int j = 0; j < TOP; j++) {
        float k = row[j], p = row[TOP + j];
        if (!(k >= 0 && k < (float)K && k == floorf(k) && tn_prow_place(row, (int)k) == j))
            return "its classes are not different whole numbers";
        if (!(p >= 0 && p <= 1 + TN_P_BEYOND_1) || (j > 0 && p > row[TOP + j - 1]))
            return "its values are not probabilities, largest first";
        sum += (double)p;
    }
    float label = row[LABEL], p = row[LABEL + 1];
    if (!(label >= -1 && label < (float)K && label == floorf(label) && p >= 0 && p <= 1 + TN_P_BEYOND_1))
        return "the value of its label is not a probability";
    return sum <= 1 + TN_P_SUM_OFF ? NULL : "its values sum to more than 1";
}
