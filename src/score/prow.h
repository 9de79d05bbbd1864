/*
 * prow.h - a row of probabilities over classes as it is kept in memory and in files: whole, or its largest values. All functions are
 * pure.
 *
 *   float row[TN_PROW_MOST];                                        // tn_prow_width(K) floats
 *   tn_prow_keep(K, label, p, row);                                 // p (K), as a network gives it
 *   for (int j = 0; j < tn_prow_listed(K, row); j++) ... tn_prow_class(K, row, j), tn_prow_value(K, row, j)
 *
 * Format     up to TN_WHOLE_CLASSES classes: the K values. More classes: TN_PROW_TOP classes with the largest values, as whole
 *            numbers, largest value first; their values; the row's own label (-1: it has none) and its value. All are float32, which
 *            holds whole numbers to 2^24, so that a row of either kind is tn_prow_width(K) floats for MPI, HDF5 and checkpoints.
 * Why 1,024  a whole row of 1,024 classes takes 4 KiB. Two for each of a million rows are 8 GB, what a node has; of 21,000 classes
 *            they would be 168 GB. A row of largest values takes 136 bytes.
 * Rest       a class that is not listed has an equal share of 1 - (sum of the listed values). So a single row loses only its
 *            small values: the 16 largest and the label's are exact. An unlisted class has truly at most the
 *            smallest of the 16 largest.
 * Mixture    of two rows (tn_prow_mix: z over evaluations, means over models): computed for the classes that either lists, with the
 *            shares of the rest where one does not; then the largest are kept. The label's value stays exact. Another class's value is
 *            too low or too high by at most the weight of each row that does not list it times the smallest of that row's 16 largest values.
 * Label      exact for the filter, which judges it. Predictions that are scored are kept without label (-1): a value known better for the
 *            label than for other classes would make scores too good.
 * Bits       up to TN_WHOLE_CLASSES the same as if rows were arrays of K values.
 * Accuracy   tests/unit/test_prow.c, against whole rows in double
 */
#ifndef TN_SCORE_PROW_H
#define TN_SCORE_PROW_H

#include "cfg/cfg.h"

enum {
    TN_PROW_TOP = 16,
    TN_PROW_FEW = 2 * TN_PROW_TOP + 2, /* floats of a row of largest values */
    TN_PROW_MOST = TN_WHOLE_CLASSES    /* floats of any row */
};

static inline bool tn_prow_whole(int K) {
    return K <= TN_WHOLE_CLASSES;
}
static inline int tn_prow_width(int K) {
    return tn_prow_whole(K) ? K : TN_PROW_FEW;
}

/* Keep the values p (K). label: -1 none. If a value is not finite, all values of the row become so. */
void tn_prow_keep(int K, int label, const float *p, float *row_out);

/* The class with the largest value; ties: the lowest class. */
int tn_prow_argmax(int K, const float *row);
/* The value of class k, listed or not. */
float tn_prow_at(int K, const float *row, int k);
/* The largest value of the classes other than k. */
float tn_prow_other(int K, const float *row, int k);
/* The share of a class that is not listed. */
float tn_prow_rest(int K, const float *row);

/* The listed classes: all K, or the largest, and the label if it is not one of them. */
static inline int tn_prow_listed(int K, const float *row) {
    if (tn_prow_whole(K)) return K;
    float label = row[2 * TN_PROW_TOP];
    bool among = label < 0;
    for (int j = 0; j < TN_PROW_TOP; j++) among |= row[j] == label;
    return TN_PROW_TOP + !among;
}
static inline int tn_prow_class(int K, const float *row, int j) {
    return tn_prow_whole(K) ? j : (int)row[j < TN_PROW_TOP ? j : 2 * TN_PROW_TOP];
}
static inline float tn_prow_value(int K, const float *row, int j) {
    return tn_prow_whole(K) ? row[j] : row[j < TN_PROW_TOP ? TN_PROW_TOP + j : 2 * TN_PROW_TOP + 1];
}

/* row_out = weight_a a + weight_b b, computed in double. row_out may be a or b; both have the same label. A row with weight 0 is not read
 * if it is of largest values. */
void tn_prow_mix(int K, double weight_a, const float *a, double weight_b, const float *b, float *row_out);

/* The mean of rows one by one: sum is 0 before; add each row with the number of rows added before it; then end with their number. */
void tn_prow_add(int K, int n_before, const float *row, float *sum);
void tn_prow_end(int K, int n, float *sum);

/* The listed class with the largest log p + offset (K). Ties: the lowest class. offset NULL: tn_prow_argmax. */
int tn_prow_decide(int K, const float *row, const double *offset);

/* Change the temperature of a row: p_k becomes p_k^b / sum_j p_j^b. b = 1 / temperature; 1 changes nothing. A class that is not listed
 * gets its share of the rest to the power b. The order of the classes stays. Row without label. */
void tn_prow_temper(int K, double b, float *row);
/* The least share of a class that is not listed, where its logarithm is needed. */
#define TN_PROW_LEAST_REST 1e-12

/* What is wrong with a row of largest values: NULL nothing; else a text. Its classes must be different, from 0 to K-1, and its values
 * descend and sum to at most 1 (probability.h). */
const char *tn_prow_wrong(int K, const float *row);

/* --- sums of many rows -------------------------------------------------------------------------------------------- */

/* A sum of rows, or of their logarithms, in double: K sums; or TN_PSUM_TOP classes with the largest sums, and the sum of any class that is
 * not listed. Labels are not looked at. */
enum { TN_PSUM_TOP = 64, TN_PSUM_FEW = 2 * TN_PSUM_TOP + 2 };
static inline int tn_psum_width(int K) {
    return tn_prow_whole(K) ? K : TN_PSUM_FEW;
}
double tn_log_p(float p); /* log max(p, 1e-7): one probability that was rounded to 0 must not make a geometric mean 0 */
/* Add `times` times each of the n rows. row (n, width), sum (n, psum width): all 0 before the first. logs: logarithms are summed. */
void tn_psum_add(int K, bool logs, int times, int64_t n, const float *row, double *sum);
/* Add sums to others of the same kind. */
void tn_psum_merge(int K, int64_t n, const double *from, double *sum);
/* The means of n_rows rows, arithmetic or (of logs) geometric: row_out (n, width) without label. */
void tn_psum_end(int K, bool logs, int n_rows, int64_t n, const double *sum, float *row_out);
/* The argmax of a sum with one more row, not of logs: what tn_psum_add would give. Ties: the lowest class. */
int tn_psum_argmax_with(int K, const double *sum, const float *row);

#endif
