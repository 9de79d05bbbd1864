/*
 * metric.h - scores of predictions: counts by class, F1 per class, geometric mean; the confusion matrix. All functions are local.
 *
 *   tn_counts c = {.K = 0};  TN_TRY(tn_counts_new(K, &c));  tn_counts_add(&c, label, predicted);
 *   tn_score s = tn_score_of(&c);  tn_counts_free(&c);
 *
 * Formula  F1_k = 2 TP / (2 TP + FP + FN) over the K classes of the job file; geometric mean = (prod F1)^(1/K);
 *          macro = mean; accuracy = trace / N.
 *          smoothed score = mean of log F~_k, F~_k = (2 TP + 1) / (2 TP + FP + FN + 2): for choices. A class with few rows is never 0 there,
 *          and a single row of it moves the score less than it moves the geometric mean.
 * 0/0      is 0. A class without rows has F1 0 and counts in both means, so the geometric mean is 0; also a class that is
 *          never predicted. Without any rows (N 0) every score is 0, and metrics.json has null instead. This is scikit-learn's
 *          f1_score(labels=range(K), zero_division=0). Without `labels`, or with zero_division=1 or nan, classes without rows
 *          would be left out or count as perfect, and the same models would score better on fewer classes.
 * Memory   24 K bytes for counts. A confusion matrix, which is only for showing, takes 8 K^2 bytes up to TN_WHOLE_CLASSES classes; of
 *          more classes only its cells that are not 0 are kept: 16 bytes for each, and as many again while they are sorted.
 * Accuracy 1e-12 of scikit-learn for up to 2^53 rows (tests/unit/test_metric.c).
 */
#ifndef TN_SCORE_METRIC_H
#define TN_SCORE_METRIC_H

#include "cfg/cfg.h"
#include "score/prow.h"

enum { TN_SCORE_DIGITS = 15 }; /* in metrics.json, journals, rankings: what a double holds */

/* Rows by class. n (3,K): predicted right, labelled, predicted; TP, TP + FN, TP + FP. */
typedef struct {
    int K;
    int64_t *n;
} tn_counts;

/* A cell of a confusion matrix. */
typedef struct {
    int32_t label, predicted;
    int64_t n;
} tn_confused;

typedef struct {
    int K;
    int64_t *n;             /* (K,K): [label][predicted]; NULL: listed */
    int64_t n_listed, room; /* cells may be listed more than once until tn_confusion_sort */
    tn_confused *listed;
} tn_confusion;

typedef struct {
    int64_t N;
    double gmean, macro, accuracy;
} tn_score;

double tn_share(int64_t part, int64_t whole); /* part / whole, 0 if whole is 0: for F1, accuracy, precision, recall */
int tn_argmax(int K, const float *p);         /* ties: the lowest class */

tn_status tn_counts_new(int K, tn_counts *out); /* zeros. Errors TN_ENOMEM */
void tn_counts_free(tn_counts *c);
void tn_counts_add(tn_counts *c, int label, int predicted);
/* Add those of N rows (prow.h) with use[i] != 0 and label >= 0. label (N); use (N), NULL = all rows. */
void tn_counts_rows(tn_counts *c, int64_t N, const float *p, const int32_t *label, const uint8_t *use);
double tn_f1(const tn_counts *c, int k);
double tn_smoothed_log(double right, double labelled, double predicted); /* log F~ of a class; rows may have weights */
double tn_smoothed(const tn_counts *c);                                  /* the smoothed score */
tn_score tn_score_of(const tn_counts *c);

tn_status tn_confusion_new(int K, tn_confusion *out); /* zeros. Errors TN_ENOMEM */
void tn_confusion_free(tn_confusion *c);
tn_status tn_confusion_add(tn_confusion *c, int label,
                           int predicted); /* errors TN_ENOMEM, never up to TN_WHOLE_CLASSES */
/* Add n listed cells to a matrix that is listed. Errors TN_ENOMEM. */
tn_status tn_confusion_list(tn_confusion *c, int64_t n, const tn_confused *cell);
/* Order what is listed by label, then predicted, each cell once. Does nothing to a matrix that is not listed. */
void tn_confusion_sort(tn_confusion *c);
/* The n_out cells beside the diagonal with the most rows, at most `most` (ties: the lower label, then predicted). Sorted first, if listed.
 * The caller frees *out. Errors TN_ENOMEM. */
tn_status tn_confusion_most(const tn_confusion *c, int64_t most, int64_t *n_out, tn_confused **out);

/* Is a better than b? Compares geometric mean, then macro F1, then accuracy. */
bool tn_score_better(const tn_score *a, const tn_score *b);

#endif
