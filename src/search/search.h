/*
 * search.h - the trials of a search: their settings, and the order in which they rank. All functions are local.
 *
 *   tn_values v;  TN_TRY(tn_search_values(cfg, 7, &v));          // "train.learning_rate=0.00213", ...
 *   tn_cfg *t = NULL;  TN_TRY(tn_search_cfg(cfg, 7, 2000, &t));  // the job of trial 7 with a budget of 2000 images
 *
 * Trials     trial 0 is the job file as it stands, which the search must beat. Trial t >= 1 is point t - 1 of the sequence.
 * Points     sobol: x_d = (S_d + shift_d) with S the Sobol sequence from its point 0 on, + the digital (XOR) sum of 30
 *            bits, shift_d = Philox(search.seed, TN_STREAM_SEARCH, 0, d); the middle of the interval of width 2^-30. Of the
 *            first 2^m points exactly one lies in each of the 2^m equal intervals of every key.
 *            random: Philox(search.seed, TN_STREAM_SEARCH, t, d).
 * Values     uniform a + x (b - a); log_uniform a (b/a)^x; both rounded to six digits, so that they do not depend on the
 *            last digit of a math library; integer a + floor(x (b - a + 1)); choice: number floor(x n) of n.
 * Budget     a trial is trained from the start for each budget, with the schedule of that budget: train.warmup_images
 *            and self.rampup_images shrink with it (docs/decisions/rungs-from-the-start.md).
 * Source     Bratley and Fox 1988 (GSL's gsl_qrng_sobol); Owen 2003 on digital shifts
 */
#ifndef TN_SEARCH_SEARCH_H
#define TN_SEARCH_SEARCH_H

#include "cfg/cfg.h"

typedef struct {
    int n; /* number of keys; 0 for trial 0 */
    char text[TN_MAX_SPACE][2 * TN_NAME_BYTES + TN_VALUE_BYTES];
} tn_values;

/* Does the job file have a search space? Then run, submit and the other verbs treat it as a search. */
bool tn_is_search(const tn_cfg *cfg);

/* Coordinates x_out (n) in (0,1) of point i >= 0. Pure. */
void tn_search_point(tn_sampling how, int64_t seed, int64_t i, int n, double *x_out);
/* The settings of a trial as "key=value". Errors TN_EARG the search space is empty. */
tn_status tn_search_values(const tn_cfg *cfg, int trial, tn_values *out);
/* The job of a trial: cfg with the trial's settings and <run>/search/t007-i2000 as run folder. The caller frees *out. Errors TN_EARG
 * names the trial and the misfit. */
tn_status tn_search_cfg(const tn_cfg *cfg, int trial, int64_t images, tn_cfg **out);

/* Put the trial's number in front of tn_msg, for an error in its settings. Returns st. */
tn_status tn_search_no_job(tn_status st, int trial);

/* The result of a trial in a rung: validation scores, means over its folds, sizes and seeds. */
typedef struct {
    int trial;
    double gmean, macro, accuracy;
    bool diverged;
    char why[512]; /* diverged */
} tn_ranked;

/* Sort best first: by geometric mean F1, then macro F1, then accuracy, then the trial's number; diverged trials last. Pure. */
void tn_search_rank(int n, tn_ranked *a);

#endif
