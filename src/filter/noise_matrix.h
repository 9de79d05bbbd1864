/*
 * noise_matrix.h - estimates how many labels of each class are wrong, and of which class they truly are; all functions are local.
 *
 *   tn_noise_matrix m = {.K = K};
 *   TN_TRY(tn_noise_matrix_add(N, p, label, heard, &m));          once for each model that is heard
 *   tn_noise_classes(&m, class);                                  class (K): what the filter may do to each class
 *   tn_noise_matrix_free(&m);
 *
 * Formula  element (i,j) is the number of rows labelled i that are estimated to be of class j: the calibrated confident joint of
 *          confident.h, summed over what was added. Row i divided by its sum is the distribution of the true class of label i.
 *          Estimated share of wrong labels of class i: 1 - C[i][i] / sum of row i.
 * Judged   a class that the models do not know is not judged: its own share C[i][i] is below one half of its n rows, and another class
 *          has so many more of them that it is no accident: C[i][j] - C[i][i] > sqrt(C[i][j] + C[i][i]), one standard error. Nor is a class
 *          without rows. One half alone would exclude every class where labels are as wrong as that.
 *          docs/decisions/verdict.md
 * Source   Northcutt, Jiang, Chuang 2021, "Confident Learning", section 3.1. The estimate supposes rows that their model was not trained
 *          on; of a model that is unsure it says too much, so it is a bound and not a verdict.
 * Memory   16 bytes for each element that is not 0, at most one for each row
 */
#ifndef TN_FILTER_NOISE_MATRIX_H
#define TN_FILTER_NOISE_MATRIX_H

#include "filter/confident.h"

typedef struct {
    int K;
    int64_t n;
    tn_joint_entry *entry; /* (n) not 0, ascending by given, then by truth */
} tn_noise_matrix;

/* A class of given labels. */
typedef struct {
    int64_t rows, right; /* rows of the class that were added; how many of them are estimated to be right */
    int32_t rival;       /* the class that most of the others are estimated to be of; -1: none */
    int64_t rival_rows;
    bool is_judged;
} tn_noise_class;

/* Add the rows with heard != 0. p: N rows (score/prow.h); label, heard (N). Errors TN_ENOMEM. */
tn_status tn_noise_matrix_add(int64_t N, const float *p, const int32_t *label, const uint8_t *heard,
                              tn_noise_matrix *m);
void tn_noise_matrix_free(tn_noise_matrix *m);

void tn_noise_classes(const tn_noise_matrix *m, tn_noise_class *class_out);
/* The largest number of n labels of a class that may be taken for wrong: its estimated share of them, rounded down; 0: it is not
 * judged. */
int64_t tn_noise_most(const tn_noise_class *c, int64_t n);

#endif
