/*
 * probability.h - are these probabilities?                                      layer: learn, uses: base, data
 *
 *   TN_TRY(tn_h5_read_rows(f, "p", TN_H5_F32, first, n, p));
 *   int64_t bad = tn_probability_bad(n, K, p);
 *   if (bad >= 0) return tn_probability_fail(path, row[bad], NULL, K, NULL, p + bad * K, "delete its folder");
 *
 * Everything that judges by probabilities asks this of every row that it uses, where another process wrote the file: a
 * hash says that the bytes are those that were published, not that they were sound then.
 *
 * A row of probabilities: K numbers from 0 to 1 + TN_P_BEYOND_1, whose sum is off 1 by at most TN_P_SUM_OFF.
 *   TN_P_BEYOND_1  a mean of float32 values may end one or a few units in the last place (1.2e-7) above 1
 *   TN_P_SUM_OFF   values are rounded to float32, which carries the sum off by 6e-8 at most; z is rounded at every
 *                  evaluation point, of which there are at most 10^4: 6e-4. In half precision, which posteriors of other
 *                  programs may have, values are off by 2^-11: 5e-4
 */
#ifndef TN_LEARN_PROBABILITY_H
#define TN_LEARN_PROBABILITY_H

#include "base/status.h"
#include "data/index.h"

#define TN_P_BEYOND_1 1e-6F
#define TN_P_SUM_OFF  1e-3

/* The first of the rows p (n,K) that are no probabilities; -1: all are. */
int64_t tn_probability_bad(int64_t n, int K, const float *p);

/* TN_EFORMAT with what is wrong with p (K), row `row` of file. image: its path, NULL = not known here. class_name (K):
 * NULL = not known. advice: what to do. */
tn_status tn_probability_fail(const char *file, int64_t row, const char *image, int K, char *const *class_name,
                              const float *p, const char *advice);

/* Both for a row of a data set. */
tn_status tn_probability_check(const char *file, const tn_index *ix, int64_t row, const float *p, const char *advice);

#endif
