/* metric.c - scores from a confusion matrix. */
#include "score/metric.h"

#include <math.h>
#include <stdlib.h>

int tn_argmax(int K, const float *p) {
    int best = 0;
    float most = p[0];
    for (int k = 1; k < K; k++) { /* no branch depends on p */
        best = p[k] > most ? k : best;
        most = p[k] > most ? p[k] : most;
    }
    return best;
}

double tn_share(int64_t part, int64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* --- counts by class ---------------------------------------------------------------------------------------------- */

tn_status tn_counts_new(int K, tn_counts *out) {
    *out = (tn_counts){.K = K, .n = calloc(3 * (size_t)K, sizeof *out->n)};
    return out->n ? TN_OK : tn_fail_memory(3 * (size_t)K * sizeof *out->n, "the scores");
}

void tn_counts_free(tn_counts *c) {
    free(c->n);
    *c = (tn_counts){.K = 0};
}

void tn_counts_add(tn_counts *c, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < c->K && predicted >= 0 && predicted < c->K);
    c->n[label] += label == predicted;
    c->n[c->K + label]++;
    c->n[2 * c->K + predicted]++;
}

void tn_counts_rows(tn_counts *c, int64_t N, const float *p, const int32_t *label, const uint8_t *use) {
    for (int64_t i = 0; i < N; i++)
        if (label[i] >= 0 && (!use || use[i]))
            tn_counts_add(c, label[i], tn_prow_argmax(c->K, p + i * tn_prow_width(c->K)));
}

double tn_f1(const tn_counts *c, int k) {
    return tn_share(2 * c->n[k], c->n[c->K + k] + c->n[2 * c->K + k]);
}

double tn_smoothed_log(double right, double labelled, double predicted) {
    return log((2 * right + 1) / (labelled + predicted + 2));
}

double tn_smoothed(const tn_counts *c) {
    double sum = 0;
    for (int k = 0; k < c->K; k++)
        sum += tn_smoothed_log((double)c->n[k], (double)c->n[c->K + k], (double)c->n[2 * c->K + k]);
    return sum / c->K;
}

tn_score tn_score_of(const tn_counts *c) {
    tn_score s = {.N = 0};
    double log_sum = 0, sum = 0;
    int64_t right = 0;
    for (int k = 0; k < c->K; k++) {
        double f1 = tn_f1(c, k);
        right += c->n[k];
        s.N += c->n[c->K + k];
        sum += f1;
        log_sum += log(f1);
    }
    s.gmean = exp(log_sum / c->K); /* log 0 = -inf, and exp(-inf) = 0 */
    s.macro = sum / c->K;
    s.accuracy = tn_share(right, s.N);
    return s;
}

/* --- the confusion matrix ----------------------------------------------------------------------------------------- */

tn_status tn_confusion_new(int K, tn_confusion *out) {
    size_t n = (size_t)K * (size_t)K;
    *out = (tn_confusion){.K = K};
    if (!tn_prow_whole(K)) return TN_OK;
    out->n = calloc(n, sizeof *out->n);
    return out->n ? TN_OK : tn_fail_memory(n * sizeof *out->n, "a confusion matrix");
}

void tn_confusion_free(tn_confusion *c) {
    free(c->n);
    free(c->listed);
    *c = (tn_confusion){.K = 0};
}

static int by_cell(const void *a, const void *b) {
    const tn_confused *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

void tn_confusion_sort(tn_confusion *c) {
    int64_t n = 0;
    if (c->n_listed > 0) qsort(c->listed, (size_t)c->n_listed, sizeof *c->listed, by_cell);
    for (int64_t i = 0; i < c->n_listed; i++) {
        if (n > 0 && by_cell(&c->listed[n - 1], &c->listed[i]) == 0)
            c->listed[n - 1].n += c->listed[i].n;
        else
            c->listed[n++] = c->listed[i];
    }
    c->n_listed = n;
}

/* Make room for one more: by joining equal cells, and, if that frees less than half, by more memory. */
static tn_status make_room(tn_confusion *c) {
    tn_confusion_sort(c);
    if (2 * c->n_listed < c->room) return TN_OK;
    size_t room = c->room ? 2 * (size_t)c->room : 1024;
    tn_confused *more = realloc(c->listed, room * sizeof *more);
    if (!more) return tn_fail_memory(room * sizeof *more, "a confusion matrix");
    c->listed = more;
    c->room = (int64_t)room;
    return TN_OK;
}

tn_status tn_confusion_list(tn_confusion *c, int64_t n, const tn_confused *cell) {
    for (int64_t i = 0; i < n; i++) {
        if (c->n_listed == c->room) TN_TRY(make_room(c));
        c->listed[c->n_listed++] = cell[i];
    }
    return TN_OK;
}

tn_status tn_confusion_add(tn_confusion *c, int label, int predicted) {
    TN_ASSERT(label >= 0 && label < c->K && predicted >= 0 && predicted < c->K);
    if (!c->n) return tn_confusion_list(c, 1, &(tn_confused){label, predicted, 1});
    c->n[(int64_t)label * c->K + predicted]++;
    return TN_OK;
}

static int most_rows_first(const void *a, const void *b) {
    const tn_confused *x = a, *y = b;
    return x->n != y->n ? (x->n > y->n ? -1 : 1) : by_cell(a, b);
}

/* The cells beside the diagonal that are not 0. out NULL: only counted. */
static int64_t list_confused(const tn_confusion *c, tn_confused *out) {
    int64_t n = 0, n_cells = c->n ? (int64_t)c->K * c->K : c->n_listed;
    for (int64_t i = 0; i < n_cells; i++) {
        tn_confused cell = c->n ? (tn_confused){(int32_t)(i / c->K), (int32_t)(i % c->K), c->n[i]} : c->listed[i];
        if (cell.n == 0 || cell.label == cell.predicted) continue;
        if (out) out[n] = cell;
        n++;
    }
    return n;
}

tn_status tn_confusion_most(const tn_confusion *c, int64_t most, int64_t *n_out, tn_confused **out) {
    int64_t n = list_confused(c, NULL);
    tn_confused *list = malloc((size_t)n * sizeof *list + 1);
    if (!list) return tn_fail_memory((size_t)n * sizeof *list, "a confusion matrix");
    list_confused(c, list);
    qsort(list, (size_t)n, sizeof *list, most_rows_first);
    *n_out = n < most ? n : most;
    *out = list;
    return TN_OK;
}

/* --- comparison --------------------------------------------------------------------------------------------------- */

bool tn_score_better(const tn_score *a, const tn_score *b) {
    if (a->gmean != b->gmean) return a->gmean > b->gmean;
    if (a->macro != b->macro) return a->macro > b->macro;
    return a->accuracy > b->accuracy;
}
