/* test_explore.c - the tables of a data set of 13 rows, counted by hand. */
#include "unit.h"

#include "explore/explore.h"
#include "explore/levels.h"
#include "golden/levels.h"

#include <math.h>

enum { ROWS = 13, K = 2, F = 3 };

typedef struct {
    int label, is_test, state, width, height;
    uint64_t content, look;
    int group, cat, fold, component;
} row;

/* 0 and 1 are one file, 2 differs from them in one bit of its look and has another label; 3 and 4 have one group, two labels, and lie
 * on both sides of the split; 5 and 6 are one file, of which 6 has no label; 7 is of one colour; 8, 9 and 12 are quarantined. */
static const row ROW[ROWS] = {{0, 0, 0, 40, 60, 1, 0x0F0F0F0F0F0F0F0F, 7, 1, 0, 0},
                              {0, 0, 0, 40, 60, 1, 0x0F0F0F0F0F0F0F0F, -1, 1, 0, 0},
                              {1, 0, 0, 60, 40, 3, 0x0F0F0F0F0F0F0F0E, -1, 2, 0, 0},
                              {0, 0, 0, 30, 30, 4, 0xF0F0F0F0F0F0F0F0, 8, 1, 1, 3},
                              {1, 1, 0, 40, 80, 5, 0x00FF00FF00FF00FF, 8, 0, -1, 3},
                              {1, 0, 0, 40, 40, 6, 0x3333333333333333, -1, 2, 1, 5},
                              {-1, 0, 0, 40, 50, 6, 0x3333333333333333, -1, 0, -1, 5},
                              {0, 1, 0, 20, 40, 8, 0, -1, 0, -1, 7},
                              {0, 0, 1, 0, 0, 0, 0, -1, 1, -2, 8},
                              {-1, 1, 1, 0, 0, 0, 0, -1, 0, -2, 9},
                              {1, 0, 0, 35, 44, 11, 0xFFFFFFFF00000001, -1, 0, 2, 10},
                              {0, 0, 0, 44, 36, 12, 0xAAAAAAAAAAAAAAAA, -1, 3, 2, 11},
                              {1, 0, 1, 0, 0, 0, 0, -1, 2, -2, 12}};

static const char WANT[] =
    "# Data set of my\n\n"
    "13 rows: 7 to train on, 2 of the test split, 1 without a label, 3 quarantined.\n\n"
    "## Classes\n\n"
    "| class | rows | to train on | share | fold 0 | fold 1 | fold 2 | test | unlabelled | quarantined |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    "| a | 6 | 4 | 57.1 % | 2 | 1 | 1 | 1 | 0 | 1 |\n"
    "| b | 5 | 3 | 42.9 % | 1 | 1 | 1 | 1 | 0 | 1 |\n"
    "| (no label) | 2 | 0 | 0.0 % | 0 | 0 | 0 | 0 | 1 | 1 |\n"
    "| (all) | 13 | 7 | 100.0 % | 3 | 2 | 2 | 2 | 1 | 3 |\n\n"
    "## Image sizes\n\n"
    "10 images as they are stored: 2 wider than high, 6 higher than wide, 2 square.\n"
    "4 have a short side below preprocess.size_px = 40 px.\n\n"
    "| | minimum | first quartile | median | third quartile | maximum |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    "| short side, px | 20 | 35 | 40 | 40 | 40 |\n"
    "| long side, px | 30 | 40 | 44 | 60 | 80 |\n"
    "| long / short | 1.00 | 1.22 | 1.26 | 1.50 | 2.00 |\n\n"
    "## Categories\n\n"
    "### cat1: 3 values\n\n"
    "| value | to train on | a | b |\n"
    "| --- | ---: | ---: | ---: |\n"
    "| x\\|y | 3 | 100.0 % | 0.0 % |\n"
    "| beta | 2 | 0.0 % | 100.0 % |\n"
    "| gamma | 1 | 100.0 % | 0.0 % |\n"
    "| (unknown) | 1 | 0.0 % | 100.0 % |\n\n"
    "### How many levels help\n\n"
    "The label of each row to train on, predicted from its categories alone, without its image: by the class shares "
    "of\n"
    "the rows in other folds that have the same values of cat1 up to this level, smoothed by 1 rows with the\n"
    "shares of one level less (reduce.prior_count). Level 0: the shares of all rows.\n\n"
    "| levels | values | combinations | rows not seen in other folds | log loss | above the lowest | accuracy | macro "
    "F1 "
    "| geometric mean F1 |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    "| 0 | | | | 0.6990 | 0.3047 ± 0.0820 | 0.5714 | 0.3636 | 0.0000 |\n"
    "| 1 | 3 | 4 | 28.6 % | 0.3944 | 0.0000 ± 0.0000 | 0.8571 | 0.8444 | 0.8433 |\n\n"
    "Recommended: model.metadata_levels = 1, the fewest levels whose log loss is at most one standard error (after ±; "
    "paired, by group) above the lowest.\n\n"
    "## Duplicates\n\n"
    "Images look alike if at most folds.duplicate_bits = 2 of the 64 bits of their perceptual hashes differ.\n"
    "All rows of a group are in one fold.\n\n"
    "| rows with the same | groups | rows in them | largest | with different labels | in train and test |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    "| bytes | 2 | 4 | 2 | 0 | 0 |\n"
    "| bytes or look | 2 | 5 | 3 | 1 | 0 |\n"
    "| given group | 1 | 2 | 2 | 1 | 1 |\n"
    "| any of these | 3 | 7 | 3 | 2 | 1 |\n\n"
    "## Quarantined images\n\n"
    "| reason | rows |\n"
    "| --- | ---: |\n"
    "| is not a file | 2 |\n"
    "| is empty | 1 |\n";

static const char QUARANTINE[] = "row,path,reason\n8,p.png,is not a file\n9,p.png,is empty\n12,p.png,is not a file\n";

static tn_cfg config(void) {
    return (tn_cfg){
        .name = "my", .preprocess.size_px = 40, .folds = {.count = F, .duplicate_bits = 2}, .reduce.prior_count = 1};
}

/* n copies of one pointer, as the reader of an index lays names out. */
static char **names(int64_t n, char *name) {
    char **out = malloc((size_t)n * sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < n; i++) out[i] = name;
    return out;
}

static tn_index *index_of(int64_t n, int n_values) {
    static char path[] = "p.png", a[] = "a", b[] = "b", unknown[] = "";
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(n, 1, &ix), TN_OK);
    ix->path = names(n, path);
    ix->n_classes = K;
    ix->n_folds = F;
    ix->class_name = names(K, a);
    ix->class_name[1] = b;
    ix->n_values[0] = n_values;
    ix->value_name[0] = names(n_values, unknown);
    return ix;
}

static tn_index *thirteen(void) {
    static char value[][8] = {"x|y", "beta", "gamma"};
    tn_index *ix = index_of(ROWS, 4);
    for (int v = 0; v < 3; v++) ix->value_name[0][v + 1] = value[v];
    for (int i = 0; i < ROWS; i++) {
        const row *r = &ROW[i];
        ix->label[i] = r->label;
        ix->is_test[i] = (uint8_t)r->is_test;
        ix->state[i] = (uint8_t)r->state;
        ix->width[i] = (uint16_t)r->width;
        ix->height[i] = (uint16_t)r->height;
        ix->content_hash[i] = r->content;
        ix->perceptual_hash[i] = r->look;
        ix->group[i] = r->group;
        ix->cat[i] = r->cat;
        ix->fold[i] = r->fold;
        ix->component[i] = r->component;
    }
    return ix;
}

static tn_status page(const tn_cfg *cfg, const tn_index *ix, const char *quarantine, char **text_out) {
    size_t n = 0;
    FILE *f = open_memstream(text_out, &n);
    assert_non_null(f);
    tn_status st = tn_explore_write(cfg, ix, quarantine, f);
    fclose(f);
    return st;
}

static void counted_by_hand(void **unused) {
    (void)unused;
    tn_cfg cfg = config();
    tn_index *ix = thirteen();
    char *text = NULL;
    if (page(&cfg, ix, unit_write("quarantine.csv", QUARANTINE), &text) != TN_OK) fail_msg("%s", tn_msg);
    assert_string_equal(text, WANT);
    free(text);
    cfg.folds.duplicate_bits = 0; /* row 2 looks like no other then */
    assert_int_equal(page(&cfg, ix, unit_path("quarantine.csv"), &text), TN_OK);
    assert_non_null(strstr(text, "\n| bytes or look | 2 | 4 | 2 | 0 | 0 |\n"));
    free(text);
    tn_index_free(&ix);
}

/* Value v of 12 has v rows to train on, 78 in all. The ten most frequent are 12 to 3; 1 and 2 together have 3 rows. */
static void many_values(void **unused) {
    (void)unused;
    static char name[13][8];
    tn_cfg cfg = config();
    tn_index *ix = index_of(78, 13);
    char *text = NULL;
    for (int v = 1, i = 0; v <= 12; v++) {
        snprintf(name[v], sizeof name[v], "v%d", v);
        ix->value_name[0][v] = name[v];
        for (int k = 0; k < v; k++, i++) {
            ix->cat[i] = v;
            ix->fold[i] = i % F;
            ix->label[i] = k == 0; /* one row of each value is of class b */
            ix->group[i] = -1;
            ix->content_hash[i] = (uint64_t)i;
        }
    }
    if (page(&cfg, ix, "none", &text) != TN_OK) fail_msg("%s", tn_msg);
    assert_non_null(strstr(text, "| v12 | 12 | 91.7 % | 8.3 % |\n| v11 | 11 |"));
    assert_non_null(strstr(text, "| v3 | 3 | 66.7 % | 33.3 % |\n| (2 others) | 3 | | |\n| (unknown) | 0 | - | - |\n"));
    assert_non_null(strstr(text, "## Quarantined images\n\nNone.\n"));
    free(text);
    ix->n_levels = 0;
    if (page(&cfg, ix, "none", &text) != TN_OK) fail_msg("%s", tn_msg);
    assert_non_null(strstr(text, "## Categories\n\nThe table has no category column (cat1 to cat4).\n\n## Duplicates"));
    free(text);
    ix->n_levels = 1;
    tn_index_free(&ix);
}

static void refused(const tn_index *ix, const char *quarantine, tn_status want, const char *says) {
    tn_cfg cfg = config();
    char *text = NULL;
    assert_int_equal(page(&cfg, ix, quarantine, &text), want);
    unit_says(says);
    free(text);
}

static void bad_input(void **unused) {
    (void)unused;
    tn_index *ix = thirteen();
    refused(ix, unit_path("none.csv"), TN_EIO, "none.csv: cannot be read");
    refused(ix, unit_write("two.csv", "row,path,reason\n8,p.png,is not a file\n9,p.png,is empty\n"), TN_EFORMAT,
            "two.csv: has 2 rows, but dataset.h5 beside it has 3 quarantined ones");
    const char *whole = unit_write("quarantine.csv", QUARANTINE);
    int32_t *hurt[] = {&ix->label[5], &ix->fold[5], &ix->cat[5], &ix->component[5]};
    static const int32_t VALUE[] = {K, F, 4, ROWS};
    for (size_t i = 0; i < sizeof hurt / sizeof *hurt; i++) {
        int32_t was = *hurt[i];
        *hurt[i] = VALUE[i];
        refused(ix, whole, TN_EFORMAT, "row 5 (p.png): its label, fold or category is out of range");
        *hurt[i] = was;
    }
    tn_index_free(&ix);
}

/* --- how many levels help: the same by pandas and scikit-learn ---------------------------------------------------- */

static tn_index *golden_index(const golden_levels *g, int n_levels) {
    tn_index *ix = NULL;
    const int *cat[] = {g->cat1, g->cat2, g->cat3};
    assert_int_equal(tn_index_new(GOLDEN_N, n_levels, &ix), TN_OK);
    ix->n_classes = GOLDEN_K;
    ix->n_folds = GOLDEN_F;
    for (int i = 0; i < GOLDEN_N; i++) {
        ix->label[i] = g->label[i];
        ix->fold[i] = g->fold[i];
        ix->component[i] = g->component[i];
        for (int m = 0; m < n_levels; m++) ix->cat[i * n_levels + m] = cat[m][i];
    }
    return ix;
}

static void assert_level(const golden_levels *g, const tn_levels *l, int m) {
    const tn_level_score *is = &l->level[m];
    assert_int_equal(is->n_combinations, g->level[m].n_combinations);
    assert_int_equal(is->n_unseen, g->level[m].n_unseen);
    assert_true(fabs(is->log_loss - g->level[m].log_loss) < 1e-12);
    assert_true(fabs(is->above - g->level[m].above) < 1e-12);
    assert_true(fabs(is->above_se - g->level[m].above_se) < 1e-12);
    assert_true(fabs(is->score.accuracy - g->level[m].accuracy) < 1e-12);
    assert_true(fabs(is->score.macro - g->level[m].macro) < 1e-12);
    assert_true(fabs(is->score.gmean - g->level[m].gmean) < 1e-12);
}

static void as_scikit_learn(void **unused) {
    (void)unused;
    const golden_levels *golden[] = {&GOLDEN_MIXED, &GOLDEN_FLAT};
    for (int t = 0; t < 2; t++) {
        tn_levels l;
        tn_index *ix = golden_index(golden[t], golden[t]->M);
        assert_int_equal(tn_levels_score(ix, GOLDEN_COUNT, &l), TN_OK);
        assert_int_equal(l.n_rows, GOLDEN_N);
        assert_int_equal(l.n_levels, golden[t]->M);
        for (int m = 0; m <= l.n_levels; m++) assert_level(golden[t], &l, m);
        assert_int_equal(l.best, golden[t]->best);
        assert_int_equal(l.fewest, golden[t]->fewest);
        tn_index_free(&ix);
    }
}

/* Rows that are not trained on change nothing: quarantined, of the test split, without a label. */
static void other_rows(void **unused) {
    (void)unused;
    tn_levels l;
    tn_index *ix = NULL, *from = golden_index(&GOLDEN_MIXED, 3);
    assert_int_equal(tn_index_new(GOLDEN_N + 3, 3, &ix), TN_OK);
    ix->n_classes = GOLDEN_K;
    ix->n_folds = GOLDEN_F;
    memcpy(ix->label, from->label, GOLDEN_N * sizeof *ix->label);
    memcpy(ix->fold, from->fold, GOLDEN_N * sizeof *ix->fold);
    memcpy(ix->component, from->component, GOLDEN_N * sizeof *ix->component);
    memcpy(ix->cat, from->cat, 3 * GOLDEN_N * sizeof *ix->cat);
    for (int i = 0; i < 3; i++) {
        ix->fold[GOLDEN_N + i] = TN_FOLD_NONE;
        for (int m = 0; m < 3; m++) ix->cat[(GOLDEN_N + i) * 3 + m] = 1;
    }
    ix->state[GOLDEN_N] = ix->is_test[GOLDEN_N + 1] = 1;
    ix->label[GOLDEN_N + 2] = -1;
    assert_int_equal(tn_levels_score(ix, GOLDEN_COUNT, &l), TN_OK);
    assert_int_equal(l.n_rows, GOLDEN_N);
    for (int m = 0; m <= 3; m++) assert_level(&GOLDEN_MIXED, &l, m);
    tn_index_free(&from);
    tn_index_free(&ix);
}

/* A level with a single value, no category column at all, no row: nothing helps. */
static void nothing_helps(void **unused) {
    (void)unused;
    for (int n_levels = 0; n_levels <= 1; n_levels++) {
        tn_levels l;
        tn_index *ix = golden_index(&GOLDEN_FLAT, n_levels);
        assert_int_equal(tn_levels_score(ix, GOLDEN_COUNT, &l), TN_OK);
        for (int m = 0; m <= n_levels; m++) {
            assert_true(fabs(l.level[m].log_loss - GOLDEN_FLAT.level[0].log_loss) < 1e-12);
            assert_true(l.level[m].above == 0 && l.level[m].above_se == 0 && l.level[m].n_unseen == 0);
        }
        assert_int_equal(l.fewest, 0);
        for (int i = 0; i < GOLDEN_N; i++) ix->is_test[i] = 1, ix->fold[i] = TN_FOLD_NONE;
        assert_int_equal(tn_levels_score(ix, GOLDEN_COUNT, &l), TN_OK);
        assert_true(l.n_rows == 0 && l.fewest == 0 && l.level[0].log_loss == 0);
        tn_index_free(&ix);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(counted_by_hand), cmocka_unit_test(many_values),
                                       cmocka_unit_test(bad_input),       cmocka_unit_test(as_scikit_learn),
                                       cmocka_unit_test(other_rows),      cmocka_unit_test(nothing_helps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
