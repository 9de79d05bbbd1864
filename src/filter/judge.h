/*
 * judge.h - decides from posteriors which given labels are suspicious, and what happens to them.
 *
 *   tn_judgement j = {...};                                       the caller's arrays
 *   TN_TRY(tn_judge(&rows, &rules, &j));
 *
 * Formula  y is the given label. margin = (max over c != y of z_c) - z_y, for kept rows, too. suggested = argmax z. odds of another class
 *          against y, relative to the class: confident.h, with the thresholds t of the judged rows.
 *          Suspicious: self: margin > 0 (argmax z is not the label) and odds > ratio. disagreement: margin > 0. confident: confident.h.
 * Limits   in this order; the suspicious rows with the lowest odds are kept after all (ties: the lower row).
 *          noise: no suspicious row of a class that is not judged is taken, and of the other classes at most the estimated number of wrong
 *          labels (noise_matrix.h). Then at least the share class_floor of the judged rows of each class is kept, then at least
 *          category_floor of each category.
 * Verdict  of the other suspicious rows, by rules.dropped: drop: not trained on; unlabeled: trained on without label;
 *          relabel: trained on with label `suggested` if margin > relabel_margin, else not trained on;
 *          soft: trained on with a probability of each class, as kept rows are, too (true_class.h).
 * Cost     three sorts of the suspicious rows, however many categories there are
 * Source   SELF: Nguyen et al. 2020, algorithm 1. Their verdict is margin > 0 alone, which takes most rows of a rare class
 *          (docs/decisions/verdict.md)
 */
#ifndef TN_FILTER_JUDGE_H
#define TN_FILTER_JUDGE_H

#include "cfg/cfg.h"
#include "data/overlay.h"
#include "filter/noise_matrix.h"

typedef struct {
    int64_t N;
    int K;
    const float *z;          /* N rows (score/prow.h) */
    const int32_t *label;    /* (N) */
    const uint8_t *judged;   /* (N) 0/1 */
    const int32_t *category; /* (N) from 0 to n_categories - 1; negative: no category. NULL: the data set has none */
    int n_categories;
} tn_judge_rows;

typedef struct {
    tn_self_method method;
    tn_prune prune;              /* for method confident */
    double ratio;                /* for method self */
    const tn_noise_class *noise; /* (K) what is estimated of each class; NULL: no limit by it */
    double class_floor, category_floor;
    tn_dropped dropped;
    double relabel_margin;
} tn_judge_rules;

/* Judge all rows with judged != 0. out: the caller's arrays (N). Pure. Errors TN_ENOMEM. */
tn_status tn_judge(const tn_judge_rows *rows, const tn_judge_rules *rules, tn_judgement *out);

#endif
