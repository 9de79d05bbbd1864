/*
 * judge.h - errors against PyTorch, gathered per family of tensors, and the bounds they must keep.
 *
 *   judge *j = judge_new(false);
 *   judge_add(j, "depthwise", 1e-4, n, ours, peer, exact, 0);      per tensor
 *   n_failed += judge_print(j, stdout);  judge_free(&j);
 *
 * Error  ||x - y|| / ||y|| over one tensor. ours: tenfold; peer: PyTorch in the same precision; exact: PyTorch in fp64.
 * fp32   Every tensor: ours against peer <= bound, or ours against exact <= 1.25 times peer against exact.
 * bf16   Every family: root mean square over its tensors of ours against exact <= 1.25 times that of peer. A loss is
 *        one number, in which rounding cancels or does not by chance, and the two gradients of a dense layer are
 *        products of a few numbers p - t: the losses of all nets are one family, and so are these gradients
 *        (docs/decisions/bf16-losses.md).
 */
#ifndef TN_TESTS_JUDGE_H
#define TN_TESTS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct judge judge;

judge *judge_new(bool bf16);
void judge_free(judge **j);

/* scale: the norm to which errors are related; 0 = that of y. family: a literal. */
void judge_add(judge *j, const char *family, double bound, int64_t n, const float *ours, const float *peer,
               const float *exact, double scale);

/* Prints a markdown table, families in the order in which they came; returns how many do not keep their bound. */
int judge_print(const judge *j, FILE *out);

double judge_norm(int64_t n, const float *x);

#endif
