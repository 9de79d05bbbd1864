/* categories.c - see categories.h. */
#include "probe/categories.h"

#include "base/watch.h"

#include <math.h>
#include <string.h>

typedef struct {
    const tn_backoff *b;
    float *q;
} target;

static void write_rows(void *context, int level, int64_t from, int64_t to, const double *q, bool seen) {
    const target *t = context;
    (void)seen;
    if (level < t->b->M) return; /* a finer prediction follows */
    for (int64_t i = from; i < to; i++)
        if (t->b->at[i].part == TN_PREDICTED)
            for (int k = 0; k < t->b->K; k++) t->q[(int64_t)t->b->at[i].row * t->b->K + k] = (float)q[k];
}

/* Predict the rows of part g, or with g < 0 those of fold f, from rows that are in neither. */
static void predict(tn_backoff *b, const tn_index *ix, int f, int g, const int32_t *part, float *q_out) {
    for (int64_t i = 0; i < b->n; i++) {
        tn_backoff_row *r = &b->at[i];
        bool in_f = ix->fold[r->row] == f, in_g = g < 0 ? in_f : part[r->row] == g;
        r->part = in_g ? TN_PREDICTED : in_f ? TN_LEFT_OUT : TN_COUNTED;
    }
    tn_backoff_predict(b, write_rows, &(target){b, q_out});
}

void tn_categories_of(tn_backoff *b, const tn_index *ix, int f, int n_parts, const int32_t *part, float *q_out) {
    int of_a_fold = n_parts / ix->n_folds;
    predict(b, ix, f, -1, part, q_out);
    for (int g = 0; g < n_parts; g++)
        if (g / of_a_fold != f) predict(b, ix, f, g, part, q_out);
}

/* --- the weights -------------------------------------------------------------------------------------------------- */

/* The log likelihood of the labels, its slope and its curvature in the two weights. */
typedef struct {
    double value, slope[2], curve[3]; /* curve: aa, ab, bb, with the sign of a minimum */
} likelihood;

static double log_of(float x) {
    return log(fmax((double)x, 1e-30));
}

/* Add a row with label y. p, q (K). */
static void add_row(int K, const float *p, const float *q, int y, const double w[2], likelihood *out) {
    double most = -INFINITY, sum = 0, mean[2] = {0, 0}, square[3] = {0, 0, 0};
    for (int k = 0; k < K; k++) most = fmax(most, w[0] * log_of(p[k]) + w[1] * log_of(q[k]));
    for (int k = 0; k < K; k++) {
        double x[2] = {log_of(p[k]), log_of(q[k])}, e = exp(w[0] * x[0] + w[1] * x[1] - most);
        sum += e;
        for (int i = 0; i < 2; i++) mean[i] += e * x[i];
        for (int i = 0; i < 3; i++) square[i] += e * x[i / 2] * x[(i + 1) / 2];
    }
    double of_y[2] = {log_of(p[y]), log_of(q[y])};
    out->value += w[0] * of_y[0] + w[1] * of_y[1] - most - log(sum);
    for (int i = 0; i < 2; i++) out->slope[i] += of_y[i] - mean[i] / sum;
    for (int i = 0; i < 3; i++) out->curve[i] += square[i] / sum - mean[i / 2] * mean[(i + 1) / 2] / sum / sum;
}

static likelihood measure(const tn_index *ix, const float *q, const uint8_t *use, const float *p, const double w[2]) {
    likelihood l = {.value = 0};
    int64_t K = ix->n_classes;
    for (int64_t i = 0; i < ix->n; i++)
        if (use[i]) add_row((int)K, p + i * K, q + i * K, ix->label[i], w, &l);
    return l;
}

/* A step of Newton's method from l, the likelihood at w; half of it, and so on, until it goes up. False: it is at the top. */
static bool step(const tn_index *ix, const float *q, const uint8_t *use, const float *p, double w[2], likelihood *l) {
    enum { HALVINGS = 20 };
    double ridge = 1e-9 * (l->curve[0] + l->curve[2]) + 1e-30, aa = l->curve[0] + ridge, bb = l->curve[2] + ridge,
           ab = l->curve[1], det = aa * bb - ab * ab;
    double by[2] = {(bb * l->slope[0] - ab * l->slope[1]) / det, (aa * l->slope[1] - ab * l->slope[0]) / det};
    for (int i = 0; i < HALVINGS; i++, by[0] /= 2, by[1] /= 2) {
        double there[2] = {w[0] + by[0], w[1] + by[1]};
        tn_watch_at("probe: weight of categories", i);
        likelihood next = measure(ix, q, use, p, there);
        if (!(next.value > l->value)) continue;
        bool more = next.value - l->value > 1e-10 * fabs(l->value);
        memcpy(w, there, sizeof there);
        *l = next;
        return more;
    }
    return false;
}

static void raise(int K, const double w[2], const float *q, float *p) {
    double most = -INFINITY, sum = 0;
    for (int k = 0; k < K; k++) most = fmax(most, w[0] * log_of(p[k]) + w[1] * log_of(q[k]));
    for (int k = 0; k < K; k++) sum += exp(w[0] * log_of(p[k]) + w[1] * log_of(q[k]) - most);
    for (int k = 0; k < K; k++) p[k] = (float)(exp(w[0] * log_of(p[k]) + w[1] * log_of(q[k]) - most) / sum);
}

void tn_categories_join(const tn_index *ix, const float *q, const uint8_t *use, float *p, double weight_out[2]) {
    enum { STEPS = 50 };
    double w[2] = {1, 0};
    int64_t K = ix->n_classes;
    likelihood l = measure(ix, q, use, p, w);
    for (int i = 0; i < STEPS && step(ix, q, use, p, w, &l); i++) {
    }
    for (int i = 0; i < 2; i++) weight_out[i] = w[i] = fmax(w[i], 0);
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->fold[i] >= 0) raise((int)K, w, q + i * K, p + i * K);
}
