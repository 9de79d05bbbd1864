/*
 * metric.h - confusion matrix, F1 per class, geometric mean.                        layer: learn, uses: base
 *
 *   tn_confusion c = {.K = K};   tn_confusion_add(&c, label, predicted);   tn_score s = tn_score_of(&c);
 *
 * Formula  F1_k = 2 TP / (2 TP + FP + FN), 0 where 0/0 (scikit-learn zero_division=0); geometric mean = (prod F1)^(1/K)
 *          (0 as soon as one F1 is 0); macro = mean; accuracy = trace / N.
 */
#ifndef TN_LEARN_METRIC_H
#define TN_LEARN_METRIC_H

#include "base/cfg.h"

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

void tn_confusion_add(tn_confusion *c, int label, int predicted);
tn_score tn_score_of(const tn_confusion *c);
int tn_argmax(int K, const float *p); /* first of equals */
/* Confusion of p (N,K) against label (N) over the rows with use[i] != 0 and label >= 0; use NULL = all. */
void tn_confusion_rows(tn_confusion *c, int64_t N, const float *p, const int32_t *label, const uint8_t *use);
/* Better model? Lexicographic: geometric mean, macro F1, accuracy. */
bool tn_score_better(const tn_score *a, const tn_score *b);

#endif
