/*
 * true_class.h - how probable each class is to be the true one of a row, from what a model predicts and from the given label. All functions
 * are local.
 *
 *   tn_true_class m = {.K = 0};
 *   TN_TRY(tn_true_class_fit(N, K, p, label, NULL, heard, &m));    // heard: rows that the model has not learned from
 *   tn_true_class_of(&m, N, p, label, judged, q);
 *   tn_true_class_free(&m);
 *
 * Model    The true class k of a row has the probability P_k = p_k^(1/T) / sum_j p_j^(1/T), where p is its prediction; a row of class k has
 *          the label j with the probability N_kj, the noise matrix. So q_k = P_k N_ky / sum_j P_j N_jy for the label y.
 * Fit      T and N by the maximum likelihood of the labels, sum_i w_i log sum_k P_ik N_k,y(i): for each T of a grid N by expectation and
 *          maximisation; golden section search between the neighbours of the best T. Each row of N begins, and is held, by PRIOR_ROWS
 *          more rows of its class, of which nine tenths have the right label and the others follow the shares of labels.
 * Why T    A model that learned from noisy labels predicts labels, not truths: it is too unsure where labels are wrong at random. Without T
 *          the matrix would explain nothing that p does not explain already.
 * Why      A label is believed by what is known of its class: rare classes are not outvoted by large ones, and where few labels are
 *          wrong q is nearly the label. No share or threshold is to be set (docs/decisions/true-class.md).
 * Rows     at most TN_TRUE_CLASS_ROWS, evenly chosen. Memory: 4 K + 20 bytes for each, and 32 K^2.
 * Bits     depend on the C library's exp and log. One process computes.
 * Source   Dawid & Skene 1979 (the matrix by expectation and maximisation); Patrini et al. 2017 (classifiers and noise matrices)
 */
#ifndef TN_SCORE_TRUE_CLASS_H
#define TN_SCORE_TRUE_CLASS_H

#include "base/status.h"

#include <stdint.h>

enum {
    TN_TRUE_CLASS_ROWS = 20000,
    TN_TRUE_CLASS_MOST = 100 /* classes: above, a noise matrix has too few rows for its entries */
};

typedef struct {
    int K;
    double temperature; /* T */
    double *given;      /* (K,K): given[j * K + k] = N_kj, the probability of label j in class k */
} tn_true_class;

/* p (N,K); label, use (N); weight (N) or NULL: 1 each. Without a row to use, T is 1 and N that of the additional rows. The caller frees
 * *out. Errors TN_ENOMEM. */
tn_status tn_true_class_fit(int64_t N, int K, const float *p, const int32_t *label, const double *weight,
                            const uint8_t *use, tn_true_class *out);
void tn_true_class_free(tn_true_class *m);

/* q_out (N,K) of the rows in judged; the others stay. q_out may be p. */
void tn_true_class_of(const tn_true_class *m, int64_t N, const float *p, const int32_t *label, const uint8_t *judged,
                      float *q_out);

#endif
