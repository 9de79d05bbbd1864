/* judge.c - the judgement of given labels by posteriors. */
#include "learn/judge.h"

#include "learn/confident.h"
#include "learn/metric.h"

#include <stdlib.h>

const char *const tn_verdict_words[TN_VERDICTS] = {"keep", "drop", "not_judged", "unlabeled", "relabel"};
const char *const tn_reason_words[TN_REASONS] = {"not_judged", "believed", "suspicious", "class_floor",
                                                 "category_floor"};

static float margin_of(int K, const float *z, int label) {
    float other = -1;
    for (int k = 0; k < K; k++)
        if (k != label && z[k] > other) other = z[k];
    return other - z[label];
}

static tn_status find_suspicious(const tn_judge_rows *r, const tn_judge_rules *rules, tn_judgement *out) {
    for (int64_t i = 0; i < r->N; i++) {
        TN_ASSERT(!r->judged[i] || (r->label[i] >= 0 && r->label[i] < r->K));
        out->suggested[i] = tn_argmax(r->K, r->z + i * r->K);
        out->margin[i] = r->judged[i] ? margin_of(r->K, r->z + i * r->K, r->label[i]) : 0;
        out->reason[i] = out->margin[i] > 0; /* 0/1: suspicious */
    }
    if (rules->method == TN_SELF_CONFIDENT)
        TN_TRY(tn_confident_judge(r->N, r->K, r->z, r->label, r->judged, rules->prune, out->reason));
    for (int64_t i = 0; i < r->N; i++)
        out->reason[i] = !r->judged[i]    ? TN_REASON_NOT_JUDGED
                         : out->reason[i] ? TN_REASON_SUSPICIOUS
                                          : TN_REASON_BELIEVED;
    return TN_OK;
}

/* --- floors ------------------------------------------------------------------------------------------------------- */

typedef struct {
    float z_label;
    int64_t row;
} suspect;

/* The most believed first: highest z of the given label, then the lower row. */
static int most_believed(const void *a, const void *b) {
    const suspect *x = a, *y = b;
    if (x->z_label != y->z_label) return x->z_label > y->z_label ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Of the rows whose `part` is `value`: brings the best of the suspicious ones back until the share is reached. list:
 * (N). */
static void keep_share(const tn_judge_rows *r, const int32_t *part, int value, double share, tn_reason why,
                       suspect *list, uint8_t *reason) {
    int64_t n_judged = 0, n_suspects = 0;
    for (int64_t i = 0; i < r->N; i++) {
        if (!r->judged[i] || part[i] != value) continue;
        n_judged++;
        if (reason[i] == TN_REASON_SUSPICIOUS) list[n_suspects++] = (suspect){r->z[i * r->K + r->label[i]], i};
    }
    double wanted = share * (double)n_judged;
    int64_t least = (int64_t)wanted + ((double)(int64_t)wanted < wanted); /* rounded up */
    int64_t back = least - (n_judged - n_suspects);
    if (back <= 0) return;
    qsort(list, (size_t)n_suspects, sizeof *list, most_believed);
    for (int64_t i = 0; i < back; i++) reason[list[i].row] = (uint8_t)why;
}

static uint8_t verdict_of(const tn_judge_rules *rules, uint8_t reason, float margin) {
    if (reason == TN_REASON_NOT_JUDGED) return TN_VERDICT_NOT_JUDGED;
    if (reason != TN_REASON_SUSPICIOUS) return TN_VERDICT_KEEP;
    if (rules->dropped == TN_DROPPED_UNLABELED) return TN_VERDICT_UNLABELED;
    if (rules->dropped == TN_DROPPED_RELABEL && (double)margin > rules->relabel_margin) return TN_VERDICT_RELABEL;
    return TN_VERDICT_DROP;
}

tn_status tn_judge(const tn_judge_rows *r, const tn_judge_rules *rules, tn_judgement *out) {
    suspect *list = malloc((size_t)r->N * sizeof *list + 1);
    tn_status st = list ? find_suspicious(r, rules, out) : tn_fail_memory((size_t)r->N * sizeof *list, "the judgement");
    for (int k = 0; st == TN_OK && k < r->K; k++)
        keep_share(r, r->label, k, rules->class_floor, TN_REASON_CLASS_FLOOR, list, out->reason);
    for (int c = 0; st == TN_OK && r->category && rules->category_floor > 0 && c < r->n_categories; c++)
        keep_share(r, r->category, c, rules->category_floor, TN_REASON_CATEGORY_FLOOR, list, out->reason);
    for (int64_t i = 0; st == TN_OK && i < r->N; i++)
        out->verdict[i] = verdict_of(rules, out->reason[i], out->margin[i]);
    free(list);
    return st;
}

int32_t tn_label_after(uint8_t verdict, int32_t label, int32_t suggested) {
    switch (verdict) {
    case TN_VERDICT_DROP:
        return TN_LABEL_OUT;
    case TN_VERDICT_UNLABELED:
        return TN_LABEL_NONE;
    case TN_VERDICT_RELABEL:
        return suggested;
    default:
        return label;
    }
}
