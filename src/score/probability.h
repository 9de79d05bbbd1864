/*
 * probability.h - checks that rows of numbers are probabilities. All functions are local.
 *
 *   TN_TRY(tn_h5_read_rows(f, "p", TN_H5_F32, first, n, p));
 *   int64_t bad = tn_probability_bad(n, K, p);
 *   if (bad >= 0) return tn_probability_fail(path, row[bad], NULL, K, NULL, p + bad * K, "delete its folder");
 *
 * All code that uses probabilities from a file checks every row: a hash shows that the bytes are those that were published, but
 * not that they were valid.
 *
 * A row of probabilities (prow.h), if whole: K numbers from 0 to 1 + TN_P_BEYOND_1, whose sum differs from 1 by at most TN_P_SUM_OFF.
 *   TN_P_BEYOND_1  a mean of float32 values may be a few units in the last place (1.2e-7) above 1
 *   TN_P_SUM_OFF   rounding to float32 changes the sum by at most 6e-8; z is rounded at each of at most 10^4 evaluations:
 *                  6e-4. Posteriors of other programs may be in half precision, whose rounding error is 2^-11 = 5e-4
 */
#ifndef TN_SCORE_PROBABILITY_H
#define TN_SCORE_PROBABILITY_H

#include "base/status.h"
#include "data/index.h"
#include "score/prow.h"

#define TN_P_BEYOND_1 1e-6F
#define TN_P_SUM_OFF  1e-3

/* The index of the first of n rows (prow.h) that is not probabilities; -1: all rows are. */
int64_t tn_probability_bad(int64_t n, int K, const float *p);

/* Write the message about p, row `row` of file, and return TN_EFORMAT. image: path of the row's image; class_name (K); both may be
 * NULL if not known. advice: what to do. */
tn_status tn_probability_fail(const char *file, int64_t row, const char *image, int K, char *const *class_name,
                              const float *p, const char *advice);

/* Check a row p of a data set. Errors TN_EFORMAT with the message of tn_probability_fail. */
tn_status tn_probability_check(const char *file, const tn_index *ix, int64_t row, const float *p, const char *advice);

#endif
