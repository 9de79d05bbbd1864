/* confident.c - the confident joint, and the rows to prune. */
#include "filter/confident.h"

#include "score/prow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEAR = 1e-6;   /* probabilities closer than this count as equal */
static const double LEAST = 1e-30; /* used instead of 0, so that odds and their logarithm are finite */

/* --- the joint ---------------------------------------------------------------------------------------------------- */

/* n (K): judged rows by class. */
static void thresholds(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged, double *t,
                       int64_t *n) {
    for (int k = 0; k < K; k++) t[k] = (double)(n[k] = 0);
    for (int64_t i = 0; i < N; i++) {
        if (!judged[i]) continue;
        t[label[i]] += (double)tn_prow_at(K, p + i * tn_prow_width(K), label[i]);
        n[label[i]]++;
    }
    for (int k = 0; k < K; k++) t[k] = n[k] ? fmax(t[k] / (double)n[k], 2 * NEAR) : 2;
}

void tn_confident_thresholds(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             double *threshold_out) {
    int64_t n[TN_MAX_CLASSES];
    thresholds(N, K, p, label, judged, threshold_out, n);
}

double tn_confident_odds(int K, const float *p, int label, const double *t) {
    double other = LEAST;
    for (int j = 0, n = tn_prow_listed(K, p); j < n; j++) {
        int k = tn_prow_class(K, p, j);
        if (k != label) other = fmax(other, (double)tn_prow_value(K, p, j) / t[k]);
    }
    return other / fmax(LEAST, (double)tn_prow_at(K, p, label) / t[label]);
}

/* The class that a row is confidently in; -1: none. */
static int confident_class(int K, const float *p, const double *t) {
    int n = 0, last = -1;
    for (int j = 0, listed = tn_prow_listed(K, p); j < listed; j++) {
        int k = tn_prow_class(K, p, j);
        if ((double)tn_prow_value(K, p, j) < t[k] - NEAR) continue;
        last = k;
        n++;
    }
    return n > 1 ? tn_prow_argmax(K, p) : last;
}

/* The row of the joint of one class: only the columns that are not 0, ascending, because of 21,000 classes few are. */
typedef struct {
    int n;
    int32_t *column; /* (n) */
    int64_t *count;  /* (n) */
    double *scaled;  /* (n): counts before they are rounded */
} joint_row;

/* Round to whole numbers and keep the sum: the values with the largest rounding errors are moved by one. */
static void round_row(joint_row *r) {
    double sum = 0;
    int64_t rounded = 0;
    for (int j = 0; j < r->n; j++) {
        sum += r->scaled[j];
        r->count[j] = (int64_t)rint(r->scaled[j]);
        rounded += r->count[j];
    }
    for (int64_t left = (int64_t)rint(sum) - rounded; left != 0; left += left > 0 ? -1 : 1) {
        int at = 0;
        for (int j = 1; j < r->n; j++) {
            double here = r->scaled[j] - (double)r->count[j], best = r->scaled[at] - (double)r->count[at];
            if (left > 0 ? here >= best : here < best) at = j;
        }
        r->count[at] += left > 0 ? 1 : -1;
    }
}

/* Scale the row to the n rows of the class. */
static void calibrate(int64_t n, joint_row *r) {
    double sum = 0;
    for (int j = 0; j < r->n; j++) sum += (double)r->count[j];
    for (int j = 0; j < r->n; j++) r->scaled[j] = (double)r->count[j] / sum * (double)n;
    round_row(r);
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The row of the joint of class k, calibrated. row (n): its judged rows. r has room for n + 1 columns. */
static void joint_of_class(int k, int64_t n, const int64_t *row, int K, const float *p, const double *t, joint_row *r) {
    int n_columns = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        int j = confident_class(K, p + row[i] * tn_prow_width(K), t);
        if (j >= 0) r->column[all++] = j;
    }
    bool own = false;
    for (int i = 0; i < all; i++) own |= r->column[i] == k;
    if (!own) r->column[all++] = k; /* the diagonal is at least 1 */
    qsort(r->column, (size_t)all, sizeof *r->column, ascending);
    for (int i = 0; i < all; i++) {
        if (n_columns == 0 || r->column[n_columns - 1] != r->column[i]) {
            r->column[n_columns] = r->column[i];
            r->count[n_columns++] = 0;
        }
        r->count[n_columns - 1]++;
    }
    r->n = n_columns;
    calibrate(n, r);
}

/* The judged rows class by class, each class in the order of rows, and memory for the joint's row of any class. */
typedef struct {
    double *t;          /* (K) thresholds */
    int64_t *n, *first; /* (K): rows of a class, and where they begin in row */
    int64_t *row;       /* (N) */
    joint_row joint;
} by_class;

static void by_class_free(by_class *c) {
    void *all[] = {c->t, c->n, c->first, c->row, c->joint.column, c->joint.count, c->joint.scaled};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static tn_status by_class_new(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                              by_class *out) {
    int64_t most = 0;
    *out = (by_class){.t = malloc((size_t)K * sizeof *out->t),
                      .n = malloc((size_t)K * sizeof *out->n),
                      .first = calloc((size_t)K + 1, sizeof *out->first),
                      .row = malloc((size_t)N * sizeof *out->row + 1)};
    if (!out->t || !out->n || !out->first || !out->row)
        return tn_fail_memory((size_t)N * 8 + (size_t)K * 24, "confident learning");
    thresholds(N, K, p, label, judged, out->t, out->n);
    for (int k = 0; k < K; k++) {
        out->first[k + 1] = out->first[k] + out->n[k];
        most = out->n[k] > most ? out->n[k] : most;
    }
    for (int64_t i = 0; i < N; i++)
        if (judged[i]) out->row[out->first[label[i]]++] = i;
    for (int k = 0; k < K; k++) out->first[k] -= out->n[k];
    size_t room = (size_t)most + 1;
    out->joint = (joint_row){.column = malloc(room * sizeof *out->joint.column),
                             .count = malloc(room * sizeof *out->joint.count),
                             .scaled = malloc(room * sizeof *out->joint.scaled)};
    return out->joint.column && out->joint.count && out->joint.scaled ? TN_OK
                                                                      : tn_fail_memory(room * 20, "confident learning");
}

/* Append the counts of class k that are not 0. */
static tn_status append_row(int k, const joint_row *r, int64_t *n, tn_joint_entry **entry) {
    tn_joint_entry *more = realloc(*entry, (size_t)(*n + r->n) * sizeof *more);
    if (!more) return tn_fail_memory((size_t)(*n + r->n) * sizeof *more, "confident learning");
    *entry = more;
    for (int j = 0; j < r->n; j++)
        if (r->count[j] != 0) more[(*n)++] = (tn_joint_entry){k, r->column[j], r->count[j]};
    return TN_OK;
}

tn_status tn_confident_joint(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             int64_t *n_out, tn_joint_entry **entry_out) {
    by_class c;
    int64_t n = 0;
    tn_joint_entry *entry = NULL;
    tn_status st = by_class_new(N, K, p, label, judged, &c);
    for (int k = 0; st == TN_OK && k < K; k++) {
        joint_of_class(k, c.n[k], c.row + c.first[k], K, p, c.t, &c.joint);
        st = append_row(k, &c.joint, &n, &entry);
    }
    by_class_free(&c);
    if (st != TN_OK) {
        free(entry);
        return st;
    }
    *n_out = n;
    *entry_out = entry;
    return TN_OK;
}

/* --- pruning ------------------------------------------------------------------------------------------------------ */

/* Make the diagonal at least 1, so that one row stays; what it gains is taken evenly from the other non-zero counts. Returns it. */
static int64_t keep_one(joint_row *r, int own) {
    int at = 0, others = 0;
    while (r->column[at] != own) at++;
    int64_t gained = r->count[at] < 1 ? 1 - r->count[at] : 0;
    for (int j = 0; j < r->n; j++) others += r->count[j] != 0;
    others = others - 1 > 1 ? others - 1 : 1;
    for (int j = 0; j < r->n && gained > 0; j++) {
        double less = (double)r->count[j] - (double)gained / others;
        r->count[j] = less > 0 ? (int64_t)less : 0;
    }
    if (gained > 0) r->count[at] = 1;
    return r->count[at];
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
        const float *at = p + c->row[i] * tn_prow_width(K);
        double own = (double)tn_prow_at(K, at, c->k);
        c->list[i] = (ranked){j < 0 ? -own : (double)tn_prow_at(K, at, j) - own, c->row[i]};
    }
    qsort(c->list, (size_t)c->n, sizeof *c->list, largest_first);
    for (int64_t i = 0; i < n_worst && i < c->n; i++) mark[c->list[i].row] = 1;
}

static void prune_class(const class_rows *c, int K, const float *p, const double *t, joint_row *r, tn_prune prune,
                        uint8_t *worst, uint8_t *low) {
    if (c->n < 2) return;
    joint_of_class(c->k, c->n, c->row, K, p, t, r);
    int64_t right = keep_one(r, c->k);
    for (int j = 0; j < r->n; j++)
        if (r->column[j] != c->k && r->count[j] > 0) mark_worst(c, K, p, r->column[j], r->count[j], worst);
    if (prune == TN_PRUNE_BOTH) mark_worst(c, K, p, -1, c->n - right, low);
}

static bool is_argmax(int K, const float *p, int k) {
    return !((double)tn_prow_other(K, p, k) > (double)tn_prow_at(K, p, k) + NEAR);
}

tn_status tn_confident_judge(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             tn_prune prune, uint8_t *suspicious_out) {
    by_class c;
    ranked *list = malloc((size_t)N * sizeof *list + 1);
    uint8_t *low = calloc((size_t)N + 1, 1);
    tn_status st = by_class_new(N, K, p, label, judged, &c);
    if (!list || !low) st = tn_fail_memory((size_t)N * (sizeof *list + 1), "confident learning");
    memset(suspicious_out, 0, (size_t)N);
    for (int k = 0; st == TN_OK && k < K; k++)
        prune_class(&(class_rows){k, c.n[k], c.row + c.first[k], list}, K, p, c.t, &c.joint, prune, suspicious_out,
                    low);
    for (int64_t i = 0; st == TN_OK && i < N; i++) {
        if (prune == TN_PRUNE_BOTH && !low[i]) suspicious_out[i] = 0;
        if (suspicious_out[i] && is_argmax(K, p + i * tn_prow_width(K), label[i])) suspicious_out[i] = 0;
    }
    by_class_free(&c);
    free(list);
    free(low);
    return st;
}
