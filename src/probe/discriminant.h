/*
 * discriminant.h - linear discriminant analysis with a shrunken covariance: a classifier in closed form. All functions are local.
 *
 *   tn_class_sums *s = NULL;
 *   TN_TRY(tn_class_sums_new(d, K, &s));
 *   TN_TRY(tn_class_sums_add(s, n, x, label));          as often as there are blocks of rows
 *   tn_class_sums_join(s, -1, part);                    leave out rows that were added to both
 *   TN_TRY(tn_discriminant_fit(s, 0.5, w, b));
 *   tn_discriminant_logits(d, K, w, b, n, x, logits);
 *
 * Model    p(k | x) = softmax_k((w_k . x + b_k) / T)
 *          w_k = S^-1 (m_k - m),   b_k = log(n_k / n) - (m_k + m) . w_k / 2
 *          m_k mean of class k, m of all rows; S = (1 - shrinkage) C + shrinkage tr(C) / d I, where C is the covariance within classes
 *          of features that were scaled to variance 1. Features that are constant get no weight.
 * Sums     are additive: the sums of all rows less those of two folds are the sums of the others. So a classifier for every pair of
 *          folds costs one Cholesky factorisation, d^3 / 3 products, and no pass over the rows.
 * Threads  OpenMP's; the same bits for any number of them.
 * Source   Fisher 1936; Friedman 1989 (shrinkage); temperature: Guo et al. 2017. Why not logistic regression: docs/decisions/probe.md
 */
#ifndef TN_PROBE_DISCRIMINANT_H
#define TN_PROBE_DISCRIMINANT_H

#include "base/status.h"

#include <stdint.h>

/* Numbers, sums and products of the features of labelled rows. Host memory: 8 (d + K) d bytes. */
typedef struct {
    int d, K;
    int64_t *n;     /* (K) rows */
    double *sum;    /* (K,d) */
    double *square; /* (d,d): sum of x_i x_j for j <= i; the rest is undefined */
} tn_class_sums;

/* All zero. The caller frees *out. Errors TN_ENOMEM. */
tn_status tn_class_sums_new(int d, int K, tn_class_sums **out);
void tn_class_sums_free(tn_class_sums **s);
void tn_class_sums_clear(tn_class_sums *s);
/* Add n rows. x (n,d); label (n), those below 0 are left out. Errors TN_ENOMEM. */
tn_status tn_class_sums_add(tn_class_sums *s, int64_t n, const float *x, const int32_t *label);
/* s += sign * other. */
void tn_class_sums_join(tn_class_sums *s, double sign, const tn_class_sums *other);

/* w_out (d,K), b_out (K); a class without rows gets b = -INFINITY. Memory besides: 8 d^2 bytes.
 * Errors TN_EARG no class has rows; TN_EFORMAT S is not positive definite: features are not finite, or shrinkage is 0 and they depend on
 * each other; TN_ENOMEM. */
tn_status tn_discriminant_fit(const tn_class_sums *s, double shrinkage, float *w_out, float *b_out);
/* logits_out (n,K) = x w + b. x (n,d). */
void tn_discriminant_logits(int d, int K, const float *w, const float *b, int64_t n, const float *x, float *logits_out);

#endif
