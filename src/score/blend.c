/* blend.c - greedy selection of members, tau, offsets of classes. */
#include "score/blend.h"

#include "score/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double TN_TAUS[TN_N_TAUS] = {0, 0.1, 0.25, 0.5};

typedef struct {
    int K;
    double *right, *labelled, *predicted, *log_f1; /* (K), in one piece of memory */
} counts;

static tn_status counts_new(int K, counts *out) {
    size_t n = (size_t)K;
    *out = (counts){.K = K, .right = malloc(4 * n * sizeof *out->right)};
    if (!out->right) return tn_fail_memory(4 * n * sizeof *out->right, "the scores of members");
    out->labelled = out->right + n;
    out->predicted = out->right + 2 * n;
    out->log_f1 = out->right + 3 * n;
    return TN_OK;
}

static void counts_clear(counts *c) {
    memset(c->right, 0, 3 * (size_t)c->K * sizeof *c->right);
}

static double log_f1(const counts *c, int k) {
    return tn_smoothed_log(c->right[k], c->labelled[k], c->predicted[k]);
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

static double score_with(const tn_blend_rows *r, const uint8_t *use, const double *sum, int m, counts *c) {
    int W = tn_prow_width(r->K), sum_width = tn_psum_width(r->K);
    counts_clear(c);
    for (int64_t i = 0; i < r->n; i++)
        if (use[i]) {
            const float *p = r->p + (i * r->M + m) * W;
            count(c, r->label[i], tn_psum_argmax_with(r->K, sum + i * sum_width, p), r->weight[i]);
        }
    return score(c);
}

tn_status tn_blend_greedy(const tn_blend_rows *r, const uint8_t *use, const uint8_t *usable, int *times_out) {
    int64_t W = tn_prow_width(r->K), sum_width = tn_psum_width(r->K);
    double *sum = calloc((size_t)(r->n * sum_width) + 1, sizeof *sum), best = -INFINITY;
    counts c = {.K = 0};
    tn_status st =
        sum ? counts_new(r->K, &c)
            : tn_fail_memory((size_t)(r->n * sum_width) * sizeof *sum, "greedy selection: lower reduce.tune_rows");
    if (st != TN_OK) {
        free(sum);
        return st;
    }
    int taken[TN_BLEND_STEPS], n_best = 0;
    for (int step = 0; step < TN_BLEND_STEPS; step++) {
        double most = -INFINITY;
        taken[step] = -1;
        for (int m = 0; m < r->M; m++) {
            double s = usable[m] ? score_with(r, use, sum, m, &c) : -INFINITY;
            if (s <= most) continue;
            most = s;
            taken[step] = m;
        }
        TN_ASSERT(taken[step] >= 0); /* one is usable */
        for (int64_t i = 0; i < r->n; i++)
            tn_psum_add(r->K, false, 1, 1, r->p + (i * r->M + taken[step]) * W, sum + i * sum_width);
        if (most <= best) continue;
        best = most;
        n_best = step + 1;
    }
    memset(times_out, 0, (size_t)r->M * sizeof *times_out);
    for (int step = 0; step < n_best; step++) times_out[taken[step]]++;
    free(sum);
    free(c.right);
    return TN_OK;
}

/* --- tau ---------------------------------------------------------------------------------------------------------- */

static double score_of_tau(int64_t n, int K, const float *p, const int32_t *label, const double *weight,
                           const uint8_t *use, const double *offset, counts *c) {
    counts_clear(c);
    for (int64_t i = 0; i < n; i++)
        if (use[i]) count(c, label[i], tn_prow_decide(K, p + i * tn_prow_width(K), offset), weight[i]);
    return score(c);
}

tn_status tn_blend_tau(int64_t n, int K, const float *p, const int32_t *label, const double *weight, const uint8_t *use,
                       const double *log_share, double *tau_out) {
    counts c = {.K = 0};
    double best = -INFINITY, *offset = malloc((size_t)K * sizeof *offset);
    tn_status st = offset ? counts_new(K, &c) : tn_fail_memory((size_t)K * sizeof *offset, "the shares of classes");
    for (int t = 0; st == TN_OK && t < TN_N_TAUS; t++) {
        for (int k = 0; k < K; k++) offset[k] = -TN_TAUS[t] * log_share[k];
        double now = score_of_tau(n, K, p, label, weight, use, offset, &c);
        if (now <= best + 1e-12) continue;
        best = now;
        *tau_out = TN_TAUS[t];
    }
    free(c.right);
    free(offset);
    return st;
}

/* --- offsets ------------------------------------------------------------------------------------------------------ */

/* A row, for one class k: it is predicted as k if the offset of k is at least this one; otherwise as `other`. */
typedef struct {
    double from, weight;
    int32_t label, other;
    int64_t row;
} turn;

enum { MOST_SWEEPS = 20 };

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

/* A row that was predicted as `from` is predicted as `to`. sum: of log_f1. Returns the new sum. */
static double move(counts *c, int from, int to, int label, double weight, double sum) {
    sum -= c->log_f1[to] + c->log_f1[from];
    c->predicted[from] -= weight;
    c->predicted[to] += weight;
    if (label == from) c->right[from] -= weight;
    if (label == to) c->right[to] += weight;
    c->log_f1[to] = log_f1(c, to);
    c->log_f1[from] = log_f1(c, from);
    return sum + c->log_f1[to] + c->log_f1[from];
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

/* Set *b to the best offset of class k, unless no value is better than *b. t (n): rows sorted by their offset. c and sum: these rows are
 * predicted as their other classes. Afterwards they are predicted as k; returns the sum then. */
static double best_offset(counts *c, double sum, int k, int64_t n, const turn *t, double *b) {
    double now = -INFINITY, best = -INFINITY, low = 0, high = 0;
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
        if (i < n) sum = move(c, t[i].other, k, t[i].label, t[i].weight, sum);
    }
    if (best > now + 1e-9) *b = middle(low, high);
    return sum;
}

/* The score of the classes argmax log p + b. */
static double score_of_offsets(int64_t n, int K, const double *log_p, const int32_t *label, const double *weight,
                               const uint8_t *use, const double *offset, counts *c) {
    counts_clear(c);
    for (int64_t i = 0; i < n; i++) {
        if (!use[i]) continue;
        int best = 0;
        for (int k = 1; k < K; k++)
            if (log_p[i * K + k] + offset[k] > log_p[i * K + best] + offset[best]) best = k;
        count(c, label[i], best, weight[i]);
    }
    return score(c);
}

/* Subtract the mean. */
static void centre(int K, double *offset) {
    double mean = 0;
    for (int k = 0; k < K; k++) mean += offset[k] / K;
    for (int k = 0; k < K; k++) offset[k] -= mean;
}

tn_status tn_blend_offsets(int64_t n, int K, const double *log_p, const int32_t *label, const double *weight,
                           const uint8_t *use, double *offset_out) {
    turn *t = malloc((size_t)n * sizeof *t + 1);
    leaders *l = malloc((size_t)n * sizeof *l + 1);
    double b[TN_WHOLE_CLASSES] = {0}, best = 0;
    counts c = {.K = 0};
    TN_ASSERT(K <= TN_WHOLE_CLASSES);
    tn_status st = t && l ? counts_new(K, &c)
                          : tn_fail_memory((size_t)n * (sizeof *t + sizeof *l), "offsets: lower reduce.tune_rows");
    memset(offset_out, 0, (size_t)K * sizeof *offset_out);
    if (st == TN_OK) best = score_of_offsets(n, K, log_p, label, weight, use, offset_out, &c);
    for (int64_t i = 0; st == TN_OK && i < n; i++) l[i] = leaders_of(K, log_p + i * K, b);
    for (int sweep = 0; st == TN_OK && sweep < MOST_SWEEPS; sweep++) {
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
            counts_clear(&c);
            for (int64_t i = 0; i < n_turns; i++) count(&c, t[i].label, t[i].other, t[i].weight);
            best_offset(&c, score(&c) * K, k, n_turns, t, &b[k]);
            for (int64_t i = 0; i < n && b[k] != before; i++) lead_again(K, k, log_p + i * K, b, b[k] < before, &l[i]);
        }
        double now = score_of_offsets(n, K, log_p, label, weight, use, b, &c);
        if (now <= best + 1e-9) break;
        best = now;
        memcpy(offset_out, b, (size_t)K * sizeof *b);
    }
    centre(K, offset_out);
    free(t);
    free(l);
    free(c.right);
    return st;
}

/* --- offsets of rows of largest values ----------------------------------------------------------------------------- */

typedef struct {
    int64_t n;
    const float *p; /* n rows */
    const int32_t *label;
    const double *weight;
    const uint8_t *use;
    double *log_p;      /* (n, TN_PROW_TOP) */
    int32_t *predicted; /* (n) */
    int64_t *at,
        *slot; /* class k is listed in slot[at[k]] to before slot[at[k + 1]], which are row * TN_PROW_TOP + j */
    double *b; /* (K) */
    turn *t;   /* (n) */
    counts c;
} few;

static void few_free(few *x) {
    void *all[] = {x->log_p, x->predicted, x->at, x->slot, x->b, x->t, x->c.right};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static int class_at(const few *x, int64_t slot) {
    return tn_prow_class(x->c.K, x->p + slot / TN_PROW_TOP * TN_PROW_FEW, (int)(slot % TN_PROW_TOP));
}

static tn_status few_new(int K, few *x) {
    size_t n = (size_t)x->n, n_slots = n * TN_PROW_TOP;
    x->log_p = malloc(n_slots * sizeof *x->log_p + 1);
    x->predicted = malloc(n * sizeof *x->predicted + 1);
    x->at = calloc((size_t)K + 2, sizeof *x->at);
    x->slot = malloc(n_slots * sizeof *x->slot + 1);
    x->b = calloc((size_t)K, sizeof *x->b);
    x->t = malloc(n * sizeof *x->t + 1);
    if (!x->log_p || !x->predicted || !x->at || !x->slot || !x->b || !x->t)
        return tn_fail_memory(n_slots * 16 + n * 32, "offsets: lower reduce.tune_rows");
    TN_TRY(counts_new(K, &x->c));
    for (int64_t s = 0; s < (int64_t)n_slots; s++) {
        const float *row = x->p + s / TN_PROW_TOP * TN_PROW_FEW;
        x->log_p[s] = tn_log_p(tn_prow_value(K, row, (int)(s % TN_PROW_TOP)));
        if (x->use[s / TN_PROW_TOP]) x->at[class_at(x, s) + 2]++;
    }
    for (int k = 0; k < K; k++) x->at[k + 2] += x->at[k + 1];
    for (int64_t s = 0; s < (int64_t)n_slots; s++)
        if (x->use[s / TN_PROW_TOP]) x->slot[x->at[class_at(x, s) + 1]++] = s;
    return TN_OK;
}

/* The slot of row i with the largest log p + offset, but not `except`. Ties: the lower slot. */
static int64_t leading_slot(const few *x, int64_t i, int64_t except) {
    int64_t first = i * TN_PROW_TOP, best = -1;
    double most = -INFINITY;
    for (int64_t s = first; s < first + TN_PROW_TOP; s++) {
        double value = x->log_p[s] + x->b[class_at(x, s)];
        if (s == except || value <= most) continue;
        most = value;
        best = s;
    }
    return best;
}

/* Predict all rows anew, and count them. Returns the mean score. */
static double few_count(few *x) {
    counts_clear(&x->c);
    for (int64_t i = 0; i < x->n; i++) {
        if (!x->use[i]) continue;
        x->predicted[i] = class_at(x, leading_slot(x, i, -1));
        count(&x->c, x->label[i], x->predicted[i], x->weight[i]);
    }
    return score(&x->c);
}

/* Find the best offset of class k. Only rows that list it can change. sum: of log_f1. Returns the new sum. */
static double few_class(few *x, int k, double sum) {
    int64_t n = 0;
    for (int64_t a = x->at[k]; a < x->at[k + 1]; a++) {
        int64_t s = x->slot[a], i = s / TN_PROW_TOP, other = leading_slot(x, i, s);
        x->t[n] = (turn){.from = x->log_p[other] + x->b[class_at(x, other)] - x->log_p[s],
                         .weight = x->weight[i],
                         .label = x->label[i],
                         .other = class_at(x, other),
                         .row = i};
        if (x->predicted[i] == k) sum = move(&x->c, k, x->t[n].other, x->label[i], x->weight[i], sum);
        n++;
    }
    qsort(x->t, (size_t)n, sizeof *x->t, by_from);
    sum = best_offset(&x->c, sum, k, n, x->t, &x->b[k]);
    for (int64_t a = 0; a < n; a++) {
        const turn *t = &x->t[a];
        bool stays = x->b[k] >= t->from;
        x->predicted[t->row] = stays ? k : t->other;
        if (!stays) sum = move(&x->c, k, t->other, t->label, t->weight, sum);
    }
    return sum;
}

tn_status tn_blend_offsets_few(int64_t n, int K, const float *p, const int32_t *label, const double *weight,
                               const uint8_t *use, double *offset_out) {
    few x = {.n = n, .p = p, .label = label, .weight = weight, .use = use, .c = {.K = K}};
    tn_status st = few_new(K, &x);
    memset(offset_out, 0, (size_t)K * sizeof *offset_out);
    double best = st == TN_OK ? few_count(&x) : 0, now = best;
    for (int sweep = 0; st == TN_OK && sweep < MOST_SWEEPS; sweep++) {
        double sum = now * K;
        for (int k = 0; k < K; k++) sum = few_class(&x, k, sum);
        now = few_count(&x);
        if (now <= best + 1e-9) break;
        best = now;
        memcpy(offset_out, x.b, (size_t)K * sizeof *x.b);
    }
    centre(K, offset_out);
    few_free(&x);
    return st;
}
