/* judge.c - the judgement of given labels by posteriors. */
#include "filter/judge.h"

#include "filter/confident.h"
#include "score/prow.h"

#include <stdlib.h>

static float margin_of(int K, const float *z, int label) {
    return tn_prow_other(K, z, label) - tn_prow_at(K, z, label);
}

/* t (K): the class thresholds of the judged rows. */
static bool is_suspicious(const tn_judge_rows *r, const tn_judge_rules *rules, const double *t, int64_t i,
                          float margin) {
    if (!(margin > 0)) return false;
    return rules->method != TN_SELF_SELF ||
           tn_confident_odds(r->K, r->z + i * tn_prow_width(r->K), r->label[i], t) > rules->ratio;
}

static tn_status find_suspicious(const tn_judge_rows *r, const tn_judge_rules *rules, const double *t,
                                 tn_judgement *out) {
    for (int64_t i = 0, W = tn_prow_width(r->K); i < r->N; i++) {
        TN_ASSERT(!r->judged[i] || (r->label[i] >= 0 && r->label[i] < r->K));
        out->suggested[i] = tn_prow_argmax(r->K, r->z + i * W);
        out->margin[i] = r->judged[i] ? margin_of(r->K, r->z + i * W, r->label[i]) : 0;
        out->reason[i] = is_suspicious(r, rules, t, i, out->margin[i]);
    }
    if (rules->method == TN_SELF_CONFIDENT)
        TN_TRY(tn_confident_judge(r->N, r->K, r->z, r->label, r->judged, rules->prune, out->reason));
    for (int64_t i = 0; i < r->N; i++)
        out->reason[i] = !r->judged[i]    ? TN_REASON_NOT_JUDGED
                         : out->reason[i] ? TN_REASON_SUSPICIOUS
                                          : TN_REASON_BELIEVED;
    return TN_OK;
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

typedef struct {
    int32_t part; /* its class or category */
    double odds;
    int64_t row;
} suspect;

/* Order by part, then by odds, lowest first, then by row. */
static int least_suspicious(const void *a, const void *b) {
    const suspect *x = a, *y = b;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    if (x->odds != y->odds) return x->odds < y->odds ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* How many rows of each part may be taken. */
typedef struct {
    const int32_t *part; /* (N) class or category from 0 to n_parts - 1; negative: none */
    int n_parts;
    const tn_noise_class *noise; /* (n_parts) at most the wrong labels; NULL: */
    double share;                /* at least this share stays */
    tn_reason why;
} limit;

/* How many of n_judged rows of a part must stay. */
static int64_t least_of(const limit *l, int32_t part, int64_t n_judged) {
    if (l->noise) return n_judged - tn_noise_most(&l->noise[part], n_judged);
    double wanted = l->share * (double)n_judged;
    return (int64_t)wanted + ((double)(int64_t)wanted < wanted); /* rounded up */
}

static uint8_t reason_of(const limit *l, int32_t part) {
    return (uint8_t)(l->noise && !l->noise[part].is_judged ? TN_REASON_CLASS_NOT_JUDGED : l->why);
}

/* Keep the least suspicious of each part until enough rows of it stay. t (K): thresholds. */
static tn_status apply(const tn_judge_rows *r, const double *t, const limit *l, uint8_t *reason) {
    int64_t *n_judged = calloc((size_t)l->n_parts + 1, sizeof *n_judged), n = 0;
    suspect *list = malloc((size_t)r->N * sizeof *list + 1);
    tn_status st = n_judged && list ? TN_OK : tn_fail_memory((size_t)r->N * sizeof *list, "the judgement");
    for (int64_t i = 0, W = tn_prow_width(r->K); st == TN_OK && i < r->N; i++) {
        if (!r->judged[i] || l->part[i] < 0) continue;
        n_judged[l->part[i]]++;
        if (reason[i] == TN_REASON_SUSPICIOUS)
            list[n++] = (suspect){l->part[i], tn_confident_odds(r->K, r->z + i * W, r->label[i], t), i};
    }
    if (n > 0) qsort(list, (size_t)n, sizeof *list, least_suspicious);
    for (int64_t from = 0, to; from < n; from = to) {
        int32_t part = list[from].part;
        for (to = from + 1; to < n && list[to].part == part;) to++;
        int64_t back = least_of(l, part, n_judged[part]) - (n_judged[part] - (to - from));
        for (int64_t i = from; i < from + back; i++) reason[list[i].row] = reason_of(l, part);
    }
    free(n_judged);
    free(list);
    return st;
}

static uint8_t verdict_of(const tn_judge_rules *rules, uint8_t reason, float margin) {
    if (reason == TN_REASON_NOT_JUDGED) return TN_VERDICT_NOT_JUDGED;
    if (reason != TN_REASON_SUSPICIOUS) return TN_VERDICT_KEEP;
    if (rules->dropped == TN_DROPPED_UNLABELED) return TN_VERDICT_UNLABELED;
    if (rules->dropped == TN_DROPPED_SOFT) return TN_VERDICT_SOFT;
    if (rules->dropped == TN_DROPPED_RELABEL && (double)margin > rules->relabel_margin) return TN_VERDICT_RELABEL;
    return TN_VERDICT_DROP;
}

tn_status tn_judge(const tn_judge_rows *r, const tn_judge_rules *rules, tn_judgement *out) {
    double t[TN_MAX_CLASSES];
    limit noise = {r->label, r->K, rules->noise, 0, TN_REASON_NOISE_LIMIT};
    limit classes = {r->label, r->K, NULL, rules->class_floor, TN_REASON_CLASS_FLOOR};
    limit categories = {r->category, r->n_categories, NULL, rules->category_floor, TN_REASON_CATEGORY_FLOOR};
    tn_confident_thresholds(r->N, r->K, r->z, r->label, r->judged, t);
    TN_TRY(find_suspicious(r, rules, t, out));
    if (rules->noise) TN_TRY(apply(r, t, &noise, out->reason));
    TN_TRY(apply(r, t, &classes, out->reason));
    if (r->category && rules->category_floor > 0) TN_TRY(apply(r, t, &categories, out->reason));
    for (int64_t i = 0; i < r->N; i++) out->verdict[i] = verdict_of(rules, out->reason[i], out->margin[i]);
    return TN_OK;
}
