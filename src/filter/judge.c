/* judge.c - the judgement of given labels by posteriors. */
#include "filter/judge.h"

#include "filter/confident.h"
#include "score/prow.h"

#include <stdlib.h>

static float margin_of(int K, const float *z, int label) {
    return tn_prow_other(K, z, label) - tn_prow_at(K, z, label);
}

static tn_status find_suspicious(const tn_judge_rows *r, const tn_judge_rules *rules, tn_judgement *out) {
    for (int64_t i = 0, W = tn_prow_width(r->K); i < r->N; i++) {
        TN_ASSERT(!r->judged[i] || (r->label[i] >= 0 && r->label[i] < r->K));
        out->suggested[i] = tn_prow_argmax(r->K, r->z + i * W);
        out->margin[i] = r->judged[i] ? margin_of(r->K, r->z + i * W, r->label[i]) : 0;
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
    int32_t part; /* its class or category */
    float z_label;
    int64_t row;
} suspect;

/* Order by part, then by z of the given label, highest first, then by row. */
static int most_believed(const void *a, const void *b) {
    const suspect *x = a, *y = b;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    if (x->z_label != y->z_label) return x->z_label > y->z_label ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* How many suspicious rows of a part must be kept, so that at least `share` of its n_judged rows stay. */
static int64_t to_bring_back(double share, int64_t n_judged, int64_t n_suspects) {
    double wanted = share * (double)n_judged;
    int64_t least = (int64_t)wanted + ((double)(int64_t)wanted < wanted); /* rounded up */
    int64_t back = least - (n_judged - n_suspects);
    return back > 0 ? back : 0;
}

/* Keep the best suspicious rows of each part until its share is reached. part: (N) from 0 to n_parts - 1; negative: none. */
static tn_status keep_shares(const tn_judge_rows *r, const int32_t *part, int n_parts, double share, tn_reason why,
                             uint8_t *reason) {
    int64_t *n_judged = calloc((size_t)n_parts + 1, sizeof *n_judged), n = 0;
    suspect *list = malloc((size_t)r->N * sizeof *list + 1);
    tn_status st = n_judged && list ? TN_OK : tn_fail_memory((size_t)r->N * sizeof *list, "the judgement");
    for (int64_t i = 0; st == TN_OK && i < r->N; i++) {
        if (!r->judged[i] || part[i] < 0) continue;
        n_judged[part[i]]++;
        if (reason[i] == TN_REASON_SUSPICIOUS)
            list[n++] = (suspect){part[i], tn_prow_at(r->K, r->z + i * tn_prow_width(r->K), r->label[i]), i};
    }
    if (n > 0) qsort(list, (size_t)n, sizeof *list, most_believed);
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && list[to].part == list[from].part;) to++;
        int64_t back = to_bring_back(share, n_judged[list[from].part], to - from);
        for (int64_t i = from; i < from + back; i++) reason[list[i].row] = (uint8_t)why;
    }
    free(n_judged);
    free(list);
    return st;
}

static uint8_t verdict_of(const tn_judge_rules *rules, uint8_t reason, float margin) {
    if (reason == TN_REASON_NOT_JUDGED) return TN_VERDICT_NOT_JUDGED;
    if (reason != TN_REASON_SUSPICIOUS) return TN_VERDICT_KEEP;
    if (rules->dropped == TN_DROPPED_UNLABELED) return TN_VERDICT_UNLABELED;
    if (rules->dropped == TN_DROPPED_SOFT || rules->dropped == TN_DROPPED_SOFT_ALL) return TN_VERDICT_SOFT;
    if (rules->dropped == TN_DROPPED_RELABEL && (double)margin > rules->relabel_margin) return TN_VERDICT_RELABEL;
    return TN_VERDICT_DROP;
}

tn_status tn_judge(const tn_judge_rows *r, const tn_judge_rules *rules, tn_judgement *out) {
    TN_TRY(find_suspicious(r, rules, out));
    TN_TRY(keep_shares(r, r->label, r->K, rules->class_floor, TN_REASON_CLASS_FLOOR, out->reason));
    if (r->category && rules->category_floor > 0)
        TN_TRY(
            keep_shares(r, r->category, r->n_categories, rules->category_floor, TN_REASON_CATEGORY_FLOOR, out->reason));
    for (int64_t i = 0; i < r->N; i++) out->verdict[i] = verdict_of(rules, out->reason[i], out->margin[i]);
    return TN_OK;
}
