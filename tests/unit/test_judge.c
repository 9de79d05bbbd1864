/* test_judge.c - which labels the filter finds suspicious: values worked out by hand, and cleanlab's. */
#include "unit.h"

#include "filter/confident.h"
#include "filter/filter.h"
#include "golden/confident.h"

#include <math.h>

/* Six rows, three classes; class 0 has rows 0 to 3. */
static const float Z[] = {0.7F, 0.2F, 0.1F, 0.1F, 0.6F, 0.3F, 0.3F, 0.3F, 0.4F,
                          0.2F, 0.5F, 0.3F, 0.1F, 0.1F, 0.8F, 0.2F, 0.5F, 0.3F};
static const int32_t LABEL[] = {0, 0, 0, 0, 2, 2};

typedef struct {
    uint8_t verdict[6], reason[6];
    float margin[6];
    int32_t suggested[6];
} judged;

static judged judge(const float *z, const uint8_t *which, const int32_t *category, tn_judge_rules rules) {
    judged out;
    tn_judge_rows rows = {6, 3, z, LABEL, which, category, 2};
    tn_judgement j = {out.verdict, out.reason, out.margin, out.suggested};
    assert_int_equal(tn_judge(&rows, &rules, &j), TN_OK);
    return out;
}

static const uint8_t BUT_THE_LAST[] = {1, 1, 1, 1, 1, 0};

static void judgement(void **unused) {
    (void)unused;
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0});
    const double margins[] = {-0.5, 0.5, 0.1, 0.3, -0.7, 0};
    const uint8_t verdicts[] = {TN_VERDICT_KEEP, TN_VERDICT_DROP, TN_VERDICT_DROP,
                                TN_VERDICT_DROP, TN_VERDICT_KEEP, TN_VERDICT_NOT_JUDGED};
    const int32_t best[] = {0, 1, 2, 1, 2, 1};
    for (int i = 0; i < 6; i++) {
        assert_true(fabs((double)j.margin[i] - margins[i]) < 1e-6);
        assert_int_equal(j.verdict[i], verdicts[i]);
        assert_int_equal(j.suggested[i], best[i]);
    }
    assert_true(j.reason[0] == TN_REASON_BELIEVED && j.reason[1] == TN_REASON_SUSPICIOUS &&
                j.reason[5] == TN_REASON_NOT_JUDGED);
    /* other posteriors, the same original labels: a dropped row comes back by itself */
    float later[18];
    memcpy(later, Z, sizeof later);
    later[3] = 0.8F;
    j = judge(later, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0});
    assert_int_equal(j.verdict[1], TN_VERDICT_KEEP);
}

static void floors(void **unused) {
    (void)unused;
    /* half of the 4 rows of class 0 must stay: row 2 comes back, its label is believed most (0.3 against 0.1 and
     * 0.2) */
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0.5});
    assert_true(j.verdict[2] == TN_VERDICT_KEEP && j.reason[2] == TN_REASON_CLASS_FLOOR);
    assert_true(j.verdict[1] == TN_VERDICT_DROP && j.verdict[3] == TN_VERDICT_DROP);
    j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0.7}); /* 2.8: 3 rows */
    assert_true(j.verdict[3] == TN_VERDICT_KEEP && j.verdict[1] == TN_VERDICT_DROP);
    /* category 1 has rows 1 and 3, both suspicious; half of them is one: row 3 (0.2 against 0.1). Category 0 has 0, 2
     * and 4, of which two are kept: enough. */
    const int32_t category[] = {0, 1, 0, 1, 0, 1};
    j = judge(Z, BUT_THE_LAST, category, (tn_judge_rules){.category_floor = 0.5});
    assert_true(j.verdict[3] == TN_VERDICT_KEEP && j.reason[3] == TN_REASON_CATEGORY_FLOOR);
    assert_true(j.verdict[1] == TN_VERDICT_DROP && j.verdict[2] == TN_VERDICT_DROP);
    j = judge(Z, BUT_THE_LAST, category, (tn_judge_rules){.class_floor = 0.7, .category_floor = 0.5});
    assert_int_equal(j.reason[3], TN_REASON_CLASS_FLOOR); /* counted for its category too */
    assert_int_equal(j.verdict[1], TN_VERDICT_DROP);
    /* a row of no category is no category's */
    const int32_t none[] = {0, 1, 0, -1, 0, 1};
    j = judge(Z, BUT_THE_LAST, none, (tn_judge_rules){.category_floor = 0.5});
    assert_true(j.reason[1] == TN_REASON_CATEGORY_FLOOR && j.reason[3] == TN_REASON_SUSPICIOUS);
}

static void what_happens_to_the_dropped(void **unused) {
    (void)unused;
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.dropped = TN_DROPPED_UNLABELED});
    assert_true(j.verdict[1] == TN_VERDICT_UNLABELED && j.verdict[0] == TN_VERDICT_KEEP);
    j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.dropped = TN_DROPPED_SOFT});
    assert_true(j.verdict[1] == TN_VERDICT_SOFT && j.verdict[0] == TN_VERDICT_KEEP);
    assert_int_equal(tn_label_after(TN_VERDICT_SOFT, 1, 2), 1);
    j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.dropped = TN_DROPPED_RELABEL, .relabel_margin = 0.25});
    const uint8_t verdicts[] = {TN_VERDICT_KEEP,    TN_VERDICT_RELABEL, TN_VERDICT_DROP,
                                TN_VERDICT_RELABEL, TN_VERDICT_KEEP,    TN_VERDICT_NOT_JUDGED};
    const int32_t after[] = {0, 1, TN_LABEL_OUT, 1, 2, 2};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(j.verdict[i], verdicts[i]);
        assert_int_equal(tn_label_after(j.verdict[i], LABEL[i], j.suggested[i]), after[i]);
    }
    assert_int_equal(tn_label_after(TN_VERDICT_UNLABELED, 1, 2), TN_LABEL_NONE);
}

/* Against cleanlab. The ledger's margin and p_label are its two rankings: (1 - margin) / 2 and self-confidence. */
static void confident_learning(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_CONFIDENT / sizeof *GOLDEN_CONFIDENT; g++) {
        const golden_confident *e = &GOLDEN_CONFIDENT[g];
        enum { MOST = sizeof e->label / sizeof *e->label };
        uint8_t all[MOST], suspicious[MOST], reason[MOST], verdict[MOST];
        double threshold[5];
        int64_t joint[25];
        float margin[MOST];
        int32_t suggested[MOST];
        memset(all, 1, sizeof all);
        assert_int_equal(tn_confident_joint(e->n, e->K, e->p, e->label, all, threshold, joint), TN_OK);
        for (int k = 0; k < e->K; k++) assert_true(fabs(threshold[k] - e->threshold[k]) < 1e-12);
        for (int k = 0; k < e->K * e->K; k++) assert_int_equal(joint[k], e->joint[k]);
        for (int both = 0; both < 2; both++) {
            tn_prune prune = both ? TN_PRUNE_BOTH : TN_PRUNE_NOISE_RATE;
            assert_int_equal(tn_confident_judge(e->n, e->K, e->p, e->label, all, prune, suspicious), TN_OK);
            for (int i = 0; i < e->n; i++) assert_int_equal(suspicious[i], both ? e->both[i] : e->noise_rate[i]);
        }
        tn_judge_rows rows = {e->n, e->K, e->p, e->label, all, NULL, 0};
        tn_judgement j = {verdict, reason, margin, suggested};
        assert_int_equal(tn_judge(&rows, &(tn_judge_rules){.method = TN_SELF_CONFIDENT}, &j), TN_OK);
        for (int i = 0; i < e->n; i++) {
            assert_int_equal(verdict[i] == TN_VERDICT_DROP, e->noise_rate[i]);
            assert_true(fabs((1 - (double)margin[i]) / 2 - e->normalized_margin[i]) < 1e-6);
            assert_true(fabs((double)e->p[i * e->K + e->label[i]] - e->self_confidence[i]) < 1e-7);
        }
        memset(all, 0, sizeof all); /* nobody is judged: nobody is suspicious */
        assert_int_equal(tn_confident_judge(e->n, e->K, e->p, e->label, all, TN_PRUNE_BOTH, suspicious), TN_OK);
        for (int i = 0; i < e->n; i++) assert_int_equal(suspicious[i], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(judgement), cmocka_unit_test(floors),
                                       cmocka_unit_test(what_happens_to_the_dropped),
                                       cmocka_unit_test(confident_learning)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
