/* test_sampler.c - the streams of training rows: counts worked out by hand, permutations, rows without label. */
#include "unit.h"

#include "golden/class_loss.h"
#include "train/class_loss.h"
#include "train/sampler.h"

#include <math.h>

static const tn_sampler_spec NATURAL = {TN_SAMPLER_NATURAL, 0}, DOWN = {TN_SAMPLER_BALANCED_DOWN, 0};

static void natural(void **unused) {
    (void)unused;
    int64_t rows[50];
    int32_t label[100];
    char *names[] = {"a", "b"};
    for (int i = 0; i < 100; i++) label[i] = i % 2;
    for (int i = 0; i < 50; i++) rows[i] = 2 * i + (i < 10);
    tn_sampler *s = NULL, *late = NULL;
    assert_int_equal(tn_sampler_new(&NATURAL, 1, 2, names, rows, 50, label, &s), TN_OK);
    assert_int_equal(tn_sampler_new(&NATURAL, 1, 2, names, rows, 50, label, &late), TN_OK);
    assert_int_equal(tn_sampler_epoch_rows(s), 50);
    int64_t epoch[2][50];
    for (int e = 0; e < 2; e++) {
        int seen[100] = {0};
        for (int i = 0; i < 50; i++) seen[epoch[e][i] = tn_sampler_at(s, e * 50 + i)]++;
        for (int i = 0; i < 50; i++) assert_int_equal(seen[rows[i]], 1); /* each once */
    }
    assert_memory_not_equal(epoch[0], epoch[1], sizeof epoch[0]);
    assert_int_equal(tn_sampler_at(late, 73), epoch[1][23]); /* a resumed run comes in anywhere */
    assert_int_equal(tn_sampler_at(late, 3), epoch[0][3]);
    tn_sampler_free(&s);
    tn_sampler_free(&late);
}

static void balanced(void **unused) {
    (void)unused;
    enum { N = 100, EPOCHS = 400 };
    int64_t rows[N];
    int32_t label[N];
    char *names[] = {"many", "some", "few", "none"};
    int seen[N] = {0};
    for (int i = 0; i < N; i++) {
        rows[i] = i;
        label[i] = i < 80 ? 0 : i < 95 ? 1 : 2;
    }
    tn_sampler *s = NULL;
    assert_int_equal(tn_sampler_new(&DOWN, 1, 3, names, rows, N, label, &s), TN_OK);
    assert_int_equal(tn_sampler_epoch_rows(s), 15);
    for (int e = 0; e < EPOCHS; e++) {
        int by_class[3] = {0}, here[N] = {0};
        for (int i = 0; i < 15; i++) {
            int64_t row = tn_sampler_at(s, e * 15 + i);
            by_class[label[row]]++;
            assert_int_equal(here[row]++, 0); /* without replacement */
            seen[row]++;
        }
        for (int k = 0; k < 3; k++) assert_int_equal(by_class[k], 5);
    }
    for (int i = 0; i < 80; i++) assert_true(abs(seen[i] - 25) < 25); /* 5/80 of 400 */
    for (int i = 95; i < N; i++) assert_int_equal(seen[i], EPOCHS);   /* the rarest: every epoch */
    tn_sampler_free(&s);
    /* 20 of the rows lose their label: 5 of each of 3 classes, 15 of the 80 labelled, and 20 x 15 / 80 = 3 without */
    for (int i = 0, left = 20; left > 0; i++)
        if (label[rows[i]] == 0) label[rows[i]] = -1, left--;
    assert_int_equal(tn_sampler_new(&DOWN, 1, 3, names, rows, N, label, &s), TN_OK);
    assert_int_equal(tn_sampler_epoch_rows(s), 18);
    int n_without = 0;
    for (int i = 0; i < 18; i++) n_without += label[tn_sampler_at(s, i)] < 0;
    assert_int_equal(n_without, 3);
    tn_sampler_free(&s);
    assert_int_equal(tn_sampler_new(&NATURAL, 1, 3, names, rows, N, label, &s), TN_OK);
    assert_int_equal(tn_sampler_epoch_rows(s), N);
    tn_sampler_free(&s);
    assert_int_equal(tn_sampler_new(&DOWN, 1, 4, names, rows, N, label, &s), TN_EARG);
    unit_says("class none has no training rows");
    assert_int_equal(tn_sampler_new(&NATURAL, 1, 3, names, rows, 0, label, &s), TN_EARG);
}

/* 64, 16 and 4 rows of three classes, and 21 without label. The roots are 8, 4 and 2: shares of 4/7, 2/7 and 1/7 of 84. Rows
 * without label: 21 n / 84 where n have one. */
static void counts(void **unused) {
    (void)unused;
    enum { N = 105, EPOCHS = 3 };
    const struct {
        tn_sampler_spec spec;
        int n[4];
    } known[] = {{{TN_SAMPLER_NATURAL, 0}, {64, 16, 4, 21}},
                 {{TN_SAMPLER_BALANCED_DOWN, 0}, {4, 4, 4, 3}},
                 {{TN_SAMPLER_BALANCED_UP, 0}, {64, 64, 64, 48}},
                 {{TN_SAMPLER_N_PER_CLASS, 10}, {10, 10, 10, 7}},
                 {{TN_SAMPLER_SQUARE_ROOT, 0}, {48, 24, 12, 21}}};
    const int begin[] = {0, 64, 80, 84, N};
    int64_t rows[N];
    int32_t label[N];
    char *names[] = {"many", "some", "few"};
    for (int i = 0; i < N; i++) {
        rows[i] = i;
        label[i] = i < 64 ? 0 : i < 80 ? 1 : i < 84 ? 2 : -1;
    }
    for (size_t j = 0; j < sizeof known / sizeof *known; j++) {
        tn_sampler *s = NULL;
        const int *n = known[j].n;
        int n_epoch = n[0] + n[1] + n[2] + n[3], first[N];
        assert_int_equal(tn_sampler_new(&known[j].spec, 7, 3, names, rows, N, label, &s), TN_OK);
        assert_int_equal(tn_sampler_epoch_rows(s), n_epoch);
        for (int e = 0; e < EPOCHS; e++) {
            int seen[N] = {0}, by_class[4] = {0};
            for (int i = 0; i < n_epoch; i++) seen[tn_sampler_at(s, (int64_t)e * n_epoch + i)]++;
            for (int k = 0; k < 4; k++)
                for (int i = begin[k]; i < begin[k + 1]; i++) { /* spread evenly over the rows of the class */
                    int least = n[k] / (begin[k + 1] - begin[k]);
                    assert_true(seen[i] == least || seen[i] == least + 1);
                    by_class[k] += seen[i];
                }
            for (int k = 0; k < 4; k++) assert_int_equal(by_class[k], n[k]);
            if (e == 0) memcpy(first, seen, sizeof first);
            if (e == 1 && j == 3) assert_memory_not_equal(first, seen, sizeof seen); /* others of the large classes */
        }
        tn_sampler_free(&s);
    }
}

/* One row in 10,001 has roots 1 and 100. A class without rows is refused by all but natural. */
static void extremes(void **unused) {
    (void)unused;
    char *names[] = {"many", "one"};
    int64_t count[2];
    const tn_sampler_spec root = {TN_SAMPLER_SQUARE_ROOT, 0};
    assert_int_equal(tn_sampler_count(&root, 2, names, (int64_t[]){10000, 1}, count), TN_OK);
    assert_true(count[0] == 9902 && count[1] == 99); /* 10001 x 100/101 = 9901.98, and 99.02 */
    assert_int_equal(tn_sampler_count(&NATURAL, 2, names, (int64_t[]){5, 0}, count), TN_OK);
    assert_true(count[0] == 5 && count[1] == 0);
    for (int kind = TN_SAMPLER_BALANCED_DOWN; kind <= TN_SAMPLER_SQUARE_ROOT; kind++) {
        char says[96];
        snprintf(says, sizeof says, "class one has no training rows, so train.sampler = \"%s\"",
                 tn_sampler_words[kind]);
        assert_int_equal(
            tn_sampler_count(&(tn_sampler_spec){(tn_sampler_kind)kind, 3}, 2, names, (int64_t[]){5, 0}, count),
            TN_EARG);
        unit_says(says);
    }
}

/* Against numbers of PyTorch, from shares of 60, 20, 10, 7 and 3 %. */
static void weights_and_shifts(void **unused) {
    (void)unused;
    const int64_t count[] = {600, 200, 100, 70, 30}, gap[] = {600, 0, 100, 70, 30};
    char *names[] = {"a", "b", "c", "d", "e"};
    tn_class_loss c;
    for (size_t g = 0; g < sizeof GOLDEN_CLASS_LOSS / sizeof *GOLDEN_CLASS_LOSS; g++) {
        const golden_class_loss *e = &GOLDEN_CLASS_LOSS[g];
        tn_cfg cfg = {.train = {.class_weight = e->power, .logit_adjustment = e->tau}};
        assert_int_equal(tn_class_loss_new(&cfg, 5, names, count, &c), TN_OK);
        assert_true((c.weight != NULL) == (e->power > 0) && (c.shift != NULL) == (e->tau > 0));
        for (int k = 0; k < 5; k++) {
            if (c.weight) assert_true(fabs((double)c.weight[k] - e->weight[k]) < 1e-6);
            if (c.shift) assert_true(fabs((double)c.shift[k] - e->shift[k]) < 1e-6);
        }
        tn_class_loss_free(&c);
        bool used = e->power > 0 || e->tau > 0;
        assert_int_equal(tn_class_loss_new(&cfg, 5, names, gap, &c), used ? TN_EARG : TN_OK);
        if (used) unit_says("class b has no training rows");
        if (used) unit_says(e->power > 0 ? "train.class_weight" : "train.logit_adjustment");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(natural), cmocka_unit_test(balanced), cmocka_unit_test(counts),
                                       cmocka_unit_test(extremes), cmocka_unit_test(weights_and_shifts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
