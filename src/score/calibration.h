/*
 * calibration.h - are probabilities as often right as they say? Expected calibration error, and the temperature that mends it. All
 * functions are local; ranks add up their counts.
 *
 *   tn_calibration c = {.nll = 0};   for each row: tn_calibration_add(&c, K, p, label);
 *   tn_calibration_error(&c), tn_calibration_nll(&c)
 *   double b = 1 / tn_temperature(n, K, p, label, weight, use);   tn_prow_temper(K, b, row);   // score/prow.h
 *
 * Formula   ECE = sum over bins m of n_m / N |right_m / n_m - confidence_m|, for 15 equally wide bins (m-1)/15 < p <= m/15 of the
 *           largest probability p of a row; right: its class is the label. The class is the argmax of p, whatever reduce decides.
 *           NLL = mean of -log p of the label, p at least 1e-7.
 *           Temperature: T minimises the NLL of p^(1/T) / sum p^(1/T). The NLL is convex in 1/T, and its minimum is found by Newton's
 *           method, kept inside a bracket; T from 1/20 to 20. Without rows T is 1. It suits the labels as they are given; for true
 *           classes: true_class.h.
 * Source    Guo et al. 2017, "On calibration of modern neural networks" (arXiv 1706.04599), sections 2 and 4.2
 * Bits      sums of confidences and logarithms are whole numbers of 2^-28, so that they do not depend on the order of the rows
 * Accuracy  1e-6 of numpy and scipy (tests/unit/test_decision.c)
 */
#ifndef TN_SCORE_CALIBRATION_H
#define TN_SCORE_CALIBRATION_H

#include "score/prow.h"

enum { TN_CALIBRATION_BINS = 15 };

typedef struct {
    int64_t n[TN_CALIBRATION_BINS], right[TN_CALIBRATION_BINS]; /* rows; those whose largest class is the label */
    int64_t confidence[TN_CALIBRATION_BINS], nll;               /* sums of p, of -log p of the label, in 2^-28 */
} tn_calibration;

/* Add a row p (prow.h) without label of its own; label: the given one. */
void tn_calibration_add(tn_calibration *c, int K, const float *p, int label);
int64_t tn_calibration_rows(const tn_calibration *c);
double tn_calibration_error(const tn_calibration *c); /* 0 without rows */
double tn_calibration_nll(const tn_calibration *c);   /* 0 without rows */
/* The mean confidence of bin m, which has rows. */
double tn_calibration_confidence(const tn_calibration *c, int m);

/* The temperature for n rows p without label of their own. label, weight (n); use (n): 0/1, rows to look at. */
double tn_temperature(int64_t n, int K, const float *p, const int32_t *label, const double *weight, const uint8_t *use);

#endif
