/*
 * search.h - the trials of a search: what each of them sets, and when it ranks before another.
 *                                                                                   layer: suite, uses: base
 *
 *   tn_values v;  TN_TRY(tn_search_values(cfg, 7, &v));          // "train.learning_rate=0.00213", ...
 *   tn_cfg *t = NULL;  TN_TRY(tn_search_cfg(cfg, 7, 2000, &t));  // the job of trial 7 with a budget of 2000 images
 *
 * Trials     0 is the job file as it stands: the search must find better. Trial t >= 1 is point t - 1 of the sequence.
 * Points     sobol: x_d = (S_d + shift_d) with S the Sobol sequence from its point 0 on, + the digital (XOR) sum of 30
 *            bits, shift_d = Philox(tune.seed, TN_STREAM_SEARCH, 0, d); the middle of the 2^-30 wide cell. Any 2^m
 *            trials from the first lie one in each 2^-m of every key.
 *            random: Philox(tune.seed, TN_STREAM_SEARCH, t, d).
 * Values     uniform a + x (b - a); log_uniform a (b/a)^x; both to six digits, so that they do not depend on the last
 *            digit of a mathematical library; integer a + floor(x (b - a + 1)); choice number floor(x n).
 * Budget     a trial is trained from the start for each budget, with the schedule of that budget: train.warmup_images
 *            and self.rampup_images shrink with it (docs/decisions/rungs-from-the-start.md).
 * Source     Bratley and Fox 1988 (GSL's gsl_qrng_sobol); Owen 2003 on digital shifts
 */
#ifndef TN_SUITE_SEARCH_H
#define TN_SUITE_SEARCH_H

#include "base/cfg.h"

typedef struct {
    int n; /* 0: trial 0 */
    char text[TN_MAX_SPACE][2 * TN_NAME_BYTES + TN_VALUE_BYTES];
} tn_values;

/* A job file with a search space is a search, for `run`, `submit` and what follows them. */
bool tn_is_search(const tn_cfg *cfg);

/* x (n) in (0,1) of point i >= 0. Pure. */
void tn_search_point(tn_sampling how, int64_t seed, int64_t i, int n, double *x_out);
/* What trial t sets; the value alone is behind the '='. Errors TN_EARG there is nothing to tune. */
tn_status tn_search_values(const tn_cfg *cfg, int trial, tn_values *out);
/* Its settings, and <run>/tune/t007-i2000 as its run folder. Errors TN_EARG names the trial and what does not fit. */
tn_status tn_search_cfg(const tn_cfg *cfg, int trial, int64_t images, tn_cfg **out);

/* A failure of what a trial sets: tn_msg with the trial's number before it. Returns st. */
tn_status tn_search_no_job(tn_status st, int trial);

/* How a trial did in a rung: means over its folds, sizes and seeds. */
typedef struct {
    int trial;
    double gmean, macro, accuracy;
    bool diverged;
    char why[512]; /* diverged */
} tn_ranked;

/* Best first: geometric mean, then macro F1, then accuracy, then the trial's number; the diverged last. Pure. */
void tn_search_rank(int n, tn_ranked *a);

#endif
