/*
 * judge.h - which given labels posteriors do not believe, and what happens to them.       layer: learn, uses: base
 *
 *   tn_judgement j = {...};                                       arrays of the caller
 *   TN_TRY(tn_judge(&rows, &rules, &j));
 *
 * Formula  margin = max over c != y of z_c, minus z_y: it ranks rows, kept ones too. suggested = argmax z.
 *          Suspicious: self, disagreement: margin > 0 (argmax z is not the label). confident: confident.h.
 * Floors   of the judged rows of each class at least class_floor stay, then of each category at least category_floor:
 *          the suspicious rows with the highest z_y come back (ties: the lower row).
 * Verdict  of a suspicious row that does not come back, by rules.dropped: drop: it is not trained on; unlabeled: it is,
 *          without its label; relabel: where margin > relabel_margin it is trained on as `suggested`, else dropped.
 * Cost     two sorts of the suspicious rows, however many categories there are
 * Source   SELF: Nguyen et al. 2020, algorithm 1
 */
#ifndef TN_LEARN_JUDGE_H
#define TN_LEARN_JUDGE_H

#include "base/cfg.h"

typedef enum { /* stored in overlays and ledgers: never renumber */
               TN_VERDICT_KEEP,
               TN_VERDICT_DROP,
               TN_VERDICT_NOT_JUDGED,
               TN_VERDICT_UNLABELED,
               TN_VERDICT_RELABEL,
               TN_VERDICTS
} tn_verdict;

typedef enum { /* why; stored likewise */
               TN_REASON_NOT_JUDGED,
               TN_REASON_BELIEVED,
               TN_REASON_SUSPICIOUS,
               TN_REASON_CLASS_FLOOR,
               TN_REASON_CATEGORY_FLOOR,
               TN_REASONS
} tn_reason;

extern const char *const tn_verdict_words[TN_VERDICTS], *const tn_reason_words[TN_REASONS];

typedef struct {
    int64_t N;
    int K;
    const float *z;          /* (N,K) */
    const int32_t *label;    /* (N) */
    const uint8_t *judged;   /* (N) 0/1 */
    const int32_t *category; /* (N) below n_categories, negative: none; NULL: none at all */
    int n_categories;
} tn_judge_rows;

typedef struct {
    tn_self_method method;
    tn_prune prune; /* confident */
    double class_floor, category_floor;
    tn_dropped dropped;
    double relabel_margin;
} tn_judge_rules;

typedef struct {
    uint8_t *verdict, *reason; /* (N) */
    float *margin;             /* (N), 0 where not judged */
    int32_t *suggested;        /* (N) */
} tn_judgement;

/* TN_ENOMEM. Pure. */
tn_status tn_judge(const tn_judge_rows *rows, const tn_judge_rules *rules, tn_judgement *out);

/* The label that a row is trained with after the verdict: -1 = none, it only has a look; -2 = not trained on. */
enum { TN_LABEL_NONE = -1, TN_LABEL_OUT = -2 };
int32_t tn_label_after(uint8_t verdict, int32_t label, int32_t suggested);

#endif
