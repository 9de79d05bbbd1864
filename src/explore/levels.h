/*
 * levels.h - how well the categories alone tell the label, for each number of levels; how many levels help.
 *
 *   tn_levels l;
 *   TN_TRY(tn_levels_score(ix, cfg->reduce.prior_count, &l));
 *   l.level[2].log_loss;  l.fewest;                              // the number to set as model.metadata_levels
 *
 * Rows      those to train on. A row of fold f is predicted from the labels of the other folds. Folds split no component, so no row is
 *           predicted from the label of a row that belongs to it.
 * Formula   score/backoff.h, from rows of the other folds; s is reduce.prior_count. With one level this is the prior of reduce.category_prior
 *           (reduce_priv.h). The prediction is the class with the largest q_m; ties: the lowest class.
 * Rule      fewest: the fewest levels whose log loss is at most one standard error above the lowest. The standard error is of the
 *           paired difference, by component g: sqrt(sum_g d_g^2) / N, d_g = sum over the rows of g of (their difference - the mean).
 * Source    the one-standard-error rule: Breiman et al. 1984, section 3.4.3; the standard error is the linear approximation of a bootstrap by component.
 * Caution   The standard error ignores that the folds share most of the rows they learn from: it is a little too small.
 *           Images are not looked at: what a level tells may be visible, too.
 * Cost      time N M K at most, memory (36 + 8 (M + 1)) N bytes, for M levels.
 */
#ifndef TN_EXPLORE_LEVELS_H
#define TN_EXPLORE_LEVELS_H

#include "data/index.h"
#include "score/metric.h"

typedef struct {
    int64_t n_combinations; /* of values of cat1 to catm, in rows to train on; level 0: 1 */
    int64_t n_unseen;       /* rows whose combination does not occur in the other folds */
    double log_loss;        /* mean of -log q_m of the label, natural logarithm */
    double above, above_se; /* log loss above the lowest, and the standard error of this difference */
    tn_score score;
} tn_level_score;

typedef struct {
    int64_t n_rows;                          /* rows to train on; if 0, all else is 0 */
    int n_levels;                            /* M, category columns */
    int best, fewest;                        /* numbers of levels: the lowest log loss; by the rule above */
    tn_level_score level[TN_MAX_LEVELS + 1]; /* (M + 1), by number of levels */
} tn_levels;

/* Score 0 to ix->n_levels levels. ix: labels, folds, components and categories must be in range. Local. Errors TN_ENOMEM. */
tn_status tn_levels_score(const tn_index *ix, double prior_count, tn_levels *out);

#endif
