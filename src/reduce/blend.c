/* blend.c - greedy selection of members, offsets of classes. */
#include "reduce/blend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int K;
    double right[TN_MAX_CLASSES], labelled[TN_MAX_CLASSES], predicted[TN_MAX_CLASSES];
    double log_f1[TN_MAX_CLASSES];
} counts;

static double log_f1(const counts *c, int k) {
    double all = c->labelled[k] + c->predicted[k];
    return log(fmax(all > 0 ? 2 * c->right[k] / all : 0, 1e-9));
}

static double score(counts *c) {
    double sum = 0;
    for (int k = 0; k < c->K; k++) sum += c->log_f1[k] = log_f1(c, k);
    return sum / c->K;
}

static void count(counts *c, int label, int predicted, double weight) {
    c->labelled[label] += weight;
    c->predicted[predicted] += weight;
    if (label == predicted) c->right[label] += weight;
}

/* --- greedy selection --------------------------------------------------------------------------------------------- */

static int argmax_of_sum(int K, const double *sum, const float *p) {
    int best = 0;
    double most = sum[0] + (double)p[0];
    for (int k = 1; k < K; k++)
        if (sum[k] + (double)p[k] > most) {
            most = sum[k] + (double)p[k];
            best = k;
        }
    return best;
}

static double score_with(const tn_blend_rows *r, const uint8_t *use, const double *sum, int m) {
    counts c = {.K = r->K};
    for (int64_t i = 0; i < r->n; i++)
        if (use[i]) {
            const float *p = r->p + (i * r->M + m) * r->K;
            count(&c, r->label[i], argmax_of_sum(r->K, sum + i * r->K, p), r->weight[i]);
        }
    return score(&c);
}

tn_status tn_blend_greedy(const tn_blend_rows *r, const uint8_t *use, const uint8_t *usable, int *times_out) {
    double *sum = calloc((size_t)(r->n * r->K) + 1, sizeof *sum), best = -INFINITY;
    if (!sum) return tn_fail_memory((size_t)(r->n * r->K) * sizeof *sum, "greedy selection: lower reduce.tune_rows");
    int taken[TN_BLEND_STEPS], n_best = 0;
    for (int step = 0; step < TN_BLEND_STEPS; step++) {
        double most = -INFINITY;
        taken[step] = -1;
        for (int m = 0; m < r->M; m++) {
            double s = usable[m] ? score_with(r, use, sum, m) : -INFINITY;
            if (s <= most) continue;
            most = s;
            taken[step] = m;
        }
        TN_ASSERT(taken[step] >= 0); /* one is usable */
        for (int64_t i = 0; i < r->n; i++)
            for (int k = 0; k < r->K; k++) sum[i * r->K + k] += (double)r->p[(i * r->M + taken[step]) * r->K + k];
        if (most <= best) continue;
        best = most;
        n_best = step + 1;
    }
    memset(times_out, 0, (size_t)r->M * sizeof *times_out);
    for (int step = 0; step < n_best; step++) times_out[taken[step]]++;
    free(sum);
    return TN_OK;
}

/* --- offsets ------------------------------------------------------------------------------------------------------ */

/* A row, for one class k: it is predicted as k if the offset of k is at least this one; otherwise as `other`. */
typedef struct {
    double from, weight;
    int32_t label, other;
} turn;

static int by_from(const void *a, const void *b) {
    double x = ((const turn *)a)->from, y = ((const turn *)b)->from;
    return (x > y) - (x < y);
}

/* The two classes of a row with the highest log p + offset; ties: the lower class first. So the class that a row turns from is known
 * without looking at all K. */
typedef struct {
    int32_t first, second;
} leaders;

static leaders leaders_of(int K, const double *log_p, const double *offset) {
    leaders l = {-1, -1};
    double most = -INFINITY, next = -INFINITY;
    for (int k = 0; k < K; k++) {
        double value = log_p[k] + offset[k];
        if (value > most) {
            l = (leaders){k, l.first};
            next = most;
            most = value;
        } else if (value > next) {
            l.second = k;
            next = value;
        }
    }
    return l;
}

static bool beats(const double *log_p, const double *offset, int32_t a, int32_t b) {
    double x = log_p[a] + offset[a], y = log_p[b] + offset[b];
    return x > y || (x >= y && a < b);
}

/* The offset of class k has changed. All K classes are looked at only if one of the leaders fell. */
static void lead_again(int K, int k, const double *log_p, const double *offset, bool fell, leaders *l) {
    bool leads = l->first == k || l->second == k;
    if (leads && fell) {
        *l = leaders_of(K, log_p, offset);
        return;
    }
    if (!leads && beats(log_p, offset, k, l->second)) l->second = k;
    if (l->second == k && beats(log_p, offset, k, l->first)) *l = (leaders){k, l->first};
}

static turn turn_of(int k, const double *log_p, const double *offset, leaders l) {
    int32_t other = l.first == k ? l.second : l.first;
    return (turn){.from = log_p[other] + offset[other] - log_p[k], .other = other};
}

/* Move one row from its other class to k. Returns the new score. */
static double move(counts *c, int k, const turn *t, double sum) {
    sum -= c->log_f1[k] + c->log_f1[t->other];
    c->predicted[t->other] -= t->weight;
    c->predicted[k] += t->weight;
    if (t->label == t->other) c->right[t->other] -= t->weight;
    if (t->label == k) c->right[k] += t->weight;
    c->log_f1[k] = log_f1(c, k);
    c->log_f1[t->other] = log_f1(c, t->other);
    return sum + c->log_f1[k] + c->log_f1[t->other];
}

/* The distance of b from the interval; 0 inside. */
static double distance(double b, double low, double high) {
    return b < low ? low - b : b > high ? b - high : 0;
}

/* The middle of the interval; if it is open, 1 beyond its end. */
static double middle(double low, double high) {
    if (isinf(low)) return isinf(high) ? 0 : high - 1;
    return isinf(high) ? low + 1 : low + (high - low) / 2;
}

/* Set *b to the best offset of class k, unless no value is better than *b. t (n): rows sorted by their offset. */
static void best_offset(int K, int k, int64_t n, const turn *t, double *b) {
    counts c = {.K = K};
    for (int64_t i = 0; i < n; i++) count(&c, t[i].label, t[i].other, t[i].weight);
    double sum = score(&c) * K, now = -INFINITY, best = -INFINITY, low = 0, high = 0;
    for (int64_t i = 0; i <= n; i++) { /* the offset lies between turn i-1 and turn i */
        double from = i > 0 ? t[i - 1].from : -INFINITY, to = i < n ? t[i].from : INFINITY;
        if (from < to) {
            bool nearer = distance(*b, from, to) < distance(*b, low, high);
            if (sum > best + 1e-12 || (sum > best - 1e-12 && nearer)) {
                best = sum > best ? sum : best;
                low = from;
                high = to;
            }
            if (*b > from && *b <= to) now = sum;
        }
        if (i < n) sum = move(&c, k, &t[i], sum);
    }
    if (best > now + 1e-9) *b = middle(low, high);
}

/* The score of the classes argmax log p + b. */
static double score_of_offsets(int64_t n, int K, const double *log_p, const int32_t *label, const double *weight,
                               const uint8_t *use, const double *offset) {
    counts c = {.K = K};
    for (int64_t i = 0; i < n; i++) {
        if (!use[i]) continue;
        int best = 0;
        for (int k = 1; k < K; k++)
            if (log_p[i * K + k] + offset[k] > log_p[i * K + best] + offset[best]) best = k;
        count(&c, label[i], best, weight[i]);
    }
    return score(&c);
}

tn_status tn_blend_offsets(int64_t n, int K, const double *log_p, const int32_t *label, const double *weight,
                           const uint8_t *use, double *offset_out) {
    enum { MOST_SWEEPS = 20 };
    turn *t = malloc((size_t)n * sizeof *t + 1);
    leaders *l = malloc((size_t)n * sizeof *l + 1);
    if (!t || !l) {
        free(t);
        free(l);
        return tn_fail_memory((size_t)n * (sizeof *t + sizeof *l), "offsets: lower reduce.tune_rows");
    }
    memset(offset_out, 0, (size_t)K * sizeof *offset_out);
    double best = score_of_offsets(n, K, log_p, label, weight, use, offset_out), b[TN_MAX_CLASSES] = {0};
    for (int64_t i = 0; i < n; i++) l[i] = leaders_of(K, log_p + i * K, b);
    for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
        for (int k = 0; k < K; k++) {
            int64_t n_turns = 0;
            double before = b[k];
            for (int64_t i = 0; i < n; i++) {
                if (!use[i]) continue;
                t[n_turns] = turn_of(k, log_p + i * K, b, l[i]);
                t[n_turns].label = label[i];
                t[n_turns++].weight = weight[i];
            }
            qsort(t, (size_t)n_turns, sizeof *t, by_from);
            best_offset(K, k, n_turns, t, &b[k]);
            for (int64_t i = 0; i < n && b[k] != before; i++) lead_again(K, k, log_p + i * K, b, b[k] < before, &l[i]);
        }
        double now = score_of_offsets(n, K, log_p, label, weight, use, b);
        if (now <= best + 1e-9) break;
        best = now;
        memcpy(offset_out, b, (size_t)K * sizeof *b);
    }
    double mean = 0;
    for (int k = 0; k < K; k++) mean += offset_out[k] / K;
    for (int k = 0; k < K; k++) offset_out[k] -= mean;
    free(t);
    free(l);
    return TN_OK;
}
