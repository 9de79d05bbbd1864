/* calibration.c - see calibration.h. */
#include "score/calibration.h"

#include "base/watch.h"

#include <math.h>

static const double UNIT = 0x1p28;

/* --- the error ---------------------------------------------------------------------------------------------------- */

void tn_calibration_add(tn_calibration *c, int K, const float *p, int label) {
    int best = tn_prow_argmax(K, p);
    double most = (double)tn_prow_at(K, p, best);
    int m = (int)ceil(most * TN_CALIBRATION_BINS) - 1;
    m = m < 0 ? 0 : m >= TN_CALIBRATION_BINS ? TN_CALIBRATION_BINS - 1 : m;
    c->n[m]++;
    c->right[m] += best == label;
    c->confidence[m] += llround(most * UNIT);
    c->nll += llround(-tn_log_p(tn_prow_at(K, p, label)) * UNIT);
}

int64_t tn_calibration_rows(const tn_calibration *c) {
    int64_t n = 0;
    for (int m = 0; m < TN_CALIBRATION_BINS; m++) n += c->n[m];
    return n;
}

double tn_calibration_confidence(const tn_calibration *c, int m) {
    return (double)c->confidence[m] / UNIT / (double)c->n[m];
}

double tn_calibration_error(const tn_calibration *c) {
    double sum = 0;
    int64_t n = tn_calibration_rows(c);
    for (int m = 0; m < TN_CALIBRATION_BINS; m++) sum += fabs((double)c->right[m] - (double)c->confidence[m] / UNIT);
    return n > 0 ? sum / (double)n : 0;
}

double tn_calibration_nll(const tn_calibration *c) {
    int64_t n = tn_calibration_rows(c);
    return n > 0 ? (double)c->nll / UNIT / (double)n : 0;
}

/* --- the temperature ---------------------------------------------------------------------------------------------- */

/* First and second derivative of the NLL by b. */
typedef struct {
    double first, second;
} slope;

/* Add a row: the first derivative is E[l] - l_label and the second is Var[l], where l = log p, under p^b / sum p^b. */
static void add_row(int K, const float *p, int label, double weight, double b, slope *s) {
    double sum = 0, sum_l = 0, sum_ll = 0, most = tn_log_p(tn_prow_at(K, p, tn_prow_argmax(K, p)));
    int n = tn_prow_listed(K, p);
    bool listed = false;
    double rest = n < K ? log(fmax((double)tn_prow_rest(K, p), TN_PROW_LEAST_REST)) : 0, of_label = rest;
    for (int j = 0; j <= n; j++) {
        if (j == n && n == K) break;
        double l = j < n ? tn_log_p(tn_prow_value(K, p, j)) : rest;
        double e = (j < n ? 1 : K - n) * exp(b * (l - most));
        if (j < n && tn_prow_class(K, p, j) == label) listed = true, of_label = l;
        sum += e;
        sum_l += e * l;
        sum_ll += e * l * l;
    }
    TN_ASSERT(listed || n < K);
    double mean = sum_l / sum;
    s->first += weight * (mean - of_label);
    s->second += weight * (sum_ll / sum - mean * mean);
}

static slope slope_at(int64_t n, int K, const float *p, const int32_t *label, const double *weight, const uint8_t *use,
                      double b) {
    slope s = {0, 0};
    for (int64_t i = 0; i < n; i++)
        if (use[i]) add_row(K, p + i * tn_prow_width(K), label[i], weight[i], b, &s);
    return s;
}

double tn_temperature(int64_t n, int K, const float *p, const int32_t *label, const double *weight,
                      const uint8_t *use) {
    enum { MOST_STEPS = 60 };
    double low = 1.0 / 20, high = 20, b = 1;
    for (int step = 0; step < MOST_STEPS; step++) {
        tn_watch_at("temperature", step);
        slope s = slope_at(n, K, p, label, weight, use, b);
        if (s.first == 0) break;
        if (s.first > 0)
            high = b;
        else
            low = b;
        double next = s.second > 0 ? b - s.first / s.second : 0;
        if (!(next > low && next < high)) next = sqrt(low * high);
        bool done = fabs(next - b) <= 1e-9 * b;
        b = next;
        if (done) break;
    }
    return 1 / b;
}
