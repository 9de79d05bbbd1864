/*
 * judge.h - decides from posteriors which given labels are suspicious, and what happens to them.
 *
 *   tn_judgement j = {...};                                       the caller's arrays
 *   TN_TRY(tn_judge(&rows, &rules, &j));
 *
 * Formula  y is the given label. margin = (max over c != y of z_c) - z_y, for kept rows, too. suggested = argmax z.
 *          Suspicious: self, disagreement: margin > 0 (argmax z is not the label). confident: confident.h.
 * Floors   at least the share class_floor of the judged rows of each class is kept, then at least category_floor of each
 *          category: the suspicious rows with the highest z_y are kept after all (ties: the lower row).
 * Verdict  of the other suspicious rows, by rules.dropped: drop: not trained on; unlabeled: trained on without label;
 *          relabel: trained on with label `suggested` if margin > relabel_margin, else not trained on;
 *          soft, soft_all: trained on with a mixture of label and z (data/soft.h; of soft_all the kept rows, too).
 * Cost     two sorts of the suspicious rows, however many categories there are
 * Source   SELF: Nguyen et al. 2020, algorithm 1
 */
#ifndef TN_FILTER_JUDGE_H
#define TN_FILTER_JUDGE_H

#include "cfg/cfg.h"
#include "data/overlay.h"

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
    tn_prune prune; /* for method confident */
    double class_floor, category_floor;
    tn_dropped dropped;
    double relabel_margin;
} tn_judge_rules;

/* Judge all rows with judged != 0. out: the caller's arrays (N). Pure. Errors TN_ENOMEM. */
tn_status tn_judge(const tn_judge_rows *rows, const tn_judge_rules *rules, tn_judgement *out);

#endif
