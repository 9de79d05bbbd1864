/*
 * confident.h - confident learning: estimates how many labels of each class are wrong, and selects them.
 *
 *   TN_TRY(tn_confident_judge(N, K, p, label, judged, TN_PRUNE_NOISE_RATE, suspicious));
 *   tn_confident_thresholds(N, K, z, label, judged, t);  tn_confident_odds(K, z_of_a_row, its_label, t)
 *
 * Input    p: N rows (score/prow.h) of out-of-fold posteriors: each row predicted by models that were not trained on it.
 * Formula  t_k = mean of p_k over the rows labelled k (at least 2e-6).
 *          C[i][j] = number of rows labelled i that are confidently j: j is the only class with p_j >= t_j - 1e-6, or argmax p
 *          if there are several; the diagonal is at least 1. Calibrated: row i is scaled to the number of rows labelled i and
 *          rounded to whole numbers with the same sum.
 *          noise_rate: for each j != i the C[i][j] rows labelled i with the largest p_j - p_i are suspicious.
 *          both: only those of them that are also among the n_i - C[i][i] rows labelled i with the lowest p_i.
 *          At least one row of every class is not suspicious; nor is a row whose label is argmax p (to 1e-6).
 *          odds = (max over j != y of p_j / t_j) / (p_y / t_y): another class against the given label y, each relative to what models
 *          give to labels of that class. So a class that models rarely name is not doubted for that.
 * Source   Northcutt, Jiang, Chuang 2021, "Confident Learning", sections 3.1-3.3 ("prune by noise rate", "both"); the
 *          constants and roundings are those of cleanlab 2.9, with which tests/golden/confident.h was made
 * Ties     the lower row first
 * Listed   with more than TN_WHOLE_CLASSES classes a row can be confidently in a class only if it lists it
 * Cost     one sort of a class for each class that its rows are taken for, at most K N log N; memory 25 N + 24 K bytes, and 20 for each
 *          row of the largest class
 * All functions are local. label, judged (N): rows with judged = 0 are ignored.
 */
#ifndef TN_FILTER_CONFIDENT_H
#define TN_FILTER_CONFIDENT_H

#include "cfg/cfg.h"

/* The thresholds t (K): the mean probability that models give to labels of each class. 2 for a class without rows. */
void tn_confident_thresholds(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             double *threshold_out);

/* The odds of a row against its label, at least 0. t (K): thresholds. Of largest values only the listed classes count (prow.h). */
double tn_confident_odds(int K, const float *p, int label, const double *t);

/* An element of C: `count` rows labelled `given` are estimated to be of class `truth`. */
typedef struct {
    int32_t given, truth;
    int64_t count;
} tn_joint_entry;

/* C, calibrated: entry_out gets its n_out elements that are not 0, ascending by given, then by truth; the caller frees them. Errors
 * TN_ENOMEM. */
tn_status tn_confident_joint(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             int64_t *n_out, tn_joint_entry **entry_out);

/* suspicious_out (N) 0/1; 0 where judged is 0. Errors TN_ENOMEM. */
tn_status tn_confident_judge(int64_t N, int K, const float *p, const int32_t *label, const uint8_t *judged,
                             tn_prune prune, uint8_t *suspicious_out);

#endif
