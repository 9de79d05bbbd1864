/*
 * metric.h - scores of predictions: confusion matrix, F1 per class, geometric mean. All functions are pure.
 *
 *   tn_confusion c = {.K = K};   tn_confusion_add(&c, label, predicted);   tn_score s = tn_score_of(&c);
 *
 * Formula  F1_k = 2 TP / (2 TP + FP + FN) over the K classes of the job file; geometric mean = (prod F1)^(1/K);
 *          macro = mean; accuracy = trace / N.
 * 0/0      is 0. A class without rows has F1 0 and counts in both means, so the geometric mean is 0; also a class that is
 *          never predicted. Without any rows (N 0) every score is 0, and metrics.json has null instead. This is scikit-learn's
 *          f1_score(labels=range(K), zero_division=0). Without `labels`, or with zero_division=1 or nan, classes without rows
 *          would be left out or count as perfect, and the same models would score better on fewer classes.
 * Accuracy 1e-12 of scikit-learn for up to 2^53 rows (tests/unit/test_metric.c).
 */
#ifndef TN_SCORE_METRIC_H
#define TN_SCORE_METRIC_H

#include "cfg/cfg.h"

enum { TN_SCORE_DIGITS = 15 }; /* in metrics.json, journals, rankings: what a double holds */

typedef struct {
    int K;
    int64_t n[TN_MAX_CLASSES][TN_MAX_CLASSES]; /* [label][predicted] */
} tn_confusion;

typedef struct {
    int K;
    int64_t N;
    double f1[TN_MAX_CLASSES];
    double gmean, macro, accuracy;
} tn_score;

double tn_share(int64_t part, int64_t whole); /* part / whole, 0 if whole is 0: for F1, accuracy, precision, recall */
void tn_confusion_add(tn_confusion *c, int label, int predicted);
tn_score tn_score_of(const tn_confusion *c);
int tn_argmax(int K, const float *p); /* ties: the lowest class */
/* Add the rows of p (N,K) with use[i] != 0 and label >= 0. label (N); use (N), NULL = all rows. */
void tn_confusion_rows(tn_confusion *c, int64_t N, const float *p, const int32_t *label, const uint8_t *use);
/* Is a better than b? Compares geometric mean, then macro F1, then accuracy. */
bool tn_score_better(const tn_score *a, const tn_score *b);

#endif
