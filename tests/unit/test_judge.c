/* test_judge.c - which labels the filter finds suspicious: values worked out by hand, and cleanlab's. */
#include "unit.h"

#include "filter/confident.h"
#include "filter/filter.h"
#include "filter/tally.h"
#include "golden/confident.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

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
    /* t of class 0: 1.3 / 4, of class 2: 0.8, of class 1, which has no rows: 2. Odds against the labels of rows 1, 2 and 3: 0.375 / 0.3077,
     * 0.5 / 0.923, 0.375 / 0.615. Half of the 4 rows of class 0 must stay: row 2 comes back, its odds are the lowest. */
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0.5});
    assert_true(j.verdict[2] == TN_VERDICT_KEEP && j.reason[2] == TN_REASON_CLASS_FLOOR);
    assert_true(j.verdict[1] == TN_VERDICT_DROP && j.verdict[3] == TN_VERDICT_DROP);
    j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0.7}); /* 2.8: 3 rows */
    assert_true(j.verdict[3] == TN_VERDICT_KEEP && j.verdict[1] == TN_VERDICT_DROP);
    /* category 1 has rows 1 and 3, both suspicious; half of them is one: row 3, of the lower odds. Category 0 has 0, 2
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

/* Seven rows of class 0 and three of class 1. t is 0.8 and 0.3; argmax contradicts row 6 and all of class 1; the odds against their labels
 * are 2 / 0.5 = 4 (row 6), 0.75 / (4/3) = 0.5625, 0.875, and 1 / (2/3) = 1.5. */
enum { TEN = 10 };
static const float RARE[TEN * 2] = {0.9F, 0.1F, 0.9F, 0.1F, 0.9F, 0.1F, 0.9F, 0.1F, 0.8F, 0.2F,
                                    0.8F, 0.2F, 0.4F, 0.6F, 0.6F, 0.4F, 0.7F, 0.3F, 0.8F, 0.2F};
static const int32_t RARE_LABEL[TEN] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1};
static const uint8_t TEN_ROWS[TEN] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* Judge the ten rows; rows 6 to 9 must have these reasons, the others are believed. */
static void assert_reasons(tn_judge_rules rules, const tn_reason *reason_of_6_to_9) {
    uint8_t verdict[TEN], reason[TEN];
    float margin[TEN];
    int32_t suggested[TEN];
    tn_judge_rows rows = {TEN, 2, RARE, RARE_LABEL, TEN_ROWS, NULL, 0};
    tn_judgement j = {verdict, reason, margin, suggested};
    assert_int_equal(tn_judge(&rows, &rules, &j), TN_OK);
    for (int i = 0; i < TEN; i++) {
        tn_reason expected = i < 6 ? TN_REASON_BELIEVED : reason_of_6_to_9[i - 6];
        assert_int_equal(reason[i], expected);
        assert_int_equal(verdict[i], expected == TN_REASON_SUSPICIOUS ? TN_VERDICT_DROP : TN_VERDICT_KEEP);
    }
}

static void relative_to_the_class(void **unused) {
    (void)unused;
    const tn_reason B = TN_REASON_BELIEVED, S = TN_REASON_SUSPICIOUS, L = TN_REASON_NOISE_LIMIT,
                    C = TN_REASON_CLASS_NOT_JUDGED;
    const double odds[] = {4, 0.5625, 0.875, 1.5};
    double t[2];
    tn_confident_thresholds(TEN, 2, RARE, RARE_LABEL, TEN_ROWS, t);
    assert_true(fabs(t[0] - 0.8) < 1e-7 && fabs(t[1] - 0.3) < 1e-7);
    for (int i = 6; i < TEN; i++)
        assert_true(fabs(tn_confident_odds(2, RARE + 2 * i, RARE_LABEL[i], t) - odds[i - 6]) < 1e-6);
    assert_reasons((tn_judge_rules){.ratio = 0}, (tn_reason[]){S, S, S, S}); /* argmax alone: all of the rare class */
    assert_reasons((tn_judge_rules){.ratio = 1}, (tn_reason[]){S, B, B, S});
    assert_reasons((tn_judge_rules){.ratio = 2}, (tn_reason[]){S, B, B, B});
    assert_reasons((tn_judge_rules){.ratio = 4.001}, (tn_reason[]){B, B, B, B});
    assert_reasons((tn_judge_rules){.ratio = 2, .method = TN_SELF_DISAGREEMENT}, (tn_reason[]){S, S, S, S});
    /* one of nine labels of class 0 is estimated to be wrong, so none of seven; half of class 1, so one of three: the most suspicious */
    const tn_noise_class noise[] = {{9, 8, 1, 1, true}, {4, 2, 0, 2, true}};
    assert_reasons((tn_judge_rules){.noise = noise}, (tn_reason[]){L, L, L, S});
    /* class 1 is not judged, whatever is estimated; two of ten labels of class 0: one of seven */
    const tn_noise_class unknown[] = {{10, 8, 1, 2, true}, {4, 1, 0, 3, false}};
    assert_reasons((tn_judge_rules){.noise = unknown}, (tn_reason[]){S, C, C, C});
    /* the floor comes after the estimate */
    assert_reasons((tn_judge_rules){.noise = noise, .class_floor = 1}, (tn_reason[]){L, L, L, TN_REASON_CLASS_FLOOR});
}

/* The model is sure that rows 0 to 5 and row 9 are of class 0, and that the other three are of class 1. */
static void noise_matrix(void **unused) {
    (void)unused;
    tn_noise_matrix m = {.K = 2};
    tn_noise_class c[2];
    const int64_t count[] = {6, 1, 1, 2};
    for (int times = 1; times <= 2; times++) {
        assert_int_equal(tn_noise_matrix_add(TEN, RARE, RARE_LABEL, TEN_ROWS, &m), TN_OK);
        assert_int_equal(m.n, 4);
        for (int i = 0; i < 4; i++) {
            assert_true(m.entry[i].given == i / 2 && m.entry[i].truth == i % 2);
            assert_int_equal(m.entry[i].count, times * count[i]);
        }
    }
    tn_noise_classes(&m, c);
    assert_true(c[0].rows == 14 && c[0].right == 12 && c[0].rival == 1 && c[0].rival_rows == 2 && c[0].is_judged);
    assert_true(c[1].rows == 6 && c[1].right == 4 && c[1].rival == 0 && c[1].rival_rows == 2 && c[1].is_judged);
    assert_int_equal(tn_noise_most(&c[0], 7), 1);
    assert_int_equal(tn_noise_most(&c[0], 6), 0);
    assert_int_equal(tn_noise_most(&c[1], 300), 100);
    tn_noise_matrix_free(&m);
    /* class 0: 8 rows of class 1, 2 of its own: 6 more, standard error sqrt(10): not judged. class 1: 7 against 4: 3 more, sqrt(11):
     * judged. class 2: more than half: judged. class 3 has no rows: not judged. */
    tn_joint_entry e[] = {{0, 0, 2}, {0, 1, 8}, {1, 1, 4}, {1, 2, 7}, {2, 2, 3}, {2, 0, 2}};
    tn_noise_class four[4];
    tn_noise_classes(&(tn_noise_matrix){4, 6, e}, four);
    assert_true(!four[0].is_judged && four[1].is_judged && four[2].is_judged && !four[3].is_judged);
    assert_true(four[0].rival == 1 && four[3].rival == -1);
    assert_int_equal(tn_noise_most(&four[0], 100), 0);
    assert_int_equal(tn_noise_most(&four[3], 100), 0);
}

enum { MANY = 30 };

/* Class k has 100 right labels, and k labels that belong to the next class. 30 of its labels are judged, k are suspicious, and a floor
 * keeps one of these. */
static void fill(tn_tally *t, tn_cfg *cfg) {
    static uint8_t verdict[MANY * MANY], reason[MANY * MANY];
    static int32_t label[MANY * MANY];
    assert_int_equal(tn_tally_new(MANY, t), TN_OK);
    t->noise.entry = malloc(2 * MANY * sizeof *t->noise.entry);
    for (int k = 0; k < MANY; k++) {
        tn_joint_entry right = {k, k, 100}, wrong = {k, (k + 1) % MANY, k};
        bool wrong_first = wrong.truth < k;
        snprintf(cfg->data.classes[k], TN_NAME_BYTES, "c%d", k);
        t->noise.entry[t->noise.n++] = wrong_first ? wrong : right;
        if (k > 0) t->noise.entry[t->noise.n++] = wrong_first ? right : wrong;
    }
    for (int i = 0; i < MANY * MANY; i++) {
        label[i] = i / MANY;
        reason[i] = i % MANY >= i / MANY ? TN_REASON_BELIEVED : i % MANY ? TN_REASON_SUSPICIOUS : TN_REASON_CLASS_FLOOR;
    }
    tn_tally_add(t, MANY * MANY, label, &(tn_judgement){verdict, reason, NULL, NULL}, NULL);
}

/* With many classes, filter.json lists only the 20 largest elements off the diagonal and the 20 classes with the most suspicious labels. */
static void many_classes(void **unused) {
    (void)unused;
    static tn_cfg cfg;
    char path[TN_PATH_BYTES];
    tn_tally t;
    fill(&t, &cfg);
    tn_tally_say(&t, &cfg, 1);
    snprintf(path, sizeof path, "%s", unit_path("tally"));
    assert_int_equal(tn_folder_make(path), TN_OK);
    assert_int_equal(tn_tally_write(&t, &cfg, 1, path), TN_OK);
    tn_tally_free(&t);
    json_t *all = json_load_file(unit_path("tally/filter.json"), 0, NULL), *noise = json_object_get(all, "noise"),
           *classes = json_object_get(all, "classes");
    assert_true(json_array_size(noise) == 20 && json_array_size(classes) == 20);
    for (int i = 0; i < 20; i++) {
        const char *given, *truth, *name;
        int rows, n, suspicious, taken, kept, k = MANY - 1 - i;
        double share, wrong;
        char expected[2][8];
        assert_int_equal(json_unpack(json_array_get(noise, (size_t)i), "{s:s,s:s,s:i,s:f}", "given", &given, "true",
                                     &truth, "rows", &rows, "share", &share),
                         0);
        assert_int_equal(json_unpack(json_array_get(classes, (size_t)i), "{s:s,s:i,s:i,s:i,s:{s:i},s:f}", "class",
                                     &name, "judged", &n, "suspicious", &suspicious, "taken", &taken, "kept_by",
                                     "class_floor", &kept, "estimated_wrong", &wrong),
                         0);
        for (int j = 0; j < 2; j++) snprintf(expected[j], sizeof expected[j], "c%d", (k + j) % MANY);
        assert_string_equal(given, expected[0]);
        assert_string_equal(truth, expected[1]);
        assert_string_equal(name, expected[0]);
        assert_true(rows == k && n == MANY && suspicious == k && taken == k - 1 && kept == 1);
        assert_true(fabs(share - k / (100.0 + k)) < 1e-12 && fabs(wrong - k / (100.0 + k)) < 1e-12);
    }
    json_decref(all);
}

/* Against cleanlab. The ledger's margin and p_label are its two rankings: (1 - margin) / 2 and self-confidence. */
static void confident_learning(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_CONFIDENT / sizeof *GOLDEN_CONFIDENT; g++) {
        const golden_confident *e = &GOLDEN_CONFIDENT[g];
        enum { MOST = sizeof e->label / sizeof *e->label };
        uint8_t all[MOST], suspicious[MOST], reason[MOST], verdict[MOST];
        double threshold[5];
        int64_t joint[25] = {0}, n_entries = 0;
        tn_joint_entry *entry = NULL;
        float margin[MOST];
        int32_t suggested[MOST];
        memset(all, 1, sizeof all);
        tn_confident_thresholds(e->n, e->K, e->p, e->label, all, threshold);
        assert_int_equal(tn_confident_joint(e->n, e->K, e->p, e->label, all, &n_entries, &entry), TN_OK);
        for (int64_t i = 0; i < n_entries; i++) joint[entry[i].given * e->K + entry[i].truth] = entry[i].count;
        free(entry);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(judgement),
                                       cmocka_unit_test(floors),
                                       cmocka_unit_test(what_happens_to_the_dropped),
                                       cmocka_unit_test(relative_to_the_class),
                                       cmocka_unit_test(noise_matrix),
                                       cmocka_unit_test(many_classes),
                                       cmocka_unit_test(confident_learning)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
